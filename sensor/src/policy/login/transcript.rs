//! The manual's `demux_conn`: what was said in a hot session, as a person would read it.

use super::session::session_mut;
use crate::event::LoginEvent;
use crate::flow::key::Direction;
use crate::policy::{Policy, Seen};

impl Policy {
    /// Keeps a line, should the session be worth it now or later.
    pub(super) fn transcribe(&mut self, seen: &mut Seen<'_>, event: &LoginEvent<'_>) {
        let (direction, line, secret) = match *event {
            LoginEvent::LoginInputLine { line, secret } => (Direction::FromOrig, line, secret),
            LoginEvent::LoginOutputLine { line, secret } => (Direction::FromResp, line, secret),
            _ => return,
        };
        let Some(mut transcriber) = self.transcriber.take() else { return };
        let hidden = secret.then(|| self.password(line));
        let shown = hidden.as_ref().map_or(line, |hidden| hidden.as_bytes());
        let mut mark = session_mut(seen.conn).transcript;
        transcriber.on_line(seen.now, seen.conn, &mut mark, direction, shown);
        session_mut(seen.conn).transcript = mark;
        self.transcriber = Some(transcriber);
    }

    /// The session is over; its last line may have been what made it hot.
    pub(super) fn end_transcript(&mut self, seen: &mut Seen<'_>) {
        let Some(transcriber) = &self.transcriber else { return };
        let mut mark = session_mut(seen.conn).transcript;
        transcriber.tell_the_past(seen.now, seen.conn, &mut mark);
        session_mut(seen.conn).transcript = mark;
    }
}
