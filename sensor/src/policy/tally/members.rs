//! The things that subjects have done: all in one table of bounded size, each subject's in the order in which they were last done.

use hashbrown::HashTable;

use crate::time::Timestamp;

/// No member.
const NONE: u32 = u32::MAX;

/// Bytes of one member.
pub(super) const MEMBER_BYTES: usize = size_of::<Member>();

#[derive(Debug)]
pub(super) struct Members {
    all: Vec<Member>,
    /// By subject and thing.
    index: HashTable<u32>,
    most: usize,
    /// The first of those that are free, linked by `newer`.
    free: u32,
}

#[derive(Debug)]
struct Member {
    subject: u64,
    thing: u64,
    at: Timestamp,
    older: u32,
    newer: u32,
}

/// One subject's members.
#[derive(Debug)]
pub(super) struct Ring {
    oldest: u32,
    newest: u32,
    /// How many.
    pub length: u32,
}

impl Default for Ring {
    fn default() -> Self {
        Ring { oldest: NONE, newest: NONE, length: 0 }
    }
}

impl Members {
    pub fn new(most: usize) -> Self {
        let most = most.clamp(2, NONE as usize);
        Members { all: Vec::new(), index: HashTable::new(), most, free: NONE }
    }

    pub fn is_full(&self) -> bool {
        self.free == NONE && self.all.len() >= self.most
    }

    pub fn find(&self, subject: u64, thing: u64) -> Option<u32> {
        let is = |&at: &u32| self.all.get(at as usize).is_some_and(|m| (m.subject, m.thing) == (subject, thing));
        self.index.find(mix(subject, thing), is).copied()
    }

    /// When the oldest was done.
    pub fn oldest(&self, ring: &Ring) -> Option<Timestamp> {
        self.all.get(ring.oldest as usize).map(|member| member.at)
    }

    /// One more, unless the table is full.
    pub fn append(&mut self, ring: &mut Ring, subject: u64, thing: u64, at: Timestamp) {
        let member = Member { subject, thing, at, older: ring.newest, newer: NONE };
        let place = if let Some(free) = self.all.get_mut(self.free as usize) {
            let next = free.newer;
            *free = member;
            std::mem::replace(&mut self.free, next)
        } else if self.all.len() < self.most {
            self.all.push(member);
            (self.all.len() - 1) as u32
        } else {
            return;
        };
        self.link_newest(ring, place);
        let all = &self.all;
        let hash = |&other: &u32| all.get(other as usize).map_or(0, |m| mix(m.subject, m.thing));
        self.index.insert_unique(mix(subject, thing), place, hash);
    }

    /// It was done again.
    pub fn renew(&mut self, ring: &mut Ring, place: u32, at: Timestamp) {
        self.unlink(ring, place);
        if let Some(member) = self.all.get_mut(place as usize) {
            (member.at, member.older, member.newer) = (at, ring.newest, NONE);
        }
        self.link_newest(ring, place);
    }

    pub fn remove_oldest(&mut self, ring: &mut Ring) {
        self.remove(ring, ring.oldest);
    }

    pub fn remove(&mut self, ring: &mut Ring, place: u32) {
        let Some(member) = self.all.get(place as usize) else { return };
        if let Ok(entry) = self.index.find_entry(mix(member.subject, member.thing), |&other| other == place) {
            entry.remove();
        }
        self.unlink(ring, place);
        if let Some(member) = self.all.get_mut(place as usize) {
            member.newer = std::mem::replace(&mut self.free, place);
        }
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.all.capacity() * MEMBER_BYTES + self.index.allocation_size()
    }

    fn link_newest(&mut self, ring: &mut Ring, place: u32) {
        match self.all.get_mut(ring.newest as usize) {
            Some(before) => before.newer = place,
            None => ring.oldest = place,
        }
        ring.newest = place;
        ring.length += 1;
    }

    fn unlink(&mut self, ring: &mut Ring, place: u32) {
        let Some(&Member { older, newer, .. }) = self.all.get(place as usize) else { return };
        match self.all.get_mut(older as usize) {
            Some(before) => before.newer = newer,
            None => ring.oldest = newer,
        }
        match self.all.get_mut(newer as usize) {
            Some(after) => after.older = older,
            None => ring.newest = older,
        }
        ring.length -= 1;
    }
}

/// Both are keyed digests: nobody can choose them, and any mixture is as good as a hash.
fn mix(subject: u64, thing: u64) -> u64 {
    (subject.rotate_left(29) ^ thing).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
