//! The embedded defaults of the named sets, the user's changes to them, and the result as TOML.

use toml_edit::{Array, DocumentMut, Item};

use super::PolicySets;
use crate::config::PolicyChanges;
use crate::config::layers::nearest;
use crate::error::{Error, Result};

/// The embedded files, in the order in which they are printed.
pub const fn sources() -> [(&'static str, &'static str); 12] {
    [
        ("accounts", include_str!("../../../policy/accounts.toml")),
        ("ftp", include_str!("../../../policy/ftp.toml")),
        ("ftp_data", include_str!("../../../policy/ftp_data.toml")),
        ("hot", include_str!("../../../policy/hot.toml")),
        ("hot_ids", include_str!("../../../policy/hot_ids.toml")),
        ("login", include_str!("../../../policy/login.toml")),
        ("login_dialogue", include_str!("../../../policy/login_dialogue.toml")),
        ("portmap", include_str!("../../../policy/portmap.toml")),
        ("rpc_programs", include_str!("../../../policy/rpc_programs.toml")),
        ("scan", include_str!("../../../policy/scan.toml")),
        ("ssh", include_str!("../../../policy/ssh.toml")),
        ("weird", include_str!("../../../policy/weird.toml")),
    ]
}

/// The names of all sets.
pub fn names() -> Vec<String> {
    let mut names = vec!["both_local_nets_is_spoof".to_owned(), "allow_services_pairs".to_owned()];
    for (_, source) in sources() {
        names.extend(toml::from_str::<toml::Table>(source).unwrap_or_default().keys().cloned());
    }
    names
}

/// The sets as they are with these changes.
///
/// # Errors
/// A member that is to be removed and is not there; a change that does not fit the set.
pub fn effective(changes: &PolicyChanges) -> Result<PolicySets> {
    let mut all = toml::Table::new();
    for document in documents(changes)? {
        all.extend(toml::from_str::<toml::Table>(&document.to_string()).map_err(|why| wrong(why.message()))?);
    }
    all.try_into().map_err(|why: toml::de::Error| wrong(why.message()))
}

/// The effective sets as TOML with their comments: all of them, those of one file (`portmap`), or one set (`RPC_okay`).
///
/// # Errors
/// A name that is neither a file's nor a set's; whatever [`effective`] finds wrong.
pub fn policy_text(changes: &PolicyChanges, name: Option<&str>) -> Result<String> {
    effective(changes)?;
    let documents = documents(changes)?;
    let files = sources();
    let Some(name) = name else {
        return Ok(documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    };
    if let Some((document, _)) = documents.iter().zip(files).find(|(_, (file, _))| *file == name) {
        return Ok(document.to_string());
    }
    for mut document in documents {
        if let Some((key, item)) = document.remove_entry(canonical(name)) {
            let mut alone = DocumentMut::new();
            alone.insert_formatted(&key, item);
            return Ok(alone.to_string().trim_start().to_owned());
        }
    }
    let mut known = names();
    known.extend(files.iter().map(|(file, _)| (*file).to_owned()));
    let error = Error::new(format!("print the policy `{name}`"), "there is no such set").status(Error::USAGE);
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
        None => error.hint(format!("the groups are {}", files.map(|(file, _)| file).join(", "))),
    })
}

/// The embedded files with the changes worked in.
fn documents(changes: &PolicyChanges) -> Result<Vec<DocumentMut>> {
    let mut documents = Vec::new();
    for (_, source) in sources() {
        documents.push(source.parse::<DocumentMut>().map_err(wrong)?);
    }
    for document in &mut documents {
        for (name, value) in &changes.replace {
            if let Some(item) = document.get_mut(canonical(name)) {
                replace(item, value)?;
            }
        }
        for (name, value) in &changes.add {
            if let Some(item) = document.get_mut(canonical(name)) {
                add(name, item, value)?;
            }
        }
        for (name, value) in &changes.remove {
            if let Some(item) = document.get_mut(canonical(name)) {
                remove(name, item, value)?;
            }
        }
    }
    Ok(documents)
}

/// The older spellings of the manual, and the better name of one that it regrets.
fn canonical(name: &str) -> &str {
    match name {
        "both_local_nets_is_spoof" => "same_local_net_is_spoof",
        "allow_services_pairs" => "allow_service_pairs",
        name => name,
    }
}

fn replace(item: &mut Item, value: &toml::Value) -> Result<()> {
    match (item, value) {
        (Item::Table(table), toml::Value::Table(entries)) => {
            table.clear();
            insert(table, entries)
        }
        (item, value) => {
            let decor = item.as_value().map(|old| old.decor().clone());
            let mut new = inline(value)?;
            decor.into_iter().for_each(|decor| *new.decor_mut() = decor);
            *item = Item::Value(new);
            Ok(())
        }
    }
}

