//! What the benchmarks' programs have in common: arguments with a help text, errors of one sentence, and a quiet end where nobody reads on.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Parses the arguments and measures. What goes wrong is said in a sentence, without a backtrace.
pub fn run<A: Parser>(measure: impl FnOnce(A) -> Result<()>) -> ExitCode {
    end_with_the_reader();
    match measure(A::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `... | head`: Rust ignores the signal that ends other programs there, and panics when it cannot print.
#[expect(unsafe_code, reason = "a signal's disposition can be anything, in general")]
fn end_with_the_reader() {
    // SAFETY: the default disposition runs no code of this process.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}
