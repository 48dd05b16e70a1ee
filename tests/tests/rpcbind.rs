//! The real rpcbind and its clients: the same records in tap mode, in host mode, by AF_PACKET, and from tcpdump's file.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use portreeve_tests::expect::{self, Logs};
use portreeve_tests::host::{self, Host};
use portreeve_tests::inject;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{Tcpdump, are_installed, run, wait_for};
use portreeve_tests::sensor::{self, Sensor};

/// The server's addresses on the wire.
const SERVER: &str = "10.77.0.1";
const SERVER6: &str = "fd77::1";

/// A program that nobody has.
const OURS: u32 = 400_111;

#[test]
fn four_ways_of_capturing_give_the_same_records() {
    if !sensor::is_built() || !are_installed(&["rpcbind", "rpcinfo", "tcpdump", "unshare", "nsenter"]) {
        return;
    }
    let Some(lab) = Lab::enter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&lab);
    let file = folder.path().join("dumped.pcap");

    let mut host = Sensor::start("client0", &["--mode", "host", "--capture", "af_xdp"]);
    host.wait_until_watching();
    let mut packet = Sensor::start("client0", &["--capture", "af_packet"]);
    packet.wait_until_watching();
    let tcpdump = Tcpdump::start("client0", &file);
    talk(&server);
    sleep(Duration::from_millis(300));
    tcpdump.stop();
    let (host_summary, host) = host.stop();
    let (packet_summary, packet) = packet.stop();

    let frames = portreeve_tests::pcap::frames(&std::fs::read(&file).expect("tcpdump's file")).expect("a capture file");
    lab.wire("play0", "tap0", 1);
    let mut tap = Sensor::start("tap0", &["--capture", "af_xdp"]);
    tap.wait_until_watching();
    inject::send("play0", &frames, Duration::from_millis(1)).expect("the frames are sent");
    let (tap_summary, tap) = tap.stop();

    let offline = sensor::read(&file, &[]);
    assert_is_worth_comparing(&offline);
    for (how, summary, logs) in
        [("tap mode", tap_summary, tap), ("host mode", host_summary, host), ("AF_PACKET", packet_summary, packet)]
    {
        assert_eq!(summary["ledger"]["unexplained"], 0, "{how}: the ledger closes");
        assert_same(how, &offline, &logs);
    }
}

/// Everything that people and programs ask a portmapper.
fn talk(server: &Server) {
    here(&["rpcinfo", "-p", SERVER]);
    here(&["rpcinfo", "-T", "tcp", SERVER, "100000", "2"]);
    here(&["rpcinfo", "-T", "udp", SERVER, "100000", "4"]);
    here(&["rpcinfo", "-s", SERVER]);
    here(&["rpcinfo", "-s", SERVER6]);
    let mapping = format!("{{ prog={OURS} vers=1 prot=udp port=4011 }}");
    let remote = format!("{SERVER}:111");
    server.inside(&[TALK, "call", "127.0.0.1:111", &format!("call xid=11 proc=set {mapping}")]);
    here(&[TALK, "call", &remote, &format!("call xid=12 proc=getport {mapping}")]);
    server.inside(&[TALK, "call", "127.0.0.1:111", &format!("call xid=13 proc=unset {mapping}")]);
    here(&[TALK, "call", &remote, &format!("call xid=14 proc=getport {mapping}")]);
    here(&[TALK, "call", &remote, &format!("call xid=15 proc=set {mapping}")]);
}

fn assert_is_worth_comparing(logs: &Logs) {
    let calls = &logs["portmap.log"];
    let has = |what: &[&str]| calls.iter().any(|line| what.iter().all(|word| line.contains(word)));
    for what in [
        &["\"proc\":\"dump\"", "\"pm_vers\":2", "\"ok\":true"][..],
        &["\"proc\":\"dump\"", "\"pm_vers\":3"],
        &["\"proc\":\"getport\"", "\"prog\":400111", "\"port\":4011"],
        &["\"proc\":\"getport\"", "\"prog\":400111", "\"port\":0"],
        &["\"proc\":\"set\"", "\"prog\":400111", "\"ok\":false"],
        &["fd77::1"],
    ] {
        assert!(has(what), "portmap.log has no line with {what:?}:\n{}", calls.join("\n"));
    }
    assert!(!logs["notice.log"].is_empty(), "there are notices");
}

fn assert_same(how: &str, expected: &Logs, actual: &Logs) {
    for name in ["portmap.log", "notice.log", "weird.log", "conn.log"] {
        let (expected, actual) = (without_history(expected, name), without_history(actual, name));
        let difference = expect::difference(name, &expected, &actual);
        assert!(difference.is_empty(), "{how}:\n{difference}");
    }
}

/// Packets of the two directions may pass a host's own interface in another order than its wire.
fn without_history(logs: &Logs, name: &str) -> String {
    let cut = |line: &str| {
        let (before, rest) = line.split_once("\"history\":\"").unwrap_or((line, ""));
        format!("{before}{}\n", rest.split_once('"').map_or(rest, |(_, after)| after))
    };
    expect::text(logs, name).lines().map(cut).collect()
}

const TALK: &str = env!("CARGO_BIN_EXE_talk");

/// rpcbind on a machine of its own, at the other end of `client0`.
struct Server(Host);

impl Server {
    fn start(lab: &Lab) -> Server {
        let server = Server(Host::start());
        lab.wire("client0", "server0", 1);
        host::connect_here("client0", &["10.77.0.9/24", "fd77::9/64"]);
        server.0.connect(lab, "server0", &["10.77.0.1/24", "fd77::1/64"]);
        server.inside(&["rpcbind", "-w"]);
        wait_for("rpcbind", || {
            let mut asked = server.0.command(&["rpcinfo", "-p", "127.0.0.1"]);
            asked.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        });
        server
    }

    /// Runs something on the server's side.
    fn inside(&self, words: &[&str]) {
        self.0.run(words);
    }
}

/// Runs something on the client's side.
fn here(words: &[&str]) {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    run(command);
}
