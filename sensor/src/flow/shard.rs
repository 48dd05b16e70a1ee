//! One worker's share of the connections: frames in, events out. Nothing in here is shared with another worker.

use std::sync::Arc;

use portreeve_ebpf::address::shard_of;

use self::opening::Found;
use super::connection::{Connection, Fate};
use super::fragments::{Fragments, Outcome};
use super::pool::Pool;
use super::ports::WatchedPorts;
use super::subject::Shared;
use super::table::{SlotId, Table};
use super::wheel::Wheel;
use crate::capture::{Frame, Gate, TOGETHER};
use crate::config::limits::Limits;
use crate::config::{DialogueSets, PortTable, Settings, seconds};
use crate::event::Handler;
use crate::packet::{self, Body, Fragment, Ip, Packet, Reason, Refused};
use crate::respond::Requests;
use crate::stats::WorkerStats;
use crate::sys;
use crate::time::Timestamp;
use crate::trace::Tracer;

/// How far packet time goes on between two looks at the timer wheel, in nanoseconds.
const LOOK_EVERY: u64 = 100_000_000;
/// How many frames ahead a connection is asked for: as many as take as long as memory does.
const NEAR: usize = 4;
/// And how many ahead, what it keeps elsewhere.
const NEXT: usize = 2;

/// Bytes for each connection that [`Shard::take_memory`] takes for what is kept beside its slot: TCP's state, or an analyzer. Most of those
/// that fill a table have neither.
const BESIDE_SLOT: usize = 256;

/// Lends a connection what it needs; a macro, so that the table stays free to be borrowed beside it.
macro_rules! shared {
    ($shard:expr, $now:expr, $gate:expr) => {
        Shared {
            now: $now,
            handler: &mut $shard.handler,
            gate: $gate,
            settings: &$shard.settings,
            dialogue: &$shard.dialogue,
            stats: &$shard.stats,
            pool: Some(&mut $shard.pool),
            requests: $shard.requests.as_ref(),
        }
    };
}

mod opening;

/// The shard of one worker.
#[derive(Debug)]
pub struct Shard<H: Handler> {
    settings: Arc<Settings>,
    /// A copy of this worker's own: its patterns share their programs with the other workers, and not the memory that they work in.
    dialogue: DialogueSets,
    ports: WatchedPorts,
    handler: H,
    stats: Arc<WorkerStats>,
    table: Table<Connection>,
    wheel: Wheel,
    pool: Pool,
    fragments: Fragments,
    tracer: Option<Tracer>,
    looked: Timestamp,
    /// Which shard this is, of how many.
    place: Option<(u32, u32)>,
    /// Where terminations are asked for, if there are any.
    requests: Option<Requests>,
    /// Connections for which it is asked again in a moment; the wheel would be too late for them.
    terminating: Vec<SlotId>,
    /// Connections on ports that nobody watches: while there are none, other packets need no lookup.
    unwatched: usize,
}

impl<H: Handler> Shard<H> {
    /// An empty shard.
    pub fn new(settings: Arc<Settings>, ports: &PortTable, handler: H, stats: Arc<WorkerStats>) -> Self {
        let capacity = settings.limits.connections;
        Shard {
            table: Table::new(capacity, settings.seed),
            ports: WatchedPorts::new(ports),
            wheel: Wheel::new(capacity),
            pool: Pool::new(),
            fragments: Fragments::new(&settings.limits, seconds(settings.timeouts.frag_timeout)),
            dialogue: DialogueSets::clone(&settings.dialogue()),
            tracer: None,
            settings,
            handler,
            stats,
            looked: Timestamp::ZERO,
            place: None,
            requests: None,
            terminating: Vec::new(),
            unwatched: 0,
        }
    }

    /// This is shard `index` of `of`: frames whose steering hash says otherwise are counted.
    #[must_use]
    pub fn numbered(mut self, index: u32, of: u32) -> Self {
        self.place = Some((index, of));
        self
    }

    /// Connections that policy terminates are reset by way of `requests`, if there are any.
    #[must_use]
    pub fn responding(mut self, requests: Option<Requests>) -> Self {
        self.requests = requests;
        self
    }

