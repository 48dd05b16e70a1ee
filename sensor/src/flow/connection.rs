//! One connection in the table: what the layers above see of it, and what its transport remembers.

use std::time::Duration;

use super::budget::CONNECTION_BYTES;
use super::key::{Direction, FlowKey, Transport};
use super::subject::{Shared, Subject};
use super::table::Entry;
use super::tcp::{Tcp, TcpTimer};
use super::terminate::Terminating;
use super::{Conn, EndpointState};
use crate::analyzers::{self, AnyAnalyzer, Step};
use crate::capture::Bypassed;
use crate::config::{Timeouts, seconds};
use crate::event::{ConnectionEvent, Verdict};
use crate::packet::{Datagram, Ip, Segment};
use crate::record::ConnId;
use crate::stats::WorkerCounters;
use crate::sys;
use crate::time::Timestamp;
use crate::trace::Mark;

/// A connection. What every packet touches stands first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Connection {
    /// `None` for UDP, whose flows come and go by the million: they are half as large without it.
    pub(super) tcp: Option<Box<Tcp>>,
    /// See [`Connection::due`].
    due: Timestamp,
    pub subject: Subject,
    /// Nanoseconds of silence after which it is over.
    inactivity: u64,
    /// What was asked for to terminate it; few connections have that.
    pub(super) terminating: Option<Box<Terminating>>,
}

/// What a connection has whatever its peers do.
const OWN: usize = size_of::<Option<Connection>>() + Tcp::BYTES + Mark::BESIDE + analyzers::BESIDE;

const _: () = assert!(
    size_of::<Option<Connection>>() <= 376,
    "a flow of UDP that waits for nothing is that, and nothing else: lend what it has no need of"
);
const _: () = assert!(OWN <= CONNECTION_BYTES, "see `Limits`");

/// How far what every packet touches goes: three lines of memory.
const HOT: usize = 192;

const _: () = {
    let conn = std::mem::offset_of!(Connection, subject) + std::mem::offset_of!(Subject, conn);
    let end = std::mem::offset_of!(Conn, id) + std::mem::offset_of!(ConnId, key) + size_of::<FlowKey>();
    assert!(conn + end <= HOT, "what a packet touches is asked for ahead of time, and nothing else");
};

/// What is left of a connection after one of its deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    Over,
}

impl Connection {
    #[inline]
    pub fn new(conn: Conn, analyzer: Option<AnyAnalyzer>, tcp: Option<Box<Tcp>>, inactivity: Duration) -> Self {
        let (due, inactivity) = (Timestamp::NEVER, nanos(inactivity));
        Connection { tcp, due, subject: Subject::new(conn, analyzer), inactivity, terminating: None }
    }

    /// Nothing happens before this if no packet comes. It is the earliest moment that was ever foreseen: most packets only put off what
    /// they wait for, and how far is computed when the moment has come.
    #[inline]
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// Runs everything that is due at `until`, each at its own time and in order.
    pub fn run_deadlines(&mut self, until: Timestamp, shared: &mut Shared<'_>) -> Fate {
        let fate = self.run_each_deadline(until, shared);
        self.settle(shared);
        self.due = self.next_deadline(&shared.settings.timeouts);
        fate
    }

    /// When something is to happen next, if no packet comes.
    fn next_deadline(&self, timeouts: &Timeouts) -> Timestamp {
        let tcp = self.tcp.as_ref().map_or(Timestamp::NEVER, |tcp| tcp.timer(&self.subject.conn, timeouts).0);
        self.expiry().min(self.subject.analyzer_deadline()).min(tcp)
    }

    /// Something is to happen at this time; `true` if that is sooner than anything that was foreseen.
    #[inline]
    fn foresee(&mut self, deadline: Timestamp) -> bool {
        let sooner = deadline < self.due;
        self.due = self.due.min(deadline);
        sooner
    }

