//! IP fragments become datagrams again, within bounds. Where two fragments disagree, the first one counts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::pool::Pool;
use crate::config::limits::Limits;
use crate::packet::{Fragment, Ip};
use crate::time::Timestamp;

/// No datagram is longer: neither IPv4 nor IPv6 can say so.
const LARGEST: usize = 65_535;
/// A fragment that is not the last one has no reason to be smaller than this: the manual's threshold.
const SMALL: usize = 64;
/// A fragment that ends beyond this is suspicious: the manual's threshold.
const LARGE: usize = 64_000;
/// Fragments wait no longer than this, whatever the settings say.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What became of a fragment.
#[derive(Debug)]
pub enum Outcome {
    /// Kept until the rest comes.
    Held,
    /// The datagram is whole. Its buffer goes back to the pool after use.
    Whole(Whole),
    /// Not kept.
    Dropped,
}

/// A datagram put together again.
#[derive(Debug)]
pub struct Whole {
    /// Its header; the length is that of all fragments together.
    pub ip: Ip,
    /// Its protocol.
    pub protocol: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The unfinished datagrams of one worker: a ring, in which the newest takes the place of the oldest.
#[derive(Debug)]
pub struct Fragments {
    index: HashMap<Key, usize>,
    ring: Vec<Option<Datagram>>,
    hand: usize,
    per_datagram: usize,
    timeout: Duration,
}

/// What the fragments of one datagram have in common (RFC 791, RFC 8200).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    /// For IPv6, only the first fragment says the protocol: 0 here.
    protocol: u8,
}

#[derive(Debug)]
struct Datagram {
    key: Key,
    begun: Timestamp,
    ip: Ip,
    protocol: u8,
    fragments: usize,
    /// Where the last fragment ends, once it has come.
    end: Option<usize>,
    /// What there is: sorted, neither overlapping nor touching.
    ranges: Vec<(usize, usize)>,
    payload: Vec<u8>,
}

impl Fragments {
    /// An empty ring.
    pub fn new(limits: &Limits, timeout: Duration) -> Self {
        let slots = limits.fragmented_datagrams.max(1);
        Fragments {
            index: HashMap::with_capacity(slots),
            ring: std::iter::repeat_with(|| None).take(slots).collect(),
            hand: 0,
            per_datagram: limits.fragments_per_datagram,
            timeout: timeout.min(LONGEST_WAIT),
        }
    }

