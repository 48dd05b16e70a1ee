//! `cargo xtask build-ebpf`: the kernel object.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::setup::{self, BpfToolchain, DEBIAN_RUSTC, Scope};

/// Where the sensor's build script looks for it.
pub const OBJECT: &str = "target/ebpf/portreeve.o";

const TARGET: &str = "bpfel-unknown-none";

/// Its own target folder: the kernel program has another compiler, and must not make the others rebuild.
const TARGET_FOLDER: &str = "target/bpf";

/// What to build.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Leave out the debug sections, which the kernel does not read
    #[arg(long)]
    pub release: bool,
    /// Print the instructions, too
    #[arg(long)]
    pub disasm: bool,
    /// Log each decision, which the sensor then does, too; slow, for hunting a wrong verdict
    #[arg(long, conflicts_with = "release")]
    pub trace: bool,
}

/// Builds the object, and touches it only if it changed.
pub fn run(shell: &Shell, args: &Args) -> Result<()> {
    setup::run(shell, Scope::Build)?;
    let Some(toolchain) = setup::bpf_toolchain(shell) else { bail!("there is no compiler for the kernel program") };
    let by = compile(shell, &toolchain, args.trace)?;
    let built = Path::new(TARGET_FOLDER).join(TARGET).join("ebpf/portreeve-ebpf");
    let fresh = Path::new(TARGET_FOLDER).join("portreeve.o");
    shell.copy_file(&built, &fresh)?;
    if args.release {
        cmd!(shell, "llvm-strip --strip-debug {fresh}").quiet().run()?;
    }
    let object =
        fs::read(shell.current_dir().join(&fresh)).with_context(|| format!("cannot read {}", fresh.display()))?;
    let changed = fs::read(shell.current_dir().join(OBJECT)).ok().as_ref() != Some(&object);
    if changed {
        shell.create_dir(Path::new(OBJECT).parent().unwrap_or(Path::new(".")))?;
        shell.copy_file(&fresh, OBJECT)?;
    }
    println!("{OBJECT}: {} bytes, {}, {by}", object.len(), if changed { "new" } else { "unchanged" });
    if args.disasm {
        cmd!(shell, "llvm-objdump --disassemble --no-show-raw-insn {fresh}").quiet().run()?;
    }
    Ok(())
}

/// Runs cargo and says whose compiler it used.
fn compile(shell: &Shell, toolchain: &BpfToolchain, trace: bool) -> Result<String> {
    let features: &[&str] = if trace { &["--features", "trace"] } else { &[] };
    let what = ["--package", "portreeve-ebpf", "--bin", "portreeve-ebpf", "--profile", "ebpf", "--target", TARGET];
    let build = match toolchain {
        BpfToolchain::RustSrc(name) => cmd!(shell, "rustup run {name} cargo build -Z build-std=core"),
        // The prebuilt core is a stable one; the target's assembly is not stable yet.
        BpfToolchain::Debian => cmd!(shell, "cargo build").env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1"),
    };
    build
        .args(what)
        .args(features)
        .env("CARGO_TARGET_DIR", TARGET_FOLDER)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", "bpf-linker")
        .env("RUSTFLAGS", "-C link-arg=--btf")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .quiet()
        .run()
        .context("the kernel program does not build")?;
    Ok(match toolchain {
        BpfToolchain::RustSrc(name) => {
            let version = cmd!(shell, "rustup run {name} rustc --version").quiet().read()?;
            format!("built with {version} (rustup's {name}, core from rust-src)")
        }
        BpfToolchain::Debian => {
            let version = cmd!(shell, "{DEBIAN_RUSTC} --version").quiet().read()?;
            format!("built with {version} (Debian's, {DEBIAN_RUSTC})")
        }
    })
}
