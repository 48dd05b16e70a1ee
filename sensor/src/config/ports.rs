//! Which analyzer is expected on which port: the analyzer table with the user's changes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::analyzers::{Service, TABLE};
use crate::error::{Error, Result};
use crate::flow::key::Transport;

/// The ports of every analyzer, ready for a lookup per connection.
#[derive(Clone, Debug)]
pub struct PortTable {
    entries: Vec<(Transport, u16, Service)>,
}

impl PortTable {
    /// The table with the changes of these settings.
    ///
    /// # Errors
    /// An analyzer that would have no port left.
    pub fn new(settings: &Settings) -> Result<PortTable> {
        let changes = &settings.ports;
        let mut entries = Vec::new();
        for row in TABLE {
            let mut ports: Vec<(Transport, u16)> = match changes.replace.get(row.name) {
                Some(instead) => instead.iter().map(|spec| spec.0).collect(),
                None => row.ports.to_vec(),
            };
            ports.extend(changes.add.get(row.name).into_iter().flatten().map(|spec| spec.0));
            let removed = changes.remove.get(row.name);
            ports.retain(|port| !removed.is_some_and(|removed| removed.contains(&PortSpec(*port))));
            let had_any = !row.ports.is_empty() || changes.replace.contains_key(row.name);
            if ports.is_empty() && had_any {
                return Err(Error::new(format!("use the settings `ports` of {}", row.name), "no port is left")
                    .hint("an analyzer without a port would see nothing: give it one, for instance \"111/udp\"")
                    .status(Error::USAGE));
            }
            entries.extend(ports.into_iter().map(|(transport, port)| (transport, port, row.service)));
        }
        entries.sort_by_key(|&(transport, port, _)| (transport, port));
        entries.dedup_by_key(|&mut (transport, port, _)| (transport, port));
        Ok(PortTable { entries })
    }

    /// The analyzer expected on this port.
    pub fn service(&self, transport: Transport, port: u16) -> Option<Service> {
        let at =
            self.entries.binary_search_by_key(&(transport, port), |&(transport, port, _)| (transport, port)).ok()?;
        self.entries.get(at).map(|&(_, _, service)| service)
    }

    /// Every watched port.
    pub fn iter(&self) -> impl Iterator<Item = (Transport, u16, Service)> + '_ {
        self.entries.iter().copied()
    }
}

/// A port as people write it: `111/udp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortSpec(pub (Transport, u16));

impl FromStr for PortSpec {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("`{text}` is not a port: write a number and its transport, as in `111/udp`");
        let (number, transport) = text.split_once('/').ok_or_else(wrong)?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(wrong()),
        };
        Ok(PortSpec((transport, number.parse().map_err(|_| wrong())?)))
    }
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PortSpec((transport, port)) = self;
        write!(f, "{port}/{}", transport.name())
    }
}

impl TryFrom<String> for PortSpec {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<PortSpec> for String {
    fn from(spec: PortSpec) -> String {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(sets: &[&str]) -> Result<PortTable> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        PortTable::new(&Settings::load(None, &sets)?)
    }

    #[test]
    fn additions_and_removals_change_the_table() {
        let table = with(&["ports.add.portmap=['32771/udp']", "ports.remove.portmap=['111/tcp']"]).unwrap();
        assert_eq!(table.service(Transport::Udp, 32771), Some(Service::Portmap));
        assert_eq!(table.service(Transport::Tcp, 111), None);
        assert_eq!(table.service(Transport::Udp, 111), Some(Service::Portmap));
    }

    #[test]
    fn an_analyzer_without_a_port_is_an_error() {
        let error = with(&["ports.replace.portmap=[]"]).unwrap_err().to_string();
        assert!(error.contains("portmap") && error.contains("no port is left"), "{error}");
    }

    #[test]
    fn what_is_not_a_port_is_refused() {
        for text in ["111", "111/sctp", "65536/udp", "/tcp", "-1/tcp"] {
            assert!(text.parse::<PortSpec>().is_err(), "{text}");
        }
    }
}
