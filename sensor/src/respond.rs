//! Terminating connections: workers say which, and one thread of its own sends the RSTs and tells what became of each.
//!
//! A worker never waits for it: requests go through a lane of its own, and one that finds no room is counted. The thread ends when the
//! last worker has.

mod rate;
mod way;

use std::net::SocketAddr;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rate::Rate;
use way::{Sockets, Way};

use crate::config::{RespondSettings, Settings};
use crate::error::{Error, Result};
use crate::flow::key::Direction;
use crate::lane::{Giver, Taker, lane};
use crate::outbox::Outbox;
use crate::packet::forge::{LinkHeader, Reset};
use crate::record::{ConnId, Message, RespondRecord};
use crate::sys;
use crate::text::Text;
use crate::time::Timestamp;

/// How long the thread sleeps at most; a request wakes it.
const NAP: Duration = Duration::from_millis(50);

/// What a worker asks for: that both ends of a connection be reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// When the packet that is the reason was on the wire.
    pub at: Timestamp,
    /// The connection.
    pub id: ConnId,
    /// How often it was asked for before.
    pub round: u32,
    /// What the originator has sent.
    pub orig: Sent,
    /// What the responder has sent.
    pub resp: Sent,
    /// The link header of that packet's frame, if it was a plain one, and who sent it.
    pub link: Option<(LinkHeader, Direction)>,
}

/// The sequence numbers of one side, as they were seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sent {
    /// The one after the highest that it has sent.
    pub next: u32,
    /// The one after the highest that the other side has acknowledged.
    pub acked: u32,
    /// Where the window ends that the other side has offered it, as far as that is known.
    pub window_end: Option<u32>,
}

/// A worker's end: where it leaves its requests.
#[derive(Debug)]
pub struct Requests {
    lane: Giver<Request>,
    thread: Thread,
}

impl Requests {
    /// Leaves requests in `lane`, and wakes `thread`, which takes them out.
    pub fn to(lane: Giver<Request>, thread: Thread) -> Self {
        Requests { lane, thread }
    }

    /// Leaves a request; `false` if there was no room for it.
    pub fn push(&self, request: Request) -> bool {
        let left = self.lane.give(request).is_ok();
        self.thread.unpark();
        left
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

/// The thread before it runs.
#[derive(Debug)]
pub struct Resetter<W = Sockets> {
    settings: RespondSettings,
    way: W,
    rate: Rate,
    outbox: Outbox,
}

impl Resetter {
    /// Opens what is sent through. What is done is told to `outbox`.
    ///
    /// # Errors
    /// The interface is not there or is down, or this process may not send packets of its own making.
    pub fn open(settings: &Settings, outbox: Outbox) -> Result<Self> {
        let way = Sockets::open(&settings.respond, settings.capture.mode)?;
        Ok(Resetter::new(settings.respond.clone(), way, outbox))
    }

    /// Starts the thread, for which so many requests of all workers may wait; it ends when all that this returns, one for each worker, are
    /// gone.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self, workers: usize, waiting: usize) -> Result<Vec<Requests>> {
        let each = (waiting / workers.max(1)).max(1);
        let (givers, takers): (Vec<_>, Vec<_>) = (0..workers).map(|_| lane(each)).unzip();
        let thread = thread::Builder::new().name("resetter".to_owned()).spawn(move || self.run(&takers));
        let thread = thread.map_err(|why| Error::new("start the thread that sends RSTs", why))?.thread().clone();
        Ok(givers.into_iter().map(|lane| Requests::to(lane, thread.clone())).collect())
    }

    fn run(mut self, waiting: &[Taker<Request>]) {
        let since = Instant::now();
        loop {
            let last = waiting.iter().all(Taker::is_alone);
            while let Some(request) = waiting.iter().find_map(Taker::take) {
                let record = self.respond(&request, since.elapsed());
                self.outbox.push(Message::record(request.at, record));
            }
            self.outbox.publish();
            if last {
                break;
            }
            thread::park_timeout(NAP);
        }
    }
}

impl<W: Way> Resetter<W> {
    fn new(settings: RespondSettings, way: W, outbox: Outbox) -> Self {
        Resetter { rate: Rate::new(settings.rate, settings.burst), settings, way, outbox }
    }

