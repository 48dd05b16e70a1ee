//! The connection table: a slab of fixed size behind a keyed hash. It never grows after its start, and never refuses the new.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr};

use super::index::Index;
use super::key::{Direction, FlowKey};
use crate::keyed::Keyed;
use crate::sys;

/// Slots looked at when one has to give way.
const CANDIDATES: usize = 16;

/// Names a slot while its connection lives.
pub type SlotId = u32;

/// What a table keeps.
pub trait Entry: Sized {
    /// Bytes from its start that a packet needs: so much is asked for ahead of time.
    const HOT: usize = size_of::<Self>();

    /// Asks for what a packet needs that is kept elsewhere.
    #[inline]
    fn prefetch_beside(&self) {}

    /// Its key, as the connection is oriented.
    fn key(&self) -> &FlowKey;

    /// How much it would be missed; the least gives way first.
    fn worth(&self) -> (u8, u64);
}

/// The table of one worker.
#[derive(Debug)]
pub struct Table<C> {
    keyed: Keyed,
    index: Index,
    slots: Vec<Slot<C>>,
    free: Vec<SlotId>,
    capacity: usize,
    hand: usize,
}

/// Begins with a line of memory, so that no more lines than needed are asked for.
#[derive(Debug)]
#[repr(align(64))]
struct Slot<C>(Option<C>);

impl<C: Entry> Table<C> {
    /// Bytes of a slot.
    pub const SLOT: usize = size_of::<Slot<C>>();

    /// A table of `capacity` slots. The seed keeps a stranger from choosing keys that collide.
    pub fn new(capacity: usize, seed: u64) -> Self {
        let capacity = capacity.clamp(1, u32::MAX as usize - 1);
        let mut slots = Vec::with_capacity(capacity);
        sys::prefer_huge_pages(slots.spare_capacity_mut());
        Table {
            keyed: Keyed::new(seed, "connections"),
            index: Index::new(capacity),
            slots,
            free: Vec::with_capacity(capacity),
            capacity,
            hand: 0,
        }
    }

    /// Takes the memory of all slots that were not used yet.
    pub fn take_memory(&mut self) {
        sys::populate(self.slots.spare_capacity_mut());
    }

