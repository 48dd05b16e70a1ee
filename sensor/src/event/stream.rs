//! The event stream that `--events` writes: every event under the manual's name, before its handler sees it.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{ConnectionEvent, Event, Handler, Out, Verdict};
use crate::analyzers::Service;
use crate::capture::Gate;
use crate::flow::Conn;
use crate::flow::key::FlowKey;
use crate::outbox::Outbox;
use crate::record::{EventRecord, Message, Value};
use crate::text::Text;
use crate::time::Timestamp;

/// A handler whose events are told to the collector as well, if somebody asked for them.
#[derive(Debug)]
pub struct EventStream<H> {
    handler: H,
    outbox: Option<Outbox>,
}

impl<H: Handler> EventStream<H> {
    /// Lets `handler` handle what `outbox`, if there is one, is told.
    pub fn new(handler: H, outbox: Option<Outbox>) -> Self {
        EventStream { handler, outbox }
    }
}

impl<H: Handler> Handler for EventStream<H> {
    fn handle(&mut self, now: Timestamp, conn: &mut Conn, event: &Event<'_>) -> Verdict {
        if let Some(outbox) = &self.outbox {
            outbox.push(Message::record(now, record(now, conn, event)));
        }
        self.handler.handle(now, conn, event)
    }

    fn expected(&mut self, now: Timestamp, key: &FlowKey) -> Option<Service> {
        self.handler.expected(now, key)
    }

    fn flow_weird(&mut self, now: Timestamp, hosts: Option<(IpAddr, IpAddr)>, name: &'static str) {
        self.handler.flow_weird(now, hosts, name);
    }

    fn tick(&mut self) {
        self.handler.tick();
    }

    #[inline]
    fn settle(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        self.handler.settle(now, gate);
    }
}

fn record(now: Timestamp, conn: &Conn, event: &Event<'_>) -> Box<EventRecord> {
    let mut fields = Vec::new();
    event.fields(&mut |name, value| fields.push((name, value.into_owned())));
    Box::new(EventRecord { ts: now, id: conn.id, event: event.name(), fields })
}

impl Event<'_> {
    /// The manual's name of this event.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Connection(event) => event.name(),
            Event::Weird { .. } => "conn_weird",
            Event::Rpc(event) => event.name(),
            Event::Ftp(event) => event.name(),
            Event::Nvt(event) => event.name(),
            Event::Login(event) => event.name(),
            Event::Ssh(event) => event.name(),
        }
    }

    /// Shows its parameters under the manual's names.
    pub fn fields(&self, out: Out<'_>) {
        match self {
            Event::Connection(event) => event.fields(out),
            Event::Weird { name, addl } => {
                out("name", Value::Word(name));
                out("addl", Value::Text(Cow::Owned(Text::new(addl, super::SHOWN))));
            }
            Event::Rpc(event) => event.fields(out),
            Event::Ftp(event) => event.fields(out),
            Event::Nvt(event) => event.fields(out),
            Event::Login(event) => event.fields(out),
            Event::Ssh(event) => event.fields(out),
        }
    }
}

impl ConnectionEvent {
    /// The manual's name of this event.
    pub const fn name(&self) -> &'static str {
        match self {
            ConnectionEvent::NewConnection => "new_connection",
            ConnectionEvent::ConnectionEstablished => "connection_established",
            ConnectionEvent::ConnectionAttempt => "connection_attempt",
            ConnectionEvent::ConnectionRejected => "connection_rejected",
            ConnectionEvent::PartialConnection => "partial_connection",
            ConnectionEvent::ConnectionFinished => "connection_finished",
            ConnectionEvent::ConnectionHalfFinished => "connection_half_finished",
            ConnectionEvent::ConnectionPartialClose => "connection_partial_close",
            ConnectionEvent::ConnectionReset => "connection_reset",
            ConnectionEvent::ConnectionPending => "connection_pending",
            ConnectionEvent::ConnectionTimeout => "connection_timeout",
            ConnectionEvent::ConnectionStateRemove => "connection_state_remove",
            ConnectionEvent::UdpRequest => "udp_request",
            ConnectionEvent::UdpReply => "udp_reply",
            ConnectionEvent::ContentGap { .. } => "content_gap",
            ConnectionEvent::RexmitInconsistency { .. } => "rexmit_inconsistency",
            ConnectionEvent::AckAboveHole { .. } => "ack_above_hole",
        }
    }

    /// Shows its parameters under the manual's names.
    pub fn fields(&self, out: Out<'_>) {
        match self {
            ConnectionEvent::ContentGap { direction, seq, length } => {
                out("is_orig", Value::Bool(direction.is_orig()));
                out("seq", Value::Count(*seq));
                out("length", Value::Count(*length));
            }
            ConnectionEvent::RexmitInconsistency { direction, seq }
            | ConnectionEvent::AckAboveHole { direction, seq } => {
                out("is_orig", Value::Bool(direction.is_orig()));
                out("seq", Value::Count(*seq));
            }
            _ => {}
        }
    }
}
