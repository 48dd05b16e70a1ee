//! Subjects that have done one thing so far: eight places for each, the oldest of which gives way.

use std::time::Duration;

use crate::sys;
use crate::time::Timestamp;

/// Places that a subject may have.
const WAYS: usize = 8;

/// Subject, thing, and when in nanoseconds: numbers alone, so that the system gives the memory page by page as it is used.
/// All zero: nobody.
type Place = [u64; 3];

/// Bytes of one place.
pub(super) const PLACE_BYTES: usize = size_of::<Place>();

#[derive(Debug)]
pub(super) struct Sightings {
    places: Box<[Place]>,
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
        let mut places = vec![[0; 3]; most.next_multiple_of(WAYS).max(WAYS)].into_boxed_slice();
        sys::prefer_small_pages(&mut places);
        Sightings { places, forgotten: 0 }
    }

    pub fn see(&mut self, at: Timestamp, window: Duration, subject: u64, thing: u64) -> Sighting {
        let age = |place: &Place| at.since(Timestamp::from_nanos(place[2]));
        let new = [subject, thing, at.as_nanos()];
        let places = places(&mut self.places, subject);
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
            self.forgotten += u64::from(*oldest != [0; 3] && age(oldest) < window);
            *oldest = new;
        }
        Sighting::First
    }

    pub fn knows(&self, at: Timestamp, window: Duration, subject: u64) -> bool {
        let start = start(self.places.len(), subject);
        let mut places = self.places.iter().skip(start).take(WAYS);
        places.any(|&[who, _, seen]| who == subject && at.since(Timestamp::from_nanos(seen)) < window)
    }

    pub fn forget(&mut self, subject: u64, thing: u64) {
        let places = places(&mut self.places, subject);
        if let Some(place) = places.iter_mut().find(|place| (place[0], place[1]) == (subject, thing)) {
            *place = [0; 3];
        }
    }

    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.places.len() * PLACE_BYTES
    }
}

/// The places of a subject.
fn places(all: &mut [Place], subject: u64) -> &mut [Place] {
    let start = start(all.len(), subject);
    all.get_mut(start..start + WAYS).unwrap_or_default()
}

/// Where they begin.
fn start(length: usize, subject: u64) -> usize {
    let sets = (length / WAYS) as u128;
    ((u128::from(subject) * sets) >> 64) as usize * WAYS
}