    fn run_each_deadline(&mut self, until: Timestamp, shared: &mut Shared<'_>) -> Fate {
        loop {
            let (expiry, deadline) = (self.expiry(), self.subject.analyzer_deadline());
            let (timer, kind) = match &self.tcp {
                Some(tcp) => tcp.timer(&self.subject.conn, &shared.settings.timeouts),
                None => (Timestamp::NEVER, TcpTimer::Delete),
            };
            let first = expiry.min(deadline).min(timer);
            if first > until {
                return Fate::Lives;
            }
            shared.now = first;
            if deadline == first {
                self.run_analyzer_deadline(shared);
            } else if timer == first
                && let Some(tcp) = &mut self.tcp
            {
                if tcp.run_timer(kind, &mut self.subject, shared) == Fate::Over {
                    return Fate::Over;
                }
            } else if self.spoke_behind_bypass(shared) {
                // Silent only for us: its payload was kept out.
                self.subject.conn.last = first;
            } else {
                return Fate::Over;
            }
        }
    }

    fn run_analyzer_deadline(&mut self, shared: &mut Shared<'_>) {
        self.subject.run_analyzer(shared, |analyzer, cx| {
            analyzer.on_deadline(cx);
            // An analyzer whose deadline does not move would hold the worker here for ever.
            if analyzer.deadline() <= cx.now { Step::Done } else { Step::More }
        });
    }

    /// One datagram of a UDP flow. `true` if [`Connection::due`] is sooner than it was.
    pub fn on_datagram(
        &mut self,
        shared: &mut Shared<'_>,
        ip: &Ip,
        direction: Direction,
        datagram: &Datagram<'_>,
    ) -> bool {
        let (letter, event) = match direction {
            Direction::FromOrig => (b'D', ConnectionEvent::UdpRequest),
            Direction::FromResp => (b'd', ConnectionEvent::UdpReply),
        };
        let subject = &mut self.subject;
        subject.count_packet(ip, direction);
        subject.conn.last = subject.conn.last.max(shared.now);
        let endpoint = subject.conn.endpoint_mut(direction);
        endpoint.state = EndpointState::Established;
        endpoint.size += datagram.payload_len as u64;
        if !subject.conn.history.contains(letter) {
            subject.conn.history.push(letter);
        }
        subject.raise(shared, event);
        subject.run_analyzer(shared, |analyzer, cx| analyzer.on_datagram(cx, direction, datagram.payload));
        self.settle(shared);
        self.foresee(self.next_deadline(&shared.settings.timeouts))
    }

    /// One segment of a TCP connection. `true` if [`Connection::due`] is sooner than it was.
    #[inline]
    pub fn on_segment(
        &mut self,
        shared: &mut Shared<'_>,
        ip: &Ip,
        direction: Direction,
        segment: &Segment<'_>,
    ) -> bool {
        let Some(tcp) = &mut self.tcp else { return false };
        self.subject.count_packet(ip, direction);
        let was_predicted = tcp.on_predicted(&mut self.subject, shared, direction, segment);
        if !was_predicted {
            self.on_unpredicted(shared, direction, segment);
        }
        let called = self.settle(shared);
        if was_predicted {
            // Of the deadlines, it can have brought the analyzer's nearer, and no other.
            return called && self.foresee(self.subject.analyzer_deadline());
        }
        self.foresee(self.next_deadline(&shared.settings.timeouts))
    }

    #[inline(never)]
    fn on_unpredicted(&mut self, shared: &mut Shared<'_>, direction: Direction, segment: &Segment<'_>) {
        let Some(tcp) = &mut self.tcp else { return };
        let was_established = tcp.is_established(&self.subject.conn);
        tcp.on_segment(&mut self.subject, shared, direction, segment);
        if !was_established && tcp.is_established(&self.subject.conn) {
            let interactive = self.subject.analyzer.as_ref().is_some_and(AnyAnalyzer::is_interactive);
            let timeouts = &shared.settings.timeouts;
            if interactive {
                self.inactivity = nanos(seconds(timeouts.tcp_interactive_inactivity_timeout));
            }
        }
    }

    /// Whether a segment begins a new connection between the same endpoints; says what is unusual about that.
    pub fn is_reused_by(&mut self, shared: &mut Shared<'_>, segment: &Segment<'_>) -> bool {
        let Some(tcp) = &self.tcp else { return false };
        let Some(weird) = tcp.reuse(&self.subject.conn, shared, segment) else { return false };
        if let Some(name) = weird {
            self.subject.weird(shared, name);
        }
        true
    }

    /// The input ends while this connection is open.
    pub fn end_of_input(&mut self, shared: &mut Shared<'_>) {
        if let Some(tcp) = &mut self.tcp {
            tcp.end_of_input(&mut self.subject, shared);
        }
        if self.tcp.as_ref().is_none_or(|tcp| tcp.is_open()) {
            self.subject.raise(shared, ConnectionEvent::ConnectionPending);
        }
    }

