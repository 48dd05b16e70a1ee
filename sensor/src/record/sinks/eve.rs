//! Suricata's EVE: one JSON object a record, all in one file.
//!
//! Connections are `flow`, notices `alert`, weirds `anomaly`. Two things are declared extensions of that schema: the event types
//! `portmap` (with `rpc` in its standard place), `login`, `respond` and `capture_loss`, and the object `portreeve`, which has what EVE has no place for.

use super::json::Object;
use super::line::Line;
use crate::flow::key::Transport;
use crate::record::{
    ConnId, ConnRecord, FtpRecord, Log, LoginRecord, Name, NoticeRecord, PortmapRecord, Record, RespondRecord, Show,
    SshRecord, Value, WeirdRecord,
};
use crate::text::Text;
use crate::time::Timestamp;

/// Appends the line of a record; events have a file of their own.
pub fn line(record: &Record, community_id: Option<&[u8]>, out: &mut Line) {
    let mut object = Object::begin(out);
    match record {
        Record::Conn(conn) => flow(&mut object, conn, community_id),
        Record::Portmap(call) => portmap(&mut object, call, community_id),
        Record::Ftp(request) => ftp(&mut object, request, community_id),
        Record::Login(attempt) => login(&mut object, attempt, community_id),
        Record::Ssh(ssh) => session(&mut object, ssh, community_id),
        Record::Notice(notice) => alert(&mut object, notice, community_id),
        Record::Weird(weird) => anomaly(&mut object, weird, community_id),
        Record::Respond(response) => respond(&mut object, response, community_id),
        Record::Stats(stats) => itself(&mut object, stats.ts, "stats", stats),
        Record::CaptureLoss(loss) => itself(&mut object, loss.ts, "capture_loss", loss),
        Record::Event(_) => {}
    }
    object.end();
    out.push(b'\n');
}

/// Flow numbers are read by programs that keep them in a double.
const FLOW_ID_BITS: u32 = 53;
/// Numbers of our signatures begin here, above those that rule sets and sites use.
const FIRST_SIGNATURE: u32 = 3_000_000_000;

fn begin(object: &mut Object<'_>, at: Timestamp, event_type: &str) {
    object.raw("timestamp", timestamp(at).as_bytes());
    object.raw("event_type", event_type.as_bytes());
}

fn connection(object: &mut Object<'_>, id: &ConnId, community_id: Option<&[u8]>) {
    object.count("flow_id", (id.uid.0 as u64) & ((1 << FLOW_ID_BITS) - 1));
    object.member("src_ip", &Value::Addr(id.key.orig_h));
    object.member("src_port", &Value::Port(id.key.orig_p));
    object.member("dest_ip", &Value::Addr(id.key.resp_h));
    object.member("dest_port", &Value::Port(id.key.resp_p));
    object.raw("proto", protocol(id.key.transport));
    if let Some(community_id) = community_id {
        object.raw("community_id", community_id);
    }
}

fn protocol(transport: Transport) -> &'static [u8] {
    match transport {
        Transport::Tcp => b"TCP",
        Transport::Udp => b"UDP",
    }
}

fn flow(object: &mut Object<'_>, conn: &ConnRecord, community_id: Option<&[u8]>) {
    let duration = conn.duration.unwrap_or_default();
    let end = conn.ts + duration;
    begin(object, end, "flow");
    connection(object, &conn.id, community_id);
    if let Some(service) = &conn.service {
        object.text("app_proto", &service.text());
    }
    object.object("flow", |flow| {
        flow.count("pkts_toserver", conn.orig_pkts);
        flow.count("pkts_toclient", conn.resp_pkts);
        flow.count("bytes_toserver", conn.orig_ip_bytes);
        flow.count("bytes_toclient", conn.resp_ip_bytes);
        flow.raw("start", timestamp(conn.ts).as_bytes());
        flow.raw("end", timestamp(end).as_bytes());
        flow.count("age", duration.as_secs());
        flow.raw("state", state(conn.conn_state));
        flow.member("alerted", &Value::Bool(conn.hot.is_some_and(|hot| hot > 0)));
    });
    extension(object, conn, &["uid", "conn_state", "missed_bytes", "history", "hot", "addl"]);
}

fn state(conn_state: &str) -> &'static [u8] {
    match conn_state {
        "S0" | "SH" => b"new",
        "S1" | "S2" | "S3" | "OTH" => b"established",
        _ => b"closed",
    }
}

