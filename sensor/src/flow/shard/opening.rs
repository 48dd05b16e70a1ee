//! The connection of a packet: the one that is there, or a new one where one is wanted.

use super::Shard;
use crate::analyzers::{AnyAnalyzer, Service};
use crate::capture::{Frame, Gate};
use crate::config::seconds;
use crate::event::{ConnectionEvent, Handler, Verdict};
use crate::flow::Conn;
use crate::flow::connection::{Connection, Fate};
use crate::flow::key::{Direction, FlowKey, Transport};
use crate::flow::subject::Shared;
use crate::flow::table::SlotId;
use crate::packet::{Body, Packet, Segment};
use crate::record::ConnId;
use crate::time::Timestamp;

/// What is looked for in the table when a plain frame comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    hash: u64,
    /// Where it most likely is.
    likely: Option<SlotId>,
    /// Whether one of its ports is watched.
    watched: bool,
}

/// What was found for a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its connection, and who sent it.
    connection: Option<(SlotId, Direction)>,
    /// Whether one of its ports is watched.
    watched: bool,
}

impl<H: Handler> Shard<H> {
    /// What to look for, for a frame that will be processed in a while, if it can be told at a glance. Asks for the line of the index.
    #[inline]
    pub(super) fn look_ahead(&self, frame: &Frame<'_>) -> Option<Sought> {
        let key = frame.plain()?.key();
        let sought = Sought { hash: self.table.hash(&key), likely: None, watched: self.is_watched(&key) };
        if self.may_be_there(sought.watched) {
            self.table.prefetch(sought.hash);
        }
        Some(sought)
    }

