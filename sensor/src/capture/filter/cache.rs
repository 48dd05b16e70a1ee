//! A table of fixed size in which the new always finds room: of a few candidates, the one unused longest gives way.

use std::hash::Hash;

use crate::keyed::Keyed;

/// Candidates for a key. Eight of them lose little against a true order of use, and stand side by side in memory.
const WAYS: usize = 8;

/// The likeness of the kernel's LRU hash map. Nothing is allocated after [`Cache::new`].
pub(super) struct Cache<K, V> {
    slots: Vec<Option<Entry<K, V>>>,
    mask: usize,
    /// It keeps a sender from choosing keys that meet.
    keyed: Keyed,
    /// Counts uses; the order of its values is the order of use.
    clock: u64,
    len: usize,
}

#[derive(Clone, Copy)]
struct Entry<K, V> {
    key: K,
    value: V,
    used: u64,
}

impl<K: Copy + Eq + Hash, V: Copy> Cache<K, V> {
    /// Room for `capacity` entries, rounded up to a power of two. Each table is to have a name of its own.
    pub fn new(capacity: usize, seed: u64, table: &str) -> Self {
        let size = capacity.clamp(WAYS, 1 << 24).next_power_of_two();
        Cache { slots: vec![None; size], mask: size / WAYS - 1, keyed: Keyed::new(seed, table), clock: 0, len: 0 }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The value of a key; this counts as a use.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if self.len == 0 {
            return None;
        }
        self.clock = self.clock.wrapping_add(1);
        let used = self.clock;
        let entry = self.ways(key).iter_mut().flatten().find(|entry| entry.key == *key)?;
        entry.used = used;
        Some(&mut entry.value)
    }

    /// Enters a value, and returns what it replaces: the old value of the key, or the entry that gave way.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        self.clock = self.clock.wrapping_add(1);
        let entry = Entry { key, value, used: self.clock };
        // The key's own slot, else a free one, else the one unused longest.
        let rank = |slot: &Option<Entry<K, V>>| match slot {
            Some(entry) if entry.key == key => (0, 0),
            None => (1, 0),
            Some(entry) => (2, entry.used),
        };
        let slot = self.ways(&key).iter_mut().min_by_key(|slot| rank(slot))?;
        match slot.replace(entry) {
            Some(old) => Some((old.key, old.value)),
            None => {
                self.len = self.len.saturating_add(1);
                None
            }
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.ways(key).iter_mut().find(|slot| matches!(slot, Some(entry) if entry.key == *key))?;
        let entry = slot.take()?;
        self.len = self.len.saturating_sub(1);
        Some(entry.value)
    }

    fn ways(&mut self, key: &K) -> &mut [Option<Entry<K, V>>] {
        let first = (self.keyed.of(key) as usize & self.mask).saturating_mul(WAYS);
        self.slots.get_mut(first..first.saturating_add(WAYS)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_finds_room_and_the_used_stays() {
        let mut cache = Cache::new(64, 7, "");
        assert_eq!(cache.insert(0_u32, 'a'), None);
        for key in 1..10_000 {
            assert!(cache.get_mut(&0).is_some(), "key 0 is used again and again, and gone after {key}");
            if let Some((gone, _)) = cache.insert(key, 'b') {
                assert_ne!(gone, 0);
            }
            assert_eq!(cache.get_mut(&key), Some(&mut 'b'));
        }
        assert!(cache.len() <= 64);
    }

    #[test]
    fn an_entry_is_there_once() {
        let mut cache = Cache::new(8, 7, "");
        cache.insert(1, 'a');
        assert_eq!(cache.insert(1, 'b'), Some((1, 'a')));
        assert_eq!(cache.len(), 1);
        assert_eq!(cache.remove(&1), Some('b'));
        assert_eq!((cache.remove(&1), cache.len()), (None, 0));
    }
}
