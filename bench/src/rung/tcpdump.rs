//! tcpdump with this sensor's ports as its filter, writing to nowhere: what a capture alone costs by way of libpcap.

use portreeve::config::{PortTable, Settings};
use portreeve::flow::key::Transport;

use super::peer::Peer;

/// tcpdump, if it is installed.
pub fn tcpdump() -> Option<Peer> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).any(|folder| folder.join("tcpdump").exists()).then(|| {
        let what = "tcpdump with the same ports as its filter and as large a buffer, writing to /dev/null";
        let command = format!("tcpdump -i {{interface}} -n -B 65536 -w /dev/null '{}'", filter());
        Peer::new("tcpdump", what, &command)
    })
}

/// The ports that analyzers listen on, in libpcap's language.
fn filter() -> String {
    let ports = PortTable::new(&Settings::default());
    let named = ports.iter().flat_map(PortTable::iter).map(|(transport, port, _)| match transport {
        Transport::Tcp => format!("tcp port {port}"),
        Transport::Udp => format!("udp port {port}"),
    });
    named.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_filter_names_every_port() {
        let filter = super::filter();
        for port in ["udp port 111", "tcp port 111", "tcp port 21", "tcp port 22", "tcp port 23", "tcp port 513"] {
            assert!(filter.contains(port), "{filter}");
        }
    }
}
