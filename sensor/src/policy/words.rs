//! The manual's words for people: endpoints, connections, programs and annotations. Only called when something is written.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::config::PolicySets;
use crate::flow::key::{FlowKey, Transport};
use crate::flow::{Annotation, Conn};
use crate::record::ProgramName;
use crate::record::digits::{put_addr, put_number, put_port};
use crate::text::Text;

/// Writes the manual's texts; holds what they need.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// For names of ports and programs.
    pub sets: &'a PolicySets,
}

impl Words<'_> {
    /// `<addr>/<service>`, or `<addr>/<number>` for a port without a name.
    pub fn endpoint_id(self, out: &mut Vec<u8>, addr: IpAddr, transport: Transport, port: u16) {
        put_addr(out, addr);
        out.push(b'/');
        match self.sets.port_names.of(transport, port) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => put_number(out, port.into()),
        }
    }

    /// `<originator> > <responder>`.
    pub fn id_string(self, out: &mut Vec<u8>, key: &FlowKey) {
        self.endpoint_id(out, key.orig_h, key.transport, key.orig_p);
        out.extend_from_slice(b" > ");
        self.endpoint_id(out, key.resp_h, key.transport, key.resp_p);
    }

    /// The connection with its state's symbol, its sizes and duration unless it never came about, and its annotations.
    pub fn full_id_string(self, out: &mut Vec<u8>, conn: &Conn) {
        let (key, state) = (&conn.id.key, conn.state());
        let unanswered = matches!(state, "S0" | "S1" | "REJ");
        put_addr(out, key.orig_h);
        out.push(b' ');
        if !unanswered {
            put_size(out, conn.orig.size);
        }
        out.extend_from_slice(symbol(state).as_bytes());
        out.push(b' ');
        put_addr(out, key.resp_h);
        out.push(b'/');
        match self.sets.port_names.of(key.transport, key.resp_p) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => put_port(out, key.resp_p, key.transport),
        }
        if !unanswered {
            out.push(b' ');
            put_size(out, conn.resp.size);
            put(out, format_args!("{:.1}s", conn.last.since(conn.start).as_secs_f64()));
        }
        if !conn.addl.is_empty() {
            out.push(b' ');
            Annotation::put_all(&conn.addl, out);
        }
    }

    /// The name of an RPC program: the manual's `rpc_prog`.
    pub fn rpc_prog(self, program: u32) -> ProgramName {
        self.sets
            .rpc_programs
            .0
            .get(&program)
            .map_or(ProgramName::Unknown(program), |name| ProgramName::Known(name.as_str()))
    }
}

/// Appends what is formatted.
pub fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    let _ = std::io::Write::write_fmt(out, what);
}

/// A short text of our own, without a detour over the heap for what fits in place.
pub fn text(what: std::fmt::Arguments<'_>, limit: usize) -> Text {
    let mut short = Short { bytes: [0; 64], used: 0, overflow: false };
    let _ = short.write_fmt(what);
    match short.bytes.get(..short.used) {
        Some(bytes) if !short.overflow => Text::new(bytes, limit),
        _ => Text::new(what.to_string().as_bytes(), limit),
    }
}

struct Short {
    bytes: [u8; 64],
    used: usize,
    overflow: bool,
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        match self.bytes.get_mut(self.used..self.used + text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.used += text.len();
                Ok(())
            }
            None => {
                self.overflow = true;
                Err(std::fmt::Error)
            }
        }
    }
}

/// The manual's sign for a state.
fn symbol(state: &str) -> &'static str {
    match state {
        "S0" => "}",
        "S1" | "SF" => ">",
        "REJ" => "[",
        "S2" => "}2",
        "S3" => "}3",
        "RSTO" => ">]",
        "RSTOS0" => "}]",
        "RSTR" => ">[",
        "RSTRH" => "<[",
        "SH" => ">h",
        "SHR" => "<h",
        _ => "?>?",
    }
}

fn put_size(out: &mut Vec<u8>, size: u64) {
    match size {
        0 => out.extend_from_slice(b"?b "),
        size => {
            put_number(out, size);
            out.extend_from_slice(b"b ");
        }
    }
}
