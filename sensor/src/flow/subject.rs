//! What events are about: a connection's facts and its analyzer, and the one way to state something about them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Conn;
use super::budget::Budget;
use super::key::Direction;
use super::pool::Pool;
use crate::analyzers::{AnyAnalyzer, Context, Step};
use crate::capture::{BypassReason, Bypassed, Gate};
use crate::config::{DialogueSets, Settings};
use crate::event::{ConnectionEvent, Event, Handler, Verdict};
use crate::packet::Ip;
use crate::respond::Requests;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// What a connection borrows from its shard while it works.
pub(super) struct Shared<'a> {
    /// The time of the packet, or of the deadline.
    pub now: Timestamp,
    pub handler: &'a mut dyn Handler,
    pub gate: &'a mut dyn Gate,
    pub settings: &'a Settings,
    pub dialogue: &'a DialogueSets,
    pub stats: &'a WorkerStats,
    /// `None` while a stream has it that is being listened to.
    pub pool: Option<&'a mut Pool>,
    /// Where resets are asked for, if anybody sends them.
    pub requests: Option<&'a Requests>,
}

impl<'a> Shared<'a> {
    /// The worker's budget for what connections keep back.
    #[inline]
    pub fn budget(&self) -> Budget<'a> {
        Budget::new(&self.settings.limits, &self.stats.counters)
    }
}

/// A connection as the layers above see it. What every packet touches stands first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Subject {
    held: Held,
    /// `None` once nothing further is of interest.
    pub analyzer: Option<AnyAnalyzer>,
    pub conn: Conn,
}

/// What a connection holds on the heap, as everybody said who was asked last.
#[derive(Debug)]
struct Held {
    /// The analyzer was called since.
    called: bool,
    /// Policy has handled an event since.
    handled: bool,
    analyzer: u32,
    /// Annotations, and the session.
    conn: u32,
    /// What the worker's budget was charged for all of it.
    account: u32,
}

impl Subject {
    /// A connection of which nobody has heard yet.
    #[inline]
    pub fn new(conn: Conn, analyzer: Option<AnyAnalyzer>) -> Self {
        let held = Held { called: true, handled: true, analyzer: 0, conn: 0, account: 0 };
        Subject { held, analyzer, conn }
    }

    /// States a fact about the connection itself.
    pub fn raise(&mut self, shared: &mut Shared<'_>, event: ConnectionEvent) {
        self.handle(shared, &Event::Connection(event));
    }

    /// States something unusual.
    pub fn weird(&mut self, shared: &mut Shared<'_>, name: &'static str) {
        self.handle(shared, &Event::Weird { name, addl: b"" });
    }

    /// Counts a packet of one side.
    #[inline]
    pub fn count_packet(&mut self, ip: &Ip, direction: Direction) {
        let endpoint = self.conn.endpoint_mut(direction);
        endpoint.packets += 1;
        endpoint.ip_bytes += ip.len as u64;
    }

