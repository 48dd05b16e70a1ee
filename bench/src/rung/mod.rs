//! The ladder: ways of taking frames off a wire, from a program that only drops them to the whole sensor and what else there is.

mod null;
mod peer;
mod sensor;
mod socket;
mod tcpdump;
mod xdp_drop;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::generator::{Pace, Sent};
use crate::lab::Lab;
use crate::load::Load;
use crate::result::{Cpu, Latency, Loss, Trial};

pub use self::null::NullSensor;
pub use self::peer::Peer;
pub use self::sensor::Sensor;
pub use self::socket::BareXsk;
pub use self::tcpdump::tcpdump;
pub use self::xdp_drop::XdpDrop;

/// When the generator has stopped, what is on its way is taken within this time; sooner, once nothing has come for a moment.
const SETTLE: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_millis(30);
/// The rung of the user's own command.
const PEER: &str = "peer";

/// One way of taking frames.
pub trait Rung {
    /// Its name, as results have it.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence.
    fn what(&self) -> &'static str;

    /// Sends a load at a pace for some time, and accounts for every frame.
    ///
    /// # Errors
    /// What the kernel, or a program that takes part, says.
    fn trial(&mut self, lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration) -> Result<Trial>;
}

/// All rungs that this machine has, the cheapest first; and the user's own, by its command, if there is one. `sets` are settings of the
/// sensor that are not the default.
///
/// # Errors
/// The sensor's settings are not understood.
pub fn ladder(peer_command: Option<&str>, sets: &[String]) -> Result<Vec<Box<dyn Rung>>> {
    let mut rungs: Vec<Box<dyn Rung>> = vec![Box::new(XdpDrop), Box::new(BareXsk), Box::new(NullSensor::with(sets)?)];
    rungs.push(Box::new(Sensor::full(sets)?));
    rungs.push(Box::new(Sensor::by_af_packet(sets)?));
    rungs.extend(tcpdump().map(|peer| Box::new(peer) as Box<dyn Rung>));
    rungs.extend(peer_command.map(|command| Box::new(Peer::new(PEER, "the given command", command)) as Box<dyn Rung>));
    Ok(rungs)
}

/// Those of the rungs that are named, and the peer whose command was given; all of them if no name is given.
///
/// # Errors
/// There is no rung of a name.
pub fn only(names: &[String], mut rungs: Vec<Box<dyn Rung>>) -> Result<Vec<Box<dyn Rung>>> {
    for name in names {
        ensure!(
            rungs.iter().any(|rung| rung.name() == name),
            "there is no rung {name}; there are {}",
            Vec::from_iter(rungs.iter().map(|rung| rung.name())).join(", ")
        );
    }
    rungs.retain(|rung| names.is_empty() || rung.name() == PEER || names.iter().any(|name| name == rung.name()));
    Ok(rungs)
}

/// What takes frames during a trial.
trait Receiver {
    /// Processor time so far of those who receive in user space; none if nobody does.
    fn cpu(&self) -> Option<Duration>;

    /// Ends it, once nothing is on its way any more.
    fn stop(self, sent: &Sent) -> Result<Received>;
}

/// What became of the frames that arrived.
#[derive(Clone, Default, Debug)]
struct Received {
    /// How many it counted at its own door; none if it cannot tell, and the interface's count stands for it.
    seen: Option<u64>,
    /// Those that were lost behind it, by stage.
    lost: Vec<Loss>,
    /// Those for which its own ledger cannot account.
    unexplained: u64,
    /// How long its workers have looked for frames that had not come: no cost of the frames that came.
    spun: Duration,
    /// How long they took.
    latency: Option<Latency>,
}

/// Runs one trial: a receiver, a load for it, and the books.
fn measure<R: Receiver>(lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration, receiver: R) -> Result<Trial> {
    let (wire, cpu) = (lab.wire()?, receiver.cpu());
    let sent = lab.send(load, pace, lasting)?;
    settle(lab)?;
    let workers = receiver.cpu().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let after = lab.wire()?;
    let received = receiver.stop(&sent)?;
    let workers = workers.map(|time| time.saturating_sub(received.spun));
    let arrived = after.arrived - wire.arrived;
    let mut lost = vec![
        Loss { stage: "wire_full".into(), frames: after.dropped - wire.dropped },
        Loss { stage: "nic_missed".into(), frames: after.missed - wire.missed },
    ];
    let on_wire: u64 = arrived + lost.iter().map(|loss| loss.frames).sum::<u64>();
    let behind: u64 = received.lost.iter().map(|loss| loss.frames).sum();
    let seen = received.seen.unwrap_or(arrived);
    let unexplained = received.unexplained + sent.frames.abs_diff(on_wire) + arrived.abs_diff(seen);
    lost.extend(received.lost);
    lost.retain(|loss| loss.frames > 0);
    Ok(Trial {
        pace: pace.rate(),
        seconds: sent.wall.as_secs_f64(),
        offered: sent.frames,
        received: seen.saturating_sub(behind).min(sent.frames),
        lost,
        unexplained,
        cpu: cpu_per_frame(&sent, workers),
        latency: received.latency,
    })
}

/// Waits until nothing is on the wire any more.
fn settle(lab: &Lab) -> Result<()> {
    let begun = Instant::now();
    let mut arrived = 0;
    while begun.elapsed() < SETTLE {
        thread::sleep(QUIET);
        let now = lab.wire()?.arrived;
        if now == arrived {
            break;
        }
        arrived = now;
    }
    Ok(())
}

fn cpu_per_frame(sent: &Sent, workers: Option<Duration>) -> Cpu {
    let per_frame = |time: Duration| time.as_nanos() as f64 / sent.frames.max(1) as f64;
    Cpu { generator: per_frame(sent.cpu), workers: workers.map(per_frame) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_whose_command_was_given_is_measured_whatever_else_is_named() {
        let names = |wanted: &[&str], command| {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let rungs = only(&wanted, ladder(command, &[]).expect("a ladder")).map_err(|why| why.to_string());
            rungs.map(|rungs| rungs.iter().map(|rung| rung.name()).collect::<Vec<_>>())
        };
        let command = Some("listens {interface}");
        assert_eq!(names(&["sensor"], command), Ok(vec!["sensor", "peer"]));
        assert_eq!(names(&["sensor", "peer"], command), Ok(vec!["sensor", "peer"]));
        assert_eq!(names(&["sensor"], None), Ok(vec!["sensor"]));
        assert!(names(&["peer"], None).is_err_and(|why| why.starts_with("there is no rung peer; there are xdp-drop,")));
    }
}
