//! Connections of real sockets, terminated: both ends hear of it, and what is not to be terminated lives.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use portreeve_tests::expect::Logs;
use portreeve_tests::host::connect_here;
use portreeve_tests::lab::Lab;
use portreeve_tests::machine::Machine;
use portreeve_tests::process::are_installed;
use portreeve_tests::sensor::{self, Sensor};
use serde_json::Value;

/// Telnet to 10.0.0.1 or its IPv6 address is what policy terminates.
const POLICY: [&str; 6] = [
    "--set",
    "site.local_nets = ['10.0.0.1/32', '2001:db8::1/128']",
    "--set",
    "policy.add.flag_successful_inbound_service = { '23/tcp' = 'telnet' }",
    "--set",
    "policy.add.terminate_successful_inbound_service = { '23/tcp' = 'telnet' }",
];
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits to see that nothing happens.
const A_WHILE: Duration = Duration::from_millis(500);
const SERVER: [&str; 2] = ["10.0.0.1", "2001:db8::1"];
/// Of the server and of the client.
const ADDRESSES: [[&str; 2]; 2] = [["10.0.0.1/24", "2001:db8::1/64"], ["10.0.0.2/24", "2001:db8::2/64"]];

#[test]
fn in_host_mode_both_ends_of_a_connection_are_reset() {
    let Some((_lab, client)) = server_and_client() else { return };
    for capture in ["af_xdp", "af_packet"] {
        for address in SERVER {
            let mut sensor = start(&["--mode", "host", "--capture", capture, "--set", "respond.enabled=true"]);
            sensor.wait_until_watching();
            let (near, far) = connect(&client, address);
            assert_reset(&near, &format!("{capture}: the machine's own end of {address}"));
            assert_reset(&far, &format!("{capture}: the other end of {address}"));
            let (summary, logs) = sensor.stop();
            assert_eq!(summary["ledger"]["unexplained"], 0, "{summary:#}");
            assert_eq!(notices(&summary), [("TerminatingConnection".into(), 1)]);
            let acts = acts(&logs);
            assert!(acts[0]["to_orig"].as_u64() >= Some(1) && acts[0]["to_resp"].as_u64() >= Some(1), "{acts:?}");
        }
    }
}

#[test]
fn a_server_that_speaks_meanwhile_is_reset_all_the_same() {
    let Some((_lab, client)) = server_and_client() else { return };
    let mut sensor = start(&["--mode", "host", "--set", "respond.enabled=true"]);
    sensor.wait_until_watching();
    let (mut near, far) = connect(&client, SERVER[0]);
    // The numbers that the first RSTs have may be old by now; the sensor sees these bytes and sends others.
    let _ = near.write_all(&[b'x'; 3000]);
    assert_reset(&far, "the reader");
    let (_, logs) = sensor.stop();
    assert!(acts(&logs).iter().all(|act| act["outcome"] == "sent"), "{logs:?}");
}

#[test]
fn what_is_not_to_be_terminated_lives_and_the_notice_says_so() {
    let Some((_lab, client)) = server_and_client() else { return };
    let protected = ["--set", "respond.enabled=true", "--set", "respond.protected=['10.0.0.0/24']"];
    for (what, options, sub) in [("off", &[][..], None), ("protected", &protected, Some("protected: 10.0.0.2"))] {
        let mut sensor = start(&[&["--mode", "host"], options].concat());
        sensor.wait_until_watching();
        let (mut near, mut far) = connect(&client, SERVER[0]);
        std::thread::sleep(A_WHILE);
        near.write_all(b"login: ").expect("it can be written to");
        far.write_all(b"root").expect("from both ends");
        let mut said = [0; 7];
        far.read_exact(&mut said).expect("it lives");
        near.read_exact(&mut said[..4]).expect("in both directions");
        let (summary, logs) = sensor.stop();
        assert!(acts(&logs).is_empty(), "{what}: {logs:?}");
        assert_eq!(notices(&summary), [("TerminatingConnectionIgnored".into(), 1)], "{what}");
        let notice = logs["notice.log"].iter().find(|line| line.contains("TerminatingConnectionIgnored")).expect("it");
        assert!(notice.contains("ignoring request to terminate 10.0.0.2"), "{notice}");
        assert!(sub.is_none_or(|sub| notice.contains(sub)), "{notice}");
    }
}

