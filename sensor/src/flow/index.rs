//! From the hash of a key to its slot: buckets of one cache line each, of a number that is fixed at the start.

use super::table::SlotId;
use crate::sys;

/// Entries of a bucket.
const WAYS: usize = 12;
/// The tag of an entry that is free.
const FREE: u8 = 0;

/// The index of a table. A look costs one line of memory, which can be asked for ahead of time.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Box<[Bucket]>,
    mask: usize,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// Eight bits of each entry's hash, which spare most looks at slots that are somebody else's.
    tags: [u8; WAYS],
    slots: [SlotId; WAYS],
    /// Entries that belong here, or passed by here, and stand in a later bucket because this one was full.
    beyond: u32,
}

const _: () = assert!(size_of::<Bucket>() == 64, "one cache line");

const EMPTY: Bucket = Bucket { tags: [FREE; WAYS], slots: [0; WAYS], beyond: 0 };

impl Index {
    /// An index for so many entries, half full when all are there.
    pub fn new(entries: usize) -> Self {
        let buckets = entries.saturating_mul(2).div_ceil(WAYS).next_power_of_two();
        Index { buckets: vec![EMPTY; buckets].into_boxed_slice(), mask: buckets - 1 }
    }

    /// Asks for the line of this hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.buckets.get(hash as usize & self.mask).into_iter().for_each(sys::prefetch);
    }

    /// The slot of an entry with this hash that `is` the one.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(SlotId) -> bool) -> Option<SlotId> {
        let tag = tag(hash);
        for step in 0..self.buckets.len() {
            let bucket = self.bucket(hash, step)?;
            for (_, &slot) in bucket.tags.iter().zip(&bucket.slots).filter(|(other, _)| **other == tag) {
                if is(slot) {
                    return Some(slot);
                }
            }
            if bucket.beyond == 0 {
                return None;
            }
        }
        None
    }

    /// Adds an entry; `false` if there is no room for it.
    pub fn insert(&mut self, hash: u64, slot: SlotId) -> bool {
        for step in 0..self.buckets.len() {
            let Some(bucket) = self.bucket_mut(hash, step) else { return false };
            if let Some(way) = bucket.tags.iter().position(|tag| *tag == FREE) {
                (bucket.tags[way], bucket.slots[way]) = (tag(hash), slot);
                return true;
            }
            bucket.beyond += 1;
        }
        false
    }

    /// Takes the entry of this slot out.
    pub fn remove(&mut self, hash: u64, slot: SlotId) {
        let way_in = |bucket: &Bucket| (0..WAYS).find(|&way| bucket.tags[way] != FREE && bucket.slots[way] == slot);
        let place = (0..self.buckets.len()).find_map(|step| Some((step, self.bucket(hash, step).and_then(way_in)?)));
        let Some((place, way)) = place else { return };
        for step in 0..place {
            self.bucket_mut(hash, step).into_iter().for_each(|bucket| bucket.beyond -= 1);
        }
        self.bucket_mut(hash, place).into_iter().for_each(|bucket| bucket.tags[way] = FREE);
    }

    #[inline]
    fn bucket(&self, hash: u64, step: usize) -> Option<&Bucket> {
        self.buckets.get((hash as usize).wrapping_add(step) & self.mask)
    }

    fn bucket_mut(&mut self, hash: u64, step: usize) -> Option<&mut Bucket> {
        self.buckets.get_mut((hash as usize).wrapping_add(step) & self.mask)
    }
}

/// From the other end of the hash than the bucket.
#[inline]
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All in one bucket, though there are four: what is beyond it is found, and found no more when it is gone.
    #[test]
    fn entries_of_a_full_bucket_stand_in_the_next() {
        let mut index = Index::new(24);
        let hash = |slot: SlotId| 3 | u64::from(slot) << 56;
        for slot in 0..40 {
            assert!(index.insert(hash(slot), slot));
        }
        for gone in [5, 39, 0, 20] {
            index.remove(hash(gone), gone);
            assert_eq!(index.find(hash(gone), |slot| slot == gone), None);
        }
        let found = |slot: SlotId| index.find(hash(slot), |other| other == slot) == Some(slot);
        assert_eq!((0..40).filter(|&slot| found(slot)).count(), 36);
        (0..40).for_each(|slot| index.remove(hash(slot), slot));
        assert!(index.buckets.iter().all(|bucket| bucket.beyond == 0 && bucket.tags == [FREE; WAYS]));
    }

    #[test]
    fn a_full_index_refuses() {
        let mut index = Index::new(1);
        assert!((0..WAYS as SlotId).all(|slot| index.insert(7, slot)));
        assert!(!index.insert(7, 99));
    }
}
