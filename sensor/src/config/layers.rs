//! How settings come together: defaults, then a file, then `--set`; and how a mistake in them is told.

use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{PolicySets, PortTable, Settings, sets};
use crate::analyzers::TABLE;
use crate::error::{Error, Result};
use crate::policy::Note;

/// The defaults, then the file, then each `key=value`.
pub fn load(config_file: Option<&Path>, sets: &[String]) -> Result<Settings> {
    let mut merged = toml::Table::new();
    if let Some(path) = config_file {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|why| Error::new(format!("read the configuration {name}"), why).status(Error::USAGE))?;
        merge(&mut merged, Layer { name, text, numbered: true }.table()?);
    }
    for set in sets {
        merge(&mut merged, layer_of(set)?.table()?);
    }
    let settings: Settings = merged
        .try_into()
        .map_err(|why: toml::de::Error| Error::new("use the settings", why.message()).status(Error::USAGE))?;
    settings.check_sets()?;
    PortTable::new(&settings)?;
    settings.respond.check(&settings)?;
    Ok(settings)
}

/// The changes to the named sets, read as what they are: this is where a malformed member is found, with its line.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TypedSets {
    policy: TypedChanges,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TypedChanges {
    replace: PolicySets,
    add: PolicySets,
    remove: PolicySets,
}

/// One source of settings: a file, or one `--set`.
struct Layer {
    name: String,
    text: String,
    /// Whether lines mean anything to the reader.
    numbered: bool,
}

/// `key=value` as TOML; a value that is no TOML by itself is a string, so that `--set capture.mode=host` needs no quotes.
fn layer_of(set: &str) -> Result<Layer> {
    let name = format!("--set {set}");
    let (key, value) = set.split_once('=').ok_or_else(|| {
        Error::new(format!("use {name}"), "there is no `=`").hint("write --set key=value").status(Error::USAGE)
    })?;
    let (key, value) = (key.trim(), value.trim());
    let text = format!("{key} = {value}\n");
    let text = match toml::from_str::<toml::Table>(&text) {
        Ok(_) => text,
        Err(_) => format!("{key} = {}\n", toml::Value::String(value.to_owned())),
    };
    Ok(Layer { name, text, numbered: false })
}

impl Layer {
    /// The table, once every name and every value in it is known to be right.
    fn table(&self) -> Result<toml::Table> {
        let document =
            DeTable::parse(&self.text).map_err(|why| self.wrong(why.span().map(|s| s.start), why.message()))?;
        self.check_names(document.get_ref(), &known_names(), "")?;
        toml::from_str::<Settings>(&self.text).map_err(|why| self.wrong(why.span().map(|s| s.start), why.message()))?;
        toml::from_str::<TypedSets>(&self.text)
            .map_err(|why| self.wrong(why.span().map(|s| s.start), why.message()))?;
        toml::from_str(&self.text).map_err(|why| self.wrong(None, why.message()))
    }