    /// Calls the analyzer. A panic in it costs this connection its analyzer, and nobody else anything.
    #[inline]
    pub fn run_analyzer(
        &mut self,
        shared: &mut Shared<'_>,
        call: impl FnOnce(&mut AnyAnalyzer, &mut Context<'_>) -> Step,
    ) -> Step {
        let Some(analyzer) = &mut self.analyzer else { return Step::Done };
        self.held.called = true;
        let budget = shared.budget();
        let mut cx = Context::new(shared.now, &mut self.conn, shared.dialogue, budget, shared.handler);
        let result = catch_unwind(AssertUnwindSafe(|| call(analyzer, &mut cx)));
        let verdict = cx.verdict;
        self.held.handled |= cx.has_emitted();
        let step = result.unwrap_or_else(|_| {
            shared.stats.counters.analyzer_panics.inc();
            Step::Violation("analyzer_crash")
        });
        match step {
            Step::Done => self.analyzer = None,
            Step::Violation(name) => {
                self.analyzer = None;
                self.weird(shared, name);
            }
            Step::Consumed(_) | Step::More => {}
        }
        self.decide(shared, verdict);
        step
    }

    /// Charges the worker's budget for what is held now: by the analyzer, by what policy remembers, and `beside` them. The first two
    /// change by calls alone, and most acknowledgements call nobody. Returns whether the analyzer was called.
    #[inline]
    pub fn settle(&mut self, shared: &Shared<'_>, beside: usize) -> bool {
        let (called, handled) = (std::mem::take(&mut self.held.called), std::mem::take(&mut self.held.handled));
        if called || handled {
            self.held.analyzer = small(self.analyzer.as_ref().map_or(0, AnyAnalyzer::held));
        }
        if handled {
            self.held.conn = small(self.conn.held());
        }
        let held = self.held.analyzer.saturating_add(self.held.conn).saturating_add(small(beside));
        shared.budget().settle(&mut self.held.account, held);
        called
    }

    /// Nothing is held any more.
    pub fn settle_finally(&mut self, shared: &Shared<'_>) {
        shared.budget().settle(&mut self.held.account, 0);
    }

    /// When the analyzer wants to be called, if nothing comes.
    #[inline]
    pub fn analyzer_deadline(&self) -> Timestamp {
        self.analyzer.as_ref().map_or(Timestamp::NEVER, AnyAnalyzer::deadline)
    }

    /// Notes a letter of the history, in the case of its side.
    pub fn note(&mut self, direction: Direction, letter: u8) {
        self.conn.history.push(if direction.is_orig() { letter } else { letter.to_ascii_lowercase() });
    }

    /// Why its payload is kept out of the capture, if it is.
    pub fn is_bypassed(&self, shared: &Shared<'_>) -> Option<BypassReason> {
        self.conn.verdict.skips().filter(|&why| shared.settings.capture.bypass.allows(why))
    }

    /// Ends a bypass, if there is one, and counts the packets that it kept out.
    pub fn end_bypass(&mut self, shared: &mut Shared<'_>) -> Bypassed {
        let Some(why) = self.is_bypassed(shared) else { return Bypassed::default() };
        let kept_out = shared.gate.unbypass(&self.conn.id.key);
        self.count_kept_out(shared, why, kept_out)
    }

    /// Counts the packets that a bypass has kept out by now; it goes on.
    pub fn look_at_bypass(&mut self, shared: &mut Shared<'_>) -> Bypassed {
        let Some(why) = self.is_bypassed(shared) else { return Bypassed::default() };
        let kept_out = shared.gate.bypassed(&self.conn.id.key, why);
        self.count_kept_out(shared, why, kept_out)
    }

    /// Begins the bypass that policy asked for, if the settings allow it.
    pub fn begin_bypass(&mut self, shared: &mut Shared<'_>) {
        if let Some(why) = self.is_bypassed(shared) {
            shared.stats.bypasses.of(why).connections.inc();
            shared.gate.bypass(&self.conn.id.key, why);
        }
    }

    fn count_kept_out(&mut self, shared: &Shared<'_>, why: BypassReason, kept_out: Option<Bypassed>) -> Bypassed {
        let Some(kept_out) = kept_out else {
            shared.stats.counters.bypasses_evicted.inc();
            return Bypassed::default();
        };
        let counts = shared.stats.bypasses.of(why);
        counts.packets.add(kept_out.packets.iter().sum());
        counts.bytes.add(kept_out.payload.iter().sum());
        for (place, endpoint) in [&mut self.conn.orig, &mut self.conn.resp].into_iter().enumerate() {
            endpoint.packets += kept_out.packets.get(place).copied().unwrap_or(0);
            endpoint.ip_bytes += kept_out.bytes.get(place).copied().unwrap_or(0);
        }
        kept_out
    }

    fn handle(&mut self, shared: &mut Shared<'_>, event: &Event<'_>) {
        let verdict = shared.handler.handle(shared.now, &mut self.conn, event);
        self.conn.login.obey(verdict);
        self.held.handled = true;
        self.decide(shared, verdict);
    }

    /// Carries out what policy has decided.
    #[inline]
    fn decide(&mut self, shared: &mut Shared<'_>, verdict: Verdict) {
        if verdict != Verdict::CONTINUE {
            self.obey(shared, verdict);
        }
    }

    fn obey(&mut self, shared: &mut Shared<'_>, verdict: Verdict) {
        let skips = verdict.has(Verdict::SKIP) && !self.conn.verdict.has(Verdict::SKIP);
        self.conn.verdict |= verdict;
        if skips {
            self.analyzer = None;
            self.begin_bypass(shared);
        }
    }
}

/// More than 4 GiB are as good as that.
fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::Service;
    use crate::analyzers::testing::{Recorder, conn};
    use crate::capture::Expectation;
    use crate::flow::key::{FlowKey, Transport};
    use crate::stats::Counter;

    struct NoGate;

    impl Gate for NoGate {
        fn expect(&mut self, _expectation: Expectation) {}
        fn unexpect(&mut self, _expectation: Expectation) {}
        fn accompany(&mut self, _hosts: [std::net::IpAddr; 2]) {}

        fn leave(&mut self, _hosts: [std::net::IpAddr; 2]) {}

        fn bypass(&mut self, _key: &FlowKey, _why: BypassReason) {}
        fn unbypass(&mut self, _key: &FlowKey) -> Option<Bypassed> {
            Some(Bypassed { packets: [1, 2], bytes: [100, 200], payload: [0, 80] })
        }
    }

    fn with(test: impl FnOnce(&mut Subject, &mut Shared<'_>)) -> Recorder {
        let (mut handler, mut pool, stats) = (Recorder::default(), Pool::new(), WorkerStats::default());
        let mut subject = Subject::new(conn(Transport::Tcp), Some(AnyAnalyzer::new(Service::Portmap)));
        let settings = Settings::default();
        let mut shared = Shared {
            now: subject.conn.start,
            handler: &mut handler,
            gate: &mut NoGate,
            settings: &settings,
            dialogue: DialogueSets::none(),
            stats: &stats,
            pool: Some(&mut pool),
            requests: None,
        };
        test(&mut subject, &mut shared);
        handler
    }

    #[test]
    fn a_panic_costs_the_connection_its_analyzer_and_nothing_else() {
        let heard = with(|subject, shared| {
            let step = subject.run_analyzer(shared, |_, _| panic!("as a defect would"));
            assert_eq!(step, Step::Violation("analyzer_crash"));
            subject.settle(shared, 0);
            assert!(subject.analyzer.is_none() && subject.held.analyzer == 0, "and what it kept back");
            assert_eq!(shared.stats.counters.analyzer_panics.get(), 1);
            assert_eq!(subject.run_analyzer(shared, |_, _| Step::More), Step::Done);
        });
        assert!(heard.lines.iter().any(|line| line.contains("analyzer_crash")), "{:?}", heard.lines);
    }

    #[test]
    fn what_a_bypass_kept_out_is_counted() {
        with(|subject, shared| {
            assert_eq!(subject.end_bypass(shared), Bypassed::default());
            subject.decide(shared, Verdict::SKIP);
            assert_eq!(subject.end_bypass(shared).payload, [0, 80]);
            assert!(subject.analyzer.is_none());
            assert_eq!((subject.conn.orig.packets, subject.conn.resp.ip_bytes), (1, 200));
            let counts = shared.stats.bypasses.of(BypassReason::Skipped);
            assert_eq!([&counts.connections, &counts.packets, &counts.bytes].map(Counter::get), [1, 3, 80]);
        });
    }
}
