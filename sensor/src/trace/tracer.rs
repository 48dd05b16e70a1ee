//! The worker's side: remembers frames that may be wanted, and tells the collector those that are.

use std::thread::LocalKey;

use super::ring::{Entry, Place, Ring};
use super::{Kept, KeptPacket};
use crate::analyzers::Service;
use crate::capture::{Frame, Link};
use crate::config::RecordSettings;
use crate::event::Verdict;
use crate::flow::Conn;
use crate::outbox::Outbox;
use crate::record::Message;
use crate::spare::{Lend, Lent, Spare};
use crate::time::Timestamp;

/// The first frames of a connection are kept apart from the others, so that its handshake outlives a long session.
const FIRST: u8 = 4;
/// So much of each of them: what a handshake needs.
const FIRST_BYTES: usize = 160;
/// What part of the memory they have.
const FIRST_SHARE: usize = 4;

/// Remembers frames of connections that policy may yet want recorded. There is one if packets are recorded at all.
#[derive(Debug)]
pub struct Tracer {
    services: Vec<Service>,
    first: Ring,
    recent: Ring,
    outbox: Outbox,
}

/// What a connection remembers of its own frames.
#[derive(Default, Debug)]
pub struct Mark(Lent<Frames>);

/// Nothing of the kind is needed while nobody may want the frames.
#[derive(Default, Debug)]
struct Frames {
    /// Why they are wanted, if they are.
    why: &'static str,
    /// The latest of its first frames.
    first: Place,
    /// The latest of the others.
    recent: Place,
    /// How many first frames there are.
    firsts: u8,
    /// Its service is one whose connections may be wanted.
    watched: bool,
    /// Every frame goes on at once.
    recording: bool,
}

impl Mark {
    /// Bytes that one may take beside its connection.
    pub const BESIDE: usize = size_of::<Frames>();

    /// Whether the connection's packets can be recorded from its first one on.
    pub fn is_watched(&self) -> bool {
        self.0.get().is_some_and(|frames| frames.watched)
    }

    /// Why its packets are recorded; empty if they are not.
    pub fn why(&self) -> &'static str {
        self.0.get().map_or("", |frames| frames.why)
    }

    /// Its packets are worth recording. The first reason is the one that is told.
    pub fn record(&mut self, why: &'static str) {
        let frames = self.0.need();
        if frames.why.is_empty() {
            frames.why = why;
        }
    }

    fn is_recording(&self) -> bool {
        self.0.get().is_some_and(|frames| frames.recording)
    }
}

thread_local! {
    static SPARE: Spare<Frames> = const { Spare::new() };
}

impl Lend for Frames {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }
}

impl Tracer {
    /// A tracer, if the settings want one.
    pub fn new(settings: &RecordSettings, outbox: &Outbox) -> Option<Self> {
        settings.is_on().then(|| Tracer {
            services: settings.services(),
            first: Ring::new(settings.ring_bytes / FIRST_SHARE),
            recent: Ring::new(settings.ring_bytes - settings.ring_bytes / FIRST_SHARE),
            outbox: outbox.clone(),
        })
    }

    /// What a connection on the port of this service remembers at first.
    pub fn mark(&self, service: Option<Service>) -> Mark {
        let mut mark = Mark::default();
        if service.is_some_and(|service| self.services.contains(&service)) {
            mark.0.need().watched = true;
        }
        mark
    }

    /// Sees a frame after it has been analysed, with its connection.
    pub fn on_frame(&mut self, conn: &mut Conn, frame: &Frame<'_>) {
        if conn.trace.is_recording() {
            self.tell(frame.at, conn, &entry(0, frame, usize::MAX), false);
            return;
        }
        let wanted = conn.verdict.has(Verdict::RECORD);
        let unwanted = !conn.trace.is_watched() || conn.verdict.has(Verdict::DO_NOT_RECORD);
        if unwanted && !wanted {
            return;
        }
        let mark = conn.trace.0.need();
        if mark.firsts < FIRST && frame.bytes.len() <= FIRST_BYTES {
            mark.firsts += 1;
            mark.first = self.first.push(&entry(mark.first, frame, FIRST_BYTES));
        } else {
            mark.firsts = FIRST;
            mark.recent = self.recent.push(&entry(mark.recent, frame, usize::MAX));
        }
        if wanted {
            mark.recording = true;
            self.tell_the_past(conn);
        }
    }

    /// The connection is over; that may have been what made it worth keeping.
    pub fn on_close(&self, conn: &Conn) {
        let wanted = conn.verdict.has(Verdict::RECORD);
        if wanted && !conn.trace.is_recording() {
            self.tell_the_past(conn);
        }
        if wanted {
            self.outbox.push(Message::kept(conn.last, Kept::End(conn.id)));
        }
    }

    /// Tells what is still there of the connection, oldest first.
    fn tell_the_past(&self, conn: &Conn) {
        let Some(frames) = conn.trace.0.get() else { return };
        let mut after_hole = false;
        for (ring, latest) in [(&self.first, frames.first), (&self.recent, frames.recent)] {
            let (places, cut) = ring.latest_first(latest);
            after_hole |= cut;
            for entry in places.iter().rev().filter_map(|place| ring.get(*place)) {
                self.tell(conn.last, conn, &entry, std::mem::take(&mut after_hole));
            }
        }
    }

