//! One side of a TCP connection: its numbers, its window, and what has been noted about it.

use std::thread::LocalKey;

use crate::flow::EndpointState;
use crate::flow::stream::Stream;
use crate::respond::Sent;
use crate::spare::{Lend, Lent, Spare};
use crate::stats::WorkerCounters;
use crate::time::Timestamp;

/// One side. Numbers are relative to its SYN, and do not wrap.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub stream: Stream,
    pub window: Window,
    /// The state before the current one.
    pub previous: EndpointState,
    /// Whether it has sent anything.
    pub seen: bool,
    /// Sequence number of its SYN, or one before the first that was seen.
    pub isn: u32,
    /// One past the highest number it has sent.
    pub last: i64,
    /// One past the highest number that the other side has acknowledged.
    pub acked: u64,
    pub last_time: Timestamp,
    /// What most sides have no need of until they close.
    pub rare: Lent<Rare>,
    pub did_close: bool,
    /// The analyzer knows that nothing more will come.
    pub told_end: bool,
    /// Letters that were noted.
    noted: u8,
    /// The number of the last SYN that was noted: its low bits.
    syn: u32,
}

/// What is remembered of a side that closes, loses segments, or was kept out by the capture filter.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Bytes of payload that the capture filter kept out since `last` was seen, as it counted them: a retransmission counts twice.
    pub kept_out: u64,
    /// Whether the capture filter has kept out anything: then acknowledgements move by more than a window.
    filtered: bool,
    /// One past its FIN.
    pub fin_seq: u64,
    pub fins: u32,
    pub rsts: u32,
    /// It has closed, but bytes before its FIN are missing; whether that will be told as an event.
    pub deferred: Option<bool>,
    pub rexmits: Scale,
    pub gaps: Scale,
    pub zero_windows: Scale,
    /// The numbers of the last FIN and RST that were noted.
    fin: i64,
    rst: i64,
}

thread_local! {
    static SPARE: Spare<Rare> = const { Spare::new() };
}

impl Lend for Rare {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }
}

/// Counts, and says at 1, 10, 100 and so on that a letter is due.
#[derive(Debug)]
pub(super) struct Scale {
    count: u64,
    next: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Scale { count: 0, next: 1 }
    }
}

impl Scale {
    /// Counts one; `true` at a power of ten.
    pub fn steps(&mut self) -> bool {
        self.count += 1;
        let due = self.count == self.next;
        if due {
            self.next = self.next.saturating_mul(10);
        }
        due
    }
}

/// The receive window that a side has advertised last.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub scale: u8,
    /// Whether there was one, after the SYN.
    known: bool,
    /// The numbers of the segment that advertised it.
    seq: u32,
    ack: u32,
    size: u32,
}

impl Window {
    /// Takes a newer advertisement; `true` if it takes back room that was promised before.
    #[inline]
    pub fn moves_back(&mut self, seq: u32, ack: u32, size: u32) -> bool {
        if self.known && (delta(seq, self.seq) < 0 || delta(ack, self.ack) < 0) {
            return false;
        }
        let promised = std::mem::replace(&mut self.known, true);
        let (old, new) = (self.ack.wrapping_add(self.size), ack.wrapping_add(size));
        let back = delta(new, old).saturating_neg();
        (self.seq, self.ack, self.size) = (seq, ack, size);
        // A unit of the scale is lost to rounding.
        promised && back > 0 && back >= 1 << self.scale
    }
}

impl Side {
    /// Numbers begin with this segment: with its SYN, or as if a SYN had come just before it.
    pub fn begin(&mut self, seq: u32, syn: bool, occupied: i64) {
        self.isn = if syn { seq } else { seq.wrapping_sub(1) };
        self.last = if syn { occupied } else { 1 };
        self.acked = 0;
    }

    /// Numbers begin with what the other side acknowledges.
    pub fn begin_from_ack(&mut self, ack: u32) {
        self.isn = ack.wrapping_sub(1);
        self.last = 0;
        self.acked = 0;
    }

    /// Counts an acknowledgement of its data, and whether that was seen: by this, loss in front of the sensor is known.
    #[inline]
    pub fn count_ack(&self, ack: u64, counters: &WorkerCounters) {
        if self.stream.is_news(ack) {
            counters.acks.inc();
            counters.gaps.add(u64::from(self.stream.is_pending(ack)));
        }
    }

    /// A sequence number of this side, as near to the highest one as it can be meant; negative: from before the beginning.
    pub fn relative(&self, seq: u32) -> i64 {
        near(self.isn, self.reached(), seq)
    }

