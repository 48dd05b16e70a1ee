//! Who tried to log in and how it ended, connection by connection, as the server's own log says it or as ssh.log does.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// What happened on a connection.
#[derive(Clone, Copy, Default, Debug)]
pub struct Outcome {
    failed: u64,
    let_in: bool,
    /// Nothing was asked for.
    by_none: bool,
}

/// By the client's port.
pub type Outcomes = BTreeMap<u64, Outcome>;

/// What the lines of the server's log say:
/// `Failed password for invalid user mallory from 10.77.0.9 port 40000 ssh2`, `Accepted publickey for alice from 10.77.0.9 port 40002 ssh2: ...`.
/// The client's question which methods there are fails always, and is no try.
pub fn of_the_server(log: &str) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for line in log.lines() {
        let Some(port) = number_after(line, " port ").filter(|_| !line.starts_with("Server listening")) else {
            continue;
        };
        let outcome = outcomes.entry(port).or_default();
        if line.starts_with("Failed ") && !line.starts_with("Failed none ") {
            outcome.failed += 1;
        }
        outcome.let_in |= line.starts_with("Accepted ");
        outcome.by_none |= line.starts_with("Accepted none ");
    }
    outcomes
}

/// One line for each connection, to be compared.
pub fn listed(outcomes: &Outcomes) -> String {
    outcomes.iter().map(|(port, outcome)| format!("{port} {outcome:?}\n")).collect()
}

/// What ssh.log in a folder says.
pub fn of_the_sensor(folder: &Path) -> Outcomes {
    let outcome = |record: &Value| {
        let let_in = record["auth_success"] == true;
        let attempts = record["auth_attempts"].as_u64().unwrap_or_default();
        Outcome { failed: attempts - u64::from(let_in), let_in, by_none: record["auth_method"] == "none" }
    };
    records(folder, "ssh.log")
        .iter()
        .map(|record| (record["id.orig_p"].as_u64().unwrap_or_default(), outcome(record)))
        .collect()
}

/// The client's ports of connections on which everything is compressed.
pub fn compressed(folder: &Path) -> Vec<u64> {
    let records = records(folder, "ssh.log");
    let compressed = records.iter().filter(|record| record["compression_alg"] != "none");
    compressed
        .filter(|record| record["auth_success"].is_null())
        .filter_map(|record| record["id.orig_p"].as_u64())
        .collect()
}

/// The lines of a log.
pub fn records(folder: &Path, log: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(log)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}\n{line}"))).collect()
}

fn number_after(line: &str, words: &str) -> Option<u64> {
    let (_, after) = line.split_once(words)?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