    /// The state is about to be dropped: everybody says what is left to say.
    pub fn close(&mut self, shared: &mut Shared<'_>) {
        if let Some(tcp) = &mut self.tcp {
            tcp.close(&mut self.subject, shared);
        }
        self.subject.run_analyzer(shared, |analyzer, cx| {
            analyzer.on_close(cx);
            Step::Done
        });
        self.end_bypass(shared);
        self.count_sides(&shared.stats.counters);
        self.subject.raise(shared, ConnectionEvent::ConnectionStateRemove);
        self.subject.settle_finally(shared);
    }

    /// Counts of how many sides it was seen. A side that sends data or acknowledgements has heard from the other.
    fn count_sides(&self, counters: &WorkerCounters) {
        let conn = &self.subject.conn;
        let both = conn.orig.packets > 0 && conn.resp.packets > 0;
        if self.tcp.is_some() && both {
            counters.connections_two_sided.inc();
        } else if self.tcp.is_some() && b"AaDd".iter().any(|letter| conn.history.contains(*letter)) {
            counters.connections_one_sided.inc();
        }
    }

    /// A bypass lasts as long as the connection's state: a while beyond FIN or RST, or until it times out or gives way.
    fn end_bypass(&mut self, shared: &mut Shared<'_>) {
        if self.subject.is_bypassed(shared).is_some() {
            let is_open = self.tcp.as_ref().is_none_or(|tcp| tcp.is_open());
            let counters = &shared.stats.counters;
            if is_open {
                counters.bypasses_expired.inc();
            } else {
                counters.bypasses_finished.inc();
            }
            let kept_out = self.subject.end_bypass(shared);
            self.account(kept_out);
        }
    }

    /// Whether a bypass has kept anything out since somebody last looked.
    fn spoke_behind_bypass(&mut self, shared: &mut Shared<'_>) -> bool {
        let kept_out = self.subject.look_at_bypass(shared);
        self.account(kept_out);
        kept_out.packets != [0, 0]
    }

    /// Counts what a bypass kept out into the sizes.
    fn account(&mut self, kept_out: Bypassed) {
        if let Some(tcp) = &mut self.tcp {
            return tcp.account(&mut self.subject, kept_out);
        }
        let conn = &mut self.subject.conn;
        for (endpoint, payload) in [&mut conn.orig, &mut conn.resp].into_iter().zip(kept_out.payload) {
            endpoint.size = endpoint.size.saturating_add(payload);
        }
    }

    /// Charges the worker's budget for what is held now. Returns whether the analyzer was called.
    #[inline(always)]
    fn settle(&mut self, shared: &Shared<'_>) -> bool {
        let mut beside = self.tcp.as_ref().map_or(0, |tcp| tcp.held());
        if self.subject.conn.verdict.has(Verdict::TERMINATE) {
            beside += self.terminating.as_ref().map_or(0, |_| size_of::<Terminating>());
        }
        self.subject.settle(shared, beside)
    }

    /// What can be used for another connection, once this one is closed.
    pub fn take_tcp(&mut self) -> Option<Box<Tcp>> {
        self.tcp.take()
    }

    fn expiry(&self) -> Timestamp {
        self.subject.conn.last + Duration::from_nanos(self.inactivity)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Entry for Connection {
    const HOT: usize = HOT;

    #[inline]
    fn prefetch_beside(&self) {
        self.tcp.iter().for_each(|tcp| sys::prefetch(&**tcp));
    }

    fn key(&self) -> &FlowKey {
        &self.subject.conn.id.key
    }

    /// Half-open before closed before one-sided before the rest; what is hot is missed most.
    fn worth(&self) -> (u8, u64) {
        use EndpointState::{Closed, Inactive, Reset, SynAckSent, SynSent};
        let conn = &self.subject.conn;
        let class = match (conn.orig.state, conn.resp.state) {
            _ if conn.hot > 0 => 4,
            (SynSent | SynAckSent, Inactive) => 0,
            (Closed | Reset, _) | (_, Closed | Reset) => 1,
            (Inactive, _) | (_, Inactive) => 2,
            _ if conn.id.key.transport == Transport::Udp => 2,
            _ => 3,
        };
        (class, conn.last.as_nanos())
    }
}