    /// Takes in what the capture filter kept out: beyond 4 GiB, numbers alone do not tell how often they have come round.
    pub fn account(&mut self, payload: u64) {
        if payload > 0 {
            let rare = self.rare.need();
            rare.kept_out = rare.kept_out.saturating_add(payload);
            rare.filtered = true;
        }
    }

    /// Bytes that the capture filter has kept out since `last` was seen.
    pub fn kept_out(&self) -> u64 {
        self.rare.get().map_or(0, |rare| rare.kept_out)
    }

    /// Whether the capture filter has kept out anything of it.
    pub fn is_filtered(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.filtered)
    }

    /// Moves the highest number on: what was kept out before it is in it.
    pub fn reach(&mut self, last: i64) {
        self.last = last;
        if let Some(rare) = self.rare.get_mut() {
            rare.kept_out = 0;
        }
    }

    /// Whether it has sent a FIN.
    pub fn has_fin(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.fins > 0)
    }

    /// Whether it has sent a FIN or a RST.
    pub fn is_closing(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.fins > 0 || rare.rsts > 0)
    }

    /// An acknowledgement of its data alone: one of its FIN is one number further.
    #[inline]
    pub fn ack_of_data(&self, ack: u64) -> u64 {
        let fin = self.rare.get().filter(|rare| rare.fins > 0 && ack >= rare.fin_seq);
        fin.map_or(ack, |rare| rare.fin_seq - 1)
    }

    /// Whether its close waits for bytes that are missing, and if so, whether it will be told.
    pub fn deferred(&self) -> Option<bool> {
        self.rare.get().and_then(|rare| rare.deferred)
    }

    /// One past the highest number that it has sent, as far as is known.
    fn reached(&self) -> i64 {
        self.last.saturating_add_unsigned(self.kept_out())
    }

    /// The same for a number that the other side acknowledges.
    pub fn relative_ack(&self, ack: u32) -> i64 {
        let reference = if self.is_filtered() { self.reached() } else { self.acked as i64 };
        near(self.isn, reference, ack)
    }

    /// Payload bytes: from numbers, so that bytes that were not captured count too; of those after the last number, what the capture
    /// filter counted.
    pub fn size(&self, own: EndpointState, peer: EndpointState) -> u64 {
        let aborted = self.previous == EndpointState::SynSent
            && own == EndpointState::Reset
            && peer == EndpointState::Inactive
            && self.acked > 0;
        if aborted {
            return 0; // the numbers of a half-open connection that was found and reset mean nothing
        }
        let end = self.reached().max(self.acked as i64).max(0).unsigned_abs();
        end.saturating_sub(1).saturating_sub(u64::from(self.has_fin()))
    }

    /// Its numbers as they are on the wire; `offered` is the window of the other side.
    pub fn sent(&self, offered: &Window) -> Sent {
        // Truncation is the point: numbers on the wire are the low 32 bits.
        let wire = |number: i64| self.isn.wrapping_add(number.max(1) as u32);
        let window_end = (offered.size > 0).then(|| offered.ack.wrapping_add(offered.size));
        Sent { next: wire(self.last.max(self.acked as i64)), acked: wire(self.acked as i64), window_end }
    }

    /// Whether this letter is due: the first time, and for a SYN, FIN or RST each time its number is another one.
    #[inline]
    pub fn notes(&mut self, letter: u8, number: Option<i64>) -> bool {
        let bit = match letter {
            b'S' | b'H' => 1,
            b'F' => 2,
            b'R' => 4,
            b'D' => 8,
            b'A' => 16,
            b'I' => 32,
            _ => 64,
        };
        let first = self.noted & bit == 0;
        self.noted |= bit;
        let Some(number) = number else { return first };
        let other = match letter {
            b'F' => std::mem::replace(&mut self.rare.need().fin, number) != number,
            b'R' => std::mem::replace(&mut self.rare.need().rst, number) != number,
            // Truncation is the point: the low 32 bits tell one SYN from the next.
            _ => std::mem::replace(&mut self.syn, number as u32) != number as u32,
        };
        other || first
    }
}

/// The number whose low 32 bits are `seq`, nearest to `reference`; both count from `isn`.
#[inline]
pub(super) fn near(isn: u32, reference: i64, seq: u32) -> i64 {
    // Truncation is the point: the low 32 bits of the reference's sequence number.
    let low = isn.wrapping_add(reference as u32);
    reference + i64::from(delta(seq, low))
}

/// How far `a` is ahead of `b` in the sequence space.
#[inline]
pub(super) fn delta(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}
