//! What a case must give: log lines without what differs from run to run, and how they are compared with the files beside the talk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use similar::TextDiff;

/// Logs by file name, each as sorted lines.
pub type Logs = BTreeMap<String, Vec<String>>;

/// Logs that a case must have exactly: where it has no file, nothing may be written.
const ALWAYS: [&str; 6] = ["portmap.log", "ftp.log", "login.log", "ssh.log", "notice.log", "weird.log"];

/// Logs that are compared where a case asks for them, by having the file.
const ON_REQUEST: [&str; 2] = ["conn.log", "events.jsonl"];

/// Fields that say nothing about the case: the endpoints are told by `conn`.
const NOISE: [&str; 5] = ["uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"];

/// Makes the lines of several logs comparable: times relative to the start, connections by their order, everything sorted.
pub fn normalise(raw: &BTreeMap<String, Vec<String>>, start: u64) -> Logs {
    let records: Vec<(&String, Pairs)> =
        raw.iter().flat_map(|(log, lines)| lines.iter().map(move |line| (log, pairs(line)))).collect();
    let names = names(records.iter().map(|(_, pairs)| pairs));
    let mut logs: Logs = Logs::new();
    for (log, pairs) in records {
        logs.entry(log.clone()).or_default().push(line(pairs, &names, start));
    }
    for (log, lines) in &mut logs {
        match log.as_str() {
            // The order of a connection's events at one moment is part of what they tell; that of connections is nobody's.
            "events.jsonl" => {
                lines.sort_by(|a, b| order(a).total_cmp(&order(b)).then_with(|| number_of(a).cmp(&number_of(b))));
            }
            _ => lines.sort_by(|a, b| order(a).total_cmp(&order(b)).then_with(|| a.cmp(b))),
        }
    }
    logs
}

/// Compares with the files in `folder`; a difference is told as a diff. With `UPDATE_EXPECT=1` the files are written instead.
pub fn compare(folder: &Path, logs: &Logs) -> Result<(), String> {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return bless(folder, logs);
    }
    let mut report = String::new();
    let mut found = 0;
    for name in ALWAYS.iter().chain(&ON_REQUEST) {
        let file = folder.join(name);
        found += usize::from(file.exists());
        if file.exists() || ALWAYS.contains(name) {
            let expected = std::fs::read_to_string(&file).unwrap_or_default();
            report.push_str(&difference(&file.display().to_string(), &expected, &text(logs, name)));
        }
    }
    match (report.is_empty(), found) {
        (true, 0) => {
            Err(format!("{}: nothing is expected here; `cargo xtask bless` writes what it gives now", folder.display()))
        }
        (true, _) => Ok(()),
        (false, _) => Err(format!("{report}(`cargo xtask bless` accepts this; read the diff first)\n")),
    }
}

/// A diff from `expected` to `actual`, or nothing.
pub fn difference(name: &str, expected: &str, actual: &str) -> String {
    if expected == actual {
        return String::new();
    }
    let diff = TextDiff::from_lines(expected, actual);
    diff.unified_diff().context_radius(1).header(&format!("{name} (expected)"), "(actual)").to_string()
}

/// The same logs without these fields.
pub fn without(logs: &Logs, fields: &[&str]) -> Logs {
    let strip = |text: &String| {
        let kept = pairs(text).0.into_iter().filter(|(key, _)| !fields.contains(&key.as_str()));
        let kept: Vec<String> = kept.map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", kept.join(","))
    };
    logs.iter().map(|(log, lines)| (log.clone(), lines.iter().map(strip).collect())).collect()
}