    /// Hashes a key; both orientations of a connection hash alike.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        digest(&self.keyed, key)
    }

    /// The connection of a packet that goes from `orig_h` to `resp_h` of the key, and which of its sides sent it.
    pub fn find(&self, key: &FlowKey) -> Option<(SlotId, Direction)> {
        self.find_in_index(*key, self.hash(key))
    }

    /// The same for a key with this hash; if it is in the slot that was told to be `likely`, the index is not asked again.
    #[inline]
    pub fn find_near(&self, key: &FlowKey, hash: u64, likely: Option<SlotId>) -> Option<(SlotId, Direction)> {
        let there = likely.and_then(|id| Some((id, self.sender_in(id, key)?)));
        // By value: where the index is not asked, the key need not stand in memory.
        there.or_else(|| self.find_in_index(*key, hash))
    }

    /// Asks for the line of the index that a look for this hash begins with.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// Asks for the slot that a look for this hash will most likely find, and tells which it is. The line of the index should be here by now.
    #[inline]
    pub fn prefetch_found(&self, hash: u64) -> Option<SlotId> {
        let likely = self.index.likely(hash)?;
        sys::prefetch_front(self.slots.get(likely as usize)?, C::HOT);
        Some(likely)
    }

    /// Asks for what is beside the slot that was asked for a while ago.
    #[inline]
    pub fn prefetch_beside(&self, likely: SlotId) {
        self.get(likely).into_iter().for_each(Entry::prefetch_beside);
    }

    /// Asks for all of a slot that will be needed soon.
    pub fn prefetch_slot(&self, id: SlotId) {
        self.slots.get(id as usize).into_iter().for_each(sys::prefetch);
    }

    /// Asks for the line of the index that a slot is removed from; the slot itself is here already.
    pub fn prefetch_removal(&self, id: SlotId) {
        self.get(id).into_iter().for_each(|entry| self.index.prefetch(self.hash(entry.key())));
    }

    /// Puts a connection in. There must be room: [`Table::victim`] says who has to go.
    #[inline]
    pub fn insert(&mut self, entry: C) -> Option<SlotId> {
        let hash = self.hash(entry.key());
        let id = match self.free.pop() {
            Some(id) => {
                self.slots.get_mut(id as usize)?.0 = Some(entry);
                id
            }
            None if self.slots.len() < self.capacity => {
                self.slots.push(Slot(Some(entry)));
                SlotId::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        self.index.insert(hash, id).then_some(id)
    }

    /// Frees a slot; the connection is dropped where it stands. Returns its key.
    pub fn remove(&mut self, id: SlotId) -> Option<FlowKey> {
        let slot = self.slots.get_mut(id as usize)?;
        let key = *slot.0.as_ref()?.key();
        slot.0 = None;
        self.index.remove(self.hash(&key), id);
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
        ids.filter_map(|i| Some((self.slots.get(i)?.0.as_ref()?.worth(), i)))
            .min()
            .and_then(|(_, i)| SlotId::try_from(i).ok())
    }

    /// The connection in a slot.
    #[inline]
    pub fn get(&self, id: SlotId) -> Option<&C> {
        self.slots.get(id as usize)?.0.as_ref()
    }

    /// The connection in a slot, to change it; its key must keep its two endpoints.
    #[inline]
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut C> {
        self.slots.get_mut(id as usize)?.0.as_mut()
    }

    fn find_in_index(&self, key: FlowKey, hash: u64) -> Option<(SlotId, Direction)> {
        let mut direction = Direction::FromOrig;
        let found = self.index.find(hash, |id| {
            let sender = self.sender_in(id, &key);
            direction = sender.unwrap_or(direction);
            sender.is_some()
        });
        found.map(|id| (id, direction))
    }

    /// Which side of the connection in a slot sends packets with this key, if it is theirs.
    #[inline]
    fn sender_in(&self, id: SlotId, key: &FlowKey) -> Option<Direction> {
        self.get(id)?.key().sender_of(key)
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

/// The keyed hash of a connection, the same for both of its orientations.
#[inline]
fn digest(keyed: &Keyed, key: &FlowKey) -> u64 {
    let mut sum = keyed.hasher();
    let transport = key.transport as u64;
    if let (IpAddr::V4(a), IpAddr::V4(b)) = (key.orig_h, key.resp_h) {
        let side = |addr: Ipv4Addr, port: u16| u64::from(addr.to_bits()) << 16 | u64::from(port);
        let (a, b) = (side(a, key.orig_p), side(b, key.resp_p));
        sum.word(a.min(b) | transport << 48);
        sum.word(a.max(b));
    } else {
        let bits = |addr| match addr {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let (a, b) = ((bits(key.orig_h), key.orig_p), (bits(key.resp_h), key.resp_p));
        let (low, high) = (a.min(b), a.max(b));
        sum.word(1 << 63 | transport << 32 | u64::from(low.1) << 16 | u64::from(high.1));
        sum.write_u128(low.0);
        sum.write_u128(high.0);
    }
    sum.finish()
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

    /// Which side of this connection sends packets with that key; `None` if it is another connection's.
    #[inline]
    fn sender_of(&self, sent: &FlowKey) -> Option<Direction> {
        let (forward, backward) = match [self.orig_h, self.resp_h, sent.orig_h, sent.resp_h] {
            // Both are compared without a branch: which side sends the next packet cannot be foretold.
            [IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(c), IpAddr::V4(d)] => {
                let side =
                    |addr: Ipv4Addr, port: u16| u64::from(u32::from_ne_bytes(addr.octets())) << 16 | u64::from(port);
                let (a, b) = (side(a, self.orig_p), side(b, self.resp_p));
                let (c, d) = (side(c, sent.orig_p), side(d, sent.resp_p));
                ((a ^ c) | (b ^ d) == 0, (a ^ d) | (b ^ c) == 0)
            }
            _ => (self == sent, *self == sent.reverse()),
        };
        let same = (forward | backward) & (self.transport == sent.transport);
        same.then_some(if forward { Direction::FromOrig } else { Direction::FromResp })
    }
}