#[test]
fn a_forbidden_user_is_thrown_out_of_an_ftp_session() {
    if !are_installed(&["curl"]) {
        return;
    }
    let Some((_lab, client)) = server_and_client() else { return };
    let log_in = || {
        let listener = TcpListener::bind((SERVER[0], 21)).expect("a listener");
        let curl = || Command::new("curl").args(["-sS", "--max-time", "10", "ftp://rewt:secret@10.0.0.1/"]).output();
        let client = client.start(move || curl().expect("curl runs"));
        let (mut session, _) = listener.accept().expect("a client");
        session.write_all(b"220 ready\r\n").expect("it listens");
        assert!(said(&mut session).starts_with("USER rewt"));
        (session, client)
    };
    // curl's exit status: 56 is a connection that broke, 67 a login that was refused.
    let mut sensor = start(&["--mode", "host", "--set", "respond.enabled=true"]);
    sensor.wait_until_watching();
    let (session, curl) = log_in();
    assert_reset(&session, "the server");
    assert_eq!(curl.recv().expect("it ends").status.code(), Some(56), "and the client");
    let (summary, logs) = sensor.stop();
    assert_eq!(notices(&summary), [("TerminatingConnection".into(), 1)]);
    assert_eq!(acts(&logs)[0]["outcome"], "sent");

    let mut sensor = start(&["--mode", "host"]);
    sensor.wait_until_watching();
    let (mut session, curl) = log_in();
    session.write_all(b"331 password\r\n").expect("it listens");
    assert!(said(&mut session).starts_with("PASS secret"));
    session.write_all(b"530 no\r\n").expect("it listens");
    assert_eq!(curl.recv().expect("it ends").status.code(), Some(67), "an ordinary end");
    let (summary, logs) = sensor.stop();
    assert_eq!(notices(&summary), [("TerminatingConnectionIgnored".into(), 1)]);
    assert!(acts(&logs).is_empty());
}

#[test]
fn from_a_tap_frames_of_our_own_reset_both_ends() {
    let Some(lab) = sensor::is_built().then(Lab::enter).flatten() else { return };
    let (server, client) = (Machine::new(), Machine::new());
    lab.ip("link add sw0 type bridge");
    lab.ip("link set sw0 up");
    for (host, port) in [(&server, "server0"), (&client, "client0")] {
        lab.wire(port, "far0", 1);
        lab.ip(&format!("link set far0 netns {}", host.thread));
        lab.ip(&format!("link set {port} master sw0"));
    }
    server.run(|| connect_here("far0", &ADDRESSES[0]));
    client.run(|| connect_here("far0", &ADDRESSES[1]));
    lab.wire("inject0", "inject1", 1);
    lab.ip("link set inject1 master sw0");
    // As a switch is told of such a port: what comes in there says nothing about where somebody is.
    lab.ip("link set inject1 type bridge_slave learning off");
    for address in SERVER {
        let tap = ["--capture", "af_packet", "--set", "respond.enabled=true", "--set", "respond.interface=inject0"];
        let mut sensor = Sensor::start("client0", &[&tap[..], &POLICY].concat());
        sensor.wait_until_watching();
        let address: IpAddr = address.parse().expect("an address");
        let listener = server.run(move || TcpListener::bind((address, 23)).expect("a listener"));
        let far = client.run(move || TcpStream::connect((address, 23)).expect("a connection"));
        let (near, _) = listener.accept().expect("a client");
        assert_reset(&near, &format!("the server's end of {address}"));
        assert_reset(&far, &format!("the client's end of {address}"));
        let (summary, logs) = sensor.stop();
        assert_eq!(notices(&summary), [("TerminatingConnection".into(), 1)]);
        assert_eq!(acts(&logs)[0]["interface"], "inject0");
    }
}

/// This thread's network is the server's, where the sensor runs; the client is another host on the same wire.
fn server_and_client() -> Option<(Lab, Machine)> {
    let lab = sensor::is_built().then(Lab::enter).flatten()?;
    let client = Machine::new();
    lab.wire("host0", "far0", 1);
    lab.ip(&format!("link set far0 netns {}", client.thread));
    connect_here("host0", &ADDRESSES[0]);
    client.run(|| connect_here("far0", &ADDRESSES[1]));
    Some((lab, client))
}

fn start(options: &[&str]) -> Sensor {
    Sensor::start("host0", &[options, &POLICY].concat())
}

/// A connection from the client to a server here: the server's end, and the client's.
fn connect(client: &Machine, address: &str) -> (TcpStream, TcpStream) {
    let address: IpAddr = address.parse().expect("an address");
    let listener = TcpListener::bind((address, 23)).expect("a listener");
    let far = client.run(move || TcpStream::connect((address, 23)).expect("a connection"));
    (listener.accept().expect("a client").0, far)
}

fn assert_reset(mut end: &TcpStream, what: &str) {
    end.set_read_timeout(Some(PATIENCE)).expect("a limit to waiting");
    loop {
        match end.read(&mut [0; 4096]) {
            Ok(1..) => {}
            Ok(0) => panic!("{what}: closed in order"),
            Err(why) => {
                assert_eq!(why.kind(), ErrorKind::ConnectionReset, "{what}: {why}");
                return;
            }
        }
    }
}

/// What comes next.
fn said(end: &mut TcpStream) -> String {
    end.set_read_timeout(Some(PATIENCE)).expect("a limit to waiting");
    let mut bytes = [0; 512];
    let length = end.read(&mut bytes).expect("something comes");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// The lines of respond.log.
fn acts(logs: &Logs) -> Vec<Value> {
    let lines = logs.get("respond.log").into_iter().flatten();
    let object = |line: &String| line.find('{').and_then(|at| serde_json::from_str(&line[at..]).ok());
    lines.map(|line| object(line).unwrap_or_else(|| panic!("not an object: {line}"))).collect()
}

/// Notices about terminating, with how many there were.
fn notices(summary: &Value) -> Vec<(String, u64)> {
    let all = summary["notices"].as_object().into_iter().flatten();
    let ours = all.filter(|(name, _)| name.starts_with("Terminating"));
    ours.map(|(name, count)| (name.clone(), count.as_u64().unwrap_or(0))).collect()
}
