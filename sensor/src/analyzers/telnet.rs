//! Telnet (RFC 854): the terminal, and the login dialogue that is held over it.

use super::wire::nvt::{self, Item, Nvt, Variable};
use super::{Analyzer, Context, Service, Step};
use crate::event::{Event, LoginEvent};
use crate::flow::key::Direction;

/// Telnet on one connection.
#[derive(Debug)]
pub struct Telnet {
    nvt: Nvt,
}

impl Default for Telnet {
    fn default() -> Self {
        Telnet { nvt: Nvt::telnet() }
    }
}

impl Analyzer for Telnet {
    const PDU_MAX: usize = nvt::PDU_MAX;
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        cx.conn.service = Some(Service::Telnet);
        let mut rest = bytes;
        while let Some(item) = self.nvt.next(cx, direction, &mut rest) {
            match item {
                Item::Line(_) | Item::Echo(_) => {}
                Item::Terminal(terminal) => cx.emit(&Event::Login(LoginEvent::LoginTerminal { terminal })),
                Item::Display(display) => cx.emit(&Event::Login(LoginEvent::LoginDisplay { display })),
                Item::Environment(variables) => {
                    for Variable { name, value, user } in variables {
                        let value = value.unwrap_or_default();
                        cx.emit(&Event::Login(LoginEvent::LoginEnvironment { name, value, user_variable: user }));
                    }
                }
            }
        }
        if self.nvt.is_sealed() { Step::Done } else { nvt::step(bytes, rest) }
    }

    fn on_datagram(&mut self, _cx: &mut Context<'_>, _direction: Direction, _bytes: &[u8]) -> Step {
        Step::Done
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, _length: u64) -> Step {
        self.nvt.on_gap(direction);
        Step::Consumed(0)
    }

    fn held(&self) -> usize {
        self.nvt.held()
    }
}
