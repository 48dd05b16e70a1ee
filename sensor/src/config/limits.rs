//! Every bound of the program, in one place. Whatever a remote host can make grow has its limit here, and a counter that says it was reached.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::OutputSettings;
use crate::flow::budget::CONNECTION_BYTES;
use crate::flow::pool;
use crate::policy::{ENTRY_BYTES, EXPECTED_BYTES, SERVICE_BYTES, Tally};
use crate::record::{FtpRecord, Mapping, Message};
use crate::text;

/// What lies beside a connection: its slots in index, wheel and free list, its history, the labels that outgrow it.
const BESIDE_CONNECTION: usize = 40 + 64 + 256;
/// A datagram's largest payload, rounded up to a power of two.
const DATAGRAM: usize = 65_536;

/// The bounds. Sizes are per worker unless they say otherwise.
///
/// At the defaults, remote hosts can make a worker keep at most about 1355 MiB: 410 of connections, 256 of what they keep back, 18 of
/// unused buffers, 68 of fragments, 192 of what policy remembers, and 411 of records that wait for the collector. The collector keeps at
/// most 331: 271 of accounts tried and of scans, the rest of notices that it has written and of sources.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections kept at the same time; the least interesting gives way to the newest. A live worker takes their slots at
    /// its start, and 256 bytes for each beside it, 160 MiB at the default, if twice as much is available. Everything else comes as it is
    /// needed.
    pub connections: usize,
    /// Endpoints that the capture filter lets in because somebody was told to connect to them; the quietest gives way. For all workers.
    pub expectations: u32,
    /// Connections whose payload the capture filter keeps out. For all workers.
    pub bypasses: u32,
    /// Bytes that one direction of a connection may have above a hole; then the hole is given up.
    pub stream_bytes: usize,
    /// The same while the other side has acknowledged nothing at all: the manual's `tcp_max_above_hole_without_any_acks`.
    pub stream_bytes_without_any_acks: usize,
    /// Bytes that all connections together keep back: above holes, of unfinished messages, of pending calls, of annotations.
    pub buffered_bytes: usize,
    /// IP datagrams whose fragments are waited for; the oldest gives way.
    pub fragmented_datagrams: usize,
    /// Fragments of one datagram.
    pub fragments_per_datagram: usize,
    /// RPC calls without an answer, per connection; the oldest gives way.
    pub rpc_pending_calls: usize,
    /// Bytes of those calls, per connection; the oldest gives way.
    pub rpc_pending_bytes: usize,
    /// Bytes of one RPC record over TCP; a longer one is skipped whole.
    pub rpc_record_bytes: usize,
    /// Fragments of one RPC record over TCP.
    pub rpc_record_fragments: usize,
    /// How long an RPC call waits for its answer, in seconds: the manual's `rpc_timeout`.
    pub rpc_timeout_seconds: u64,
    /// Mappings kept of one DUMP answer.
    pub dump_mappings: usize,
    /// Bytes of a line of FTP or Telnet; a longer one is the manual's `excessive_line`, and cut.
    pub nvt_line_bytes: usize,
    /// Bytes of an FTP command's name; a longer one is left out.
    pub ftp_command_bytes: usize,
    /// FTP commands without a reply, per connection; what comes beyond them is not matched with its reply.
    pub ftp_pending_commands: usize,
    /// Bytes of a user name in FTP, and of a password.
    pub ftp_user_bytes: usize,
    /// Bytes of any one text in a record.
    pub text_bytes: usize,
    /// Annotations of one connection.
    pub annotations: usize,
    /// Lines that a user may type ahead before a login dialogue can no longer be followed: the manual has 12.
    pub login_typeahead_lines: usize,
    /// Bytes kept of each of them.
    pub login_typed_bytes: usize,
    /// Lines that a server may print before its first prompt: the manual has 50.
    pub login_authenticate_lines: u32,
    /// Bytes of a line before SSH's key exchange: the identification has at most 255.
    pub ssh_line_bytes: usize,
    /// Lines that an SSH server may send before its identification.
    pub ssh_lines_before_version: u16,
    /// Bytes of an SSH packet before encryption; more than 35,000 are never read.
    pub ssh_packet_bytes: usize,
    /// Bytes of a list in SSH's KEXINIT.
    pub ssh_string_bytes: usize,
    /// Names in such a list.
    pub ssh_algorithms: usize,
    /// Encrypted segments of an SSH server from which is inferred whether somebody is let in; then it is left unknown.
    pub ssh_auth_answers: u32,
    /// Servers whose RPC services are remembered, in the whole program; the one learned first gives way.
    pub learned_servers: usize,
    /// Services remembered of one server; the oldest gives way.
    pub learned_services_per_server: usize,
    /// How long a learned service is believed, in seconds, after a portmapper last named it.
    pub learned_service_seconds: u64,
    /// Expectations that the capture filter holds because of portmapper answers; the oldest gives way.
    pub rpc_expectations: usize,
    /// Of them, because of one server's answers.
    pub rpc_expectations_per_server: usize,
    /// Of them, because of one client's questions within an hour.
    pub rpc_expectations_per_client: u32,
    /// Endpoints remembered because FTP sessions named them for their data connections; the oldest gives way. The sessions of all workers
    /// count.
    pub ftp_data_expected: usize,
    /// Of them, because of sessions with one server.
    pub ftp_data_expected_per_server: usize,
    /// Of them, because of sessions of one client.
    pub ftp_data_expected_per_client: usize,
    /// Endpoints that one session names before the weird `FTP_too_many_expected_data_channels`, if nobody connects to any of them.
    pub ftp_data_expected_per_session: u32,
    /// How long a data connection is expected, in seconds.
    pub ftp_data_expected_seconds: u64,
    /// Bytes of payload captured of each FTP data connection; 0: its SYN, FIN and RST only. Sizes are right in any case.
    pub ftp_data_payload_bytes: u64,
    /// How long the record of a transfer waits for the end of its data connection, in seconds.
    pub ftp_transfer_seconds: u64,
    /// Messages of faster workers that a replay holds back for a slower one, in the whole program; then the earliest is written before
    /// its turn.
    pub messages_held: usize,
    /// Connections that wait to be reset, in the whole program.
    pub responses_waiting: usize,
    /// Notices remembered so that they are not written again.
    pub notices_remembered: usize,
    /// Weirds remembered so that they are not written again, or are sampled.
    pub weirds_remembered: usize,
    /// Hosts, and pairs of them, of which policy counts something, per detector.
    pub policy_hosts: usize,
    /// Sources, servers and accounts of which one single attempt has been seen, of 24 bytes each, in the whole program and for accounts
    /// and scans each; the oldest of eight gives way.
    pub tally_sightings: usize,
    /// Those of them whose attempts are counted exactly; the one with the fewest of sixteen gives way.
    pub tally_subjects: usize,
    /// The distinct attempts that are counted.
    pub tally_members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 262_144,
            expectations: 16_384,
            bypasses: 65_536,
            stream_bytes: 65_536,
            stream_bytes_without_any_acks: 4096,
            buffered_bytes: 256 << 20,
            fragmented_datagrams: 1024,
            fragments_per_datagram: 128,
            rpc_pending_calls: 256,
            rpc_pending_bytes: 65_536,
            rpc_record_bytes: 65_536,
            rpc_record_fragments: 64,
            rpc_timeout_seconds: 24,
            dump_mappings: 256,
            nvt_line_bytes: 1024,
            ftp_command_bytes: 100,
            ftp_pending_commands: 20,
            ftp_user_bytes: 128,
            text_bytes: 1024,
            annotations: 16,
            login_typeahead_lines: 12,
            login_typed_bytes: 128,
            login_authenticate_lines: 50,
            ssh_line_bytes: 1024,
            ssh_lines_before_version: 32,
            ssh_packet_bytes: 35_000,
            ssh_string_bytes: 16_384,
            ssh_algorithms: 256,
            ssh_auth_answers: 64,
            learned_servers: 16_384,
            learned_services_per_server: 64,
            learned_service_seconds: 86_400,
            rpc_expectations: 4096,
            rpc_expectations_per_server: 32,
            rpc_expectations_per_client: 128,
            ftp_data_expected: 16_384,
            ftp_data_expected_per_server: 8192,
            ftp_data_expected_per_client: 1024,
            ftp_data_expected_per_session: 64,
            ftp_data_expected_seconds: 60,
            ftp_data_payload_bytes: 0,
            ftp_transfer_seconds: 5,
            messages_held: 262_144,
            responses_waiting: 256,
            notices_remembered: 65_536,
            weirds_remembered: 32_768,
            policy_hosts: 16_384,
            tally_sightings: 2_097_152,
            tally_subjects: 65_536,
            tally_members: 2_097_152,
        }
    }
}

