//! The manual's named sets, under their own names: typed, with defaults, looked up at use.

mod changes;
mod dialogue;
mod members;
mod name;
mod patterns;
mod required;
mod thresholds;

use std::collections::BTreeSet;

use serde::Deserialize;

pub(super) use changes::names;
pub use changes::{effective, policy_text};
pub use dialogue::{Compiled, DialogueSets};
pub use members::{Ids, Net, NetRows, NetSet, NetTable, PortSet, Table};
pub use name::Name;
pub use patterns::Patterns;
pub use thresholds::Thresholds;

use super::ports::PortSpec;

/// All the sets. Their meanings stand beside their defaults, in `policy/*.toml`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, non_snake_case, reason = "the manual's names; policy/*.toml says what each one means")]
pub struct PolicySets {
    #[serde(alias = "both_local_nets_is_spoof")]
    pub same_local_net_is_spoof: bool,
    pub allow_spoof_services: PortSet,
    pub allow_pairs: NetRows<Net>,
    pub allow_services: PortSet,
    pub allow_services_to: NetRows<PortSpec>,
    pub allow_services_from: NetRows<PortSpec>,
    #[serde(alias = "allow_services_pairs")]
    pub allow_service_pairs: NetRows<(Net, PortSpec)>,
    pub hot_srcs: NetTable<String>,
    pub hot_dsts: NetTable<String>,
    pub flag_attempted_service: Reasons,
    pub flag_attempted_inbound_service: Reasons,
    pub flag_attempted_outbound_service: Reasons,
    pub flag_successful_service: Reasons,
    pub flag_successful_inbound_service: Reasons,
    pub flag_successful_outbound_service: Reasons,
    pub terminate_successful_inbound_service: Reasons,
    pub activate_terminate_connection: bool,
    pub flag_rejected_service: Reasons,
    pub flag_rejected_inbound_service: Reasons,
    pub flag_rejected_outbound_service: Reasons,
    pub port_names: Reasons,
    pub NFS_services: BTreeSet<String>,
    pub RPC_okay: NetRows<(Net, String)>,
    pub RPC_okay_nets: NetSet,
    pub RPC_okay_services: BTreeSet<String>,
    pub NFS_world_servers: NetSet,
    pub any_RPC_okay: NetRows<String>,
    pub RPC_dump_okay: NetRows<Net>,
    pub RPC_do_not_complain: BTreeSet<(String, bool)>,
    pub suppress_pm_log: NetRows<String>,
    pub never_capture: PortSet,
    pub capture_control_only: BTreeSet<String>,
    pub RPC_exploited_programs: Table<u32, String>,
    pub rpc_programs: Table<u32, Name>,
    pub forbidden_ids: Ids,
    pub forbidden_ids_if_no_password: Ids,
    pub forbidden_id_patterns: Patterns,
    pub always_hot_ids: Ids,
    pub hot_ids: Ids,
    pub skip_unexpected: NetSet,
    pub skip_unexpected_net: NetSet,
    pub guest_ids: Ids,
    pub skip_hot: NetRows<(Net, String)>,
    pub initial_directories: NetRows<(String, String)>,
    pub hot_files: Patterns,
    pub not_actually_hot_files: Patterns,
    pub hot_guest_files: Patterns,
    pub excessive_filename_len: usize,
    pub excessive_filename_trunc_len: usize,
    pub ignore_invalid_PORT: Patterns,
    pub ignore_privileged_PASVs: PortSet,
    pub ftp_logged_commands: BTreeSet<String>,
    pub hot_cmds: Table<String, Patterns>,
    pub login_prompts: Patterns,
    pub direct_login_prompts: Patterns,
    pub login_headings: Patterns,
    pub login_failure_msgs: Patterns,
    pub login_non_failure_msgs: Patterns,
    pub login_success_msgs: Patterns,
    pub router_prompts: Patterns,
    pub login_timeouts: Patterns,
    pub skip_authentication: Patterns,
    pub login_shell_prompts: Patterns,
    pub login_password_prompts: Patterns,
    pub login_password_arguments: Patterns,
    pub input_trouble: Patterns,
    pub edited_input_trouble: Patterns,
    pub input_wait_for_output: Patterns,
    pub output_indicates_input_not_trouble: Patterns,
    pub full_input_trouble: Patterns,
    pub loader_commands: Patterns,
    pub loader_sequence: Vec<String>,
    pub output_trouble: Patterns,
    pub full_output_trouble: Patterns,
    pub backdoor_prompts: Patterns,
    pub non_backdoor_prompts: Patterns,
    pub hot_terminal_types: Patterns,
    pub hot_environment: Patterns,
    pub forbidden_environment: Patterns,
    pub hot_orig_ports: BTreeSet<(PortSpec, PortSpec)>,
    pub hot_telnet_orig_ports: PortSet,
    pub non_ASCII_hosts: NetSet,
    pub skip_logins_to: NetSet,
    pub always_hot_login_ids: Ids,
    pub hot_login_ids: Ids,
    pub rlogin_id_okay_if_no_password_exposed: Ids,
    pub okay_usernames: BTreeSet<String>,
    pub okay_passwords: BTreeSet<String>,
    pub rsh_failure_msgs: Patterns,
    pub report_accounts_tried: Thresholds,
    pub report_remote_accounts_tried: Thresholds,
    pub skip_accounts_tried: NetSet,
    pub password_guessing_success_threshhold: u32,
    pub report_sources_of_guesses: Thresholds,
    pub report_passwords_of_account: Thresholds,
    pub report_servers_sprayed: Thresholds,
    pub report_accounts_sprayed: Thresholds,
    pub suppress_scan_checks: bool,
    pub suppress_UDP_scan_checks: bool,
    pub skip_services: PortSet,
    pub skip_outbound_services: PortSet,
    pub skip_scan_sources: NetSet,
    pub skip_scan_nets: NetSet,
    pub skip_dest_server_ports: NetRows<PortSpec>,
    pub analyze_all_services: bool,
    pub analyze_services: PortSet,
    pub report_peer_scan: Thresholds,
    pub report_outbound_peer_scan: Thresholds,
    pub report_port_scan: Thresholds,
    pub possible_port_scan_thresh: u32,
    pub activate_priv_port_check: bool,
    pub priv_scan_trigger: u32,
    pub troll_skip_service: PortSet,
    pub shut_down_thresh: u32,
    pub activate_landmine_check: bool,
    pub landmine_address: NetSet,
    pub landmine_thresh_trigger: u32,
    pub backscatter_ports: PortSet,
    pub report_backscatter: Thresholds,
    pub ignore_scanners_threshold: u32,
    pub report_portmapper_sweep: Thresholds,
    pub ssh_weak_versions: BTreeSet<u8>,
    pub ssh_weak_kex_algs: BTreeSet<String>,
    pub ssh_weak_host_key_algs: BTreeSet<String>,
    pub ssh_weak_ciphers: BTreeSet<String>,
    pub ssh_weak_macs: BTreeSet<String>,
    pub weird_ignore_host: NetRows<String>,
    pub weird_do_not_ignore_repeats: BTreeSet<String>,
    pub weird_action: Table<String, WeirdAction>,
}

/// `table[port] of string`: a service, and why it is flagged (or what it is called).
pub type Reasons = Table<PortSpec, String>;

/// What is done with a weird.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeirdAction {
    /// Nothing.
    Ignore,
    /// It is written.
    #[default]
    File,
    /// It is written, with a notice each time.
    NoticeAlways,
    /// It is written, with a notice the first time on a connection.
    NoticePerConn,
    /// It is written, with a notice the first time of an originator.
    NoticePerOrig,
    /// It is written, with a notice the first time.
    NoticeOnce,
}
