//! `cargo xtask demo`: the sensor at work on a wire of its own, with sample conversations, from nothing to a closed ledger.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::build_ebpf;

/// What is played: cases of tests/cases, some of each protocol.
const SAMPLES: [&str; 17] = [
    "portmap/getport-is-answered",
    "portmap/set-is-granted",
    "portmap/callit-to-walld-is-noticed-once",
    "rpcbind/v4-getaddr-over-ipv6",
    "policy/learned-service-names-the-connection",
    "policy/reflection-through-dump",
    "ftp/a-passive-transfer-has-its-bytes",
    "ftp/a-sensitive-file-is-reported-unless-it-fails",
    "ftp/port-of-a-third-host-is-a-bounce",
    "telnet/typed-and-echoed-byte-by-byte",
    "login/hot_ids-are-reported-on-success",
    "login/a-user-of-the-environment-alone",
    "login/loader_sequence",
    "rlogin/a-trusted-host-lets-in-without-a-word",
    "ssh/somebody-is-let-in-at-the-third-try",
    "ssh/weak-algorithms-are-told-once-a-day",
    "rpc/text-on-the-portmapper-port-over-tcp",
];

/// Long enough for a loaded machine; usually a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Builds, plays, shows, cleans up.
pub fn run(shell: &Shell) -> Result<()> {
    build_ebpf::run(shell, &build_ebpf::Args { release: true, ..Default::default() })?;
    cmd!(shell, "cargo build --quiet --release -p portreeve -p portreeve-tests --bins").run()?;
    let root = cmd!(shell, "id -u").quiet().read()?.trim() == "0";
    ensure!(root, "the demo makes network namespaces, which takes root: sudo -E env PATH=\"$PATH\" cargo xtask demo");

    let here = shell.current_dir();
    let logs = here.join("target/demo");
    shell.remove_path(&logs)?;
    shell.create_dir(&logs)?;
    let wire = Wire::make(shell)?;
    println!(
        "\nTwo network namespaces, one wire. On one end play lookups, transfers, logins and attacks; on the other listens the sensor:\n"
    );
    let mut sensor = Sensor::start(&here, &wire, &logs)?;
    sensor.wait_until_attached(shell, &wire)?;
    let mut notices = Notices::new(logs.join("notice.log"));
    play(&here, &wire, &mut notices)?;
    notices.settle()?;
    let summary = sensor.stop(shell)?;
    notices.show()?;
    println!("\n{summary}");
    println!("The logs are in {}:", logs.strip_prefix(&here).unwrap_or(&logs).display());
    let _inside = shell.push_dir(&logs);
    Ok(cmd!(shell, "wc -l").args(names_in(&logs)?).quiet().run()?)
}

/// Plays the samples, and shows notices while they are played.
fn play(here: &Path, wire: &Wire, notices: &mut Notices) -> Result<()> {
    let cases = SAMPLES.iter().map(|sample| here.join("tests/cases").join(sample));
    let mut talk = wire.inside(&wire.playing, here.join("target/release/talk"));
    let mut talk = talk.args(["send", PLAYS]).args(cases).spawn().context("cannot play the samples")?;
    loop {
        notices.show()?;
        if let Some(status) = talk.try_wait()? {
            ensure!(status.success(), "the samples were not played to the end");
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
}

fn names_in(folder: &Path) -> Result<Vec<OsString>> {
    let mut names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The ends of the wire, each called so in its namespace.
const PLAYS: &str = "plays0";
const LISTENS: &str = "listens0";

/// Two namespaces with a wire between them; gone when dropped.
struct Wire {
    playing: String,
    listening: String,
}

impl Wire {
    fn make(shell: &Shell) -> Result<Wire> {
        let number = std::process::id();
        let wire = Wire { playing: format!("pr-play-{number}"), listening: format!("pr-listen-{number}") };
        let (playing, listening) = (&wire.playing, &wire.listening);
        for namespace in [playing, listening] {
            cmd!(shell, "ip netns add {namespace}").quiet().run()?;
            // Only the samples are to be on the wire: no neighbour discovery.
            let off = "net.ipv6.conf.default.disable_ipv6=1";
            cmd!(shell, "ip netns exec {namespace} sysctl -qw {off}").quiet().run()?;
        }
        cmd!(shell, "ip -n {playing} link add {PLAYS} type veth peer name {LISTENS} netns {listening}")
            .quiet()
            .run()?;
        cmd!(shell, "ip -n {playing} link set {PLAYS} up").quiet().run()?;
        cmd!(shell, "ip -n {listening} link set {LISTENS} up").quiet().run()?;
        Ok(wire)
    }

    fn inside(&self, namespace: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for namespace in [&self.playing, &self.listening] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).stderr(Stdio::null()).status();
        }
    }
}

/// The sensor; killed when dropped, should it still run.
struct Sensor(Child);

impl Sensor {
    fn start(here: &Path, wire: &Wire, logs: &Path) -> Result<Sensor> {
        let mut command = wire.inside(&wire.listening, here.join("target/release/portreeve"));
        command.args(["run", "--interface", LISTENS, "--log-dir"]).arg(logs);
        Ok(Sensor(command.stdout(Stdio::piped()).spawn().context("cannot start the sensor")?))
    }

    /// The kernel says so on the interface; what is sent before is not seen.
    fn wait_until_attached(&mut self, shell: &Shell, wire: &Wire) -> Result<()> {
        let listening = &wire.listening;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait()? {
                bail!("the sensor has ended: {status}");
            }
            if cmd!(shell, "ip -n {listening} link show {LISTENS}").quiet().read()?.contains("xdp") {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        bail!("the sensor has not attached its program within {} s", PATIENCE.as_secs())
    }

    /// Asks it to end; its summary.
    fn stop(&mut self, shell: &Shell) -> Result<String> {
        let number = self.0.id().to_string();
        cmd!(shell, "kill -INT {number}").quiet().run()?;
        let mut summary = String::new();
        self.0.stdout.take().context("the sensor has no output")?.read_to_string(&mut summary)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "the sensor ended with {status}");
        Ok(summary)
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// notice.log, followed while it grows.
struct Notices {
    file: PathBuf,
    shown: usize,
}

impl Notices {
    fn new(file: PathBuf) -> Self {
        Notices { file, shown: 0 }
    }

    /// Prints the notices that have come since the last time.
    fn show(&mut self) -> Result<()> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        for line in whole.lines().skip(self.shown) {
            self.shown += 1;
            println!("  {:<26} {}", word(line, "note"), word(line, "msg"));
        }
        Ok(std::io::stdout().flush()?)
    }

    /// The sensor writes what it has once a second.
    fn settle(&mut self) -> Result<()> {
        for _ in 0..15 {
            sleep(Duration::from_millis(100));
            self.show()?;
        }
        Ok(())
    }
}

/// A string of a line of JSON that the sensor wrote; enough for showing it.
fn word(line: &str, name: &str) -> String {
    let start = line.find(&format!("\"{name}\":\"")).map_or(line.len(), |at| at + name.len() + 4);
    let mut escaped = false;
    let ends = |letter: char| {
        let end = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        end
    };
    let rest = &line[start..];
    rest[..rest.find(ends).unwrap_or(rest.len())].replace("\\\"", "\"")
}
