//! The worker's side of transcripts: remembers the lines of login sessions, and tells the collector those of hot ones.

use super::ring::{Entry, Place, Ring};
use super::{Kept, KeptLine};
use crate::config::RecordSettings;
use crate::flow::Conn;
use crate::flow::key::Direction;
use crate::outbox::Outbox;
use crate::record::Message;
use crate::time::Timestamp;

/// What part of the memory for packets is taken for lines beside it.
const SHARE: usize = 8;

/// Remembers lines of sessions that may yet turn hot. There is one if sessions are recorded at all.
#[derive(Debug)]
pub struct Transcriber {
    ring: Ring,
    outbox: Outbox,
}

/// What a session remembers of its own lines.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LineMark {
    latest: Place,
    /// Every line goes on at once.
    telling: bool,
}

impl Transcriber {
    /// A transcriber, if the settings want one.
    pub fn new(settings: &RecordSettings, outbox: &Outbox) -> Option<Self> {
        let wanted = settings.is_on() && settings.transcripts;
        wanted.then(|| Transcriber { ring: Ring::new(settings.ring_bytes / SHARE), outbox: outbox.clone() })
    }

    /// Sees a line as it may be shown.
    pub fn on_line(&mut self, at: Timestamp, conn: &Conn, mark: &mut LineMark, direction: Direction, line: &[u8]) {
        self.tell_the_past(at, conn, mark);
        let kind = u8::from(direction.is_orig());
        let entry = Entry { previous: mark.latest, at, kind, full_len: line.len() as u32, bytes: line };
        if mark.telling {
            self.tell(at, conn, &entry, false);
        } else {
            mark.latest = self.ring.push(&entry);
        }
    }

    /// Tells what is still there of the session, oldest first, if it has turned hot since.
    pub fn tell_the_past(&self, at: Timestamp, conn: &Conn, mark: &mut LineMark) {
        if mark.telling || conn.trace.why().is_empty() {
            return;
        }
        mark.telling = true;
        let (places, mut after_hole) = self.ring.latest_first(mark.latest);
        for entry in places.iter().rev().filter_map(|place| self.ring.get(*place)) {
            self.tell(at, conn, &entry, std::mem::take(&mut after_hole));
        }
    }

    fn tell(&self, at: Timestamp, conn: &Conn, entry: &Entry<'_>, after_hole: bool) {
        let line = KeptLine {
            id: conn.id,
            why: conn.trace.why(),
            at: entry.at,
            is_orig: entry.kind == 1,
            after_hole,
            text: entry.bytes.into(),
        };
        self.outbox.push(Message::kept(at, Kept::Line(line)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flow::key::Transport;
    use crate::outbox::{WhenFull, outbox};
    use crate::record::Content;

    #[test]
    fn lines_are_told_from_the_first_one_on_once_the_session_is_hot() {
        let settings = RecordSettings { dir: "somewhere".into(), ring_bytes: 4096, ..RecordSettings::default() };
        let (outbox, inbox) = outbox(64, WhenFull::Drop, Arc::default());
        let mut transcriber = Transcriber::new(&settings, &outbox).unwrap();
        let mut conn = crate::analyzers::testing::conn(Transport::Tcp);
        let mut mark = LineMark::default();
        let mut say = |conn: &Conn, number: u64, direction| {
            let line = format!("line {number}");
            transcriber.on_line(Timestamp::from_nanos(number), conn, &mut mark, direction, line.as_bytes());
        };
        say(&conn, 1, Direction::FromResp);
        say(&conn, 2, Direction::FromOrig);
        outbox.publish();
        assert!(inbox.pop().is_none());
        conn.trace.record("SensitiveLogin");
        say(&conn, 3, Direction::FromResp);
        say(&conn, 4, Direction::FromOrig);
        outbox.publish();
        let mut told = String::new();
        while let Some(Content::Kept(kept)) = inbox.pop().map(|message| message.content) {
            let Kept::Line(line) = *kept else { panic!("{kept:?}") };
            let from = if line.is_orig { '>' } else { '<' };
            told.push_str(&format!("{} {from} {}; ", line.at.as_nanos(), String::from_utf8_lossy(&line.text)));
        }
        assert_eq!(told, "1 < line 1; 2 > line 2; 3 < line 3; 4 > line 4; ");
    }
}