    /// Packets that policy wants recorded go to `tracer`.
    #[must_use]
    pub fn traced(mut self, tracer: Option<Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Takes the memory of its connections now, from what is nearest to the processor that this runs on, and not little by little while
    /// frames wait: pages that are written to for the first time can take longer than the sockets have room for. Returns what is to be
    /// freed when all workers have done so, and is there then for whatever is kept beside the slots.
    #[must_use]
    pub fn take_memory(&mut self) -> Vec<u8> {
        self.table.take_memory();
        sys::stock(self.settings.limits.connections.saturating_mul(BESIDE_SLOT))
    }

    /// Bytes that [`Shard::take_memory`] takes.
    pub fn memory(limits: &Limits) -> usize {
        limits.connections.saturating_mul(Table::<Connection>::SLOT + BESIDE_SLOT)
    }

    /// Whatever handles the events.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Processes those of some frames that the gate admits, in order. While one is worked on, what the next ones need comes nearer.
    pub fn on_frames(&mut self, frames: &[Frame<'_>], gate: &mut dyn Gate) {
        for frames in frames.chunks(TOGETHER) {
            let mut sought = [None; TOGETHER];
            sought.iter_mut().zip(frames).for_each(|(sought, frame)| *sought = self.look_ahead(frame));
            self.come_nearer(sought.iter_mut().take(NEAR));
            let mut plainly_wanted = 0;
            for (number, frame) in frames.iter().enumerate() {
                self.come_nearer(sought.get_mut(number + NEAR));
                self.come_whole(sought.get(number + NEXT));
                let found = self.find(frame, sought.get(number).and_then(Option::as_ref));
                if found.is_some_and(|found| self.is_plainly_wanted(&found)) {
                    plainly_wanted += 1;
                } else if !gate.admits(frame) {
                    continue;
                }
                self.process(frame, found.as_ref(), gate);
            }
            gate.count_wanted(plainly_wanted);
        }
    }

    #[inline]
    fn process(&mut self, frame: &Frame<'_>, found: Option<&Found>, gate: &mut dyn Gate) {
        if self.stats.counters.frames.get() == 0 {
            self.stats.counters.began_nanos.set(frame.at.as_nanos());
        }
        self.stats.counters.frames.inc();
        self.stats.counters.bytes.add(frame.wire_len as u64);
        if let (Some(hash), Some((index, of))) = (frame.hash, self.place)
            && shard_of(hash, of) != index
        {
            self.stats.counters.wrong_shard.inc();
        }
        self.let_time_go_on(frame.at, gate);
        match &packet::decode(frame, &self.settings.decode) {
            // What is inside a tunnel is another packet.
            Ok(packet) => self.on_packet(frame, packet, found.filter(|_| packet.ip.tunnels == 0), gate),
            Err(refused) => self.on_refused(frame.at, refused),
        }
        self.handler.settle(frame.at, gate);
    }

    /// Lets time go on: expires what has been silent for too long.
    pub fn tick(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        self.let_time_go_on(now, gate);
        self.handler.settle(now, gate);
        self.handler.tick();
    }

    /// Ends every connection: the input has ended, or the sensor stops.
    pub fn close_all(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        for id in self.table.ids() {
            let Some(connection) = self.table.get_mut(id) else { continue };
            let mut shared = shared!(self, now, gate);
            if connection.run_deadlines(now, &mut shared) == Fate::Lives {
                shared.now = now;
                connection.end_of_input(&mut shared);
            }
            let at = shared.now;
            self.drop_connection(id, at, gate);
        }
        self.handler.settle(now, gate);
        self.handler.tick();
    }

    /// Processes a packet; what there is for it may have been found already.
    fn on_packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, found: Option<&Found>, gate: &mut dyn Gate) {
        if let Body::Fragment(part) = &packet.body {
            return self.on_fragment(frame, &packet.ip, part, gate);
        }
        let Some(found) = found.copied().or_else(|| Some(self.look_up(&packet.key()?))) else { return };
        let is_wanted = self.on_connection(frame, packet, &found, gate);
        let outcomes = &self.stats.outcomes;
        match &packet.body {
            _ if !is_wanted => outcomes.not_wanted.inc(),
            Body::Tcp(_) => outcomes.tcp.inc(),
            Body::Udp(_) | Body::Fragment(_) => outcomes.udp.inc(),
        }
    }

    fn on_fragment(&mut self, frame: &Frame<'_>, ip: &Ip, part: &Fragment<'_>, gate: &mut dyn Gate) {
        let (at, handler) = (frame.at, &mut self.handler);
        let mut odd = |name| handler.flow_weird(at, Some((ip.src, ip.dst)), name);
        match self.fragments.add(at, ip, part, &mut self.pool, &mut odd) {
            Outcome::Held => self.stats.outcomes.fragment_held.inc(),
            Outcome::Dropped => self.stats.outcomes.fragment_dropped.inc(),
            Outcome::Whole(mut whole) => {
                match packet::decode_datagram(whole.ip, whole.protocol, &whole.payload, &self.settings.decode) {
                    Ok(packet) => self.on_packet(frame, &packet, None, gate),
                    Err(refused) => self.on_refused(at, &refused),
                }
                self.pool.give_back(&mut whole.payload);
            }
        }
    }

    fn on_refused(&mut self, at: Timestamp, refused: &Refused) {
        let outcomes = &self.stats.outcomes;
        match refused.reason {
            Reason::Icmp => outcomes.icmp.inc(),
            Reason::NotIp => outcomes.not_ip.inc(),
            Reason::OtherProtocol => outcomes.other_protocol.inc(),
            Reason::Truncated => outcomes.truncated.inc(),
            Reason::Malformed => outcomes.malformed.inc(),
            Reason::BadChecksum => outcomes.bad_checksum.inc(),
        }
        if let Some(name) = refused.weird {
            self.handler.flow_weird(at, refused.hosts, name);
        }
    }

    /// Whether the packet belongs to a connection that is wanted.
    #[inline]
    fn on_connection(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, found: &Found, gate: &mut dyn Gate) -> bool {
        let at = frame.at;
        let Some((id, direction)) = self.find_or_open(at, packet, found, gate) else { return false };
        let Some(connection) = self.table.get_mut(id) else { return false };
        let mut shared = shared!(self, at, gate);
        if let Some(name) = packet.oddity {
            connection.subject.weird(&mut shared, name);
        }
        let sooner = match &packet.body {
            Body::Tcp(segment) => {
                let sooner = connection.on_segment(&mut shared, &packet.ip, direction, segment);
                if connection.is_to_be_terminated(&shared)
                    && connection.follow_termination(&mut shared, frame, packet, segment, direction)
                {
                    self.terminating.push(id);
                }
                sooner
            }
            Body::Udp(datagram) => connection.on_datagram(&mut shared, &packet.ip, direction, datagram),
            Body::Fragment(_) => false,
        };
        if let Some(tracer) = &mut self.tracer {
            tracer.on_frame(&mut connection.subject.conn, frame);
        }
        if sooner {
            self.wheel.schedule(id, connection.due());
        }
        true
    }

    /// Looks at the timers every now and then; a step back (the next capture file) is as good as a long time.
    #[inline]
    fn let_time_go_on(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        if now.as_nanos().wrapping_sub(self.looked.as_nanos()) >= LOOK_EVERY {
            self.look_at_timers(now, gate);
        }
    }

    fn look_at_timers(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        self.looked = now;
        // The slot may have another connection by now, which is not waiting for anything.
        self.terminating.retain(|&id| {
            self.table.get_mut(id).is_some_and(|connection| connection.ask_again(&mut shared!(self, now, gate)))
        });
        self.wheel.set_clock(now);
        let until = self.wheel.horizon();
        while let Some(id) = self.wheel.next_due() {
            // What is due has been silent for long: it is in no cache any more. While one is worked on, the next two come nearer.
            let [next, after] = self.wheel.upcoming();
            next.into_iter().for_each(|id| self.table.prefetch_removal(id));
            after.into_iter().for_each(|id| self.table.prefetch_slot(id));
            if self.still_lives(id, until, gate)
                && let Some(connection) = self.table.get_mut(id)
            {
                self.wheel.schedule(id, connection.due());
            }
        }
    }

    fn drop_connection(&mut self, id: SlotId, now: Timestamp, gate: &mut dyn Gate) {
        self.wheel.remove(id);
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.close(&mut shared!(self, now, gate));
        if let Some(tracer) = &self.tracer {
            tracer.on_close(&connection.subject.conn);
        }
        connection.take_tcp().into_iter().for_each(|tcp| self.pool.give_back_tcp(tcp));
        let Some(key) = self.table.remove(id) else { return };
        self.unwatched -= usize::from(!self.is_watched(&key));
        self.stats.counters.connections_open.set(self.table.len() as u64);
    }
}