    /// Carries out one request, `now` after the start, and says what became of it.
    fn respond(&mut self, request: &Request, now: Duration) -> RespondRecord {
        let mut done = Done::default();
        if self.rate.admits(now) {
            self.reset_both(request, &mut done);
        } else {
            done.reason = Some(Text::from("rate"));
        }
        let sent = done.to_orig.saturating_add(done.to_resp);
        let delay = Timestamp::from_nanos(sys::realtime_nanos()).since(request.at);
        RespondRecord {
            ts: request.at,
            id: request.id,
            proto: request.id.key.transport,
            action: "reset",
            outcome: if sent > 0 { "sent" } else { "refused" },
            reason: done.reason,
            round: u64::from(request.round),
            to_orig: done.to_orig,
            orig_expects: u64::from(request.resp.next),
            to_resp: done.to_resp,
            resp_expects: u64::from(request.orig.next),
            interface: self.way.interface().map(|name| Text::new(name.as_bytes(), name.len())),
            delay: (sent > 0).then_some(delay),
        }
    }

    /// What is most likely to hit goes first, to both ends in turn.
    fn reset_both(&mut self, request: &Request, done: &mut Done) {
        let key = &request.id.key;
        let (orig, resp) = (SocketAddr::new(key.orig_h, key.orig_p), SocketAddr::new(key.resp_h, key.resp_p));
        for place in 0..self.settings.resets {
            if let Some(seq) = self.number(&request.orig, place) {
                let reset = Reset { from: orig, to: resp, seq, ack: request.resp.next };
                done.to_resp += self.send(&reset, request, Direction::FromOrig, &mut done.reason);
            }
            if let Some(seq) = self.number(&request.resp, place) {
                let reset = Reset { from: resp, to: orig, seq, ack: request.orig.next };
                done.to_orig += self.send(&reset, request, Direction::FromResp, &mut done.reason);
            }
        }
    }

    /// The numbers of one side's RSTs: what it sends next, what was acknowledged if that is another, and then steps into the window.
    fn number(&self, sent: &Sent, place: u32) -> Option<u32> {
        let lost = u32::from(sent.acked != sent.next);
        match place {
            0 => Some(sent.next),
            1 if lost == 1 => Some(sent.acked),
            _ => {
                let ahead = place.saturating_sub(lost).saturating_mul(self.settings.step);
                let room = sent.window_end.map_or(u32::MAX, |end| end.wrapping_sub(sent.next));
                // What lies beyond half of the sequence space is behind.
                (ahead < room.min(1 << 31)).then(|| sent.next.wrapping_add(ahead))
            }
        }
    }

    /// Sends one; 1 if it left.
    fn send(&mut self, reset: &Reset, request: &Request, direction: Direction, reason: &mut Option<Text>) -> u64 {
        let header = request.link.map(|(header, from)| if from == direction { header } else { header.reversed() });
        match self.way.send(reset, header.as_ref()) {
            Ok(()) => 1,
            Err(why) => {
                let why = why.to_string();
                *reason = Some(Text::new(why.as_bytes(), why.len()));
                0
            }
        }
    }
}

/// What became of a request.
#[derive(Default)]
struct Done {
    to_orig: u64,
    to_resp: u64,
    reason: Option<Text>,
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;
    use crate::outbox::{WhenFull, outbox};
    use crate::record::samples;

    /// Notes what would be sent; sends nothing to a host that it cannot reach.
    #[derive(Default)]
    struct Notebook(Vec<Reset>);

    impl Way for Notebook {
        fn interface(&self) -> Option<&str> {
            Some("eth9")
        }

