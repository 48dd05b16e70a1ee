//! What a run is made on, as far as it bears on the figures.

use std::fs;

use portreeve::nic::Interface;
use xshell::{Shell, cmd};

use crate::lab::{Lab, processors};
use crate::result::Machine;

/// Describes this machine, the lab's far interface, and the command that was given.
pub fn describe(lab: &Lab, command: String) -> Machine {
    let nic = Interface::find(&lab.far)
        .map_or_else(|_| lab.far.clone(), |interface| interface_in_words(&interface, lab.made));
    Machine {
        host: line("/proc/sys/kernel/hostname"),
        cpu: processor(),
        processors: processors(),
        kernel: line("/proc/sys/kernel/osrelease"),
        nic,
        command,
        version: version(),
        circumstances: circumstances(),
    }
}

fn interface_in_words(interface: &Interface, made: bool) -> String {
    let Interface { name, driver, queues, mtu, .. } = interface;
    let queues = if *queues == 1 { "1 receive queue".to_owned() } else { format!("{queues} receive queues") };
    match made {
        true => format!("a veth pair of its own, {queues}"),
        false => format!("{name}, driver {driver}, {queues}, MTU {mtu}"),
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Arm names no model: the architecture has to do.
    let model = text.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.trim().to_owned())
}

/// The package's version, and the commit where there is a repository.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let folder = env!("CARGO_MANIFEST_DIR");
    let commit = Shell::new().and_then(|shell| {
        cmd!(shell, "git -C {folder} describe --always --dirty --abbrev=8").quiet().ignore_stderr().read()
    });
    commit.map_or_else(|_| version.to_owned(), |commit| format!("{version} ({commit})"))
}

fn circumstances() -> Vec<(String, String)> {
    let load = line("/proc/loadavg");
    let governor = line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let known = [
        ("load average", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("frequency governor", governor),
        ("mitigations", mitigations()),
        ("isolated processors", line("/sys/devices/system/cpu/isolated")),
    ];
    known.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The names of those that are on: each of them costs something at every crossing into the kernel.
fn mitigations() -> String {
    let folder = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let on = folder.filter(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| text.starts_with("Mitigation")));
    let mut names = Vec::from_iter(on.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.sort();
    names.join(", ")
}

/// A file of one line; empty if it is not there.
fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