    /// Asks for the connections of frames that will be processed soon.
    #[inline]
    pub(super) fn come_nearer<'a>(&self, coming: impl IntoIterator<Item = &'a mut Option<Sought>>) {
        let sought = coming.into_iter().flatten().filter(|sought| self.may_be_there(sought.watched));
        sought.for_each(|sought| sought.likely = self.table.prefetch_found(sought.hash));
    }

    /// Asks for what a connection keeps elsewhere; the connection is here by now.
    #[inline]
    pub(super) fn come_whole(&self, coming: Option<&Option<Sought>>) {
        let likely = coming.and_then(Option::as_ref).and_then(|sought| sought.likely);
        likely.into_iter().for_each(|id| self.table.prefetch_beside(id));
    }

    /// Finds what was looked for.
    #[inline]
    pub(super) fn find(&self, frame: &Frame<'_>, sought: Option<&Sought>) -> Option<Found> {
        let (plain, &Sought { hash, likely, watched }) = (frame.plain()?, sought?);
        let connection =
            if self.may_be_there(watched) { self.table.find_near(&plain.key(), hash, likely) } else { None };
        Some(Found { connection, watched })
    }

    /// Whether the gate would say that a frame is wanted for the plainest of reasons: it is at a watched port, and there is no connection
    /// whose payload is kept out. (A bypass ends with its connection.)
    #[inline]
    pub(super) fn is_plainly_wanted(&self, found: &Found) -> bool {
        let connection = found.connection.and_then(|(id, _)| self.table.get(id));
        found.watched && connection.is_none_or(|connection| !connection.subject.conn.verdict.has(Verdict::SKIP))
    }

    /// What there is for a packet with this key.
    pub(super) fn look_up(&self, key: &FlowKey) -> Found {
        let watched = self.is_watched(key);
        let connection = if self.may_be_there(watched) { self.table.find(key) } else { None };
        Found { connection, watched }
    }

    #[inline]
    fn may_be_there(&self, watched: bool) -> bool {
        watched || self.unwatched > 0
    }

    /// The connection of a packet: the one that was found (unless its time was over before this packet), or a new one.
    #[inline]
    pub(super) fn find_or_open(
        &mut self,
        at: Timestamp,
        packet: &Packet<'_>,
        found: &Found,
        gate: &mut dyn Gate,
    ) -> Option<(SlotId, Direction)> {
        let segment = if let Body::Tcp(segment) = &packet.body { Some(segment) } else { None };
        match found.connection {
            Some((id, _)) if self.still_lives(id, at, gate) && !self.is_reused(id, at, segment, gate) => {
                found.connection
            }
            _ => self.open(at, &packet.key()?, found.watched, segment, gate),
        }
    }

    fn is_expected(&mut self, at: Timestamp, key: &FlowKey) -> bool {
        self.handler.expected(at, key).is_some() || self.handler.expected(at, &key.reverse()).is_some()
    }

    /// Runs what was due before this packet came; `false` if that was the end of the connection.
    #[inline]
    pub(super) fn still_lives(&mut self, id: SlotId, at: Timestamp, gate: &mut dyn Gate) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        if connection.due() > at {
            return true;
        }
        let mut shared = shared!(self, at, gate);
        let fate = connection.run_deadlines(at, &mut shared);
        let now = shared.now;
        if fate == Fate::Over {
            self.drop_connection(id, now, gate);
        }
        fate == Fate::Lives
    }

    /// Whether a SYN begins the next connection between the same ports; if so, the old one is over.
    #[inline]
    fn is_reused(&mut self, id: SlotId, at: Timestamp, segment: Option<&Segment<'_>>, gate: &mut dyn Gate) -> bool {
        let Some(segment) = segment.filter(|segment| segment.flags().syn) else { return false };
        let Some(connection) = self.table.get_mut(id) else { return false };
        let reused = connection.is_reused_by(&mut shared!(self, at, gate), segment);
        if reused {
            self.drop_connection(id, at, gate);
        }
        reused
    }

    /// Opens a connection for a packet with this key, if one is wanted.
    #[inline(never)]
    fn open(
        &mut self,
        at: Timestamp,
        sent: &FlowKey,
        watched: bool,
        segment: Option<&Segment<'_>>,
        gate: &mut dyn Gate,
    ) -> Option<(SlotId, Direction)> {
        if !watched && !self.is_expected(at, sent) {
            return None;
        }
        if let Some(victim) = self.table.victim()
            && self.still_lives(victim, at, gate)
        {
            self.stats.counters.connections_evicted.inc();
            self.drop_connection(victim, at, gate);
        }
        let flipped = self.is_from_responder(at, sent, segment);
        let key = if flipped { sent.reverse() } else { *sent };
        let service = self.service(at, &key);
        let mut conn = Conn::new(ConnId { uid: key.uid(self.settings.seed, at), key }, at);
        conn.service = service.filter(|service| service.is_announced());
        if flipped {
            conn.history.push(b'^');
        }
        if let Some(tracer) = &self.tracer {
            conn.trace = tracer.mark(service);
        }
        let timeouts = &self.settings.timeouts;
        let inactivity = match key.transport {
            Transport::Tcp => seconds(timeouts.tcp_inactivity_timeout),
            Transport::Udp => seconds(timeouts.udp_inactivity_timeout),
        };
        let analyzer = service.map(AnyAnalyzer::new);
        let tcp = (key.transport == Transport::Tcp).then(|| self.pool.take_tcp(watched));
        let id = self.table.insert(Connection::new(conn, analyzer, tcp, inactivity))?;
        let connection = self.table.get_mut(id)?;
        connection.subject.raise(&mut shared!(self, at, gate), ConnectionEvent::NewConnection);
        self.unwatched += usize::from(!watched);
        self.stats.counters.connections_opened.inc();
        self.stats.counters.connections_open.set(self.table.len() as u64);
        Some((id, if flipped { Direction::FromResp } else { Direction::FromOrig }))
    }

    /// Whether a packet that opens a connection was sent by its responder: the other side's first packet was not seen.
    fn is_from_responder(&mut self, at: Timestamp, sent: &FlowKey, segment: Option<&Segment<'_>>) -> bool {
        if segment.is_some_and(|segment| segment.flags().syn && !segment.flags().ack) {
            return false;
        }
        self.service(at, &sent.reverse()).is_some() && self.service(at, sent).is_none()
    }

    /// What the responder of this connection is expected to speak.
    fn service(&mut self, at: Timestamp, key: &FlowKey) -> Option<Service> {
        let watched = self.ports.get(key.transport, key.resp_p);
        watched.or_else(|| self.handler.expected(at, key))
    }

    #[inline]
    pub(super) fn is_watched(&self, key: &FlowKey) -> bool {
        let ports = &self.ports;
        ports.get(key.transport, key.resp_p).is_some() || ports.get(key.transport, key.orig_p).is_some()
    }
}
