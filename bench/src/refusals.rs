//! What is looked at before anything is measured: each obstacle is told in a sentence that says what to do about it.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use portreeve::nic::Interface;
use portreeve_ebpf::names;
use xshell::{Shell, cmd};

use crate::lab::processors;

/// Which interfaces to measure between: the one that is listened on, and the one that sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ends {
    /// Frames are received here.
    pub far: String,
    /// Frames are sent here.
    pub near: String,
}

/// Refuses a machine that cannot measure anything.
///
/// # Errors
/// Not root; not two processors; no kernel program in this binary.
pub fn refuse_machine() -> Result<()> {
    ensure!(
        !portreeve::kernel::object().is_empty(),
        "this binary was built without the kernel program: run `cargo xtask build-ebpf` and build again, or `cargo xtask bench drop-rate`"
    );
    ensure!(
        nix::unistd::geteuid().is_root(),
        "measuring takes root, for XDP programs and a network namespace: run it with sudo -E env PATH=\"$PATH\""
    );
    let processors = processors();
    ensure!(
        processors >= 2,
        "this process may use {processors} processor, and the generator and the sensor need one each: give the machine two, or widen the \
         affinity (taskset -c 0,1)"
    );
    Ok(())
}

/// Refuses a peer's command that does not say where `place` belongs, or whose program is not installed.
///
/// # Errors
/// One of them is so.
pub fn refuse_peer(command: &str, place: &str) -> Result<()> {
    ensure!(command.contains(place), "--peer-command `{command}` has no {place}: write that where the name belongs");
    let words =
        shlex::split(command).with_context(|| format!("a quotation in --peer-command `{command}` has no end"))?;
    let program = words.iter().find(|word| !is_assignment(word)).map_or("", String::as_str);
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status()?.success();
    ensure!(
        found,
        "{program} is not installed: install it (apt-get install {program}), or name another by --peer-command"
    );
    Ok(())
}

/// What a shell puts into the environment of the program that follows: `NAME=value`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric()))
}

/// Two interfaces of this machine that can be measured between. The peer of a veth is known; that of a NIC is the user's to say.
///
/// # Errors
/// There is no such interface, no peer; one is down or in use; its driver has no native XDP.
pub fn ends(interface: &str, peer: Option<&str>) -> Result<Ends> {
    let far = Interface::find(interface).map_err(anyhow::Error::new)?;
    let peer = match peer {
        Some(peer) => peer.to_owned(),
        None => veth_peer(&far)?,
    };
    ensure!(
        peer != interface,
        "{interface} cannot send to itself: give --peer the interface of this machine that is cabled to it"
    );
    let near = Interface::find(&peer).map_err(anyhow::Error::new)?;
    for end in [&far, &near] {
        end.refuse_if_down().map_err(anyhow::Error::new)?;
        refuse_in_use(end)?;
    }
    far.refuse_jumbo_frames().map_err(anyhow::Error::new)?;
    refuse_without_xdp(&far)?;
    Ok(Ends { far: far.name, near: near.name })
}

/// The other end of a veth, where it is in the same namespace.
fn veth_peer(interface: &Interface) -> Result<String> {
    let name = &interface.name;
    let ask = format!(
        "{name} needs a peer that sends to it: connect another interface of this machine with a cable, and name it with --peer; \
         or leave --interface out, and a veth pair is made"
    );
    ensure!(interface.is_veth(), "{ask}");
    // `5: va0@va1: <...`; the name is `if4` where the other end is in another namespace. sysfs may be that of another one, too.
    let shell = Shell::new()?;
    let line = cmd!(shell, "ip -oneline link show dev {name}").quiet().read()?;
    let peer = line.split(": ").nth(1).and_then(|names| names.split_once('@')).map(|(_, peer)| peer.to_owned());
    let known = nix::net::if_::if_nameindex()?;
    match peer.filter(|peer| known.iter().any(|other| other.name().to_bytes() == peer.as_bytes())) {
        Some(peer) => Ok(peer),
        None => bail!("{ask}"),
    }
}

fn refuse_in_use(interface: &Interface) -> Result<()> {
    let name = &interface.name;
    ensure!(
        interface.addresses.is_empty() && !interface.default_route,
        "this machine talks through {name}, and a flood of frames would cut it off: take one that has no address and no route \
         (ip address flush dev {name}, if it is spare)"
    );
    Ok(())
}

/// Tries it out: what a driver can do is nowhere written.
fn refuse_without_xdp(interface: &Interface) -> Result<()> {
    let Interface { name, driver, .. } = interface;
    let mut ebpf: Ebpf = EbpfLoader::new().load(portreeve::kernel::object())?;
    let Some(program) = ebpf.program_mut(names::BENCH_DROP) else {
        bail!("the kernel object has no {}", names::BENCH_DROP)
    };
    let program: &mut Xdp = program.try_into()?;
    program.load()?;
    if let Err(why) = program.attach(name, XdpMode::Driver) {
        let cause = std::error::Error::source(&why).map_or_else(|| why.to_string(), ToString::to_string);
        bail!(
            "{name} takes no XDP program in its driver ({driver}: {cause}), and so no AF_XDP: name an interface whose driver has native XDP \
             (`portreeve doctor {name}` tells more), or leave --interface out, and a veth pair is made"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_cannot_be_started_is_refused_before_anything_is_measured() {
        let refusal = |command| refuse_peer(command, "{interface}").map_err(|why| why.to_string());
        assert_eq!(refusal("sh -c 'sleep 1' {interface}"), Ok(()));
        for quoted in ["'/bin/sh' {interface}", "LANG=C \"/bin/sh\" {interface}"] {
            assert_eq!(refusal(quoted), Ok(()), "{quoted}");
        }
        assert!(refusal("'sh {interface}").is_err_and(|why| why.ends_with("has no end")));
        let blind = "--peer-command `sh` has no {interface}: write that where the name belongs".to_owned();
        assert_eq!(refusal("sh"), Err(blind));
        assert!(
            refusal("no-such-sensor -i {interface}")
                .is_err_and(|why| why.starts_with("no-such-sensor is not installed: "))
        );
    }
}
