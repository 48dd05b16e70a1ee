//! Records as collectors get them most.

use std::time::Duration;

use portreeve::flow::History;
use portreeve::flow::key::{FlowKey, Transport};
use portreeve::record::{Annotations, ConnId, ConnRecord, LoginRecord, Uid};
use portreeve::text::Text;
use portreeve::time::Timestamp;

/// When all of them happened, in seconds since 1970.
const AT: u64 = 1_700_000_000;

/// When all of them happened.
pub fn at() -> Timestamp {
    Timestamp::from_parts(AT, 123_456_000)
}

/// A connection, without annotations.
pub fn conn() -> ConnRecord {
    ConnRecord {
        ts: at(),
        id: id(),
        proto: Transport::Udp,
        service: None,
        duration: Some(Duration::from_micros(1301)),
        orig_bytes: Some(56),
        resp_bytes: Some(28),
        conn_state: "SF",
        local_orig: false,
        local_resp: true,
        missed_bytes: 0,
        history: History::from("Dd"),
        orig_pkts: 1,
        orig_ip_bytes: 84,
        resp_pkts: 1,
        resp_ip_bytes: 56,
        hot: None,
        addl: Annotations::default(),
    }
}

/// A login, with texts from the wire.
pub fn login() -> LoginRecord {
    LoginRecord {
        ts: at(),
        id: id(),
        proto: "telnet",
        success: true,
        confused: false,
        user: Some(Text::from("smith")),
        client_user: None,
        password: None,
        kind: "attempt",
        state: "LOGGED_IN",
        confidence: Some("high"),
        auth_skipped: false,
        encrypted: false,
        terminal: Some(Text::from("vt100")),
        environment: None,
        line: Some(Text::from("Last login: Mon Sep  6")),
        attempts: 1,
        failures: 0,
        commands: 0,
        hot: 0,
        addl: Some(Text::from("\"smith\"")),
    }
}

fn id() -> ConnId {
    let key = FlowKey {
        orig_h: [198, 18, 0, 1].into(),
        resp_h: [198, 19, 0, 1].into(),
        orig_p: 40_000,
        resp_p: 111,
        transport: Transport::Udp,
    };
    ConnId { uid: Uid(0x0123_4567_89ab_cdef_0123_4567), key }
}
