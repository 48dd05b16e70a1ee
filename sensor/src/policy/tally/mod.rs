//! How many distinct things each of many subjects has done within a sliding window: exact, of bounded size, and fair to the heaviest.
//!
//! Subjects and things are known by keyed digests. A subject that has done one thing takes 24 bytes among the [`Sightings`]; only the
//! second thing makes it one that is counted, and both are counted then. So a flood of subjects that do one thing each never reaches
//! those that are counted; and of these, the one with the fewest things among its neighbours gives way. A number is never too high.

mod members;
mod sightings;
mod source;
#[cfg(test)]
mod tests;

pub use self::source::Source;

use std::time::Duration;

use hashbrown::HashTable;

use self::members::{Members, Ring};
use self::sightings::{Sighting, Sightings};
use crate::config::limits::Limits;
use crate::config::sets::Thresholds;
use crate::time::Timestamp;

/// How many subjects are compared when one has to give way.
const COMPARED: usize = 16;

/// How something is counted.
#[derive(Clone, Debug)]
pub struct Rule {
    /// How long a thing counts after it was last done.
    pub window: Duration,
    /// When a number is reported.
    pub thresholds: Thresholds,
    /// It is counted up to the highest threshold, and up to here.
    pub up_to: u32,
}

/// The counts.
#[derive(Debug)]
pub struct Tally {
    sightings: Sightings,
    subjects: Vec<Subject>,
    index: HashTable<u32>,
    members: Members,
    most_subjects: usize,
    hand: usize,
    forgotten: u64,
}

/// A subject that has done at least two things.
#[derive(Debug)]
struct Subject {
    digest: u64,
    ring: Ring,
    /// How many thresholds have been reported since it was last without anything in the window.
    reported: usize,
}

impl Tally {
    /// Nothing counted yet; takes memory only as it counts.
    pub fn new(limits: &Limits) -> Self {
        Tally {
            sightings: Sightings::new(limits.tally_sightings),
            subjects: Vec::new(),
            index: HashTable::new(),
            members: Members::new(limits.tally_members),
            most_subjects: limits.tally_subjects.max(1),
            hand: 0,
            forgotten: 0,
        }
    }

    /// The subject does this now. Returns how many distinct things it has done within the rule's window, if that reaches a threshold.
    pub fn count(&mut self, at: Timestamp, rule: &Rule, subject: u64, thing: u64) -> Option<u32> {
        if let Some(slot) = self.find(subject) {
            return self.add(at, rule, slot, thing);
        }
        match self.sightings.see(at, rule.window, subject, thing) {
            Sighting::Again => None,
            Sighting::First => (rule.thresholds.reached(1) > 0).then_some(1),
            Sighting::Second { thing: first, seen } => {
                let slot = self.open(subject, rule.thresholds.reached(1));
                self.append(slot, seen, first);
                self.add(at, rule, slot, thing)
            }
        }
    }

    /// How many distinct things it has done within the rule's window.
    pub fn number(&mut self, at: Timestamp, rule: &Rule, subject: u64) -> u32 {
        match self.find(subject) {
            Some(slot) => {
                self.expire(at, rule.window, slot);
                self.subjects.get(slot as usize).map_or(0, |subject| subject.ring.length)
            }
            None => u32::from(self.sightings.knows(at, rule.window, subject)),
        }
    }

    /// What the subject did was all right after all.
    pub fn forgive(&mut self, subject: u64, thing: u64) {
        self.sightings.forget(subject, thing);
        let Some(slot) = self.find(subject) else { return };
        let Some(subject) = self.subjects.get_mut(slot as usize) else { return };
        if let Some(member) = self.members.find(subject.digest, thing) {
            self.members.remove(&mut subject.ring, member);
        }
    }

    /// Subjects that gave way to others while they counted.
    pub fn forgotten(&self) -> u64 {
        self.forgotten + self.sightings.forgotten()
    }

    /// The most bytes that it takes.
    pub fn bound(limits: &Limits) -> usize {
        // An index has room for an eighth more, and both it and its list double when they grow.
        let index = |entries: usize| (entries * 8 / 7).next_power_of_two() * (size_of::<u32>() + 1) + 64;
        let listed = |entries: usize, each: usize| entries.next_power_of_two() * each + index(entries);
        let subjects = listed(limits.tally_subjects, size_of::<Subject>());
        sightings::bound(limits.tally_sightings) + subjects + listed(limits.tally_members, members::MEMBER_BYTES)
    }

