//! `cargo xtask pgo`: the sensor, compiled twice: once to see where sample traffic takes it, and once with that in mind.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::build_ebpf;

/// Everything about it is in here; the sensor's own target folder stays as it is.
const FOLDER: &str = "target/pgo";

/// Builds, trains, builds.
pub fn run(shell: &Shell) -> Result<()> {
    let profdata = profdata(shell)?;
    build_ebpf::run(shell, &build_ebpf::Args { release: true, ..Default::default() })?;
    let folder = shell.current_dir().join(FOLDER);
    let (captures, profiles, logs) = (folder.join("captures"), folder.join("profiles"), folder.join("logs"));

    shell.create_dir(&captures)?;
    cmd!(shell, "cargo run --quiet -p portreeve-bench --bin training -- {captures}").run()?;

    let trainee = build(shell, &folder.join("trainee"), &format!("-Cprofile-generate={}", profiles.display()))?;
    // Build scripts were compiled in the same way, and have left profiles of themselves.
    shell.remove_path(&profiles)?;
    let samples = shell.read_dir(&captures)?;
    cmd!(shell, "{trainee} read --log-dir {logs} {samples...}").quiet().ignore_stdout().run()?;

    let profile = folder.join("portreeve.profdata");
    cmd!(shell, "{profdata} merge -o {profile} {profiles}").quiet().run()?;
    let built = build(shell, &folder, &format!("-Cprofile-use={}", profile.display()))?;
    for path in [captures, profiles, logs] {
        shell.remove_path(path)?;
    }
    println!("{}", built.strip_prefix(shell.current_dir()).unwrap_or(&built).display());
    Ok(())
}

/// Builds the sensor with these flags into a folder; returns the program.
fn build(shell: &Shell, folder: &Path, flags: &str) -> Result<PathBuf> {
    cmd!(shell, "cargo build --release -p portreeve --bin portreeve --target-dir {folder}")
        .env("RUSTFLAGS", flags)
        .run()
        .context("the sensor does not build")?;
    Ok(folder.join("release/portreeve"))
}

/// The compiler's own tool for profiles; one of another LLVM does not read them.
fn profdata(shell: &Shell) -> Result<PathBuf> {
    let sysroot = cmd!(shell, "rustc --print sysroot").quiet().read()?;
    let version = cmd!(shell, "rustc -vV").quiet().read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not name its host")?;
    let tool = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/llvm-profdata");
    ensure!(tool.exists(), "merging profiles takes rustc's llvm-profdata: rustup component add llvm-tools");
    Ok(tool)
}
