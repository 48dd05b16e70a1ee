//! The rules of the house, where a compiler does not hold them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use portreeve::analyzers::TABLE;
use portreeve::config::{PolicyChanges, sets};

/// Files that may speak of `unsafe`: the doors to the kernel, and a test's counting allocator.
const UNSAFE: [&str; 9] = [
    "sensor/src/sys",
    "sensor/src/capture/afxdp/",
    "sensor/src/capture/afpacket",
    "sensor/src/kernel",
    "sensor-ebpf/src/",
    "bench/src/",
    "tests/tests/memory.rs",
    "tests/tests/steady.rs",
    "tests/tests/tidy.rs",
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 70;

/// Files that are a table of facts or of tests, and one that has outgrown the rule and says so in its first line.
const LONGER: [&str; 3] = ["sensor/src/kernel.rs", "sensor/src/flow/tcp.rs", "tests/tests/live_sources.rs"];

#[test]
fn every_file_begins_with_what_it_is_about() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{path}: the first line says in a sentence what the file is about");
    }
}

#[test]
fn files_and_functions_can_be_read_at_a_sitting() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let exempt = LONGER.contains(&path.as_str()) || path.ends_with("tests.rs") || path.starts_with("tests/tests/");
        assert!(exempt || lines <= LONGEST_FILE, "{path}: {lines} lines; {LONGEST_FILE} are the most");
        for (name, lines) in functions(&text) {
            assert!(
                exempt || lines <= LONGEST_FUNCTION,
                "{path}: {name} has {lines} lines; {LONGEST_FUNCTION} are the most"
            );
        }
    }
}

#[test]
fn unsafe_stays_behind_its_doors() {
    for (path, text) in sources() {
        let speaks = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        let allowed = UNSAFE.iter().any(|door| path.starts_with(door));
        assert!(allowed || !speaks, "{path}: unsafe lives in {UNSAFE:?} only");
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X", "dbg".to_owned() + "!("];
    for (path, text) in sources() {
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{path}: {mark}");
        }
    }
}

#[test]
fn every_analyzer_has_cases() {
    for row in TABLE.iter().filter(|row| root().join(format!("sensor/src/analyzers/{}.rs", row.name)).exists()) {
        let folder = root().join("tests/cases").join(row.name);
        assert!(folder.is_dir(), "{}: no cases in {}", row.name, folder.display());
    }
}

/// The variables of the manual's hot, portmapper, weird and login pages.
const SETS: [&str; 63] = [
    "same_local_net_is_spoof",
    "allow_spoof_services",
    "allow_pairs",
    "hot_srcs",
    "hot_dsts",
    "allow_services",
    "allow_services_to",
    "allow_services_from",
    "allow_service_pairs",
    "flag_successful_service",
    "flag_successful_inbound_service",
    "terminate_successful_inbound_service",
    "activate_terminate_connection",
    "flag_rejected_service",
    "port_names",
    "rpc_programs",
    "NFS_services",
    "RPC_okay",
    "RPC_okay_nets",
    "RPC_okay_services",
    "NFS_world_servers",
    "any_RPC_okay",
    "RPC_dump_okay",
    "RPC_do_not_complain",
    "suppress_pm_log",
    "weird_action",
    "weird_ignore_host",
    "weird_do_not_ignore_repeats",
    "never_capture",
    "capture_control_only",
    "forbidden_ids",
    "forbidden_ids_if_no_password",
    "forbidden_id_patterns",
    "always_hot_ids",
    "hot_ids",
    "guest_ids",
    "skip_hot",
    "hot_files",
    "not_actually_hot_files",
    "hot_guest_files",
    "hot_cmds",
    "excessive_filename_len",
    "excessive_filename_trunc_len",
    "ignore_invalid_PORT",
    "ignore_privileged_PASVs",
    "input_trouble",
    "edited_input_trouble",
    "input_wait_for_output",
    "output_indicates_input_not_trouble",
    "full_input_trouble",
    "output_trouble",
    "full_output_trouble",
    "backdoor_prompts",
    "non_backdoor_prompts",
    "hot_terminal_types",
    "hot_telnet_orig_ports",
    "non_ASCII_hosts",
    "skip_logins_to",
    "always_hot_login_ids",
    "hot_login_ids",
    "rlogin_id_okay_if_no_password_exposed",
    "okay_usernames",
    "okay_passwords",
];

#[test]
fn the_manuals_sets_are_in_the_policy_under_their_names() {
    let text = sets::policy_text(&PolicyChanges::default(), None).expect("the policy prints");
    for name in SETS {
        let set = text.lines().any(|line| line == format!("[{name}]") || line.starts_with(&format!("{name} = ")));
        assert!(set, "the policy has no {name}");
    }
}

#[test]
fn cases_that_the_readme_names_exist() {
    let readme = std::fs::read_to_string(root().join("tests/README.md")).expect("there is a README");
    let (_, page) = readme.split_once("name by name").expect("the manual's page");
    let named: Vec<&str> = page.split('`').filter(|word| word.contains('/') && !word.contains('*')).collect();
    assert!(named.len() > 30, "the page names cases");
    for case in named {
        assert!(
            root().join("tests/cases").join(case).join("talk.txt").exists(),
            "tests/README.md: there is no case {case}"
        );
    }
}

#[test]
fn commands_in_the_readme_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let chores = std::fs::read_to_string(root().join("xtask/src/main.rs")).expect("xtask").to_lowercase();
    let words: Vec<&str> = readme.split_whitespace().collect();
    let named: BTreeSet<&str> =
        words.windows(3).filter(|w| w[0].ends_with("cargo") && w[1] == "xtask").map(|w| w[2]).collect();
    assert!(!named.is_empty(), "the README names chores");
    for chore in named {
        let chore = chore.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-').replace('-', "");
        assert!(chores.contains(&chore), "README: `cargo xtask {chore}` does not exist");
    }
}

/// Every Rust file of ours, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for package in ["sensor", "sensor-ebpf", "xtask", "tests", "bench"] {
        find(&root().join(package), &mut files);
    }
    assert!(files.len() > 50, "the sources were found");
    let name = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a source"))).collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Functions with their number of lines, by indentation: the code is formatted.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let begins = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "const fn ", "pub const fn ", "unsafe fn "];
        match &open {
            None if begins.iter().any(|word| words.starts_with(word))
                && !words.ends_with(';')
                && !words.ends_with('}') =>
            {
                open = Some((indent, number, words.into()));
            }
            Some((at, first, name)) if indent == *at && (words == "}" || words.ends_with(';')) => {
                found.push((name.clone(), number - first + 1));
                open = None;
            }
            _ => {}
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
