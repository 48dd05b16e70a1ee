//! The real rpcbind and its clients: the same records in tap mode, in host mode, by AF_PACKET, and from tcpdump's file.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use portreeve_tests::expect::{self, Logs};
use portreeve_tests::inject;
use portreeve_tests::lab::Lab;
use portreeve_tests::sensor::{self, Sensor};
use portreeve_tests::skip::skip;

const PATIENCE: Duration = Duration::from_secs(10);

/// The server's addresses on the wire.
const SERVER: &str = "10.77.0.1";
const SERVER6: &str = "fd77::1";

/// A program that nobody has.
const OURS: u32 = 400_111;

#[test]
fn four_ways_of_capturing_give_the_same_records() {
    if !sensor::is_built() || !tools_are_there() {
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
    server.here(&["rpcinfo", "-p", SERVER]);
    server.here(&["rpcinfo", "-T", "tcp", SERVER, "100000", "2"]);
    server.here(&["rpcinfo", "-T", "udp", SERVER, "100000", "4"]);
    server.here(&["rpcinfo", "-s", SERVER]);
    server.here(&["rpcinfo", "-s", SERVER6]);
    let mapping = format!("{{ prog={OURS} vers=1 prot=udp port=4011 }}");
    let remote = format!("{SERVER}:111");
    server.inside(&[TALK, "call", "127.0.0.1:111", &format!("call xid=11 proc=set {mapping}")]);
    server.here(&[TALK, "call", &remote, &format!("call xid=12 proc=getport {mapping}")]);
    server.inside(&[TALK, "call", "127.0.0.1:111", &format!("call xid=13 proc=unset {mapping}")]);
    server.here(&[TALK, "call", &remote, &format!("call xid=14 proc=getport {mapping}")]);
    server.here(&[TALK, "call", &remote, &format!("call xid=15 proc=set {mapping}")]);
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

/// rpcbind with a network, a /run and process numbers of its own, at the other end of `client0`. All of it ends with the holder.
struct Server {
    holder: Child,
    /// The first process inside.
    inside: String,
}

impl Server {
    fn start(lab: &Lab) -> Server {
        let script = "mount -t tmpfs none /run && ip link set lo up && exec sleep 600";
        let mut holder = Command::new("unshare");
        holder.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]);
        let holder = holder.spawn().expect("unshare is there");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let child = || std::fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        wait_for("the server's network", || !child().is_empty());
        let server = Server { holder, inside: child() };
        wait_for("its loopback", || {
            let link = server.command(true, &["ip", "link", "show", "lo", "up"]).output();
            link.is_ok_and(|link| !link.stdout.is_empty())
        });
        lab.wire("client0", "server0", 1);
        lab.ip(&format!("link set server0 netns {}", server.inside));
        for (interface, command) in [("client0", false), ("server0", true)] {
            let on = format!("echo 0 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
            run(server.command(command, &["sh", "-c", &on]), &["sh"]);
        }
        lab.ip("addr add 10.77.0.9/24 dev client0");
        lab.ip("-6 addr add fd77::9/64 dev client0 nodad");
        server.inside(&["ip", "addr", "add", "10.77.0.1/24", "dev", "server0"]);
        server.inside(&["ip", "link", "set", "server0", "up"]);
        server.inside(&["ip", "-6", "addr", "add", "fd77::1/64", "dev", "server0", "nodad"]);
        server.inside(&["rpcbind", "-w"]);
        wait_for("rpcbind", || {
            let asked = server
                .command(true, &["rpcinfo", "-p", "127.0.0.1"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            asked.is_ok_and(|status| status.success())
        });
        server
    }

    /// Runs something on the server's side.
    fn inside(&self, words: &[&str]) {
        run(self.command(true, words), words);
    }

    /// Runs something on the client's side.
    fn here(&self, words: &[&str]) {
        run(self.command(false, words), words);
    }

    fn command(&self, inside: bool, words: &[&str]) -> Command {
        if !inside {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            return command;
        }
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inside, "--net", "--mount", "--pid"]).args(words);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// tcpdump, writing every frame at once.
struct Tcpdump(Child);

impl Tcpdump {
    fn start(interface: &str, file: &Path) -> Tcpdump {
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", interface, "--immediate-mode", "-U", "-s", "0", "-Z", "root", "-w"])
            .arg(file)
            .stderr(Stdio::null());
        let tcpdump = Tcpdump(command.spawn().expect("tcpdump is there"));
        wait_for("tcpdump's file", || file.metadata().is_ok_and(|file| file.len() >= 24));
        tcpdump
    }

    fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it can be asked to end");
        self.0.wait().expect("it ends");
    }
}

fn run(mut command: Command, words: &[&str]) {
    let output = command.output().unwrap_or_else(|why| panic!("{words:?}: {why}"));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20));
    }
}

fn tools_are_there() -> bool {
    for tool in ["rpcbind", "rpcinfo", "tcpdump", "unshare", "nsenter"] {
        let found =
            ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|folder| Path::new(folder).join(tool).exists());
        if !found {
            skip(&format!("{tool} is not installed: run `cargo xtask setup`"));
            return false;
        }
    }
    true
}
