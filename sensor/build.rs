//! Embeds the kernel object, if it has been built: `cargo xtask build-ebpf` does that, and plain `cargo build` works without.

use std::path::{Path, PathBuf};
use std::{env, fs};

const OVERRIDE: &str = "PORTREEVE_EBPF";

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    println!("cargo::rerun-if-changed=build.rs");
    let object = env::var_os(OVERRIDE).map_or_else(built_object, PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    let embedded = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("portreeve.o");
    fs::write(embedded, fs::read(&object)?)
}

/// Where build-ebpf puts the object. An empty one stands in until then: cargo runs a build script every time when a file that it
/// watches does not exist.
fn built_object() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ebpf");
    let object = folder.join("portreeve.o");
    if object.exists() || fs::create_dir_all(&folder).and_then(|()| fs::write(&object, [])).is_ok() {
        return object;
    }
    println!("cargo::warning={} cannot be made; the kernel program is left out", object.display());
    PathBuf::from("/dev/null")
}
