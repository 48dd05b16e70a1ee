//! The connection of a packet: the one that is there, or a new one where one is wanted.

use super::Shard;
use crate::analyzers::{AnyAnalyzer, Service};
use crate::capture::Gate;
use crate::config::seconds;
use crate::event::{ConnectionEvent, Handler};
use crate::flow::Conn;
use crate::flow::connection::{Connection, Fate};
use crate::flow::key::{Direction, FlowKey, Transport};
use crate::flow::subject::Shared;
use crate::flow::table::{Hashed, SlotId};
use crate::packet::Segment;
use crate::record::ConnId;
use crate::time::Timestamp;

impl<H: Handler> Shard<H> {
    /// The connection of a packet: the one that is there (unless its time was over before this packet), or a new one.
    pub(super) fn find_or_open(
        &mut self,
        at: Timestamp,
        key: FlowKey,
        segment: Option<&Segment<'_>>,
        gate: &mut dyn Gate,
    ) -> Option<(SlotId, Direction)> {
        let ports = &self.ports;
        let watched = ports.get(key.transport, key.resp_p).is_some() || ports.get(key.transport, key.orig_p).is_some();
        if !watched && self.unwatched == 0 && !self.is_expected(at, &key) {
            return None;
        }
        let hashed = self.table.hash(key);
        if let Some((id, direction)) = self.table.find(&hashed)
            && self.still_lives(id, at, gate)
            && !self.is_reused(id, at, segment, gate)
        {
            return Some((id, direction));
        }
        if !watched && !self.is_expected(at, &key) {
            return None;
        }
        self.open(at, &hashed, segment, gate)
    }

    fn is_expected(&mut self, at: Timestamp, key: &FlowKey) -> bool {
        self.handler.expected(at, key).is_some() || self.handler.expected(at, &key.reverse()).is_some()
    }

    /// Runs what was due before this packet came; `false` if that was the end of the connection.
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
    fn is_reused(&mut self, id: SlotId, at: Timestamp, segment: Option<&Segment<'_>>, gate: &mut dyn Gate) -> bool {
        let Some(segment) = segment.filter(|segment| segment.flags.syn) else { return false };
        let Some(connection) = self.table.get_mut(id) else { return false };
        let reused = connection.is_reused_by(&mut shared!(self, at, gate), segment);
        if reused {
            self.drop_connection(id, at, gate);
        }
        reused
    }

    fn open(
        &mut self,
        at: Timestamp,
        hashed: &Hashed,
        segment: Option<&Segment<'_>>,
        gate: &mut dyn Gate,
    ) -> Option<(SlotId, Direction)> {
        if let Some(victim) = self.table.victim()
            && self.still_lives(victim, at, gate)
        {
            self.stats.counters.connections_evicted.inc();
            self.drop_connection(victim, at, gate);
        }
        let sent = hashed.key();
        let flipped = self.is_from_responder(at, &sent, segment);
        let key = if flipped { sent.reverse() } else { sent };
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
        let watched = self.is_watched(&key);
        let tcp = (key.transport == Transport::Tcp).then(|| self.pool.take_tcp(watched));
        let id = self.table.insert(hashed, Connection::new(conn, analyzer, tcp, inactivity))?;
        let connection = self.table.get_mut(id)?;
        connection.subject.raise(&mut shared!(self, at, gate), ConnectionEvent::NewConnection);
        self.unwatched += usize::from(!watched);
        self.stats.counters.connections_opened.inc();
        self.stats.counters.connections_open.set(self.table.len() as u64);
        Some((id, if flipped { Direction::FromResp } else { Direction::FromOrig }))
    }

    /// Whether a packet that opens a connection was sent by its responder: the other side's first packet was not seen.
    fn is_from_responder(&mut self, at: Timestamp, sent: &FlowKey, segment: Option<&Segment<'_>>) -> bool {
        if segment.is_some_and(|segment| segment.flags.syn && !segment.flags.ack) {
            return false;
        }
        self.service(at, &sent.reverse()).is_some() && self.service(at, sent).is_none()
    }

    /// What the responder of this connection is expected to speak.
    fn service(&mut self, at: Timestamp, key: &FlowKey) -> Option<Service> {
        let watched = self.ports.get(key.transport, key.resp_p);
        watched.or_else(|| self.handler.expected(at, key))
    }

    pub(super) fn is_watched(&self, key: &FlowKey) -> bool {
        let ports = &self.ports;
        ports.get(key.transport, key.resp_p).is_some() || ports.get(key.transport, key.orig_p).is_some()
    }
}
