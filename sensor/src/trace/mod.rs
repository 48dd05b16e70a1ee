//! Packets of the connections that policy found worth keeping: the manual's `set_record_packets`, from the handshake on.
//!
//! ```text
//! Shard::on_frame -> Tracer (in the worker)    ring.rs, tracer.rs    copies frames of watched services into a ring
//!                    policy decides RECORD      what the ring still has of the connection, and every later frame, goes on
//!                 -> outbox -> collector -> Traces (the files)        files.rs   one pcapng file a connection, within its budgets
//! ```
//!
//! Of a login session, the lines that were said are kept beside its packets, as a person would read them: a transcript, in which
//! passwords are hidden unless the settings say otherwise (the manual's `demux_conn`).
//!
//! While nothing is worth keeping, a packet costs one copy into memory that was taken at the start, and no connection holds more than
//! two numbers. Without a folder to record to, it costs nothing.

mod budget;
mod files;
mod ring;
mod tracer;
mod transcriber;
mod transcripts;

pub use budget::Written;
pub use files::{Traces, file_name};
pub use tracer::{Mark, Tracer};
pub use transcriber::{LineMark, Transcriber};

use crate::capture::Link;
use crate::record::ConnId;
use crate::time::Timestamp;

/// What a worker tells of a connection that is recorded.
#[derive(Clone, PartialEq, Debug)]
pub enum Kept {
    /// One of its packets.
    Packet(KeptPacket),
    /// One line of its dialogue.
    Line(KeptLine),
    /// There will be no more of it.
    End(ConnId),
}

/// A packet that is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct KeptPacket {
    /// Its connection.
    pub id: ConnId,
    /// Why the connection is recorded.
    pub why: &'static str,
    /// When it was on the wire.
    pub at: Timestamp,
    /// What its first byte belongs to.
    pub link: Link,
    /// Its length on the wire.
    pub wire_len: u32,
    /// Earlier packets of the connection had to be forgotten before anybody knew that they would be wanted.
    pub after_hole: bool,
    /// The captured bytes.
    pub bytes: Box<[u8]>,
}

/// A line that is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct KeptLine {
    /// Its connection.
    pub id: ConnId,
    /// Why the connection is recorded.
    pub why: &'static str,
    /// When it was complete.
    pub at: Timestamp,
    /// Whether the client said it.
    pub is_orig: bool,
    /// Earlier lines of the session had to be forgotten before anybody knew that they would be wanted.
    pub after_hole: bool,
    /// What was said.
    pub text: Box<[u8]>,
}
