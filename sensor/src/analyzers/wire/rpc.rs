//! ONC RPC messages (RFC 5531): the headers of calls and replies, and credentials.

use super::reader::{Reader, Truncated};
use super::xdr::{self, Bad};
use crate::event::rpc::{Credential, RpcStatus, UnixCredential};

/// The program number of the portmapper and of rpcbind.
pub const PORTMAPPER: u32 = 100_000;
/// Bytes of xid and message type, which stand in front of every message and count in no length of the manual's.
pub const PREFIX: usize = 8;

/// The most bytes of a credential's or verifier's body (RFC 5531, section 8.2).
const AUTH_MAX: u32 = 400;
const AUTH_UNIX: u32 = 1;
/// The most bytes of the machine name in an AUTH_UNIX credential.
const MACHINE_MAX: u32 = 255;
/// The most groups that the RFC allows, and the most that are believed to be groups at all.
const GIDS_ALLOWED: usize = 16;
const GIDS_MAX: u32 = 64;

/// What every message begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// Pairs a reply with its call.
    pub xid: u32,
    /// 0 call, 1 reply.
    pub kind: u32,
}

/// The header of a call, from the RPC version to the verifier.
#[derive(Clone, Copy, Debug)]
pub struct CallHeader<'a> {
    /// 2; nothing else was ever used.
    pub rpc_version: u32,
    /// Program, its version and its procedure.
    pub program: u32,
    /// The program's version.
    pub version: u32,
    /// The procedure.
    pub proc: u32,
    /// Who says it is calling.
    pub credential: Credential<'a>,
    /// What is wrong with the credential, although the call can be read.
    pub oddity: Option<&'static str>,
}

/// Reads xid and message type.
pub fn prefix(reader: &mut Reader<'_>) -> Result<Prefix, Truncated> {
    Ok(Prefix { xid: reader.u32()?, kind: reader.u32()? })
}

/// Reads the header of a call.
pub fn call_header<'a>(reader: &mut Reader<'a>) -> Result<CallHeader<'a>, Bad> {
    let rpc_version = reader.u32()?;
    let program = reader.u32()?;
    let version = reader.u32()?;
    let proc = reader.u32()?;
    let flavor = reader.u32()?;
    let body = xdr::opaque(reader, AUTH_MAX, "credential too long")?;
    let _verifier_flavor = reader.u32()?;
    xdr::opaque(reader, AUTH_MAX, "verifier too long")?;

    let (unix, oddity) = match flavor {
        AUTH_UNIX => match unix_credential(&mut Reader::new(body)) {
            Ok(unix) if unix.gids.len() > 4 * GIDS_ALLOWED => (Some(unix), Some("more than 16 groups")),
            Ok(unix) => (Some(unix), None),
            Err(_) => (None, Some("AUTH_UNIX credential")),
        },
        _ => (None, None),
    };
    let oddity = if rpc_version == 2 { oddity } else { Some("RPC version") };
    Ok(CallHeader { rpc_version, program, version, proc, credential: Credential { flavor, unix }, oddity })
}

/// Reads the header of a reply down to its results.
pub fn reply_header(reader: &mut Reader<'_>) -> Result<RpcStatus, Bad> {
    match reader.u32()? {
        0 => accepted(reader),
        1 => denied(reader),
        _ => Err(Bad::Value("reply status")),
    }
}

fn accepted(reader: &mut Reader<'_>) -> Result<RpcStatus, Bad> {
    let _verifier_flavor = reader.u32()?;
    xdr::opaque(reader, AUTH_MAX, "verifier too long")?;
    Ok(match reader.u32()? {
        0 => RpcStatus::Success,
        1 => RpcStatus::ProgUnavail,
        2 => {
            let (_low, _high) = (reader.u32()?, reader.u32()?);
            RpcStatus::ProgMismatch
        }
        3 => RpcStatus::ProcUnavail,
        4 => RpcStatus::GarbageArgs,
        5 => RpcStatus::SystemErr,
        _ => RpcStatus::UnknownError,
    })
}

fn denied(reader: &mut Reader<'_>) -> Result<RpcStatus, Bad> {
    match reader.u32()? {
        0 => {
            let (_low, _high) = (reader.u32()?, reader.u32()?);
            Ok(RpcStatus::VersMismatch)
        }
        1 => {
            let _why = reader.u32()?;
            Ok(RpcStatus::AuthError)
        }
        _ => Err(Bad::Value("reject status")),
    }
}

fn unix_credential<'a>(reader: &mut Reader<'a>) -> Result<UnixCredential<'a>, Bad> {
    let stamp = reader.u32()?;
    let machine = xdr::opaque(reader, MACHINE_MAX, "machine name")?;
    let uid = reader.u32()?;
    let gid = reader.u32()?;
    let gids = words(reader, GIDS_MAX)?;
    Ok(UnixCredential { stamp, machine, uid, gid, gids })
}

/// An array of words, left as bytes.
fn words<'a>(reader: &mut Reader<'a>, limit: u32) -> Result<&'a [u8], Bad> {
    let count = reader.u32()?;
    if count > limit {
        return Err(Bad::Value("groups"));
    }
    let bytes = usize::try_from(count.saturating_mul(4)).map_err(|_| Bad::Truncated)?;
    Ok(reader.take(bytes)?)
}
