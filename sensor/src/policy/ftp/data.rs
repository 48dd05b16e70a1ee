//! FTP's data connections: which are expected because of what a session said, which have come, and from whom.

use std::net::IpAddr;
use std::thread::LocalKey;
use std::time::Duration;

use smallvec::SmallVec;

use super::expected::Answer;
use super::place::Place;
use crate::capture::BypassReason;
use crate::event::Verdict;
use crate::flow::Conn;
use crate::policy::hot::judged;
use crate::policy::notice::About;
use crate::policy::words::put;
use crate::policy::{Note, Policy, Seen};
use crate::record::{ConnId, FtpRecord, Message};
use crate::spare::{Lend, Lent, Spare};
use crate::time::Timestamp;

/// Endpoints of one session that are expected at a time: a client uses one, and a pipelining one hardly more.
const AT_A_TIME: usize = 4;

/// What a session remembers of its data connections.
#[derive(Default, Debug)]
pub struct DataChannel {
    /// Nothing until one is named.
    named: Lent<Named>,
    /// Whether the last one is the server's.
    passive: bool,
    /// Whether it was said on the control connection.
    told: bool,
    /// Endpoints that were named since anybody connected to one.
    unused: u32,
    /// Whether the server's data port is watched because of this session.
    begun: bool,
}

/// The endpoints that were named last, the oldest first.
#[derive(Default, Debug)]
struct Named(SmallVec<[Place; AT_A_TIME]>);

thread_local! {
    static SPARE: Spare<Named> = const { Spare::new() };
}

impl Lend for Named {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }
}

impl DataChannel {
    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.named.get().map_or(0, |_| size_of::<Named>())
    }

    fn last(&self) -> Option<Place> {
        self.named.get().and_then(|named| named.0.last()).copied()
    }
}

/// Whether a command is answered over a data connection.
pub(super) fn is_transfer(command: &[u8]) -> bool {
    matches!(command, b"RETR" | b"STOR" | b"STOU" | b"APPE" | b"LIST" | b"NLST" | b"MLSD")
}

impl Policy {
    /// A session begins.
    pub(super) fn begin_data_channel(&mut self, seen: &mut Seen<'_>, data: &mut DataChannel) {
        if !data.begun {
            data.begun = self.ftp_data.begin_session(seen.now, &seen.conn.id, &self.stats);
        }
    }

    /// PORT, PASV, EPRT or EPSV has named an endpoint: the manual's `ftp_connection_expected`. With `passive`, the client is to
    /// connect, otherwise the server.
    pub(super) fn ftp_connection_expected(
        &mut self,
        seen: &mut Seen<'_>,
        data: &mut DataChannel,
        (resp_h, resp_p): (IpAddr, u16),
        passive: bool,
    ) {
        self.begin_data_channel(seen, data);
        let control = seen.conn.id;
        let host = if passive { control.key.orig_h } else { control.key.resp_h };
        let place = Place::To(resp_h, resp_p);
        let named = &mut data.named.need().0;
        named.retain(|named| *named != place);
        if named.len() >= AT_A_TIME {
            let oldest = named.remove(0);
            data.unused =
                if self.ftp_data.forget(seen.now, oldest, &control) { data.unused.saturating_add(1) } else { 0 };
        }
        let answer = self.ftp_data.expect(seen.now, place, host, &control, &self.stats);
        if answer == Answer::Expected {
            data.named.need().0.push(place);
            (data.passive, data.told) = (passive, true);
        }
        if answer == Answer::TooMany || data.unused == self.settings.limits.ftp_data_expected_per_session {
            data.unused = data.unused.saturating_add(1);
            self.conn_weird(seen, "FTP_too_many_expected_data_channels", b"");
        }
    }

    /// A session ends: what it still expects is not expected any more.
    pub(super) fn end_data_channel(&mut self, seen: &mut Seen<'_>, data: &mut DataChannel) {
        for place in data.named.get().into_iter().flat_map(|named| &named.0) {
            self.ftp_data.forget(seen.now, *place, &seen.conn.id);
        }
        data.named.give_back();
        if std::mem::take(&mut data.begun) {
            self.ftp_data.end_session(&seen.conn.id);
        }
    }

    /// A data connection has come.
    pub(in crate::policy) fn expected_connection_seen(&mut self, seen: &mut Seen<'_>) {
        if self.settings.limits.ftp_data_payload_bytes == 0 {
            seen.verdict |= Verdict::skip(BypassReason::FtpData);
        }
        let Some(place) = self.ftp_data.place(seen.now, &seen.conn.id.key) else { return };
        self.ftp_data.begin_data(place);
        let Place::To(..) = place else {
            seen.conn.marks.judged |= judged::FROM_DATA_PORT;
            return;
        };
        let Some((expected, control)) = self.ftp_data.get(&place).map(|known| (known.host, known.control)) else {
            return;
        };
        if seen.conn.id.key.orig_h != expected {
            self.ftp_unexpected_conn(seen, &control, expected);
        }
    }

