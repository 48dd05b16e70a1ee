//! What stands in the way of a measurement is told in a sentence that says what to do.

use std::os::unix::process::CommandExt;
use std::process::Command;

use portreeve_tests::skip::without_root;

const DROP_RATE: &str = env!("CARGO_BIN_EXE_drop_rate");

/// Nobody's number, as every distribution has it.
const NOBODY: u32 = 65_534;

/// Runs the benchmark, which must refuse, and gives what it says.
fn refusal(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// The benchmark in a network namespace of its own, with interfaces that are made first.
fn with_interfaces(make: &str, arguments: &str) -> String {
    refusal(Command::new("unshare").args(["--net", "sh", "-ec", &format!("{make}\nexec {DROP_RATE} {arguments}")]))
}

#[test]
fn an_unprivileged_user_is_told_to_take_root() {
    let folder = tempfile::tempdir().expect("a folder");
    // Root's own folders are closed to others.
    let copy = folder.path().join("drop_rate");
    std::fs::copy(DROP_RATE, &copy).expect("it can be copied");
    let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("it is ours");
    let mut command = Command::new(copy);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let said = refusal(command.current_dir(folder.path()));
    assert!(said.contains("takes root") && said.contains("sudo"), "{said}");
}

#[test]
fn one_processor_is_too_few() {
    if without_root() {
        return;
    }
    let said = refusal(Command::new("taskset").args(["-c", "0", DROP_RATE]));
    assert!(said.contains("1 processor") && said.contains("taskset -c 0,1"), "{said}");
}

#[test]
fn an_interface_that_is_not_there_is_answered_with_those_that_are() {
    if without_root() {
        return;
    }
    let said = with_interfaces("", "--interface no-such-port");
    assert!(said.contains("no such interface") && said.contains("There are: lo"), "{said}");
}

#[test]
fn a_peer_that_is_missing_is_asked_for() {
    if without_root() {
        return;
    }
    let alone = "ip link add va0 type ifb\nip link set va0 up";
    let said = with_interfaces(alone, "--interface va0");
    assert!(
        said.contains("va0 needs a peer") && said.contains("--peer") && said.contains("leave --interface out"),
        "{said}"
    );
    let said = with_interfaces(alone, "--interface va0 --peer va0");
    assert!(said.contains("cannot send to itself"), "{said}");
}

#[test]
fn a_driver_without_xdp_is_named() {
    if without_root() {
        return;
    }
    let said = with_interfaces(
        "ip link add va0 type ifb\nip link add va1 type ifb\nip link set va0 up\nip link set va1 up",
        "--interface va0 --peer va1",
    );
    assert!(said.contains("va0 takes no XDP program in its driver") && said.contains("native XDP"), "{said}");
}

#[test]
fn an_interface_that_the_machine_talks_through_is_spared() {
    if without_root() {
        return;
    }
    let make = "ip link add va0 type veth peer name va1\nip link set va0 up\nip link set va1 up\nip address add 10.9.9.1/24 dev va1";
    let said = with_interfaces(make, "--interface va0");
    assert!(said.contains("talks through va1") && said.contains("ip address flush dev va1"), "{said}");
    let make = "ip link add va0 type veth peer name va1\nip link set va0 up";
    let said = with_interfaces(make, "--interface va0");
    assert!(said.contains("va1") && said.contains("ip link set va1 up"), "{said}");
}

#[test]
fn a_load_or_a_kept_run_that_is_not_there_is_said_before_anything_is_measured() {
    if without_root() {
        return;
    }
    let said = refusal(Command::new(DROP_RATE).args(["--load", "no-such-load"]));
    assert!(said.contains("no load no-such-load") && said.contains("there are"), "{said}");
    let said = refusal(Command::new(DROP_RATE).args(["--compare", "/no/such/run.json"]));
    assert!(said.contains("cannot read /no/such/run.json"), "{said}");
    let said = refusal(Command::new(DROP_RATE).args(["--kept", "/dev/null"]));
    assert!(said.contains("not a kept run"), "{said}");
}
