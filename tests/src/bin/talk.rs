//! Shows cases to other tools: as a capture file, or on a wire.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use portreeve_tests::case::Case;
use portreeve_tests::encode::WireFrame;
use portreeve_tests::{inject, pcap};

const USAGE: &str = "usage: talk pcap CASE... > FILE      the frames of these case folders as a capture file
       talk send INTERFACE CASE...  the same on an interface, without the long pauses";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["pcap", cases @ ..] if !cases.is_empty() => write_pcap(cases),
        ["send", interface, cases @ ..] if !cases.is_empty() => {
            frames(cases).and_then(|frames| inject::send(interface, &frames, Duration::from_millis(20)))
        }
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn write_pcap(cases: &[&str]) -> Result<(), String> {
    std::io::stdout().write_all(&pcap::file(&frames(cases)?)).map_err(|why| why.to_string())
}

fn frames(cases: &[&str]) -> Result<Vec<WireFrame>, String> {
    let mut frames = Vec::new();
    for case in cases {
        frames.extend(Case::load(Path::new(case))?.frames());
    }
    Ok(frames)
}
