//! Subjects that have done one thing so far: eight places for each, the oldest of which gives way.

use std::time::Duration;

use crate::sys;
use crate::time::Timestamp;

/// Places that a subject may have.
const WAYS: usize = 8;

/// Subject, thing, and when in nanoseconds. All zero: nobody.
type Place = [u64; 3];

/// What subjects whose digests are alike share.
type Set = [Place; WAYS];

/// The most bytes for so many places.
pub(super) fn bound(places: usize) -> usize {
    let sets = sets(places);
    (sets + 1) * size_of::<Set>() + sets * size_of::<u32>()
}

fn sets(places: usize) -> usize {
    places.div_ceil(WAYS).clamp(1, u32::MAX as usize)
}

/// Which set is whose follows from the digest. They lie in the order in which they were first needed, so that a page of memory is
/// taken, one after the other, when those before it are full: spread over all the room, nearly every subject would take a page.
#[derive(Debug)]
pub(super) struct Sightings {
    /// Where each set is in `used`; 0, where nobody is, as long as it has not been needed.
    sets: Box<[u32]>,
    used: Vec<Set>,
    forgotten: u64,
}

/// What a sighting is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sighting {
    /// The first thing that this subject does.
    First,
    /// The same thing once more.
    Again,
    /// Another thing than before; the subject is no longer kept here.
    Second {
        /// What it did before.
        thing: u64,
        /// When.
        seen: Timestamp,
    },
}

impl Sightings {
    pub fn new(most: usize) -> Self {
        let sets = sets(most);
        let mut used = Vec::with_capacity(sets + 1);
        sys::prefer_small_pages(used.spare_capacity_mut());
        used.push(Set::default());
        Sightings { sets: vec![0; sets].into_boxed_slice(), used, forgotten: 0 }
    }

    pub fn see(&mut self, at: Timestamp, window: Duration, subject: u64, thing: u64) -> Sighting {
        let age = |place: &Place| at.since(Timestamp::from_nanos(place[2]));
        let new = [subject, thing, at.as_nanos()];
        let places = self.set_for(subject);
        if let Some(place) = places.iter_mut().find(|place| place[0] == subject && **place != [0; 3]) {
            let [_, before, seen] = *place;
            let stale = age(place) >= window;
            *place = if stale || before == thing { new } else { [0; 3] };
            return match (stale, before == thing) {
                (true, _) => Sighting::First,
                (false, true) => Sighting::Again,
                (false, false) => Sighting::Second { thing: before, seen: Timestamp::from_nanos(seen) },
            };
        }
        if let Some(oldest) = places.iter_mut().min_by_key(|place| place[2]) {
            let gives_way = *oldest != [0; 3] && age(oldest) < window;
            *oldest = new;
            self.forgotten += u64::from(gives_way);
        }
        Sighting::First
    }

    pub fn knows(&self, at: Timestamp, window: Duration, subject: u64) -> bool {
        let set = self.sets.get(self.which(subject)).and_then(|&set| self.used.get(set as usize));
        let mut places = set.into_iter().flatten();
        places.any(|&[who, _, seen]| who == subject && at.since(Timestamp::from_nanos(seen)) < window)
    }

    pub fn forget(&mut self, subject: u64, thing: u64) {
        let mut places = self.set_for(subject).iter_mut();
        if let Some(place) = places.find(|place| (place[0], place[1]) == (subject, thing)) {
            *place = [0; 3];
        }
    }

    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.sets.len() * size_of::<u32>() + self.used.capacity() * size_of::<Set>()
    }

    /// The set of a subject, taken if nobody has needed it yet.
    fn set_for(&mut self, subject: u64) -> &mut [Place] {
        let which = self.which(subject);
        let Some(set) = self.sets.get_mut(which) else { return &mut [] };
        if *set == 0 {
            *set = self.used.len() as u32;
            self.used.push(Set::default());
        }
        self.used.get_mut(*set as usize).map(Set::as_mut_slice).unwrap_or_default()
    }

    /// The number of a subject's set.
    fn which(&self, subject: u64) -> usize {
        ((u128::from(subject) * self.sets.len() as u128) >> 64) as usize
    }
}
