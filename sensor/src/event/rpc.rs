//! The events of ONC RPC and of the portmapper (the manual's `pm_*` events), with rpcbind's versions 3 and 4 under the same names.

use std::net::IpAddr;

use crate::analyzers::wire::pmap::MappingList;
use crate::flow::key::Transport;
use crate::record::Mapping;
use crate::time::Timestamp;

/// What happened in an RPC dialogue. Attempts carry their status in the call.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the manual's names and parameters")]
pub enum RpcEvent<'a> {
    /// Once per call, when it is answered or given up; raised after the procedure's own event. `decoded` tells whether there was one.
    RpcCall {
        call: &'a RpcCall<'a>,
        decoded: bool,
    },
    PmRequestNull {
        call: &'a RpcCall<'a>,
    },
    PmRequestSet {
        call: &'a RpcCall<'a>,
        m: PmMapping<'a>,
        success: bool,
    },
    PmRequestUnset {
        call: &'a RpcCall<'a>,
        m: PmMapping<'a>,
        success: bool,
    },
    /// GETPORT, and rpcbind's GETADDR, GETVERSADDR and GETADDRLIST.
    PmRequestGetport {
        call: &'a RpcCall<'a>,
        pr: PmPortRequest<'a>,
        p: PmPort<'a>,
    },
    PmRequestDump {
        call: &'a RpcCall<'a>,
        m: PmMappings<'a>,
    },
    /// CALLIT, and rpcbind's BCAST and INDIRECT. `result` is what the called procedure returned.
    PmRequestCallit {
        call: &'a RpcCall<'a>,
        request: PmCallitRequest<'a>,
        p: PmPort<'a>,
        result: &'a [u8],
    },
    /// rpcbind's GETTIME, UADDR2TADDR, TADDR2UADDR and GETSTAT: of ours, the manual does not know them.
    PmRequestOther {
        call: &'a RpcCall<'a>,
        argument: &'a [u8],
    },
    PmAttemptNull {
        call: &'a RpcCall<'a>,
    },
    PmAttemptSet {
        call: &'a RpcCall<'a>,
        m: PmMapping<'a>,
    },
    PmAttemptUnset {
        call: &'a RpcCall<'a>,
        m: PmMapping<'a>,
    },
    PmAttemptGetport {
        call: &'a RpcCall<'a>,
        pr: PmPortRequest<'a>,
    },
    PmAttemptDump {
        call: &'a RpcCall<'a>,
    },
    PmAttemptCallit {
        call: &'a RpcCall<'a>,
        request: PmCallitRequest<'a>,
    },
    PmAttemptOther {
        call: &'a RpcCall<'a>,
        argument: &'a [u8],
    },
    /// A port word of 65536 or more; the event that carries it says 0.
    PmBadPort {
        bad_p: u32,
    },
}

/// One RPC call and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct RpcCall<'a> {
    /// The number that pairs a reply with its call.
    pub xid: u32,
    /// The RPC program: 100000 is the portmapper.
    pub program: u32,
    /// The program's version: of the portmapper 2, of rpcbind 3 and 4.
    pub version: u32,
    /// The procedure's number.
    pub proc: u32,
    /// What the server answered, if it did.
    pub status: RpcStatus,
    /// When the call was first on the wire.
    pub start: Timestamp,
    /// Bytes of the call after xid and message type.
    pub call_len: u32,
    /// Bytes of results after the reply header; none without a reply.
    pub reply_len: Option<u32>,
    /// Bytes of the whole call message: for UDP, of its datagram.
    pub call_bytes: u32,
    /// Bytes of the whole reply message; 0 without one.
    pub reply_bytes: u32,
    /// How often the same call was sent again before it was answered.
    pub retransmissions: u32,
    /// Who says it is calling.
    pub credential: Credential<'a>,
    /// Whether the reply came from the connection's responder, as it should.
    pub from_resp: bool,
}

/// What a caller says of itself. Nothing proves it (AUTH_UNIX is a claim).
#[derive(Clone, Copy, Default, Debug)]
pub struct Credential<'a> {
    /// The flavor's number: 0 none, 1 UNIX, 2 short, 3 DES, 6 RPCSEC_GSS.
    pub flavor: u32,
    /// The claim of an AUTH_UNIX credential.
    pub unix: Option<UnixCredential<'a>>,
}

/// The body of an AUTH_UNIX credential (RFC 5531, appendix A).
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub struct UnixCredential<'a> {
    pub stamp: u32,
    pub machine: &'a [u8],
    pub uid: u32,
    pub gid: u32,
    /// Auxiliary groups, as 32-bit big-endian words.
    pub gids: &'a [u8],
}

/// The manual's `rpc_status`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the manual's names")]
pub enum RpcStatus {
    Success,
    ProgUnavail,
    ProgMismatch,
    ProcUnavail,
    GarbageArgs,
    SystemErr,
    Timeout,
    VersMismatch,
    AuthError,
    UnknownError,
}