    /// Takes a fragment; `odd` is told the names of what is unusual about it.
    pub fn add(
        &mut self,
        at: Timestamp,
        ip: &Ip,
        part: &Fragment<'_>,
        pool: &mut Pool,
        odd: &mut dyn FnMut(&'static str),
    ) -> Outcome {
        if !is_sound(ip, part, odd) {
            return Outcome::Dropped;
        }
        let protocol = if ip.src.is_ipv4() { part.protocol } else { 0 };
        let key = Key { src: ip.src, dst: ip.dst, id: part.id, protocol };
        let slot = match self.index.get(&key) {
            Some(&slot) if !self.is_stale(slot, at) => slot,
            Some(&slot) => {
                self.close(slot, pool);
                self.open(at, key, ip, pool, odd)
            }
            None => self.open(at, key, ip, pool, odd),
        };
        let per_datagram = self.per_datagram;
        let Some(datagram) = self.ring.get_mut(slot).and_then(Option::as_mut) else { return Outcome::Dropped };
        if datagram.fragments >= per_datagram {
            return Outcome::Dropped;
        }
        datagram.insert(ip, part, odd);
        if !datagram.is_whole() {
            return Outcome::Held;
        }
        self.index.remove(&key);
        match self.ring.get_mut(slot).and_then(Option::take) {
            Some(Datagram { ip, protocol, payload, .. }) => Outcome::Whole(Whole { ip, protocol, payload }),
            None => Outcome::Dropped,
        }
    }

    fn is_stale(&self, slot: usize, at: Timestamp) -> bool {
        let datagram = self.ring.get(slot).and_then(Option::as_ref);
        datagram.is_none_or(|datagram| at.since(datagram.begun) > self.timeout)
    }

    /// Begins a datagram in the place of the oldest.
    fn open(&mut self, at: Timestamp, key: Key, ip: &Ip, pool: &mut Pool, odd: &mut dyn FnMut(&'static str)) -> usize {
        let others = [1, 6, 17].into_iter().filter(|&protocol| key.protocol != 0 && protocol != key.protocol);
        if others.into_iter().any(|protocol| self.index.contains_key(&Key { protocol, ..key })) {
            odd("fragment_protocol_inconsistency");
        }
        let slot = self.hand;
        self.hand = (slot + 1) % self.ring.len();
        self.close(slot, pool);
        let datagram = Datagram {
            key,
            begun: at,
            ip: Ip { len: 0, ..*ip },
            protocol: key.protocol,
            fragments: 0,
            end: None,
            ranges: Vec::new(),
            payload: pool.take(),
        };
        if let Some(place) = self.ring.get_mut(slot) {
            *place = Some(datagram);
        }
        self.index.insert(key, slot);
        slot
    }

    fn close(&mut self, slot: usize, pool: &mut Pool) {
        if let Some(mut old) = self.ring.get_mut(slot).and_then(Option::take) {
            self.index.remove(&old.key);
            pool.give_back(&mut old.payload);
        }
    }
}

impl Datagram {
    fn insert(&mut self, ip: &Ip, part: &Fragment<'_>, odd: &mut dyn FnMut(&'static str)) {
        self.fragments += 1;
        self.ip.len += ip.len;
        if part.offset == 0 && !ip.src.is_ipv4() {
            self.protocol = part.protocol;
        }
        let (start, end) = (part.offset, part.offset + part.payload.len());
        let known_end = self.end.is_some_and(|known| if part.more { end > known } else { end != known });
        let beyond = !part.more && self.ranges.last().is_some_and(|&(_, last)| last > end);
        if known_end || beyond {
            odd("fragment_size_inconsistency");
            return;
        }
        if !part.more {
            self.end = Some(end);
        }
        match self.fill(start, part.payload) {
            Some(true) => odd("fragment_overlap"),
            Some(false) => odd("fragment_inconsistency"),
            None => {}
        }
        self.cover(start, end);
    }

    /// Copies what is not there yet; for what is, says whether it is the same.
    fn fill(&mut self, start: usize, bytes: &[u8]) -> Option<bool> {
        let end = start + bytes.len();
        if self.payload.len() < end {
            // In powers of two no datagram takes more than 64 KiB; doubling from any length would.
            self.payload.reserve_exact(end.next_power_of_two().saturating_sub(self.payload.len()));
            self.payload.resize(end, 0);
        }
        let mut same = None;
        let mut at = start;
        for &(from, to) in self.ranges.iter().filter(|&&(from, to)| from < end && to > start) {
            let (from, to) = (from.max(start), to.min(end));
            copy(&mut self.payload, at, bytes, at - start, from.saturating_sub(at));
            let equal = self.payload.get(from..to) == bytes.get(from - start..to - start);
            same = Some(same.unwrap_or(true) && equal);
            at = to;
        }
        copy(&mut self.payload, at, bytes, at - start, end.saturating_sub(at));
        same
    }

    /// Notes that everything from `start` to `end` is there.
    fn cover(&mut self, mut start: usize, mut end: usize) {
        self.ranges.retain(|&(from, to)| {
            let touches = from <= end && to >= start;
            if touches {
                (start, end) = (start.min(from), end.max(to));
            }
            !touches
        });
        let at = self.ranges.partition_point(|&(from, _)| from < start);
        self.ranges.insert(at, (start, end));
    }

    fn is_whole(&self) -> bool {
        self.end.is_some_and(|end| self.ranges.as_slice() == [(0, end)])
    }
}

/// Whether a fragment can be kept at all.
fn is_sound(ip: &Ip, part: &Fragment<'_>, odd: &mut dyn FnMut(&'static str)) -> bool {
    let end = part.offset.saturating_add(part.payload_len);
    let oddities = [
        (part.dont_fragment, "fragment_with_DF"),
        (part.more && ip.len < SMALL, "excessively_small_fragment"),
        (end > LARGE, "excessively_large_fragment"),
        (part.payload.len() < part.payload_len, "incompletely_captured_fragment"),
    ];
    oddities.into_iter().filter(|(is, _)| *is).for_each(|(_, name)| odd(name));
    // Only the last fragment may end anywhere but on a multiple of eight (RFC 791 section 3.2).
    let aligned = !part.more || part.payload_len.is_multiple_of(8);
    part.payload.len() == part.payload_len && part.payload_len > 0 && end <= LARGEST && aligned
}

fn copy(to: &mut [u8], at: usize, from: &[u8], offset: usize, len: usize) {
    if let (Some(place), Some(bytes)) = (to.get_mut(at..at + len), from.get(offset..offset + len)) {
        place.copy_from_slice(bytes);
    }
}
