//! `cargo xtask setup`: what building and testing need, and nothing that is already there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::peers;

/// How much is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To build the sensor and its kernel program.
    Build,
    /// And to run the tests, which have real daemons and tools as peers.
    Everything,
}

/// A compiler for the kernel program.
pub enum BpfToolchain {
    /// A rustup nightly that has the source of `core` and builds it for the target.
    RustSrc(String),
    /// Debian's rustc, which has a prebuilt `core` for the target.
    Debian,
}

/// Where Debian's rustc lives; rustup's has the same name elsewhere.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The linker's version: later ones want LLVM's development package, this one takes the library that rustup brings.
const BPF_LINKER: &str = "0.10.3";

/// Debian packages, and the file or tool whose absence says that one is missing. The package's own record is not asked: a file may
/// be gone, or may come from elsewhere.
const PACKAGES: &[(Scope, &str, Proof)] = &[
    (Scope::Build, "clang", Proof::Tool("clang")),
    (Scope::Build, "llvm", Proof::Tool("llvm-objdump")),
    (Scope::Build, "libclang-dev", Proof::Libclang),
    (Scope::Build, "libelf-dev", Proof::File("/usr/include/libelf.h")),
    (Scope::Build, "zlib1g-dev", Proof::File("/usr/include/zlib.h")),
    (Scope::Build, "m4", Proof::Tool("m4")),
    (Scope::Build, "pkg-config", Proof::Tool("pkg-config")),
    (Scope::Build, "iproute2", Proof::Tool("ip")),
    (Scope::Build, "ethtool", Proof::Tool("ethtool")),
    (Scope::Everything, "rpcbind", Proof::Tool("rpcbind")),
    (Scope::Everything, "rpcbind", Proof::Tool("rpcinfo")),
    (Scope::Everything, "tcpdump", Proof::Tool("tcpdump")),
    (Scope::Everything, "bpftool", Proof::Tool("bpftool")),
    (Scope::Everything, "tshark", Proof::Tool("tshark")),
    (Scope::Everything, "curl", Proof::Tool("curl")),
    (Scope::Everything, "lftp", Proof::Tool("lftp")),
    (Scope::Everything, "tnftp", Proof::Tool("tnftp")),
    (Scope::Everything, "openssl", Proof::Tool("openssl")),
    (Scope::Everything, "openssh-client", Proof::Tool("ssh")),
    (Scope::Everything, "hydra", Proof::Tool("hydra")),
    (Scope::Everything, "python3-pyftpdlib", Proof::File("/usr/lib/python3/dist-packages/pyftpdlib")),
];

/// Debian's compiler for the kernel program.
const DEBIAN_TOOLCHAIN: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

