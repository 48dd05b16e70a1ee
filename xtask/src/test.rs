//! `cargo xtask test`: everything that is tested, and a list of what could not be, with the reason.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use xshell::Shell;

use crate::{build_ebpf, setup};

/// How often something passed and failed.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

/// Builds and tests everything.
pub fn run(shell: &Shell) -> Result<()> {
    setup::run(shell, setup::Scope::Everything)?;
    build_ebpf::run(shell, &build_ebpf::Args { release: true, ..Default::default() })?;
    let skipped_list = shell.current_dir().join("target/skipped-tests");
    shell.remove_path(&skipped_list)?;
    let tally = cargo_test(shell, &skipped_list)?;
    let skipped = shell.read_file(&skipped_list).unwrap_or_default();
    for line in skipped.lines() {
        println!("skipped: {line}");
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, skipped.lines().count());
    if tally.failed > 0 || tally.passed == 0 {
        bail!("not everything passed");
    }
    Ok(())
}

/// Runs all tests to the end, shows what they print, and adds up.
fn cargo_test(shell: &Shell, skipped_list: &std::path::Path) -> Result<Tally> {
    let mut cargo = Command::new("cargo")
        .args(["test", "--workspace", "--no-fail-fast"])
        .current_dir(shell.current_dir())
        .env("PORTREEVE_SKIPPED", skipped_list)
        // Built for the package's own tests: the libraries are built once, not once more for a release.
        .env("PORTREEVE_BINARY", shell.current_dir().join("target/debug/portreeve"))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut tally = Tally::default();
    for line in BufReader::new(cargo.stdout.take().expect("stdout is piped")).lines() {
        let line = line?;
        println!("{line}");
        tally.add(&line);
    }
    if !cargo.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

impl Tally {
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; ...`
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                _ => {}
            }
        }
    }
}