/// The manual's `pm_mapping`, with what rpcbind adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmMapping<'a> {
    /// RPC program.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// Where it listens; from the universal address in versions 3 and 4.
    pub p: PmPort<'a>,
    /// rpcbind's network identifier ("tcp6", "local"); empty in version 2.
    pub netid: &'a [u8],
    /// rpcbind's owner of the mapping; empty in version 2.
    pub owner: &'a [u8],
}

/// The manual's `pm_port_request`, with what rpcbind adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmPortRequest<'a> {
    /// RPC program asked for.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// TCP, or (everything else counts as) UDP.
    pub is_tcp: bool,
    /// rpcbind's network identifier; empty in version 2.
    pub netid: &'a [u8],
    /// The caller's own address, as rpcbind clients give it.
    pub uaddr: &'a [u8],
    /// rpcbind's owner; empty in version 2.
    pub owner: &'a [u8],
}

/// A port as the portmapper gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmPort<'a> {
    /// The port; 0: not registered, or not a port.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// The address in rpcbind's universal address; none in version 2.
    pub addr: Option<IpAddr>,
    /// rpcbind's universal address as it was on the wire; empty in version 2.
    pub uaddr: &'a [u8],
}

/// The manual's `pm_callit_request`, with the arguments that it hides.
#[derive(Clone, Copy, Debug)]
pub struct PmCallitRequest<'a> {
    /// RPC program to be called.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// Its procedure.
    pub proc: u32,
    /// Bytes of arguments.
    pub arg_size: u32,
    /// The arguments, as far as they were kept.
    pub args: &'a [u8],
    /// What they say, for programs that are known.
    pub inner: PmInner<'a>,
}

/// Arguments of a forwarded call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PmInner<'a> {
    /// Not decoded.
    Opaque,
    /// A mapping for the portmapper's own SET, UNSET or GETPORT.
    Mapping(PmMapping<'a>),
    /// The path in a call of mountd's MNT or UMNT.
    Path(&'a [u8]),
    /// The message in a call of walld.
    Message(&'a [u8]),
}

/// The manual's `pm_mappings`: an answer to DUMP, decoded while it is read.
#[derive(Clone, Copy, Debug)]
pub struct PmMappings<'a> {
    /// How many there are to be read: the bound, if there were more.
    pub kept: usize,
    /// How many the answer has.
    pub total: usize,
    pub(crate) list: MappingList<'a>,
}

impl PmMapping<'_> {
    /// The mapping as a record keeps it.
    pub fn record(&self) -> Mapping {
        Mapping { program: self.program, version: self.version, transport: self.p.transport, port: self.p.port }
    }
}

impl<'a> PmMappings<'a> {
    /// The mappings in wire order.
    pub fn iter(&self) -> impl Iterator<Item = PmMapping<'a>> + use<'a> {
        self.list.take(self.kept)
    }
}

impl RpcStatus {
    /// The manual's number.
    pub fn code(self) -> u64 {
        self as u64
    }

    /// The manual's name.
    pub fn name(self) -> &'static str {
        match self {
            RpcStatus::Success => "RPC_SUCCESS",
            RpcStatus::ProgUnavail => "RPC_PROG_UNAVAIL",
            RpcStatus::ProgMismatch => "RPC_PROG_MISMATCH",
            RpcStatus::ProcUnavail => "RPC_PROC_UNAVAIL",
            RpcStatus::GarbageArgs => "RPC_GARBAGE_ARGS",
            RpcStatus::SystemErr => "RPC_SYSTEM_ERR",
            RpcStatus::Timeout => "RPC_TIMEOUT",
            RpcStatus::VersMismatch => "RPC_VERS_MISMATCH",
            RpcStatus::AuthError => "RPC_AUTH_ERROR",
            RpcStatus::UnknownError => "RPC_UNKNOWN_ERROR",
        }
    }

    /// The manual's words for it; "vers mismatch" is of ours, the manual forgot it.
    pub fn text(self) -> &'static str {
        match self {
            RpcStatus::Success => "ok",
            RpcStatus::ProgUnavail => "prog unavail",
            RpcStatus::ProgMismatch => "mismatch",
            RpcStatus::ProcUnavail => "proc unavail",
            RpcStatus::GarbageArgs => "garbage args",
            RpcStatus::SystemErr => "system err",
            RpcStatus::Timeout => "timeout",
            RpcStatus::VersMismatch => "vers mismatch",
            RpcStatus::AuthError => "auth error",
            RpcStatus::UnknownError => "unknown",
        }
    }
}

impl Credential<'_> {
    /// The flavor's name.
    pub fn name(&self) -> &'static str {
        match self.flavor {
            0 => "AUTH_NULL",
            1 => "AUTH_UNIX",
            2 => "AUTH_SHORT",
            3 => "AUTH_DES",
            6 => "RPCSEC_GSS",
            _ => "unknown",
        }
    }
}