fn add(name: &str, item: &mut Item, value: &toml::Value) -> Result<()> {
    match (item, value) {
        (Item::Table(table), toml::Value::Table(entries)) => insert(table, entries),
        (Item::Value(toml_edit::Value::Array(members)), toml::Value::Array(more)) => {
            more.iter().try_for_each(|member| {
                if position(members, member).is_none() {
                    members.push(inline(member)?);
                }
                Ok(())
            })
        }
        (Item::Table(_), _) => Err(wrong(format!("`{name}` is a table: add entries as key = value"))),
        _ => Err(wrong(format!("`{name}` is not a set of members: use [policy.replace]"))),
    }
}

fn remove(name: &str, item: &mut Item, value: &toml::Value) -> Result<()> {
    let toml::Value::Array(members) = value else {
        return Err(wrong(format!("what is removed from `{name}` is given as a list")));
    };
    for member in members {
        let removed = match (&mut *item, member) {
            (Item::Table(table), toml::Value::String(key)) => table.remove(key).is_some(),
            (Item::Value(toml_edit::Value::Array(present)), member) => {
                position(present, member).map(|at| present.remove(at)).is_some()
            }
            _ => false,
        };
        if !removed {
            return Err(wrong(format!("{member} is to be removed from `{name}`, and is not in it")));
        }
    }
    Ok(())
}

fn insert(table: &mut toml_edit::Table, entries: &toml::Table) -> Result<()> {
    for (key, value) in entries {
        table.insert(key, Item::Value(inline(value)?));
    }
    Ok(())
}

/// Where a member stands in a list, however it is spaced and quoted there.
fn position(members: &Array, wanted: &toml::Value) -> Option<usize> {
    members.iter().position(|member| {
        let text = format!("x = {}", member.to_string().trim());
        toml::from_str::<toml::Table>(&text).is_ok_and(|parsed| parsed.get("x") == Some(wanted))
    })
}

fn inline(value: &toml::Value) -> Result<toml_edit::Value> {
    value.to_string().parse().map_err(wrong)
}

fn wrong(why: impl std::fmt::Display) -> Error {
    Error::new("use the policy sets", why.to_string().trim_end()).status(Error::USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn load(sets: &[&str]) -> Result<PolicySets> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        effective(&Settings::load(None, &sets)?.policy)
    }

    #[test]
    fn the_defaults_are_the_manuals() {
        let sets = load(&[]).unwrap();
        assert_eq!(sets.rpc_programs.0.get(&100_232).map(|name| name.as_str()), Some("sadmind"));
        assert!(sets.any_RPC_okay.any([224, 0, 2, 2].into(), |service| service == "ypserv"));
        assert!(sets.hot_dsts.contains([206, 101, 197, 226].into()) && !sets.same_local_net_is_spoof);
    }

    #[test]
    fn sets_are_added_to_removed_from_and_replaced() {
        let sets = load(&[
            "policy.add.RPC_okay = [['10.0.0.0/8', '2001:db8::/32', 'nfs']]",
            "policy.remove.allow_services = ['22/tcp']",
            "policy.remove.flag_successful_service = ['31337/tcp']",
            "policy.replace.both_local_nets_is_spoof = true",
            "policy.add.hot_srcs = { '192.0.2.0/24' = 'old worm' }",
        ])
        .unwrap();
        let trusted = "2001:db8::9".parse().unwrap();
        assert!(sets.RPC_okay.any([10, 9, 9, 9].into(), |(client, s)| client.contains(trusted) && s == "nfs"));
        assert!(!sets.allow_services.contains(crate::flow::key::Transport::Tcp, 22));
        assert!(sets.flag_successful_service.0.is_empty() && sets.same_local_net_is_spoof);
        assert_eq!(sets.hot_srcs.get([192, 0, 2, 77].into()).map(String::as_str), Some("old worm"));
    }

    #[test]
    fn mistakes_are_told() {
        let text = |set: &str| load(&[set]).unwrap_err().to_string();
        assert!(text("policy.add.RPC_ok = []").contains("did you mean"), "{}", text("policy.add.RPC_ok = []"));
        assert!(text("policy.add.RPC_okay_nets = ['10.0.0/8']").contains("neither an address nor a prefix"));
        assert!(text("policy.remove.allow_services = ['99/tcp']").contains("is not in it"));
        assert!(text("policy.add.weird_action = { bad_RPC = 'shout' }").contains("shout"));
    }

    #[test]
    fn the_printed_policy_reads_back_and_keeps_its_comments() {
        let settings = Settings::load(None, &["policy.add.RPC_okay_services = ['nfs']".to_owned()]).unwrap();
        let one = policy_text(&settings.policy, Some("RPC_okay_services")).unwrap();
        assert_eq!(one, "# Services that anybody may look up.\nRPC_okay_services = [\"nfs\"]\n");
        let group = policy_text(&settings.policy, Some("portmap")).unwrap();
        assert!(toml::from_str::<PolicySets>(&group).unwrap().RPC_okay_services.contains("nfs"));
        assert!(policy_text(&settings.policy, Some("RPC_okey")).unwrap_err().to_string().contains("`RPC_okay`"));
        assert!(!policy_text(&settings.policy, None).unwrap().is_empty());
    }
}