    fn tell(&self, at: Timestamp, conn: &Conn, entry: &Entry<'_>, after_hole: bool) {
        let packet = KeptPacket {
            id: conn.id,
            why: conn.trace.why(),
            at: entry.at,
            link: LINKS.get(usize::from(entry.kind)).copied().unwrap_or(Link::Ethernet),
            wire_len: entry.full_len,
            after_hole,
            bytes: entry.bytes.into(),
        };
        self.outbox.push(Message::kept(at, Kept::Packet(packet)));
    }
}

/// The links, by the number that stands for them in the ring.
const LINKS: [Link; 5] = [Link::Ethernet, Link::RawIp, Link::LinuxSll, Link::LinuxSll2, Link::Null];

fn entry<'a>(previous: Place, frame: &Frame<'a>, most: usize) -> Entry<'a> {
    let kind = LINKS.iter().position(|link| *link == frame.link).unwrap_or(0) as u8;
    let bytes = frame.bytes.get(..most).unwrap_or(frame.bytes);
    Entry { previous, at: frame.at, kind, full_len: frame.wire_len as u32, bytes }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flow::key::Transport;
    use crate::outbox::{Inbox, WhenFull, outbox};
    use crate::record::Content;

    /// A tracer with this much memory, and what it tells.
    fn tracer(ring_bytes: usize) -> (Tracer, Inbox) {
        let settings = RecordSettings { dir: "somewhere".into(), ring_bytes, ..RecordSettings::default() };
        let (outbox, inbox) = outbox(64, WhenFull::Drop, Arc::default());
        (Tracer::new(&settings, &outbox).unwrap(), inbox)
    }

    /// The first byte of each packet that was told, and `!` before one after a hole; `.` is the end.
    fn told(tracer: &Tracer, inbox: &Inbox) -> String {
        tracer.outbox.publish();
        let mut told = String::new();
        while let Some(message) = inbox.pop() {
            match message.content {
                Content::Kept(kept) => match *kept {
                    Kept::Packet(packet) => {
                        told.push_str(if packet.after_hole { "!" } else { "" });
                        told.push(char::from(packet.bytes[0]));
                    }
                    Kept::End(_) => told.push('.'),
                    Kept::Line(line) => panic!("{line:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        told
    }

    fn talk(tracer: &mut Tracer, conn: &mut Conn, letters: &str) {
        for letter in letters.bytes() {
            let bytes = [letter; 60];
            let at = Timestamp::from_nanos(u64::from(letter));
            tracer.on_frame(conn, &Frame::new(at, Link::Ethernet, &bytes, 60));
        }
    }

    #[test]
    fn the_past_is_told_once_and_the_future_as_it_comes() {
        let (mut tracer, inbox) = tracer(1 << 16);
        let mut conn = crate::analyzers::testing::conn(Transport::Tcp);
        conn.trace = tracer.mark(Some(Service::Telnet));
        talk(&mut tracer, &mut conn, "abcdefgh");
        assert_eq!(told(&tracer, &inbox), "");
        conn.verdict |= Verdict::RECORD;
        talk(&mut tracer, &mut conn, "ij");
        assert_eq!(told(&tracer, &inbox), "abcdefghij");
        tracer.on_close(&conn);
        assert_eq!(told(&tracer, &inbox), ".");
    }

    #[test]
    fn a_long_session_keeps_its_handshake_and_says_what_is_missing() {
        let (mut tracer, inbox) = tracer(2048);
        let mut conn = crate::analyzers::testing::conn(Transport::Tcp);
        conn.trace = tracer.mark(Some(Service::Ftp));
        talk(&mut tracer, &mut conn, "abcdefghijklmnopqrstuvwxyz");
        conn.verdict |= Verdict::RECORD;
        tracer.on_close(&conn);
        assert_eq!(told(&tracer, &inbox), "abcd!klmnopqrstuvwxyz.");
    }

    #[test]
    fn what_policy_does_not_want_takes_no_memory_until_it_does() {
        let (mut tracer, inbox) = tracer(1 << 16);
        let mut conn = crate::analyzers::testing::conn(Transport::Tcp);
        conn.trace = tracer.mark(Some(Service::Telnet));
        talk(&mut tracer, &mut conn, "ab");
        conn.verdict |= Verdict::DO_NOT_RECORD;
        talk(&mut tracer, &mut conn, "cd");
        conn.verdict |= Verdict::RECORD;
        talk(&mut tracer, &mut conn, "ef");
        assert_eq!(told(&tracer, &inbox), "abef");
    }

    #[test]
    fn other_services_are_recorded_from_the_verdict_on() {
        let (mut tracer, inbox) = tracer(1 << 16);
        let mut conn = crate::analyzers::testing::conn(Transport::Udp);
        conn.trace = tracer.mark(Some(Service::Portmap));
        talk(&mut tracer, &mut conn, "ab");
        conn.verdict |= Verdict::RECORD;
        talk(&mut tracer, &mut conn, "cd");
        assert_eq!(told(&tracer, &inbox), "cd");
    }
}