    /// Nothing more will come on a data connection. (Its state is kept a little longer.)
    pub(in crate::policy) fn data_connection_finished(&mut self, seen: &mut Seen<'_>) {
        if seen.conn.marks.judged & judged::TRANSFERRED == 0 {
            seen.conn.marks.judged |= judged::TRANSFERRED;
            // A file goes one way; what goes the other way is the handshake of TLS, if anything. Where the SYN-ACK was not seen, a size is
            // not known.
            let history = &seen.conn.history;
            let begun = history.contains(b'h') || history.contains(b'H');
            let bytes = begun.then_some(seen.conn.orig.size.max(seen.conn.resp.size));
            self.ftp_data.finish_data(seen.now, place_of(seen.conn), bytes);
        }
    }

    /// A data connection's state is dropped.
    pub(in crate::policy) fn data_connection_remove(&mut self, seen: &mut Seen<'_>) {
        self.data_connection_finished(seen);
        self.ftp_data.end_data(seen.now, place_of(seen.conn));
    }

    /// A command that transfers was sent: it uses the endpoint that was named last, or, if there is none, the client's end of the control
    /// connection (RFC 959 section 3.2).
    pub(super) fn ftp_transfer_requested(&mut self, seen: &mut Seen<'_>, data: &mut DataChannel) {
        let key = &seen.conn.id.key;
        let (endpoint, passive, told) = match data.last() {
            Some(Place::To(addr, port)) => ((addr, port), data.passive, data.told),
            _ => ((key.orig_h, key.orig_p), false, false),
        };
        self.ftp_connection_expected(seen, data, endpoint, passive);
        data.told = told;
    }

    /// Writes the record of a transfer with what is known of its data connection. If the reply came before the end of that, the record
    /// waits for it.
    pub(super) fn write_ftp_transfer(&mut self, now: Timestamp, data: &DataChannel, mut record: FtpRecord) {
        let Some(place) = data.last() else { return self.write(now, record) };
        // Another session may have named the same endpoint since: then what comes there is taken for its own.
        let mut known = self.ftp_data.get_mut(&place).filter(|known| known.control.uid == record.id.uid);
        let has_come = known.as_ref().is_some_and(|known| known.has_come());
        let (waits, transferred) = (known.is_some(), known.as_mut().and_then(|known| known.transferred.take()));
        // Where a server is to connect that was told nothing is only told once it has.
        if let Place::To(addr, port) = place
            && (data.told || has_come)
        {
            let key = &record.id.key;
            record.data_passive = Some(data.passive);
            record.data_orig_h = Some(if data.passive { key.orig_h } else { key.resp_h });
            (record.data_resp_h, record.data_resp_p) = (Some(addr), Some(port));
        }
        record.file_size = transferred.or(record.file_size);
        let done = record.reply_code.is_some_and(|code| (200..300).contains(&code));
        if waits && transferred.is_none() && done && self.ftp_data.may_finish(place) {
            let until = now + Duration::from_secs(self.settings.limits.ftp_transfer_seconds);
            self.ftp_data.wait(now, place, until, record);
        } else {
            self.write(now, record);
        }
    }

    /// Writes what waited for a data connection.
    pub(in crate::policy) fn write_released_transfers(&mut self) {
        let outbox = &self.outbox;
        self.ftp_data.released().for_each(|(at, row)| outbox.push(Message::record(at, row)));
    }

    /// A host has connected in place of another. Those that are probably one machine with several addresses are excused.
    fn ftp_unexpected_conn(&mut self, seen: &mut Seen<'_>, control: &ConnId, expected: IpAddr) {
        let actual = seen.conn.id.key.orig_h;
        let skipped = |host| self.sets.skip_unexpected.contains(host) || self.sets.skip_unexpected_net.contains(host);
        if !(skipped(actual) || skipped(expected) || same_site(actual, expected)) {
            self.ftp_unexpected_conn_violation(seen, control, actual);
        }
    }

    fn ftp_unexpected_conn_violation(&mut self, seen: &mut Seen<'_>, control: &ConnId, actual: IpAddr) {
        let (client, server) = (control.key.orig_h, control.key.resp_h);
        let about = About { src: Some(actual), dst: Some(server), ..About::default() };
        let notice = self.notices.due(seen.now, Note::FTP_UnexpectedConn, about, Some(control), |out| {
            put(out, format_args!("{client} > {server} FTP connection from {actual}"));
        });
        if let Some(mut notice) = notice {
            notice.src = Some(actual);
            self.write(seen.now, notice);
        }
    }
}

/// The place that made this a data connection.
fn place_of(conn: &Conn) -> Place {
    let key = &conn.id.key;
    let from_data_port = conn.marks.judged & judged::FROM_DATA_PORT != 0;
    if from_data_port { Place::From(key.orig_h) } else { Place::To(key.resp_h, key.resp_p) }
}

/// Whether two hosts share a /16: the manual's guess at what belongs together. (Of IPv6, a /48 is what a site is given.)
fn same_site(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() >> 16 == b.to_bits() >> 16,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() >> 80 == b.to_bits() >> 80,
        _ => false,
    }
}
