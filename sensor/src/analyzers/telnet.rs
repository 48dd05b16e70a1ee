//! Telnet (RFC 854): the terminal, and the login dialogue that is held over it.

use super::wire::login::{Login, Variable};
use super::wire::nvt::{self, Item, Nvt};
use super::{Analyzer, Context, Service, Step};
use crate::event::{Event, LoginEvent};
use crate::flow::key::Direction;

/// Telnet on one connection.
#[derive(Debug)]
pub struct Telnet {
    nvt: Nvt,
    login: Login,
}

const _: () = assert!(size_of::<Telnet>() <= 200, "one is kept per connection");

impl Default for Telnet {
    fn default() -> Self {
        Telnet { nvt: Nvt::telnet(), login: Login::default() }
    }
}

impl Analyzer for Telnet {
    const PDU_MAX: usize = nvt::PDU_MAX;
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        cx.conn.service = Some(Service::Telnet);
        let mut rest = bytes;
        while let Some(item) = self.nvt.next(cx, direction, &mut rest) {
            take(&mut self.login, cx, direction, item);
        }
        if !direction.is_orig() {
            self.login.on_partial_output(cx, self.nvt.partial(direction, rest));
        }
        if self.nvt.is_sealed() || self.login.is_done() { Step::Done } else { Step::leaving(bytes, rest) }
    }

    fn on_urgent(&mut self, _cx: &mut Context<'_>, direction: Direction, at: u64) {
        self.nvt.on_urgent(direction, at);
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, _length: u64) -> Step {
        self.nvt.on_gap(direction);
        Step::Consumed(0)
    }

    fn held(&self) -> usize {
        self.nvt.held().saturating_add(self.login.held())
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        if let Some(line) = self.nvt.finish(cx, direction, rest) {
            take(&mut self.login, cx, direction, Item::Line(line));
        }
        self.login.on_end(cx, direction);
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        self.login.on_close(cx);
    }
}

fn take(login: &mut Login, cx: &mut Context<'_>, direction: Direction, item: Item<'_>) {
    match item {
        Item::Line(line) if direction.is_orig() => login.on_input_line(cx, line),
        Item::Line(line) => login.on_output_line(cx, line),
        Item::Terminal(terminal) => cx.emit(&Event::Login(LoginEvent::LoginTerminal { terminal })),
        Item::Display(display) => login.on_display(cx, display),
        Item::Environment(variables) => {
            for nvt::Variable { name, value, user } in variables {
                let variable = Variable { name, value: value.unwrap_or_default(), user_variable: user };
                login.set_env(cx, direction, &variable);
            }
        }
        Item::Echo(server_shows) => login.on_echo(server_shows),
    }
}

#[cfg(test)]
mod tests;
