//! What real clients and servers do, seen twice: by the sensor at a tap, and by one that reads what tcpdump has recorded there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::expect::Logs;
use crate::host;
use crate::lab::Lab;
use crate::process::Tcpdump;
use crate::sensor::{self, Sensor};
use crate::tap::TappedWire;

/// What the sensor says of it, both times.
#[derive(Debug)]
pub struct Seen {
    /// The logs of the live run.
    pub live: Logs,
    /// Those of the recording.
    pub offline: Logs,
    /// Where they are, the live ones first, each with its `events.jsonl`.
    pub folders: [PathBuf; 2],
}

/// Starts servers (on `server0`), and lets clients (on `client0`, with these addresses) play with them over a wire with such a delay.
///
/// # Panics
/// The ledger of the live run does not close.
pub fn watch<S>(
    lab: &Lab,
    folder: &Path,
    (delay, addresses): (Duration, &[&str]),
    start: impl FnOnce() -> S,
    play: impl FnOnce(),
) -> (Seen, S) {
    for [one, other] in [["client0", "wire0"], ["server0", "wire1"], ["play0", "tap0"]] {
        lab.wire(one, other, 1);
    }
    let folders = ["live", "offline"].map(|name| folder.join(name));
    let [events, events_offline] = [0, 1].map(|at: usize| folders[at].join("events.jsonl").display().to_string());
    let capture = folder.join("dumped.pcap");
    let wire = TappedWire::join(lab, ["wire0", "wire1"], "play0", delay);
    host::connect_here("client0", addresses);
    let servers = start();
    let tcpdump = Tcpdump::start("play0", &capture);
    let mut sensor = Sensor::start_in(&folders[0], "tap0", &["--capture", "af_xdp", "--events", &events]);
    sensor.wait_until_watching();
    play();
    drop(wire);
    tcpdump.stop();
    let (summary, live) = sensor.stop();
    assert_eq!(summary["ledger"]["unexplained"], 0, "the ledger closes");
    let offline = sensor::read_in(&folders[1], &capture, &["--events", &events_offline]);
    (Seen { live, offline, folders }, servers)
}
