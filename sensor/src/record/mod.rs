//! Log records: what each log contains, defined once. Only sinks know formats.

mod annotation;
mod define;
pub(crate) mod digits;
mod health;
mod message;
#[cfg(test)]
pub(crate) mod samples;
pub mod sinks;
mod uid;
mod value;

use std::net::IpAddr;
use std::time::Duration;

pub use annotation::{Annotation, Annotations, ProgramName, Spoken};
pub use define::{Column, Log, Name, Show};
pub use health::{CaptureLossRecord, StatsRecord};
pub use message::{Content, Fact, Message, Tried};
pub use uid::Uid;
pub use value::Value;

use crate::flow::History;
use crate::flow::key::{FlowKey, Transport};
use crate::text::Text;
use crate::time::Timestamp;

/// uid, addresses and ports: the five columns that most logs begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)] // the key stands first: every packet is compared with it, and no packet needs the name
pub struct ConnId {
    /// Addresses, ports and transport.
    pub key: FlowKey,
    /// The unique name.
    pub uid: Uid,
}

define::record! {
    /// One line per connection: Zeek's conn.log, and the manual's annotations.
    ConnRecord => "conn" {
        ts: Timestamp,
        id: ConnId,
        proto: Transport,
        service: Option<Spoken>,
        duration: Option<Duration>,
        orig_bytes: Option<u64>,
        resp_bytes: Option<u64>,
        conn_state: &'static str,
        local_orig: bool,
        local_resp: bool,
        missed_bytes: u64,
        history: History,
        orig_pkts: u64,
        orig_ip_bytes: u64,
        resp_pkts: u64,
        resp_ip_bytes: u64,
        hot: Option<u64>,
        addl: Annotations,
    }
}

define::record! {
    /// One line per portmapper or rpcbind call, answered or not.
    PortmapRecord => "portmap" {
        ts: Timestamp,
        id: ConnId,
        proc_name as "proc" of "enum": &'static str,
        ok: bool,
        status: &'static str,
        xid: u32,
        prog: Option<u32>,
        prog_name: Option<ProgramName>,
        vers: Option<u32>,
        prot: Option<Text>,
        port: Option<u16>,
        addr: Option<Text>,
        owner: Option<Text>,
        call_proc: Option<u32>,
        arg_size: Option<u32>,
        mappings: Option<Box<[Mapping]>>,
        pm_vers: u32,
        auth_flavor: &'static str,
        machine_name: Option<Text>,
        uid as "auth_uid": Option<u32>,
        gid as "auth_gid": Option<u32>,
        rtt: Option<Duration>,
        call_len: u32,
        reply_len: Option<u32>,
        logged_reason: &'static str,
    }
}

define::record! {
    /// One line per command of an FTP session and its reply, and what else the manual's session log tells.
    FtpRecord => "ftp" {
        ts: Timestamp,
        id: ConnId,
        user: Text,
        password: Option<Text>,
        command: Option<Text>,
        arg: Option<Text>,
        file_size: Option<u64>,
        reply_code: Option<u32>,
        reply_msg: Option<Text>,
        data_passive as "data_channel.passive": Option<bool>,
        data_orig_h as "data_channel.orig_h": Option<IpAddr>,
        data_resp_h as "data_channel.resp_h": Option<IpAddr>,
        data_resp_p as "data_channel.resp_p": Option<u16>,
        auth_success: Option<bool>,
        cwd: Option<Text>,
        text: Text,
    }
}

define::record! {
    /// One line per attempt to log in, and one per session; `kind` says which. It begins as Malcolm's login.log does.
    LoginRecord => "login" {
        ts: Timestamp,
        id: ConnId,
        proto: &'static str,
        success: bool,
        confused: bool,
        user: Option<Text>,
        client_user: Option<Text>,
        password: Option<Text>,
        kind of "enum": &'static str,
        state of "enum": &'static str,
        confidence of "enum": Option<&'static str>,
        auth_skipped: bool,
        encrypted: bool,
        terminal: Option<Text>,
        environment: Option<Text>,
        line: Option<Text>,
        attempts: u64,
        failures: u64,
        commands: u64,
        hot: u64,
        addl: Option<Text>,
    }
}

define::record! {
    /// One line per SSH connection, in Zeek's columns and then ours.
    SshRecord => "ssh" {
        ts: Timestamp,
        id: ConnId,
        version: Option<u64>,
        auth_success: Option<bool>,
        auth_attempts: u64,
        direction of "enum": Option<&'static str>,
        client: Option<Text>,
        server: Option<Text>,
        cipher_alg: Option<Text>,
        mac_alg: Option<Text>,
        compression_alg: Option<Text>,
        kex_alg: Option<Text>,
        host_key_alg: Option<Text>,
        host_key_fingerprint: Option<Text>,
        hassh: Option<Text>,
        hassh_server: Option<Text>,
        auth_method of "enum": Option<&'static str>,
    }
}

define::record! {
    /// Something that policy wants a person to see, under the manual's name.
    NoticeRecord => "notice" {
        ts: Timestamp,
        id: Option<ConnId>,
        proto: Option<Transport>,
        note of "enum": &'static str,
        msg: Text,
        sub: Option<Text>,
        src: Option<IpAddr>,
        dst: Option<IpAddr>,
        p: Option<u16>,
        n: Option<u64>,
        user: Option<Text>,
        filename: Option<Text>,
        capture_file: Option<Text>,
        actions: &'static [&'static str],
        suppress_for: Duration,
    }
}

define::record! {
    /// Something unusual, under the manual's or Zeek's name.
    WeirdRecord => "weird" {
        ts: Timestamp,
        id: Option<ConnId>,
        name: &'static str,
        addl: Option<Text>,
        notice: bool,
        src: Option<IpAddr>,
        dst: Option<IpAddr>,
        suppressed: Option<u64>,
    }
}

define::record! {
    /// What was done, or not, to end a connection: one line per attempt.
    RespondRecord => "respond" {
        ts: Timestamp,
        id: ConnId,
        proto: Transport,
        action of "enum": &'static str,
        outcome of "enum": &'static str,
        reason: Option<Text>,
        round: u64,
        to_orig: u64,
        orig_expects: u64,
        to_resp: u64,
        resp_expects: u64,
        interface: Option<Text>,
        delay: Option<Duration>,
    }
}

/// One mapping of a DUMP answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// RPC program number.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// TCP or UDP, as far as the netid or the protocol number says.
    pub transport: Transport,
    /// The port.
    pub port: u16,
}

/// One event of the stream that `--events` writes.
#[derive(Clone, PartialEq, Debug)]
pub struct EventRecord {
    /// When it was raised.
    pub ts: Timestamp,
    /// The connection.
    pub id: ConnId,
    /// The manual's name.
    pub event: &'static str,
    /// Its parameters, under the manual's names.
    pub fields: Vec<(&'static str, Value<'static>)>,
}

define::logs! {
    Conn(ConnRecord),
    Portmap(PortmapRecord),
    Ftp(FtpRecord),
    Login(Box<LoginRecord>),
    Ssh(Box<SshRecord>),
    Notice(NoticeRecord),
    Weird(WeirdRecord),
    Respond(RespondRecord),
    Stats(Box<StatsRecord>),
    CaptureLoss(CaptureLossRecord),
    Event(Box<EventRecord>),
}
