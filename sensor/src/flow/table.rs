//! The connection table: a slab of fixed size behind a keyed hash. It never grows after its start, and never refuses the new.

use std::net::IpAddr;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::key::{Direction, FlowKey};

/// Slots looked at when one has to give way.
const CANDIDATES: usize = 16;

/// Names a slot while its connection lives.
pub type SlotId = u32;

/// What a table keeps.
pub trait Entry {
    /// Its key, as the connection is oriented.
    fn key(&self) -> &FlowKey;

    /// How much it would be missed; the least gives way first.
    fn worth(&self) -> (u8, u64);
}

/// The table of one worker.
#[derive(Debug)]
pub struct Table<C> {
    hasher: SipHasher13,
    index: HashTable<SlotId>,
    slots: Vec<Option<C>>,
    free: Vec<SlotId>,
    capacity: usize,
    hand: usize,
}

/// A key with its hash: computed once per packet.
#[derive(Clone, Copy, Debug)]
pub struct Hashed {
    key: FlowKey,
    hash: u64,
}

impl Hashed {
    /// The key that was hashed.
    pub fn key(&self) -> FlowKey {
        self.key
    }
}

impl<C: Entry> Table<C> {
    /// A table of `capacity` slots. The seed keeps a stranger from choosing keys that collide.
    pub fn new(capacity: usize, seed: u64) -> Self {
        let capacity = capacity.clamp(1, u32::MAX as usize - 1);
        Table {
            hasher: SipHasher13::new_with_keys(seed, !seed.rotate_left(32)),
            // Twice the room, so that removed entries hardly ever force the index to be swept.
            index: HashTable::with_capacity(capacity.saturating_mul(2)),
            slots: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            capacity,
            hand: 0,
        }
    }

    /// Hashes a key; both orientations of a connection hash alike.
    pub fn hash(&self, key: FlowKey) -> Hashed {
        Hashed { key, hash: digest(&self.hasher, &key) }
    }

    /// The connection of a packet that goes from `orig_h` to `resp_h` of the key, and which of its sides sent it.
    pub fn find(&self, hashed: &Hashed) -> Option<(SlotId, Direction)> {
        let mut direction = Direction::FromOrig;
        let found = self.index.find(hashed.hash, |&id| {
            let Some(entry) = self.get(id) else { return false };
            if *entry.key() == hashed.key {
                direction = Direction::FromOrig;
                return true;
            }
            direction = Direction::FromResp;
            entry.key().is_reverse_of(&hashed.key)
        });
        found.map(|&id| (id, direction))
    }

    /// Puts a connection in. There must be room: [`Table::victim`] says who has to go.
    pub fn insert(&mut self, hashed: &Hashed, entry: C) -> Option<SlotId> {
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.slots.len() < self.capacity => {
                self.slots.push(None);
                SlotId::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        *self.slots.get_mut(id as usize)? = Some(entry);
        let (hasher, slots) = (&self.hasher, &self.slots);
        self.index.insert_unique(hashed.hash, id, |&id| rehash(hasher, slots, id));
        Some(id)
    }

    /// Frees a slot; the connection is dropped where it stands. Returns its key.
    pub fn remove(&mut self, id: SlotId) -> Option<FlowKey> {
        let slot = self.slots.get_mut(id as usize)?;
        let key = *slot.as_ref()?.key();
        *slot = None;
        let hash = digest(&self.hasher, &key);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == id) {
            found.remove();
        }
        self.free.push(id);
        Some(key)
    }

    /// Whether a slot is free; if not, the one among the next few that would be missed least.
    pub fn victim(&mut self) -> Option<SlotId> {
        if !self.free.is_empty() || self.slots.len() < self.capacity {
            return None;
        }
        let len = self.slots.len();
        let first = self.hand;
        self.hand = (first + CANDIDATES) % len;
        let ids = (0..CANDIDATES.min(len)).map(|i| (first + i) % len);
        ids.filter_map(|i| Some((self.slots.get(i)?.as_ref()?.worth(), i)))
            .min()
            .and_then(|(_, i)| SlotId::try_from(i).ok())
    }

    /// The connection in a slot.
    pub fn get(&self, id: SlotId) -> Option<&C> {
        self.slots.get(id as usize)?.as_ref()
    }

    /// The connection in a slot, to change it; its key must keep its two endpoints.
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut C> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every slot ever used.
    pub fn ids(&self) -> std::ops::Range<SlotId> {
        0..SlotId::try_from(self.slots.len()).unwrap_or(SlotId::MAX)
    }
}

fn rehash<C: Entry>(hasher: &SipHasher13, slots: &[Option<C>], id: SlotId) -> u64 {
    slots.get(id as usize).and_then(Option::as_ref).map_or(0, |entry| digest(hasher, entry.key()))
}

/// The keyed hash of a connection, the same for both of its orientations.
fn digest(hasher: &SipHasher13, key: &FlowKey) -> u64 {
    let mut bytes = [0u8; 37];
    let len = key.canonical_bytes(&mut bytes);
    hasher.hash(bytes.get(..len).unwrap_or(&bytes))
}

impl FlowKey {
    /// Writes the connection, without its orientation, as bytes to hash; returns how many.
    pub fn canonical_bytes(&self, out: &mut [u8; 37]) -> usize {
        let sides = [(self.orig_h, self.orig_p), (self.resp_h, self.resp_p)];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = out.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
            at + bytes.len()
        };
        let end = if let [(IpAddr::V4(a), p), (IpAddr::V4(b), q)] = sides {
            let (a, b) = (u64::from(a.to_bits()) << 16 | u64::from(p), u64::from(b.to_bits()) << 16 | u64::from(q));
            let at = put(0, &a.min(b).to_be_bytes());
            put(at, &a.max(b).to_be_bytes())
        } else {
            let bits = |addr| match addr {
                IpAddr::V4(v4) => u128::from(v4.to_bits()),
                IpAddr::V6(v6) => v6.to_bits(),
            };
            let [(a, p), (b, q)] = sides.map(|(addr, port)| (bits(addr), port));
            let (low, high) = if (a, p) <= (b, q) { ((a, p), (b, q)) } else { ((b, q), (a, p)) };
            [low, high].into_iter().fold(0, |at, (addr, port)| {
                let at = put(at, &addr.to_be_bytes());
                put(at, &port.to_be_bytes())
            })
        };
        put(end, &[self.transport as u8])
    }

    fn is_reverse_of(&self, other: &FlowKey) -> bool {
        self.orig_p == other.resp_p
            && self.resp_p == other.orig_p
            && self.orig_h == other.resp_h
            && self.resp_h == other.orig_h
            && self.transport == other.transport
    }
}
