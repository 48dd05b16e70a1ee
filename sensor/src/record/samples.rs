//! Records for tests.

use std::time::Duration;

use super::{
    Annotations, CaptureLossRecord, ConnId, ConnRecord, EventRecord, FtpRecord, LoginRecord, Mapping, NoticeRecord,
    PortmapRecord, RespondRecord, SshRecord, StatsRecord, Uid, Value, WeirdRecord,
};
use crate::flow::History;
use crate::flow::key::{FlowKey, Transport};
use crate::text::Text;
use crate::time::Timestamp;

/// When everything here happens.
pub const AT: Timestamp = Timestamp::from_parts(1_258_531_221, 486_539_000);

pub fn id() -> ConnId {
    let key = FlowKey {
        orig_h: [1, 2, 3, 4].into(),
        resp_h: [5, 6, 7, 8].into(),
        orig_p: 1122,
        resp_p: 3344,
        transport: Transport::Udp,
    };
    ConnId { uid: Uid(0x0123_4567_89ab_cdef_0123_4567), key }
}

pub fn conn() -> ConnRecord {
    ConnRecord {
        ts: AT,
        id: id(),
        proto: Transport::Udp,
        service: None,
        duration: Some(Duration::from_micros(1_000_301)),
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

pub fn portmap() -> PortmapRecord {
    PortmapRecord {
        ts: AT,
        id: id(),
        proc_name: "dump",
        ok: true,
        status: "ok",
        xid: 7,
        prog: None,
        prog_name: None,
        vers: None,
        prot: None,
        port: None,
        addr: None,
        owner: None,
        call_proc: None,
        arg_size: None,
        mappings: Some(Box::new([mapping()])),
        pm_vers: 2,
        auth_flavor: "AUTH_UNIX",
        machine_name: Some(Text::new(b"evil\x1b\xffhost name", 10)),
        uid: Some(0),
        gid: Some(0),
        rtt: Some(Duration::from_millis(2)),
        call_len: 56,
        reply_len: Some(28),
        logged_reason: "reported",
    }
}

pub fn ftp() -> FtpRecord {
    FtpRecord {
        ts: AT,
        id: id(),
        user: Text::from("smith"),
        password: None,
        command: None,
        arg: None,
        file_size: None,
        reply_code: None,
        reply_msg: None,
        data_passive: None,
        data_orig_h: None,
        data_resp_h: None,
        data_resp_p: None,
        auth_success: None,
        cwd: None,
        text: Text::from("RETR \"motd\" (complete)"),
    }
}

pub fn login() -> LoginRecord {
    LoginRecord {
        ts: AT,
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

pub fn ssh() -> SshRecord {
    SshRecord {
        ts: AT,
        id: id(),
        version: Some(2),
        auth_success: Some(true),
        auth_attempts: 1,
        direction: Some("INBOUND"),
        client: Some(Text::from("SSH-2.0-OpenSSH_9.2")),
        server: Some(Text::from("SSH-1.99-Cisco-1.25")),
        cipher_alg: Some(Text::from("aes128-ctr")),
        mac_alg: None,
        compression_alg: None,
        kex_alg: None,
        host_key_alg: None,
        host_key_fingerprint: None,
        hassh: Some(Text::from("78c05d99")),
        hassh_server: None,
        auth_method: None,
    }
}

pub fn notice() -> NoticeRecord {
    NoticeRecord {
        ts: AT,
        id: Some(id()),
        proto: Some(Transport::Udp),
        note: "SensitivePortmapperAccess",
        msg: Text::from("rpc: 1.2.3.4/1122 > 5.6.7.8/3344 pm_dump: (done)"),
        sub: None,
        src: Some([1, 2, 3, 4].into()),
        dst: Some([5, 6, 7, 8].into()),
        p: Some(3344),
        n: None,
        user: None,
        filename: None,
        capture_file: None,
        actions: &["NOTICE_FILE", "NOTICE_ALARM_ALWAYS"],
        suppress_for: Duration::from_secs(3600),
    }
}

pub fn weird() -> WeirdRecord {
    WeirdRecord {
        ts: AT,
        id: None,
        name: "fragment_overlap",
        addl: None,
        notice: false,
        src: Some([1, 2, 3, 4].into()),
        dst: Some("2001:db8::1".parse().unwrap()),
        suppressed: None,
    }
}

pub fn respond() -> RespondRecord {
    RespondRecord {
        ts: AT,
        id: id(),
        proto: Transport::Tcp,
        action: "reset",
        outcome: "sent",
        reason: None,
        round: 0,
        to_orig: 4,
        orig_expects: 1001,
        to_resp: 4,
        resp_expects: 4_294_967_295,
        interface: Some(Text::from("eth1")),
        delay: Some(Duration::from_micros(120)),
    }
}

pub fn stats() -> StatsRecord {
    StatsRecord {
        ts: AT,
        peer: "portreeve",
        mem: 40,
        pkts_proc: 1000,
        bytes_recv: 90_000,
        pkts_dropped: 0,
        conns: 12,
        active_conns: 3,
        evicted_conns: 0,
        buffered_bytes: 512,
        messages: 30,
        messages_lost: 0,
        notices_suppressed: 1,
        weirds_suppressed: 2,
        accounts_tried: 4,
        responses_dropped: 0,
        analyzer_panics: 0,
        policy_forgotten: 0,
        bypass_skipped_conns: 1,
        bypass_skipped_pkts: 20,
        bypass_skipped_bytes: 30_000,
        bypass_encrypted_conns: 1,
        bypass_encrypted_pkts: 20,
        bypass_encrypted_bytes: 30_000,
        bypass_ssh_authenticated_conns: 1,
        bypass_ssh_authenticated_pkts: 20,
        bypass_ssh_authenticated_bytes: 30_000,
        bypass_ssh_unknown_conns: 1,
        bypass_ssh_unknown_pkts: 20,
        bypass_ssh_unknown_bytes: 30_000,
        bypass_ftp_data_conns: 1,
        bypass_ftp_data_pkts: 20,
        bypass_ftp_data_bytes: 30_000,
        bypasses_evicted: 0,
    }
}

pub fn capture_loss() -> CaptureLossRecord {
    let ts_delta = Duration::from_secs(900);
    CaptureLossRecord { ts: AT, ts_delta, peer: "portreeve", gaps: 1, acks: 8, percent_lost: 12.5 }
}

pub fn event() -> EventRecord {
    let fields = vec![
        ("mappings", Value::Mappings(vec![mapping()].into())),
        ("port", Value::PortOf(2049, Transport::Udp)),
        ("success", Value::Bool(true)),
    ];
    EventRecord { ts: AT, id: id(), event: "pm_request_dump", fields }
}

fn mapping() -> Mapping {
    Mapping { program: 100_003, version: 2, transport: Transport::Udp, port: 2049 }
}
