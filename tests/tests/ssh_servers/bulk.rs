//! A file of 1 GiB is copied: its packets do not reach the worker, and its bytes are counted all the same.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};

use portreeve_tests::host;
use portreeve_tests::lab::Lab;
use portreeve_tests::sensor::Sensor;
use serde_json::Value;

use crate::facts;
use crate::scenarios;
use crate::servers::{ORDINARY, Servers};

const FILE: u64 = 1 << 30;

/// What the worker sees of it: the login, the end, and what was on its way when the login was understood.
const PACKETS: u64 = 1000;

#[test]
fn a_copied_file_dies_in_the_kernel_and_is_counted() {
    if !crate::are_there() {
        return;
    }
    let Some(lab) = Lab::enter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let logs = folder.path().join("logs");
    for [one, other] in [["client0", "wire0"], ["server0", "wire1"], ["play0", "tap0"]] {
        lab.wire(one, other, 1);
    }
    lab.hub(&["wire0", "wire1", "play0"]);
    host::connect_here("client0", &["10.77.0.9/24"]);
    let servers = Servers::start(&lab, &scenarios::prepare(folder.path()));
    servers.0.script(&format!("truncate -s {FILE} /home/alice/large"));
    let relay = Relay::start();
    let mut sensor = Sensor::start_in(&logs, "tap0", &["--capture", "af_xdp"]);
    sensor.wait_until_watching();
    let output = scp(folder.path(), relay.port).output().expect("scp is there");
    assert!(output.status.success(), "{output:?}");
    let [sent, received] = relay.ends();
    let (summary, _) = sensor.stop();
    assert!(received > FILE, "all of it was copied: {received}");
    let conns = facts::records(&logs, "conn.log");
    assert_eq!(conns.len(), 1, "{conns:?}");
    assert_eq!([&conns[0]["orig_bytes"], &conns[0]["resp_bytes"]].map(Value::as_u64), [Some(sent), Some(received)]);
    assert_eq!(summary["ledger"]["unexplained"], 0, "the ledger closes");
    let packets = summary["packets"].as_u64().expect("a number");
    assert!(packets < PACKETS, "{packets} packets reached the worker");
    let ssh = facts::records(&logs, "ssh.log");
    assert!(ssh.len() == 1 && ssh[0]["auth_success"] == true, "{ssh:?}");
}

/// scp by way of a port here. /dev/null has no end that can be cut off, which scp says and does not mind.
fn scp(folder: &Path, port: u16) -> Command {
    let mut scp = Command::new("scp");
    scp.args(["-q", "-F", "none", "-i", "key", "-c", "aes128-gcm@openssh.com", "-P", &port.to_string()]);
    scp.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentityAgent=none"]);
    scp.args(["alice@127.0.0.1:large", "/dev/null"]).current_dir(folder);
    scp
}

/// One connection, passed on to the server; what goes through it is counted.
struct Relay {
    port: u16,
    counts: JoinHandle<[u64; 2]>,
}

impl Relay {
    fn start() -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("it is bound").port();
        let counts = thread::spawn(move || {
            let client = listener.accept().expect("scp comes").0;
            let server = TcpStream::connect((ORDINARY, 22)).expect("the server is there");
            thread::scope(|scope| {
                let sent = scope.spawn(|| pass(&client, &server));
                let received = pass(&server, &client);
                [sent.join().expect("it ends"), received]
            })
        });
        Relay { port, counts }
    }

    /// Bytes to the server, and from it.
    fn ends(self) -> [u64; 2] {
        self.counts.join().expect("it ends")
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) -> u64 {
    let mut bytes = vec![0; 1 << 18];
    let mut passed = 0;
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        to.write_all(&bytes[..length]).expect("the other end reads");
        passed += length as u64;
    }
    let _ = to.shutdown(Shutdown::Write);
    passed
}
