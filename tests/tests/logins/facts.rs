//! Who tried to log in and how it ended, as the system's own log says it or as login.log does, in the order in which it happened.

use std::path::Path;

use serde_json::Value;

/// One try, as a line to be compared.
fn fact(user: &str, let_in: bool) -> String {
    format!("{user} {}\n", if let_in { "logged in" } else { "failed" })
}

/// What the lines of auth.log say.
pub fn of_the_system(log: &str) -> String {
    log.lines().filter_map(system_fact).collect()
}

/// `login[72]: 'alice' logged in  on '/dev/pts/0' from 'client'`,
/// `login[81]: FAILED LOGIN (1) on '/dev/pts/0' from 'client' FOR 'alice', Authentication failure`, and of rlogind
/// `pam_unix(rlogin:auth): authentication failure; logname= uid=0 ... rhost=client  user=alice`.
fn system_fact(line: &str) -> Option<String> {
    if let Some((before, _)) = line.split_once("' logged in ") {
        return Some(fact(before.rsplit('\'').next()?, true));
    }
    if let Some((_, after)) = line.split_once(" FOR '").filter(|_| line.contains("FAILED LOGIN")) {
        return Some(fact(after.split('\'').next()?, false));
    }
    let (_, after) = line.split_once("pam_unix(rlogin:auth): authentication failure;")?;
    Some(fact(after.split_once(" user=")?.1, false))
}

/// What login.log in a folder says of the tries that ended, one way or the other.
pub fn of_the_sensor(folder: &Path) -> String {
    let mut tries = records(folder);
    // A dialogue that was given up is one of the sensor's tries, and the system has nothing to say of it.
    tries.retain(|record| record["kind"] == "attempt" && record["state"] != "INCOMPLETE" && !is_timeout(record));
    tries.sort_by(|a, b| time(a).total_cmp(&time(b)));
    tries.iter().map(|record| fact(record["user"].as_str().unwrap_or("?"), record["success"] == true)).collect()
}

/// Whether a line says that somebody was not quick enough.
pub fn is_timeout(record: &Value) -> bool {
    record["user"] == "<timeout>" || record["password"] == "<timeout>"
}

/// The lines of login.log.
pub fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("login.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}\n{line}"))).collect()
}

fn time(record: &Value) -> f64 {
    record["ts"].as_f64().unwrap_or_default()
}