fn portmap(object: &mut Object<'_>, call: &PortmapRecord, community_id: Option<&[u8]>) {
    begin(object, call.ts, "portmap");
    connection(object, &call.id, community_id);
    object.raw("app_proto", b"portmap");
    object.object("rpc", |rpc| {
        rpc.count("xid", call.xid.into());
        rpc.raw("status", call.status.as_bytes());
        rpc.raw("auth_type", call.auth_flavor.as_bytes());
        if call.machine_name.is_some() {
            rpc.object("creds", |creds| {
                let machine_name = call.machine_name.as_ref();
                machine_name.into_iter().for_each(|name| creds.text("machine_name", name));
                call.uid.into_iter().for_each(|uid| creds.count("uid", uid.into()));
                call.gid.into_iter().for_each(|gid| creds.count("gid", gid.into()));
            });
        }
    });
    const ELSEWHERE: [&str; 11] = [
        "ts",
        "uid",
        "id.orig_h",
        "id.orig_p",
        "id.resp_h",
        "id.resp_p",
        "xid",
        "auth_flavor",
        "machine_name",
        "auth_uid",
        "auth_gid",
    ];
    object.object("portmap", |portmap| {
        call.visit(&mut |name: &'static Name, value: Value<'_>| {
            if !ELSEWHERE.contains(&name.plain()) {
                portmap.show(name, value);
            }
        });
    });
    extension(object, call, &["uid"]);
}

/// An extension of the schema, as portmap's is.
fn respond(object: &mut Object<'_>, response: &RespondRecord, community_id: Option<&[u8]>) {
    begin(object, response.ts, "respond");
    connection(object, &response.id, community_id);
    object.object("respond", |object| own(object, response));
    extension(object, response, &["uid"]);
}

/// What the sensor says of itself: EVE's `stats`, with our own counters; `capture_loss` is an extension.
fn itself(object: &mut Object<'_>, ts: Timestamp, event_type: &str, record: &impl Log) {
    begin(object, ts, event_type);
    object.object(event_type, |object| own(object, record));
}

fn ftp(object: &mut Object<'_>, request: &FtpRecord, community_id: Option<&[u8]>) {
    begin(object, request.ts, "ftp");
    connection(object, &request.id, community_id);
    object.raw("app_proto", b"ftp");
    object.object("ftp", |ftp| {
        request.command.iter().for_each(|command| ftp.text("command", command));
        request.arg.iter().for_each(|arg| ftp.text("command_data", arg));
        if let Some(code) = request.reply_code {
            ftp.list_of_one("completion_code", &Text::new(format!("{code:03}").as_bytes(), 20));
        }
        request.reply_msg.iter().for_each(|msg| ftp.list_of_one("reply", msg));
        request.data_resp_p.iter().for_each(|&port| ftp.count("dynamic_port", port.into()));
        let mode = request.data_passive.map(|passive| if passive { b"passive".as_slice() } else { b"active" });
        mode.into_iter().for_each(|mode| ftp.raw("mode", mode));
        ftp.member("reply_received", &Value::Word(if request.reply_code.is_some() { "yes" } else { "no" }));
    });
    extension(object, request, &["uid", "user", "password", "file_size", "auth_success", "cwd", "text"]);
}

fn login(object: &mut Object<'_>, login: &LoginRecord, community_id: Option<&[u8]>) {
    begin(object, login.ts, "login");
    connection(object, &login.id, community_id);
    object.raw("app_proto", login.proto.as_bytes());
    object.object("login", |object| own(object, login));
    extension(object, login, &["uid"]);
}

/// EVE's `ssh`.
fn session(object: &mut Object<'_>, record: &SshRecord, community_id: Option<&[u8]>) {
    begin(object, record.ts, "ssh");
    connection(object, &record.id, community_id);
    object.raw("app_proto", b"ssh");
    object.object("ssh", |ssh| {
        let sides = [("client", &record.client, &record.hassh), ("server", &record.server, &record.hassh_server)];
        for (name, version, hassh) in sides {
            let Some(version) = version else { continue };
            let mut parts = version.as_bytes().splitn(3, |&byte| byte == b'-').skip(1);
            ssh.object(name, |side| {
                let mut part =
                    |name| parts.next().into_iter().for_each(|part| side.text(name, &Text::new(part, part.len())));
                part("proto_version");
                part("software_version");
                if let Some(hassh) = hassh {
                    side.object("hassh", |object| object.text("hash", hassh));
                }
            });
        }
    });
    const OWN: [&str; 11] = [
        "uid",
        "version",
        "auth_success",
        "auth_attempts",
        "direction",
        "cipher_alg",
        "mac_alg",
        "kex_alg",
        "host_key_alg",
        "host_key_fingerprint",
        "auth_method",
    ];
    extension(object, record, &OWN);
}

/// The columns that say more than when and between whom.
fn own(object: &mut Object<'_>, record: &impl Log) {
    const ELSEWHERE: [&str; 7] = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"];
    record.visit(&mut |name: &'static Name, value: Value<'_>| {
        if !ELSEWHERE.contains(&name.plain()) {
            object.show(name, value);
        }
    });
}

fn alert(object: &mut Object<'_>, notice: &NoticeRecord, community_id: Option<&[u8]>) {
    begin(object, notice.ts, "alert");
    match &notice.id {
        Some(id) => connection(object, id, community_id),
        None => {
            object.member("src_ip", &notice.src.map_or(Value::Unset, Value::Addr));
            object.member("dest_ip", &notice.dst.map_or(Value::Unset, Value::Addr));
            object.member("dest_port", &notice.p.map_or(Value::Unset, Value::Port));
            notice.proto.into_iter().for_each(|transport| object.raw("proto", protocol(transport)));
        }
    }
    object.object("alert", |alert| {
        alert.raw("action", b"allowed");
        alert.count("gid", 1);
        alert.count("signature_id", u64::from(signature_id(notice.note)));
        alert.count("rev", 1);
        alert.raw("signature", notice.note.as_bytes());
        alert.raw("category", b"Potentially Bad Traffic");
        alert.count("severity", 2);
        alert.object("metadata", |metadata| {
            metadata.list_of_one("msg", &notice.msg);
            notice.sub.iter().for_each(|sub| metadata.list_of_one("sub", sub));
        });
    });
    extension(object, notice, &["uid", "n", "user", "filename", "capture_file"]);
}

