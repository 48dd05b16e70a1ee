//! The manual's generic connection events, and the connection record.

use super::hot::Moment;
use super::notice::About;
use super::words::put;
use super::{Note, Policy, Seen};
use crate::analyzers::Service;
use crate::flow::budget::EXHAUSTED;
use crate::flow::key::Direction;
use crate::flow::{Conn, EndpointState};
use crate::record::{Annotations, ConnRecord, Spoken};

impl Policy {
    pub(super) fn new_connection(&mut self, seen: &mut Seen<'_>) {
        if seen.conn.service == Some(Service::FtpData) {
            self.expected_connection_seen(seen);
        }
    }

    pub(super) fn connection_established(&mut self, seen: &mut Seen<'_>) {
        self.check_scan_of_connection(seen, true, Some(EndpointState::Inactive));
        if self.check_hot(seen, Moment::Established) {
            self.log_hot_conn(seen);
        }
        self.login_established(seen);
    }

    pub(super) fn connection_attempt(&mut self, seen: &mut Seen<'_>) {
        self.check_scan_of_connection(seen, false, Some(EndpointState::Inactive));
        self.check_hot(seen, Moment::Attempted);
    }

    pub(super) fn connection_rejected(&mut self, seen: &mut Seen<'_>) {
        self.check_scan_of_connection(seen, false, Some(EndpointState::Reset));
        self.check_hot(seen, Moment::Rejected);
    }

    pub(super) fn partial_connection(&mut self, seen: &mut Seen<'_>) {
        self.check_scan_of_connection(seen, true, None);
        let stealthy =
            (seen.conn.orig.state, seen.conn.resp.state) == (EndpointState::Partial, EndpointState::Inactive);
        if stealthy {
            self.check_hot(seen, Moment::Attempted);
        } else {
            self.check_hot(seen, Moment::Established);
            self.check_hot(seen, Moment::Finished);
        }
        if seen.conn.hot > 0 {
            self.log_hot_conn(seen);
        }
        if !stealthy {
            self.login_partial(seen);
        }
    }

    pub(super) fn connection_finished(&mut self, seen: &mut Seen<'_>) {
        if seen.conn.orig.size == 0 || seen.conn.resp.size == 0 {
            // Nothing was said: nothing to get excited about.
            seen.conn.hot = 0;
        } else {
            self.check_hot(seen, Moment::Finished);
        }
    }

    pub(super) fn connection_partial_close(&mut self, seen: &mut Seen<'_>) {
        self.connection_finished(seen);
    }

    pub(super) fn connection_half_finished(&mut self, seen: &mut Seen<'_>) {
        self.check_scan_of_connection(seen, false, None);
        self.check_hot(seen, Moment::Attempted);
    }

    pub(super) fn connection_reset(&mut self, seen: &mut Seen<'_>) {
        let Conn { orig, resp, .. } = &*seen.conn;
        if [orig.state, resp.state].contains(&EndpointState::Inactive) {
            // One side was never heard of: that looks like a scan.
            let spoke = orig.size > 0 || resp.size > 0;
            self.check_scan_of_connection(seen, spoke, Some(EndpointState::Inactive));
        }
        self.check_hot(seen, Moment::Finished);
    }

    /// The capture ends; segments of one side without a beginning and without an answer look like a stealth scan.
    pub(super) fn connection_pending(&mut self, seen: &mut Seen<'_>) {
        if (seen.conn.orig.state, seen.conn.resp.state) == (EndpointState::Partial, EndpointState::Inactive) {
            self.check_scan_of_connection(seen, false, None);
        }
    }

    pub(super) fn udp_request(&mut self, seen: &mut Seen<'_>) {
        self.check_hot(seen, Moment::Attempted);
    }

    pub(super) fn udp_reply(&mut self, seen: &mut Seen<'_>) {
        self.check_hot(seen, Moment::Established);
        self.check_hot(seen, Moment::Finished);
    }

