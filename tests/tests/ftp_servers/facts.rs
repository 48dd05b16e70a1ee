//! What happened on a server, as its own log says it or as the sensor's logs do: logins, and files that were transferred.

use std::path::Path;

use serde_json::Value;

use crate::servers::{PYFTPD, VSFTPD};

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    Ok,
    Failed,
}

impl Outcome {
    pub fn from_ok(ok: bool) -> Outcome {
        if ok { Outcome::Ok } else { Outcome::Failed }
    }
}

/// To the server, or from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    Up,
    Down,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    Login {
        server: &'static str,
        user: String,
        outcome: Outcome,
    },
    /// A file by its name without folders; how much of it is known where all of it arrived.
    Transfer {
        server: &'static str,
        way: Way,
        file: String,
        bytes: Option<u64>,
        outcome: Outcome,
    },
}

impl Fact {
    pub fn login(server: &'static str, user: &str, outcome: Outcome) -> Fact {
        Fact::Login { server, user: user.to_owned(), outcome }
    }

    pub fn transfer(server: &'static str, way: Way, path: &str, bytes: Option<u64>, outcome: Outcome) -> Fact {
        let file = path.rsplit('/').next().unwrap_or(path).to_owned();
        Fact::Transfer { server, way, file, bytes: bytes.filter(|_| outcome == Outcome::Ok), outcome }
    }

    /// Whether it took place under encryption, by the user that always encrypts and the names of the files.
    pub fn is_encrypted(&self) -> bool {
        match self {
            Fact::Login { user, .. } => user == "carol",
            Fact::Transfer { file, .. } => file.starts_with("secret"),
        }
    }
}

/// Facts as text, one each line, sorted: to be compared.
pub fn listed(facts: &[Fact]) -> String {
    let mut lines: Vec<String> = facts.iter().map(|fact| format!("{fact:?}\n")).collect();
    lines.sort();
    lines.concat()
}

/// What the sensor's logs in a folder say. How many bytes were transferred counts where ftp.log and conn.log agree on it.
pub fn of_the_sensor(folder: &Path) -> Vec<Fact> {
    let connections = records(folder, "conn.log");
    records(folder, "ftp.log").iter().filter_map(|record| fact(record, &connections)).collect()
}

fn fact(record: &Value, connections: &[Value]) -> Option<Fact> {
    // 5xx: refused, and nothing was transferred (RFC 959 section 4.2.1). Without a reply, the client has left before it came.
    let code = record["reply_code"].as_u64();
    match record["command"].as_str()? {
        "USER" | "PASS" | "ACCT" => {
            let outcome = Outcome::from_ok(record["auth_success"].as_bool()?);
            Some(Fact::login(server(record), record["user"].as_str()?, outcome))
        }
        verb @ ("RETR" | "STOR" | "STOU" | "APPE") if code.is_none_or(|code| code < 500) => {
            let way = if verb == "RETR" { Way::Down } else { Way::Up };
            let outcome = Outcome::from_ok(code.is_some_and(|code| (200..300).contains(&code)));
            let told = record["file_size"].as_u64();
            let bytes = told.filter(|_| told == data(record, connections).and_then(|data| sent(data, record, way)));
            Some(Fact::transfer(server(record), way, record["arg"].as_str()?, bytes, outcome))
        }
        _ => None,
    }
}

/// The data connection that a line of ftp.log names.
fn data<'a>(record: &Value, connections: &'a [Value]) -> Option<&'a Value> {
    connections.iter().find(|connection| {
        connection["service"] == "ftp-data"
            && connection["id.resp_h"] == record["data_channel.resp_h"]
            && connection["id.resp_p"] == record["data_channel.resp_p"]
    })
}

/// How many bytes of a file a data connection carried.
fn sent(data: &Value, record: &Value, way: Way) -> Option<u64> {
    let server_connects = data["id.orig_h"] == record["id.resp_h"];
    let field = if server_connects == (way == Way::Down) { "orig_bytes" } else { "resp_bytes" };
    data[field].as_u64()
}

fn records(folder: &Path, log: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(log)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{log}: {why}\n{line}"))).collect()
}

fn server(record: &Value) -> &'static str {
    match record["id.resp_h"].as_str() {
        Some(address) if VSFTPD.contains(&address) => "vsftpd",
        Some(address) if PYFTPD.contains(&address) => "pyftpdlib",
        _ => "?",
    }
}