impl Limits {
    /// How long an RPC call waits for its answer.
    pub fn rpc_timeout(&self) -> Duration {
        Duration::from_secs(self.rpc_timeout_seconds)
    }

    /// The most bytes that one worker keeps because of what remote hosts do.
    pub fn worker_bytes(&self, output: &OutputSettings) -> usize {
        self.worker_parts(output).iter().sum()
    }

    /// Of them, those of connections, of what they keep back, of unused buffers, of fragments, of policy, and of records for the collector.
    fn worker_parts(&self, output: &OutputSettings) -> [usize; 6] {
        let connections = self.connections * (CONNECTION_BYTES + BESIDE_CONNECTION);
        let unused = pool::KEPT * pool::LARGEST_KEPT + text::KEPT * text::LARGEST_KEPT;
        let fragments =
            self.fragmented_datagrams * (DATAGRAM + 2 * self.fragments_per_datagram * size_of::<(usize, usize)>());
        // Weirds have three memories, notices one, hosts and pairs of them six.
        let entries =
            3 * self.weirds_remembered + self.notices_remembered + 6 * self.policy_hosts + self.learned_servers;
        let services = self.learned_servers * self.learned_services_per_server * SERVICE_BYTES;
        // A transfer's record waits for its data connection.
        let transfer = EXPECTED_BYTES + size_of::<FtpRecord>() + 3 * self.text_bytes;
        // No record has both a long list and more than three long texts.
        let record = size_of::<Message>() + self.dump_mappings * size_of::<Mapping>() + 3 * self.text_bytes;
        let policy = entries * ENTRY_BYTES + services + self.ftp_data_expected * transfer;
        [connections, self.buffered_bytes, unused, fragments, policy, output.queue * record]
    }

    /// The most bytes that the collector keeps because of what remote hosts do.
    pub fn collector_bytes(&self) -> usize {
        // Accounts and scans are counted each by itself; three detectors remember notices, two of them hosts.
        let counts = 2 * Tally::bound(self);
        counts + 3 * (self.notices_remembered + self.policy_hosts) * ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutputSettings;

    const MIB: usize = 1 << 20;

    #[test]
    fn the_sum_of_the_bounds_is_what_the_documentation_says() {
        let parts = Limits::default().worker_parts(&OutputSettings::default()).map(|bytes| bytes / MIB);
        assert_eq!((parts, parts.iter().sum::<usize>()), ([410, 256, 18, 68, 192, 411], 1355));
    }

    #[test]
    fn what_the_collector_keeps_is_what_the_documentation_says() {
        let limits = Limits::default();
        assert_eq!((2 * Tally::bound(&limits) / MIB, limits.collector_bytes() / MIB), (271, 331));
    }
}
