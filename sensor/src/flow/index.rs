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
#[repr(C, align(64))]
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
        let count = entries.saturating_mul(2).div_ceil(WAYS).next_power_of_two();
        let mut buckets = Vec::with_capacity(count);
        sys::prefer_huge_pages(buckets.spare_capacity_mut());
        buckets.resize(count, EMPTY);
        Index { buckets: buckets.into_boxed_slice(), mask: count - 1 }
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
            let found = bucket.ways(tag).filter_map(|way| bucket.slots.get(way)).find(|slot| is(**slot));
            if found.is_some() {
                return found.copied();
            }
            if bucket.beyond == 0 {
                return None;
            }
        }
        None
    }

    /// The slot that an entry with this hash most likely has, as far as its own bucket tells.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<SlotId> {
        let bucket = self.bucket(hash, 0)?;
        bucket.slots.get(bucket.ways(tag(hash)).next()?).copied()
    }

    /// Adds an entry; `false` if there is no room for it.
    pub fn insert(&mut self, hash: u64, slot: SlotId) -> bool {
        for step in 0..self.buckets.len() {
            let Some(bucket) = self.bucket_mut(hash, step) else { return false };
            if let Some(way) = bucket.ways(FREE).next() {
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

impl Bucket {
    /// The ways that have this tag, in whatever order. All are compared at once: a byte of a word that equals the tag becomes 0, and then
    /// its uppermost bit.
    #[inline]
    fn ways(&self, tag: u8) -> impl Iterator<Item = usize> + use<> {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = ONES << 7;
        let equal = |tags: u64| {
            let other = tags ^ ONES.wrapping_mul(u64::from(tag));
            !((other & !HIGH).wrapping_add(!HIGH) | other | !HIGH)
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.tags;
        let low = equal(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
        let high = equal(u32::from_le_bytes([i, j, k, l]).into()) & u64::from(u32::MAX);
        // A byte has the bits of two ways: the lowest is one of the first eight's, the next one of the other four's.
        let mut bits = low >> 7 | high >> 6;
        std::iter::from_fn(move || {
            let bit = bits.trailing_zeros() as usize;
            let way = (bits != 0).then_some(bit >> 3 | (bit & 1) << 3);
            bits &= bits.wrapping_sub(1);
            way
        })
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
