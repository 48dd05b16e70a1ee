//! Rexec: a port, a name, a password and a command, each with a NUL behind it.

use super::wire::nvt;
use super::wire::rcmd::{Kind, Rcmd};
use super::{Analyzer, Context, Service, Step};
use crate::flow::key::Direction;

const KIND: Kind = Kind {
    service: Service::Rexec,
    has_password: true,
    bad_prolog: "bad_rexec_prolog",
    text_after_rejected: "rexec_text_after_rejected",
    line_size_exceeded: "rexec_line_size_exceeded",
};

/// Rexec on one connection.
#[derive(Default, Debug)]
pub struct Rexec(Rcmd);

impl Analyzer for Rexec {
    const PDU_MAX: usize = nvt::PDU_MAX;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.0.on_stream(cx, &KIND, direction, bytes)
    }

    fn on_datagram(&mut self, _cx: &mut Context<'_>, _direction: Direction, _bytes: &[u8]) -> Step {
        Step::Done
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, _length: u64) -> Step {
        self.0.on_gap(direction);
        Step::Consumed(0)
    }

    fn held(&self) -> usize {
        self.0.held()
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        self.0.on_end(cx, &KIND, direction, rest);
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        self.0.on_close(cx, &KIND);
    }
}