enum Proof {
    Tool(&'static str),
    File(&'static str),
    Libclang,
}

impl Proof {
    fn holds(&self) -> bool {
        match self {
            Proof::Tool(name) => tool(name).is_some(),
            Proof::File(path) => Path::new(path).exists(),
            Proof::Libclang => has_libclang(),
        }
    }
}

/// Installs what is missing; says nothing when that is nothing.
pub fn run(shell: &Shell, scope: Scope) -> Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    for (needed, package, proof) in PACKAGES {
        if *needed <= scope && !proof.holds() && !packages.contains(package) {
            packages.push(package);
        }
    }
    if bpf_toolchain(shell).is_none() {
        packages.extend(DEBIAN_TOOLCHAIN);
    }
    let linker =
        tool("bpf-linker").is_none_or(|path| cmd!(shell, "{path} --version").quiet().ignore_stderr().read().is_err());
    if !packages.is_empty() || linker {
        install(shell, &packages, linker)?;
    }
    if scope == Scope::Everything {
        peers::run(shell);
    }
    Ok(())
}

fn install(shell: &Shell, packages: &[&str], linker: bool) -> Result<()> {
    let mut commands = Vec::new();
    if !packages.is_empty() {
        require_apt(packages)?;
        commands.push("apt-get -q -o DPkg::Lock::Timeout=300 update".to_owned());
        commands.push(format!(
            "apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends --reinstall {}",
            packages.join(" ")
        ));
    }
    if linker {
        commands.push(format!("cargo install bpf-linker --version {BPF_LINKER} --locked --force"));
    }
    carry_out(shell, &commands)?;
    check(shell, packages)
}

/// The compiler to use for the kernel program, the nightly first; `None` when there is neither.
pub fn bpf_toolchain(shell: &Shell) -> Option<BpfToolchain> {
    let list = cmd!(shell, "rustup toolchain list").quiet().ignore_stderr().read().unwrap_or_default();
    for line in list.lines().filter(|line| line.starts_with("nightly")) {
        let name = line.split_whitespace().next().unwrap_or(line);
        let sysroot = cmd!(shell, "rustup run {name} rustc --print sysroot").quiet().ignore_stderr().read();
        if sysroot.is_ok_and(|root| Path::new(&root).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()) {
            return Some(BpfToolchain::RustSrc(name.to_owned()));
        }
    }
    debian_rustc_has_core(shell).then_some(BpfToolchain::Debian)
}

/// Compiles an empty library for the target: a rustc from another package, or a `core` of another version, does not get through.
/// Into a folder of its own, because rustc renames its result over whatever it is told to write, a device included.
fn debian_rustc_has_core(shell: &Shell) -> bool {
    let Ok(folder) = shell.create_temp_dir() else { return false };
    let folder = folder.path();
    let args = ["--target", "bpfel-unknown-none", "--crate-type", "lib", "--crate-name", "probe", "--emit", "metadata"];
    Path::new(DEBIAN_RUSTC).exists()
        && cmd!(shell, "{DEBIAN_RUSTC} {args...} --out-dir {folder} -")
            .stdin("#![no_std]")
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()
            .is_ok()
}

fn require_apt(packages: &[&str]) -> Result<()> {
    if tool("apt-get").is_some() {
        return Ok(());
    }
    let others: Vec<&str> = packages.iter().copied().filter(|package| !DEBIAN_TOOLCHAIN.contains(package)).collect();
    let compiler = if others.len() < packages.len() {
        "a compiler for the kernel program (`rustup toolchain install nightly --component rust-src`) and "
    } else {
        ""
    };
    bail!(
        "please install {compiler}what Debian calls {}, in the way of your system, and run this again",
        if others.is_empty() { "nothing else".to_owned() } else { others.join(", ") }
    )
}

fn carry_out(shell: &Shell, commands: &[String]) -> Result<()> {
    let is_root = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    if !is_root && commands.iter().any(|command| command.starts_with("apt-get")) {
        let lines: Vec<String> = commands
            .iter()
            .map(
                |command| {
                    if command.starts_with("apt-get") { format!("  sudo {command}") } else { format!("  {command}") }
                },
            )
            .collect();
        bail!("something is missing, and installing it takes root; please run\n{}", lines.join("\n"));
    }
    for command in commands {
        let words = command.split_whitespace();
        cmd!(shell, "env DEBIAN_FRONTEND=noninteractive {words...}")
            .run()
            .with_context(|| format!("`{command}` failed"))?;
    }
    Ok(())
}

fn check(shell: &Shell, packages: &[&str]) -> Result<()> {
    for (_, package, proof) in PACKAGES {
        if packages.contains(package) && !proof.holds() {
            bail!("{package} was installed, and what it should bring is still not there");
        }
    }
    if bpf_toolchain(shell).is_none() {
        bail!(
            "there is still no compiler for the kernel program: install {}, or `rustup toolchain install nightly --component rust-src`",
            DEBIAN_TOOLCHAIN.join(" and ")
        );
    }
    Ok(())
}

/// A tool's path. Administrators' folders count although they are not on everybody's PATH.
fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin"));
    let others = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(home).chain(others).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The library that bindgen loads; Debian keeps one per LLVM version.
fn has_libclang() -> bool {
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("lib"));
    let folders =
        versions.chain(["/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].map(PathBuf::from));
    let is_libclang = |file: fs::DirEntry| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name == "libclang.so" || (name.starts_with("libclang-") && name.ends_with(".so") && !name.contains("cpp"))
    };
    std::env::var_os("LIBCLANG_PATH").is_some()
        || folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().any(is_libclang)
}
