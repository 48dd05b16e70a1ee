//! A test that cannot run here says why, in a place where it is seen; under `CI=true` that is a failure.

use std::fs::OpenOptions;
use std::io::Write;

/// Notes that the test of this thread was left out because of `reason`.
///
/// # Panics
/// Under `CI=true`: there, everything is to be tested.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a part of a test");
    println!("skipped: {test}: {reason}");
    if let Some(list) = std::env::var_os("PORTREEVE_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(list);
        let _ = file.and_then(|mut file| writeln!(file, "{test}: {reason}"));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} was skipped, and this is CI: {reason}");
}

/// Whether this process is not root; if so, the test is noted as skipped.
pub fn without_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("it needs root: run `cargo xtask test` as root");
    }
    !root
}