    /// Bytes that it takes now.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        let subjects = self.subjects.capacity() * size_of::<Subject>() + self.index.allocation_size();
        self.sightings.held() + subjects + self.members.held()
    }

    fn add(&mut self, at: Timestamp, rule: &Rule, slot: u32, thing: u64) -> Option<u32> {
        self.expire(at, rule.window, slot);
        let subject = self.subjects.get_mut(slot as usize)?;
        if let Some(member) = self.members.find(subject.digest, thing) {
            self.members.renew(&mut subject.ring, member, at);
            return None;
        }
        if subject.ring.length >= rule.thresholds.highest().max(rule.up_to).max(2) {
            self.members.remove_oldest(&mut subject.ring);
        }
        self.append(slot, at, thing);
        let subject = self.subjects.get_mut(slot as usize)?;
        let reached = rule.thresholds.reached(subject.ring.length);
        let is_new = reached > subject.reported;
        subject.reported = subject.reported.max(reached);
        is_new.then_some(subject.ring.length)
    }

    /// Things done too long ago no longer count; a subject without any begins anew.
    fn expire(&mut self, at: Timestamp, window: Duration, slot: u32) {
        let Some(subject) = self.subjects.get_mut(slot as usize) else { return };
        while self.members.oldest(&subject.ring).is_some_and(|oldest| at.since(oldest) >= window) {
            self.members.remove_oldest(&mut subject.ring);
        }
        if subject.ring.length == 0 {
            subject.reported = 0;
        }
    }

    fn append(&mut self, slot: u32, at: Timestamp, thing: u64) {
        while self.members.is_full() {
            match self.lightest(Some(slot)) {
                Some(other) => self.close(other),
                None => break,
            }
        }
        let Some(subject) = self.subjects.get_mut(slot as usize) else { return };
        if self.members.is_full() {
            self.members.remove_oldest(&mut subject.ring);
        }
        self.members.append(&mut subject.ring, subject.digest, thing, at);
    }

    /// A place for a subject that is to be counted.
    fn open(&mut self, digest: u64, reported: usize) -> u32 {
        let subject = Subject { digest, ring: Ring::default(), reported };
        let slot = if self.subjects.len() < self.most_subjects {
            self.subjects.push(subject);
            self.subjects.len() - 1
        } else {
            let slot = self.lightest(None).unwrap_or(0);
            self.close(slot);
            self.subjects[slot as usize] = subject;
            slot as usize
        } as u32;
        let subjects = &self.subjects;
        self.index.insert_unique(digest, slot, |&other| subjects[other as usize].digest);
        slot
    }

    /// Forgets what a subject has done. Its place stays, for another.
    fn close(&mut self, slot: u32) {
        let Some(subject) = self.subjects.get_mut(slot as usize) else { return };
        self.forgotten += u64::from(subject.ring.length > 0);
        while subject.ring.length > 0 {
            self.members.remove_oldest(&mut subject.ring);
        }
        if let Ok(entry) = self.index.find_entry(subject.digest, |&other| other == slot) {
            entry.remove();
        }
    }

    /// Of the next few subjects, the one with the fewest things.
    fn lightest(&mut self, spared: Option<u32>) -> Option<u32> {
        let held = self.subjects.len();
        let mut lightest = None;
        // Where the next ones hold nothing, all are looked at: something has filled the table.
        for looked_at in 0..held {
            let slot = self.hand;
            self.hand = (self.hand + 1) % held;
            let length = self.subjects.get(slot).map_or(0, |subject| subject.ring.length);
            let fewer = lightest.is_none_or(|(_, fewest)| length < fewest);
            if fewer && Some(slot as u32) != spared && (length > 0 || spared.is_none()) {
                lightest = Some((slot as u32, length));
            }
            if looked_at + 1 >= COMPARED && lightest.is_some() {
                break;
            }
        }
        lightest.map(|(slot, _)| slot)
    }

    fn find(&self, digest: u64) -> Option<u32> {
        self.index.find(digest, |&slot| self.subjects.get(slot as usize).is_some_and(|s| s.digest == digest)).copied()
    }
}