    /// The state is dropped: what was still open is judged for the last time, and the record is written.
    pub(super) fn connection_state_remove(&mut self, seen: &mut Seen<'_>) {
        self.login_ended(seen);
        self.ftp_connection_state_remove(seen);
        self.ssh_connection_state_remove(seen);
        if (seen.conn.orig.state, seen.conn.resp.state) == (EndpointState::Established, EndpointState::Established) {
            if seen.conn.orig.size == 0 || seen.conn.resp.size == 0 {
                seen.conn.hot = 0;
            } else {
                self.check_hot(seen, Moment::TimedOut);
            }
        }
        if seen.conn.hot > 0 {
            self.log_hot_conn(seen);
        }
        if seen.conn.marks.unannotated {
            self.conn_weird(seen, EXHAUSTED, b"addl");
        }
        if seen.conn.service == Some(Service::FtpData) {
            self.data_connection_remove(seen);
        }
        let record = self.conn_record(seen.conn);
        self.write(seen.now, record);
    }

    pub(super) fn content_gap(&mut self, seen: &mut Seen<'_>, direction: Direction, seq: u64, length: u64) {
        if self.portmap.is_control_only(seen.now, &seen.conn.id.key) {
            return;
        }
        let about = About::pair(&seen.conn.id, (0, 0));
        let _ = self.notice(seen, Note::ContentGap, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            put(out, format_args!(" content gap ({} {seq}/{length})", arrow(direction)));
            None
        });
    }

    pub(super) fn rexmit_inconsistency(&mut self, seen: &mut Seen<'_>, direction: Direction, seq: u64) {
        let about = About::pair(&seen.conn.id, (1, 0));
        let _ = self.notice(seen, Note::RetransmissionInconsistency, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            put(out, format_args!(" rexmit inconsistency ({} {seq})", arrow(direction)));
            None
        });
    }

    pub(super) fn ack_above_hole(&mut self, seen: &mut Seen<'_>, direction: Direction, seq: u64) {
        if self.portmap.is_control_only(seen.now, &seen.conn.id.key) {
            return;
        }
        let about = About::pair(&seen.conn.id, (2, 0));
        let _ = self.notice(seen, Note::AckAboveHole, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            put(out, format_args!(" ack above a hole ({} {seq})", arrow(direction)));
            None
        });
    }

    /// The record of a connection that is over: what it has gathered goes with it, and is put into words where it is written.
    fn conn_record(&self, conn: &mut Conn) -> ConnRecord {
        let key = conn.id.key;
        let duration = conn.last.since(conn.start);
        // A single packet has neither a duration nor, as far as anybody knows, sizes.
        let lasted = !duration.is_zero();
        ConnRecord {
            ts: conn.start,
            id: conn.id,
            proto: key.transport,
            service: spoken(conn),
            duration: lasted.then_some(duration),
            orig_bytes: lasted.then_some(conn.orig.size),
            resp_bytes: lasted.then_some(conn.resp.size),
            conn_state: conn.state(),
            local_orig: self.is_local_addr(key.orig_h),
            local_resp: self.is_local_addr(key.resp_h),
            missed_bytes: conn.missed_bytes,
            history: std::mem::take(&mut conn.history),
            orig_pkts: conn.orig.packets,
            orig_ip_bytes: conn.orig.ip_bytes,
            resp_pkts: conn.resp.packets,
            resp_ip_bytes: conn.resp.ip_bytes,
            hot: Some(u64::from(conn.hot)).filter(|&hot| hot > 0),
            addl: Annotations { list: std::mem::take(&mut conn.addl), limit: self.settings.limits.text_bytes },
        }
    }
}

/// What is spoken: the analyzer's name, and the procedures seen. Learned ports get their name where all workers' lessons meet.
fn spoken(conn: &mut Conn) -> Option<Spoken> {
    let service = conn.service.filter(|&service| service != Service::Rpc);
    let labels = std::mem::take(&mut conn.marks.labels);
    (service.is_some() || !labels.is_empty()).then_some(Spoken::Analyzed { service, labels })
}

fn arrow(direction: Direction) -> char {
    if direction.is_orig() { '>' } else { '<' }
}
