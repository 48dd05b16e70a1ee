//! The watched ports, laid out for one load per lookup.

use super::key::Transport;
use crate::analyzers::Service;
use crate::config::PortTable;

/// What is expected on each of the 65,536 ports of a transport.
#[derive(Clone, Debug)]
pub(super) struct WatchedPorts {
    tcp: Box<[Option<Service>]>,
    udp: Box<[Option<Service>]>,
}

impl WatchedPorts {
    pub fn new(table: &PortTable) -> Self {
        let none = vec![None; 1 << 16].into_boxed_slice();
        let mut ports = WatchedPorts { tcp: none.clone(), udp: none };
        for (transport, port, service) in table.iter() {
            let of = match transport {
                Transport::Tcp => &mut ports.tcp,
                Transport::Udp => &mut ports.udp,
            };
            if let Some(slot) = of.get_mut(usize::from(port)) {
                *slot = Some(service);
            }
        }
        ports
    }

    #[inline]
    pub fn get(&self, transport: Transport, port: u16) -> Option<Service> {
        let of = match transport {
            Transport::Tcp => &self.tcp,
            Transport::Udp => &self.udp,
        };
        of.get(usize::from(port)).copied().flatten()
    }
}
