//! Connections that are followed but not read: their states, sizes, gaps and inconsistencies are told, their content is not.

use super::{Analyzer, Context, Step};
use crate::flow::key::Direction;

/// Takes whatever comes. It stands in the table for the protocols that have a port here, and no analyzer of their own.
#[derive(Clone, Copy, Default, Debug)]
pub struct Unread;

impl Analyzer for Unread {
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, _cx: &mut Context<'_>, _direction: Direction, bytes: &[u8]) -> Step {
        Step::Consumed(bytes.len())
    }

    fn on_datagram(&mut self, _cx: &mut Context<'_>, _direction: Direction, _bytes: &[u8]) -> Step {
        Step::Done
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, _direction: Direction, _length: u64) -> Step {
        Step::Consumed(0)
    }
}