/// The same number for the same notice, always: FNV-1a of its name.
fn signature_id(note: &str) -> u32 {
    let hash = note.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    FIRST_SIGNATURE + hash % 1_000_000_000
}

fn anomaly(object: &mut Object<'_>, weird: &WeirdRecord, community_id: Option<&[u8]>) {
    begin(object, weird.ts, "anomaly");
    match &weird.id {
        Some(id) => connection(object, id, community_id),
        None => {
            object.member("src_ip", &weird.src.map_or(Value::Unset, Value::Addr));
            object.member("dest_ip", &weird.dst.map_or(Value::Unset, Value::Addr));
        }
    }
    object.object("anomaly", |anomaly| {
        anomaly.raw("type", if weird.id.is_some() { b"applayer" } else { b"decode" });
        anomaly.raw("event", weird.name.as_bytes());
    });
    extension(object, weird, &["uid", "addl", "suppressed"]);
}

/// The columns that EVE has no place for, under their own names.
fn extension(object: &mut Object<'_>, record: &impl Log, names: &[&str]) {
    object.object("portreeve", |extension| {
        record.visit(&mut |name: &'static Name, value: Value<'_>| {
            if names.contains(&name.plain()) {
                extension.show(name, value);
            }
        });
    });
}

fn timestamp(at: Timestamp) -> String {
    at.format_utc("%Y-%m-%dT%H:%M:%S%.6f+0000")
}

#[cfg(test)]
mod tests {
    use super::super::line;
    use super::*;
    use crate::record::samples;

    fn text(record: impl Into<Record>) -> String {
        line::text(|out| line(&record.into(), Some(b"1:id"), out))
    }

    const WHO: &str = r#""flow_id":3322651143783783,"src_ip":"1.2.3.4","src_port":1122,"dest_ip":"5.6.7.8","dest_port":3344,"proto":"UDP","community_id":"1:id","#;

    #[test]
    fn a_connection_is_a_flow() {
        let flow = concat!(
            r#""flow":{"pkts_toserver":1,"pkts_toclient":1,"bytes_toserver":84,"bytes_toclient":56,"#,
            r#""start":"2009-11-18T08:00:21.486539+0000","end":"2009-11-18T08:00:22.486840+0000","age":1,"#,
            r#""state":"closed","alerted":false},"#,
            r#""portreeve":{"uid":"CSONE5v7pOyTCTQt","conn_state":"SF","missed_bytes":0,"history":"Dd"}}"#
        );
        let begin = r#"{"timestamp":"2009-11-18T08:00:22.486840+0000","event_type":"flow","#;
        assert_eq!(text(samples::conn()), format!("{begin}{WHO}{flow}\n"));
    }

    #[test]
    fn a_notice_is_an_alert() {
        let line = text(samples::notice());
        let begin = r#"{"timestamp":"2009-11-18T08:00:21.486539+0000","event_type":"alert","#;
        let alert = r#""alert":{"action":"allowed","gid":1,"signature_id":"#;
        assert!(line.starts_with(&format!("{begin}{WHO}{alert}")), "{line}");
        assert!(line.contains(r#","rev":1,"signature":"SensitivePortmapperAccess","#), "{line}");
    }

    #[test]
    fn a_call_has_rpc_in_its_place() {
        let line = text(samples::portmap());
        let rpc = r#""rpc":{"xid":7,"status":"ok","auth_type":"AUTH_UNIX","creds":{"machine_name":"evil\u001b\\xffhost","uid":0,"gid":0}}"#;
        assert!(line.contains(rpc), "{line}");
        assert!(line.contains(r#""portmap":{"proc":"dump","ok":true,"#), "{line}");
    }

    #[test]
    fn every_line_is_json() {
        let records: [Record; 8] = [
            samples::conn().into(),
            Box::new(samples::login()).into(),
            samples::portmap().into(),
            samples::notice().into(),
            samples::weird().into(),
            Box::new(samples::ssh()).into(),
            Box::new(samples::stats()).into(),
            samples::capture_loss().into(),
        ];
        for record in records {
            serde_json::from_str::<serde_json::Value>(&text(record)).unwrap();
        }
        let ssh: serde_json::Value = serde_json::from_str(&text(Box::new(samples::ssh()))).unwrap();
        assert_eq!(ssh["ssh"]["client"]["software_version"], "OpenSSH_9.2");
        assert_eq!(ssh["ssh"]["server"]["software_version"], "Cisco-1.25");
        assert_eq!(ssh["ssh"]["client"]["hassh"]["hash"], "78c05d99");
    }
}