        fn send(&mut self, reset: &Reset, _header: Option<&LinkHeader>) -> io::Result<()> {
            if reset.to.port() == 9 {
                return Err(io::Error::other("no way there"));
            }
            self.0.push(*reset);
            Ok(())
        }
    }

    fn resetter(settings: RespondSettings) -> Resetter<Notebook> {
        let (outbox, _) = outbox(0, WhenFull::Drop, Arc::default());
        Resetter::new(settings, Notebook::default(), outbox)
    }

    fn request(orig: Sent, resp: Sent) -> Request {
        Request { at: samples::AT, id: samples::id(), round: 0, orig, resp, link: None }
    }

    fn sent(next: u32, acked: u32, window_end: u32) -> Sent {
        Sent { next, acked, window_end: Some(window_end) }
    }

    #[test]
    fn both_ends_are_reset_with_the_numbers_that_they_expect() {
        let mut resetter = resetter(RespondSettings::default());
        let orig = sent(u32::MAX - 99, u32::MAX - 99, 1900);
        let record = resetter.respond(&request(orig, sent(500, 400, 1012)), Duration::ZERO);
        let numbers = |to: u16| -> Vec<u32> {
            resetter.way.0.iter().filter(|reset| reset.to.port() == to).map(|reset| reset.seq).collect()
        };
        assert_eq!(
            numbers(3344),
            [u32::MAX - 99, 412, 924, 1436],
            "the server: steps into its window, across the wrap"
        );
        assert_eq!(numbers(1122), [500, 400], "the client: what it may not have got yet; no step fits its window");
        assert!(
            resetter.way.0.iter().all(|reset| reset.ack == if reset.to.port() == 3344 { 500 } else { u32::MAX - 99 })
        );
        assert_eq!((record.outcome, record.to_orig, record.to_resp, record.reason), ("sent", 2, 4, None));
        assert_eq!((record.orig_expects, record.resp_expects), (500, u64::from(u32::MAX - 99)));
    }

    #[test]
    fn an_unknown_window_ends_nothing() {
        let resetter = resetter(RespondSettings { resets: 3, step: 100, ..RespondSettings::default() });
        let unknown = Sent { next: 7, acked: 7, window_end: None };
        let numbers: Vec<_> = (0..3).filter_map(|place| resetter.number(&unknown, place)).collect();
        assert_eq!(numbers, [7, 107, 207]);
        let closed = sent(7, 7, 7);
        assert_eq!(
            (0..3).filter_map(|place| resetter.number(&closed, place)).count(),
            1,
            "the one that counts is sent"
        );
    }

    #[test]
    fn beyond_the_rate_nothing_is_sent_and_that_is_told() {
        let mut resetter = resetter(RespondSettings { rate: 1, burst: 2, ..RespondSettings::default() });
        let mut outcomes = [0, 0, 0, 1000].map(|millis| {
            let record = resetter.respond(&request(sent(1, 1, 1), sent(1, 1, 1)), Duration::from_millis(millis));
            (record.outcome, record.reason.map(|reason| reason.as_bytes().to_vec()), record.delay.is_some())
        });
        assert_eq!(outcomes[2], ("refused", Some(b"rate".to_vec()), false));
        outcomes.swap(2, 3);
        assert!(outcomes[..3].iter().all(|outcome| *outcome == ("sent", None, true)), "{outcomes:?}");
        assert_eq!(resetter.way.0.len(), 6, "two each");
    }

    #[test]
    fn an_end_that_cannot_be_reached_is_told() {
        let mut resetter = resetter(RespondSettings::default());
        let mut half = request(sent(1, 1, 1), sent(1, 1, 1));
        half.id.key.resp_p = 9;
        let record = resetter.respond(&half, Duration::ZERO);
        assert_eq!((record.outcome, record.to_orig, record.to_resp), ("sent", 1, 0));
        assert_eq!(record.reason, Some(Text::from("no way there")));
        half.id.key.orig_p = 9;
        assert_eq!(resetter.respond(&half, Duration::ZERO).outcome, "refused");
    }
}
