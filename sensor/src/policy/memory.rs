//! What policy remembers for a while: a table of bounded size, with expiry by packet time, and memory taken once.

use std::hash::Hash;
use std::time::Duration;

use hashbrown::HashTable;

use crate::keyed::Keyed;
use crate::time::Timestamp;

/// The most bytes of an entry.
pub const ENTRY_BYTES: usize = 256;

/// A bounded table whose entries expire. When it is full, the entry that was not looked at for longest gives way, roughly: a clock
/// hand passes over the entries and spares, once, those that were used since it last came by.
#[derive(Debug)]
pub struct Memory<K, V> {
    slots: Vec<Slot<K, V>>,
    index: HashTable<u32>,
    capacity: usize,
    hand: usize,
    keyed: Keyed,
    forgotten: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    value: V,
    until: Timestamp,
    used: bool,
}

impl<K: Hash + Eq, V> Memory<K, V> {
    /// An empty table for `capacity` entries; `seed` keys its hash, because the keys come from the wire.
    pub fn new(capacity: usize, seed: u64) -> Self {
        const { assert!(size_of::<Slot<K, V>>() <= ENTRY_BYTES, "see `Limits`") };
        let capacity = capacity.max(1);
        Memory {
            slots: Vec::with_capacity(capacity),
            index: HashTable::with_capacity(capacity),
            capacity,
            hand: 0,
            keyed: Keyed::new(seed, "memory"),
            forgotten: 0,
        }
    }

    /// What is remembered of `key`, unless it has expired.
    pub fn get(&mut self, now: Timestamp, key: &K) -> Option<&mut V> {
        let at = self.find(key)?;
        let slot = self.slots.get_mut(at).filter(|slot| slot.until > now)?;
        slot.used = true;
        Some(&mut slot.value)
    }

    /// Whether anything is remembered of `key`; does not count as a look.
    pub fn contains(&self, now: Timestamp, key: &K) -> bool {
        self.peek(now, key).is_some()
    }

    /// What is remembered of `key`; does not count as a look.
    pub fn peek(&self, now: Timestamp, key: &K) -> Option<&V> {
        self.find(key).and_then(|at| self.slots.get(at)).filter(|slot| slot.until > now).map(|slot| &slot.value)
    }

    /// What was remembered of `key` before it expired, if nothing has taken its place yet.
    pub fn expired(&self, key: &K) -> Option<&V> {
        self.find(key).and_then(|at| self.slots.get(at)).map(|slot| &slot.value)
    }

    /// Remembers, in place of what was remembered of `key` before. Returns what is there now.
    pub fn put(&mut self, now: Timestamp, key: K, value: V, keep: Duration) -> &mut V {
        let hash = self.keyed.of(&key);
        let known = self.find_hashed(hash, &key);
        self.set(now, (hash, known), Slot { key, value, until: now + keep, used: false })
    }

    /// What is remembered of `key`, or else `value`; from now on it is remembered for so long.
    pub fn renew(&mut self, now: Timestamp, key: K, keep: Duration, value: impl FnOnce() -> V) -> &mut V {
        let hash = self.keyed.of(&key);
        let known = self.find_hashed(hash, &key);
        match known.filter(|&at| self.slots[at].until > now) {
            Some(at) => {
                let slot = &mut self.slots[at];
                (slot.until, slot.used) = (now + keep, true);
                &mut slot.value
            }
            None => self.set(now, (hash, known), Slot { key, value: value(), until: now + keep, used: false }),
        }
    }

    /// Entries that had to give way before they expired.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Puts an entry where its key is known to be, or where there is room for it.
    fn set(&mut self, now: Timestamp, (hash, known): (u64, Option<usize>), slot: Slot<K, V>) -> &mut V {
        let at = known.unwrap_or_else(|| self.make_room(now, hash));
        if at < self.slots.len() {
            self.slots[at] = slot;
        } else {
            self.slots.push(slot);
        }
        &mut self.slots[at].value
    }

    /// A place for a new key with this hash, which the index knows afterwards.
    fn make_room(&mut self, now: Timestamp, hash: u64) -> usize {
        let at = if self.slots.len() < self.capacity { self.slots.len() } else { self.evict(now) };
        let (slots, keyed) = (&self.slots, &self.keyed);
        self.index.insert_unique(hash, at as u32, |&other| keyed.of(&slots[other as usize].key));
        at
    }

    fn evict(&mut self, now: Timestamp) -> usize {
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[at];
            let expired = slot.until <= now;
            if slot.used && !expired {
                slot.used = false;
                continue;
            }
            self.forgotten += u64::from(!expired);
            let hash = self.keyed.of(&self.slots[at].key);
            if let Ok(entry) = self.index.find_entry(hash, |&other| other as usize == at) {
                entry.remove();
            }
            return at;
        }
    }

    fn find(&self, key: &K) -> Option<usize> {
        self.find_hashed(self.keyed.of(key), key)
    }

    fn find_hashed(&self, hash: u64, key: &K) -> Option<usize> {
        let found = self.index.find(hash, |&at| self.slots[at as usize].key == *key)?;
        Some(*found as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn entries_expire_by_packet_time() {
        let mut memory = Memory::new(4, 1);
        memory.put(at(100), "a", 1, AGE);
        assert_eq!(memory.get(at(109), &"a"), Some(&mut 1));
        assert_eq!(memory.get(at(110), &"a"), None);
        memory.put(at(110), "a", 2, AGE);
        assert!(memory.contains(at(111), &"a"));
    }

    #[test]
    fn a_full_table_never_refuses_the_new_and_spares_the_used() {
        let mut memory = Memory::new(4, 1);
        for key in 0..4 {
            memory.put(at(1), key, (), AGE);
        }
        memory.get(at(2), &0);
        for key in 4..7 {
            memory.put(at(2), key, (), AGE);
            assert!(memory.contains(at(2), &key));
        }
        assert!(memory.contains(at(2), &0), "what was used is spared");
        assert_eq!(memory.forgotten(), 3);
        for key in 0..100_000 {
            memory.put(at(3), key, (), AGE);
        }
        assert_eq!((memory.slots.len(), memory.index.len()), (4, 4));
    }
}
