//! Shows cases to other tools: as a capture file, or on a wire.

use std::io::Write;
use std::net::UdpSocket;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use portreeve_tests::case::{self, Case};
use portreeve_tests::encode::WireFrame;
use portreeve_tests::{inject, pcap, rpc};

const USAGE: &str = "usage: talk pcap CASE... > FILE      the frames of these case folders as a capture file
       talk send INTERFACE CASE...  the same on an interface, without the long pauses
       talk call HOST:PORT MESSAGE  one RPC message over UDP, from a privileged port; prints the answer
       talk seeds TARGET FOLDER     the cases as seeds for fuzzing";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["pcap", cases @ ..] if !cases.is_empty() => write_pcap(cases),
        ["send", interface, cases @ ..] if !cases.is_empty() => {
            frames(cases).and_then(|frames| inject::send(interface, &frames, Duration::from_millis(20)))
        }
        ["call", server, message] => call(server, message),
        ["seeds", target, folder] => seeds(target, Path::new(folder)),
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

fn call(server: &str, message: &str) -> Result<(), String> {
    let wrong = |why: std::io::Error| format!("{server}: {why}");
    let socket = (600..1024)
        .rev()
        .find_map(|port| UdpSocket::bind(("0.0.0.0", port)).ok())
        .ok_or("no port below 1024 is free")?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).map_err(wrong)?;
    socket.connect(server).map_err(wrong)?;
    socket.send(&rpc::message(message, false)?).map_err(wrong)?;
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).map_err(wrong)?;
    answer[..length]
        .chunks(4)
        .for_each(|word| print!("{} ", word.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    println!();
    Ok(())
}

/// One file per frame for `frame`, one per TCP direction for `stream`.
fn seeds(target: &str, folder: &Path) -> Result<(), String> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for case in case::all() {
        match target {
            "frame" => seeds.extend(case.frames().into_iter().map(|frame| frame.bytes)),
            _ => seeds.extend(case.streams()),
        }
    }
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("case-{number}")), seed).map_err(|why| why.to_string())?;
    }
    Ok(())
}

fn frames(cases: &[&str]) -> Result<Vec<WireFrame>, String> {
    let mut frames = Vec::new();
    for case in cases {
        frames.extend(Case::load(Path::new(case))?.frames());
    }
    Ok(frames)
}