/// One log as the text of its file.
pub fn text(logs: &Logs, name: &str) -> String {
    logs.get(name).into_iter().flatten().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

fn bless(folder: &Path, logs: &Logs) -> Result<(), String> {
    let quiet = ALWAYS.iter().all(|name| text(logs, name).is_empty());
    for name in ALWAYS.iter().chain(&ON_REQUEST) {
        let (file, text) = (folder.join(name), text(logs, name));
        let wanted = file.exists() || ALWAYS.contains(name) || (quiet && *name == "conn.log");
        let done = match (wanted, text.is_empty() && ALWAYS.contains(name)) {
            (false, _) => Ok(()),
            (true, true) if file.exists() => std::fs::remove_file(&file),
            (true, true) => Ok(()),
            (true, false) => std::fs::write(&file, text),
        };
        done.map_err(|why| format!("{}: {why}", file.display()))?;
    }
    Ok(())
}

/// A record's fields in the order in which they were written.
struct Pairs(Vec<(String, Value)>);

impl Pairs {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn uid(&self) -> Option<&str> {
        self.get("uid").and_then(Value::as_str)
    }

    /// `10.0.0.9:832 > 10.0.0.1:111`
    fn endpoints(&self) -> String {
        let show = |name| self.get(name).map_or_else(|| "?".into(), |value| value.to_string().replace('"', ""));
        format!("{}:{} > {}:{}", show("id.orig_h"), show("id.orig_p"), show("id.resp_h"), show("id.resp_p"))
    }
}

/// Reads one line; `serde_json::Value` alone would forget the order.
fn pairs(line: &str) -> Pairs {
    struct Fields;
    impl<'de> serde::de::Visitor<'de> for Fields {
        type Value = Pairs;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(Pairs(pairs))
        }
    }
    let mut reader = serde_json::Deserializer::from_str(line);
    let pairs = serde::Deserializer::deserialize_map(&mut reader, Fields);
    pairs
        .and_then(|pairs| reader.end().map(|()| pairs))
        .unwrap_or_else(|why| panic!("not a JSON object: {why}\n  {line}"))
}

/// `C1`, `C2`, ... by the time of the first record, then by endpoints: the same whatever the uids are.
fn names<'a>(records: impl Iterator<Item = &'a Pairs>) -> BTreeMap<String, String> {
    let mut first: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for record in records {
        let Some(uid) = record.uid() else { continue };
        let ts = record.get("ts").and_then(Value::as_f64).unwrap_or(0.0);
        let seen = ((ts * 1e6).round() as u64, record.endpoints());
        first.entry(uid).and_modify(|old| *old = seen.clone().min(old.clone())).or_insert(seen);
    }
    let sorted: BTreeSet<_> = first.into_iter().map(|(uid, seen)| (seen, uid)).collect();
    sorted.into_iter().zip(1..).map(|((_, uid), number)| (uid.into(), format!("C{number}"))).collect()
}

fn line(pairs: Pairs, names: &BTreeMap<String, String>, start: u64) -> String {
    let conn = pairs.uid().and_then(|uid| names.get(uid)).map(|name| format!("{name} {}", pairs.endpoints()));
    let mut fields = Vec::new();
    for (key, value) in pairs.0 {
        match (key.as_str(), value.as_f64()) {
            ("ts", Some(seconds)) => {
                fields.push(format!("\"ts\":{}", relative(seconds, start)));
                fields.extend(conn.as_ref().map(|conn| format!("\"conn\":\"{conn}\"")));
            }
            ("start_time", Some(seconds)) => fields.push(format!("\"{key}\":{}", relative(seconds, start))),
            ("duration" | "rtt", Some(seconds)) => fields.push(format!("\"{key}\":{}", (seconds * 1e6).round() / 1e6)),
            ("community_id", _) => {}
            (key, _) if conn.is_some() && NOISE.contains(&key) => {}
            _ => fields.push(format!("\"{key}\":{value}")),
        }
    }
    format!("{{{}}}", fields.join(","))
}

/// Seconds since the start, to the microsecond that a double can carry.
fn relative(seconds: f64, start: u64) -> f64 {
    ((seconds - start as f64 / 1e9) * 1e6).round() / 1e6
}

/// What lines are sorted by first.
fn order(line: &str) -> f64 {
    let digits = line.strip_prefix("{\"ts\":").and_then(|rest| rest.split(',').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(f64::INFINITY)
}

/// The number of a line's connection.
fn number_of(line: &str) -> u32 {
    let after = line.split_once("\"conn\":\"C").map_or("", |(_, after)| after);
    after.split_once(' ').and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}
