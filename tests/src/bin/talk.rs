//! Shows cases to other tools: `talk pcap CASE... > FILE` writes their frames as a capture file.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use portreeve_tests::case::Case;
use portreeve_tests::pcap;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["pcap", cases @ ..] if !cases.is_empty() => write_pcap(cases),
        _ => Err("usage: talk pcap CASE... > FILE".into()),
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
    let mut frames = Vec::new();
    for case in cases {
        frames.extend(Case::load(Path::new(case))?.frames());
    }
    std::io::stdout().write_all(&pcap::file(&frames)).map_err(|why| why.to_string())
}
