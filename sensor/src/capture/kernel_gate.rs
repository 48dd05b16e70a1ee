//! The gate of AF_XDP: requests go straight into the kernel program's maps.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use portreeve_ebpf::tables;

use super::{BypassReason, Bypassed, Expectation, Gate};
use crate::flow::key::FlowKey;
use crate::kernel::KernelTables;

/// What is wanted of two hosts that somebody accompanies.
const CONTROL: tables::Expectation =
    tables::Expectation { why: tables::Expectation::FTP_DATA, mode: tables::Expectation::CONTROL_ONLY };

/// One worker's handle to the kernel program's tables. An expectation of one worker holds for all, because they share the maps.
pub struct KernelGate {
    tables: KernelTables,
    /// What was told of the bypasses that were begun: their accounts in the kernel are never set back, because packets come while one
    /// looks.
    told: HashMap<FlowKey, Bypassed>,
    refused: u64,
}

impl KernelGate {
    /// A gate in front of these tables.
    pub fn new(tables: KernelTables) -> Self {
        KernelGate { tables, told: HashMap::new(), refused: 0 }
    }

    /// The tables give way to the newest by themselves, so a refusal is the kernel short of memory. The packets concerned are then not
    /// captured, or not kept out; the first refusal is told, since nothing else would show it.
    fn note<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(why) => {
                if self.refused == 0 {
                    tracing::warn!("the kernel refuses a change to the capture filter: {why}");
                }
                self.refused = self.refused.saturating_add(1);
                None
            }
        }
    }
}

impl Gate for KernelGate {
    fn expect(&mut self, expectation: Expectation) {
        let result = self.tables.expect(&expectation.endpoint(), expectation.wanted());
        self.note(result);
    }

    fn unexpect(&mut self, expectation: Expectation) {
        let result = self.tables.forget(&expectation.endpoint());
        self.note(result);
    }

    fn accompany(&mut self, hosts: [IpAddr; 2]) {
        let company = self.tables.company(hosts.map(Into::into));
        let result = self.tables.expect(&company, CONTROL);
        self.note(result);
    }

    fn leave(&mut self, hosts: [IpAddr; 2]) {
        let company = self.tables.company(hosts.map(Into::into));
        let result = self.tables.forget(&company);
        self.note(result);
    }

    fn bypass(&mut self, key: &FlowKey, why: BypassReason) {
        let result = self.tables.bypass(&key.connection(), why);
        if self.note(result).is_some() {
            self.told.entry(*key).or_default();
        }
    }

    fn unbypass(&mut self, key: &FlowKey) -> Option<Bypassed> {
        let told = self.told.remove(key)?;
        let result = self.tables.end_bypass(&key.connection());
        self.note(result).flatten().map(|account| Bypassed::from(account).since(told))
    }

    fn bypassed(&mut self, key: &FlowKey, why: BypassReason) -> Option<Bypassed> {
        let Some(account) = self.tables.bypassed(&key.connection()).map(Bypassed::from) else {
            self.unbypass(key);
            self.bypass(key, why);
            return None;
        };
        Some(account.since(self.told.insert(*key, account).unwrap_or_default()))
    }
}
