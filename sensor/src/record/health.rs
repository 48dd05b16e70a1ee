//! What the sensor says of itself.

use std::time::Duration;

use super::define;
use crate::time::Timestamp;

define::record! {
    /// What the sensor has done in a time, in Zeek's columns and then ours; `mem` is in MiB.
    StatsRecord => "stats" {
        ts: Timestamp,
        peer: &'static str,
        mem: u64,
        pkts_proc: u64,
        bytes_recv: u64,
        pkts_dropped: u64,
        conns: u64,
        active_conns: u64,
        evicted_conns: u64,
        buffered_bytes: u64,
        messages: u64,
        messages_lost: u64,
        notices_suppressed: u64,
        weirds_suppressed: u64,
        accounts_tried: u64,
        responses_dropped: u64,
        analyzer_panics: u64,
        policy_forgotten: u64,
        bypass_skipped_conns: u64,
        bypass_skipped_pkts: u64,
        bypass_skipped_bytes: u64,
        bypass_encrypted_conns: u64,
        bypass_encrypted_pkts: u64,
        bypass_encrypted_bytes: u64,
        bypass_ssh_authenticated_conns: u64,
        bypass_ssh_authenticated_pkts: u64,
        bypass_ssh_authenticated_bytes: u64,
        bypass_ssh_unknown_conns: u64,
        bypass_ssh_unknown_pkts: u64,
        bypass_ssh_unknown_bytes: u64,
        bypass_ftp_data_conns: u64,
        bypass_ftp_data_pkts: u64,
        bypass_ftp_data_bytes: u64,
        bypasses_evicted: u64,
    }
}

define::record! {
    /// How much of what was acknowledged in a time was not seen, in Zeek's columns.
    CaptureLossRecord => "capture_loss" {
        ts: Timestamp,
        ts_delta: Duration,
        peer: &'static str,
        gaps: u64,
        acks: u64,
        percent_lost: f64,
    }
}