    /// Every name must be one of the default tree's; an empty table there takes any name.
    fn check_names(&self, given: &DeTable<'_>, known: &toml::Table, path: &str) -> Result<()> {
        for (key, value) in given {
            let name = join(path, key.get_ref());
            match (known.get(key.get_ref().as_ref()), value.get_ref()) {
                (None, value) => return Err(self.unknown(key.span().start, &leaf(name, value))),
                (Some(toml::Value::Table(inner)), DeValue::Table(given)) if !inner.is_empty() => {
                    self.check_names(given, inner, &name)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn unknown(&self, at: usize, name: &str) -> Error {
        let what = format!("unknown setting `{name}`");
        let error = self.wrong(Some(at), &what);
        match nearest(name, all_names().iter().map(String::as_str)) {
            Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
            None => error,
        }
    }

    fn wrong(&self, at: Option<usize>, why: &str) -> Error {
        let line = at.and_then(|at| self.text.get(..at)).map(|before| 1 + before.matches('\n').count());
        let doing = match line {
            Some(line) if self.numbered => format!("use {} line {line}", self.name),
            _ => format!("use {}", self.name),
        };
        Error::new(doing, why.trim_end()).status(Error::USAGE)
    }
}

/// The one of `names` that looks most like `name`, if any does.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The tree of names: the default settings, and where they hold names of something else, those.
fn known_names() -> toml::Table {
    let mut tree = toml::Table::try_from(Settings::default()).unwrap_or_default();
    let mut fill = |section: &str, inner: &str, names: &[String]| {
        let inner = tree.get_mut(section).and_then(|section| section.as_table_mut()?.get_mut(inner)?.as_table_mut());
        let names = names.iter().map(|name| (name.clone(), toml::Value::Boolean(true)));
        inner.into_iter().for_each(|inner| inner.extend(names.clone()));
    };
    let analyzers: Vec<String> = TABLE.iter().map(|row| row.name.to_owned()).collect();
    let sets = sets::names();
    for change in ["replace", "add", "remove"] {
        fill("ports", change, &analyzers);
        fill("policy", change, &sets);
    }
    let notes: Vec<String> = Note::ALL.iter().map(|note| note.name().to_owned()).collect();
    fill("notice", "actions", &notes);
    fill("notice", "suppress", &notes);
    if let Some(output) = tree.get_mut("output").and_then(toml::Value::as_table_mut) {
        output.insert("events".to_owned(), toml::Value::Boolean(true));
    }
    tree
}

/// Every setting, dotted.
fn all_names() -> Vec<String> {
    fn walk(table: &toml::Table, path: &str, out: &mut Vec<String>) {
        for (key, value) in table {
            let name = join(path, key);
            if let toml::Value::Table(inner) = value {
                walk(inner, &name, out);
            }
            out.push(name);
        }
    }
    let mut names = Vec::new();
    walk(&known_names(), "", &mut names);
    names
}

/// The name down to the only setting in it: what `limit.conections = 5` is about is not `limit`.
fn leaf(name: String, value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) if table.len() == 1 => {
            table.iter().fold(name, |name, (key, value)| leaf(join(&name, key.get_ref()), value.get_ref()))
        }
        _ => name,
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, sets: &[&str]) -> Result<Settings> {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(Some(file.path()), &sets.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn later_layers_win_and_the_rest_stays_default() {
        let settings = load_text("[limits]\nconnections = 5\ntext_bytes = 7\n", &["limits.connections=9"]).unwrap();
        assert_eq!((settings.limits.connections, settings.limits.text_bytes), (9, 7));
        assert_eq!(settings.limits.rpc_pending_calls, Settings::default().limits.rpc_pending_calls);
    }

    #[test]
    fn a_set_needs_no_quotes() {
        let settings = load_text("", &["capture.mode=host", "output.format = zeek-tsv"]).unwrap();
        assert_eq!(settings.capture.mode, super::super::CaptureMode::Host);
        assert_eq!(settings.output.format, super::super::OutputFormat::ZeekTsv);
    }

    #[test]
    fn an_unknown_name_is_told_with_its_line_and_the_nearest() {
        let error = load_text("\n\n[limits]\nconections = 5\n", &[]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 4: unknown setting `limits.conections`"), "{text}");
        assert!(text.contains("did you mean `limits.connections`?"), "{text}");
        assert_eq!(error.exit_status(), Error::USAGE);
        for (wrong, right) in [
            ("limit.conections=3", "limits.connections"),
            ("notice.actions.SensitivePortmaperAccess='log'", "notice.actions.SensitivePortmapperAccess"),
            ("ports.add.portmapp=['1/udp']", "ports.add.portmap"),
        ] {
            let text = load(None, &[wrong.to_owned()]).unwrap_err().to_string();
            assert!(text.contains(&format!("did you mean `{right}`?")), "{text}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_with_its_line() {
        let text = load_text("[site]\nlocal_nets = ['10.0.0.0/8', '10.0.0/8']\n", &[]).unwrap_err().to_string();
        assert!(text.contains("line 2"), "{text}");
        let text = load_text("workers = 'many'\n", &[]).unwrap_err().to_string();
        assert!(text.contains("line 1"), "{text}");
    }
}
