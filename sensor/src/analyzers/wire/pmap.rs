//! Arguments and results of the portmapper (RFC 1833): version 2 with its mappings, rpcbind 3 and 4 with universal addresses.

use std::net::IpAddr;

use super::reader::Reader;
use super::rpc::PORTMAPPER;
use super::xdr::{self, Bad};
use crate::event::rpc::{PmCallitRequest, PmInner, PmMapping, PmMappings, PmPort, PmPortRequest};
use crate::flow::key::Transport;

/// The most bytes of a netid, a universal address or an owner.
const NAME_MAX: u32 = 255;
/// The most bytes of a path of mountd, and of a message of walld.
const TEXT_MAX: u32 = 1024;
const IPPROTO_TCP: u32 = 6;

/// A procedure, whatever number its version gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub enum Procedure {
    Null,
    Set,
    Unset,
    /// GETPORT, GETADDR, GETVERSADDR.
    Getport,
    /// GETADDRLIST: the same question, answered with a list.
    Getaddrlist,
    Dump,
    /// CALLIT, BCAST, INDIRECT.
    Callit,
    /// GETTIME, GETSTAT: nothing is asked.
    Plain,
    /// UADDR2TADDR.
    Uaddr2taddr,
    /// TADDR2UADDR.
    Taddr2uaddr,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "one per kind of procedure")]
pub enum Arguments<'a> {
    Nothing,
    Mapping(PmMapping<'a>),
    Port(PmPortRequest<'a>),
    Callit(PmCallitRequest<'a>),
    Address(&'a [u8]),
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "one per kind of procedure")]
pub enum Results<'a> {
    Nothing,
    Done(bool),
    Port(PmPort<'a>),
    Mappings(PmMappings<'a>),
    Callit(PmPort<'a>, &'a [u8]),
}

/// How much of what is there may be trusted and kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Mappings kept of a DUMP answer.
    pub mappings: usize,
    /// Whether the message is all there, so that running out of it is the sender's fault.
    pub whole: bool,
}

/// Called with each port word of 65536 or more.
pub type OnBadPort<'a> = &'a mut dyn FnMut(u32);

impl Procedure {
    /// The procedure behind a number. Versions that nobody defined are read as version 2, as the server will refuse them anyway.
    pub fn new(version: u32, proc: u32) -> Option<Self> {
        let rpcbind = is_rpcbind(version);
        Some(match proc {
            0 => Procedure::Null,
            1 => Procedure::Set,
            2 => Procedure::Unset,
            3 => Procedure::Getport,
            4 => Procedure::Dump,
            5 => Procedure::Callit,
            6 if rpcbind => Procedure::Plain,
            7 if rpcbind => Procedure::Uaddr2taddr,
            8 if rpcbind => Procedure::Taddr2uaddr,
            9 if version == 4 => Procedure::Getport,
            10 if version == 4 => Procedure::Callit,
            11 if version == 4 => Procedure::Getaddrlist,
            12 if version == 4 => Procedure::Plain,
            _ => return None,
        })
    }

    /// Decodes what is asked.
    pub fn arguments<'a>(
        self,
        version: u32,
        reader: &mut Reader<'a>,
        whole: bool,
        bad: OnBadPort<'_>,
    ) -> Result<Arguments<'a>, Bad> {
        Ok(match self {
            Procedure::Null | Procedure::Dump | Procedure::Plain => Arguments::Nothing,
            Procedure::Set | Procedure::Unset => Arguments::Mapping(mapping(version, reader, bad)?),
            Procedure::Getport | Procedure::Getaddrlist => Arguments::Port(port_request(version, reader)?),
            Procedure::Callit => Arguments::Callit(callit(reader, whole)?),
            Procedure::Uaddr2taddr => Arguments::Address(xdr::opaque(reader, NAME_MAX, "universal address")?),
            Procedure::Taddr2uaddr => {
                let _room = reader.u32()?;
                Arguments::Address(xdr::opaque(reader, NAME_MAX, "transport address")?)
            }
        })
    }

    /// Decodes what is answered; `is_tcp` is what the call asked for.
    pub fn results<'a>(
        self,
        version: u32,
        is_tcp: bool,
        reader: &mut Reader<'a>,
        bounds: Bounds,
        bad: OnBadPort<'_>,
    ) -> Result<Results<'a>, Bad> {
        let asked = transport(is_tcp);
        Ok(match self {
            Procedure::Null => Results::Nothing,
            Procedure::Set | Procedure::Unset => Results::Done(xdr::boolean(reader)?),
            Procedure::Getport if is_rpcbind(version) => Results::Port(universal(reader, asked, bad)?),
            Procedure::Getport => Results::Port(port(reader.u32()?, asked, bad)),
            Procedure::Getaddrlist => Results::Port(first_address(reader, asked, bad)?),
            Procedure::Dump => Results::Mappings(mappings(version, reader, bounds, bad)?),
            Procedure::Callit => {
                let p = match is_rpcbind(version) {
                    true => universal(reader, Transport::Udp, bad)?,
                    false => port(reader.u32()?, Transport::Udp, bad),
                };
                Results::Callit(p, xdr::opaque(reader, u32::MAX, "result")?)
            }
            Procedure::Plain | Procedure::Uaddr2taddr | Procedure::Taddr2uaddr => {
                reader.skip();
                Results::Nothing
            }
        })
    }
}

/// The mappings of a DUMP answer that has been checked.
#[derive(Clone, Copy, Debug)]
pub struct MappingList<'a> {
    version: u32,
    reader: Reader<'a>,
}

impl<'a> Iterator for MappingList<'a> {
    type Item = PmMapping<'a>;

    fn next(&mut self) -> Option<PmMapping<'a>> {
        next_mapping(self.version, &mut self.reader, &mut |_| {}).ok().flatten()
    }
}

fn is_rpcbind(version: u32) -> bool {
    matches!(version, 3 | 4)
}

fn transport(is_tcp: bool) -> Transport {
    if is_tcp { Transport::Tcp } else { Transport::Udp }
}

/// A port word, where 65536 and more becomes 0.
fn port<'a>(word: u32, transport: Transport, bad: OnBadPort<'_>) -> PmPort<'a> {
    let port = u16::try_from(word).unwrap_or_else(|_| {
        bad(word);
        0
    });
    PmPort { port, transport, addr: None, uaddr: b"" }
}

fn mapping<'a>(version: u32, reader: &mut Reader<'a>, bad: OnBadPort<'_>) -> Result<PmMapping<'a>, Bad> {
    if is_rpcbind(version) {
        let pr = rpcb(reader)?;
        let p = universal_port(pr.uaddr, transport(pr.is_tcp), bad);
        return Ok(PmMapping { program: pr.program, version: pr.version, p, netid: pr.netid, owner: pr.owner });
    }
    let (program, version) = (reader.u32()?, reader.u32()?);
    let transport = transport(reader.u32()? == IPPROTO_TCP);
    let p = port(reader.u32()?, transport, bad);
    Ok(PmMapping { program, version, p, netid: b"", owner: b"" })
}

fn port_request<'a>(version: u32, reader: &mut Reader<'a>) -> Result<PmPortRequest<'a>, Bad> {
    if is_rpcbind(version) {
        return rpcb(reader);
    }
    let (program, version) = (reader.u32()?, reader.u32()?);
    let is_tcp = reader.u32()? == IPPROTO_TCP;
    let _unused_port = reader.u32()?;
    Ok(PmPortRequest { program, version, is_tcp, netid: b"", uaddr: b"", owner: b"" })
}

/// rpcbind's `rpcb`: program, version, netid, universal address, owner.
fn rpcb<'a>(reader: &mut Reader<'a>) -> Result<PmPortRequest<'a>, Bad> {
    let (program, version) = (reader.u32()?, reader.u32()?);
    let netid = xdr::opaque(reader, NAME_MAX, "netid")?;
    let uaddr = xdr::opaque(reader, NAME_MAX, "universal address")?;
    let owner = xdr::opaque(reader, NAME_MAX, "owner")?;
    Ok(PmPortRequest { program, version, is_tcp: netid.starts_with(b"tcp"), netid, uaddr, owner })
}

fn callit<'a>(reader: &mut Reader<'a>, whole: bool) -> Result<PmCallitRequest<'a>, Bad> {
    let (program, version, proc, arg_size) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    let length = usize::try_from(arg_size).map_err(|_| Bad::Truncated)?;
    if whole && length > reader.len() {
        return Err(Bad::Truncated);
    }
    let args = reader.take(length.min(reader.len()))?;
    let padding = length.wrapping_neg() & 3;
    reader.take(padding.min(reader.len()))?;
    Ok(PmCallitRequest { program, version, proc, arg_size, args, inner: inner(program, version, proc, args) })
}

/// What the arguments of a forwarded call say. One level: a forwarded CALLIT stays opaque.
fn inner(program: u32, version: u32, proc: u32, args: &[u8]) -> PmInner<'_> {
    const MOUNTD: u32 = 100_005;
    const WALLD: u32 = 100_008;
    let reader = &mut Reader::new(args);
    let inner = match (program, proc) {
        (PORTMAPPER, 1..=3) => mapping(version, reader, &mut |_| {}).map(PmInner::Mapping),
        (MOUNTD, 1 | 3) => xdr::opaque(reader, TEXT_MAX, "path").map(PmInner::Path),
        (WALLD, 2) => xdr::opaque(reader, TEXT_MAX, "message").map(PmInner::Message),
        _ => return PmInner::Opaque,
    };
    inner.unwrap_or(PmInner::Opaque)
}

fn universal<'a>(reader: &mut Reader<'a>, transport: Transport, bad: OnBadPort<'_>) -> Result<PmPort<'a>, Bad> {
    let uaddr = xdr::opaque(reader, NAME_MAX, "universal address")?;
    Ok(universal_port(uaddr, transport, bad))
}

/// A universal address: the host's address, then the port's two bytes, with dots. Empty: not registered. A path of a local socket has no port.
fn universal_port<'a>(uaddr: &'a [u8], transport: Transport, bad: OnBadPort<'_>) -> PmPort<'a> {
    let mut p = PmPort { port: 0, transport, addr: None, uaddr };
    if let Some((host, high, low)) = split(uaddr) {
        let number = port(high.saturating_mul(256).saturating_add(low), transport, bad);
        p.port = number.port;
        p.addr = Some(host);
    }
    p
}

fn split(uaddr: &[u8]) -> Option<(IpAddr, u32, u32)> {
    let mut parts = std::str::from_utf8(uaddr).ok()?.rsplitn(3, '.');
    let (low, high, host) = (parts.next()?, parts.next()?, parts.next()?);
    Some((host.parse().ok()?, high.parse().ok()?, low.parse().ok()?))
}

/// GETADDRLIST answers with a list of addresses; the first that has a port stands for all.
fn first_address<'a>(reader: &mut Reader<'a>, asked: Transport, bad: OnBadPort<'_>) -> Result<PmPort<'a>, Bad> {
    let mut first = PmPort { port: 0, transport: asked, addr: None, uaddr: b"" };
    while xdr::boolean(reader)? {
        let uaddr = xdr::opaque(reader, NAME_MAX, "universal address")?;
        let netid = xdr::opaque(reader, NAME_MAX, "netid")?;
        let _semantics = reader.u32()?;
        let _family = xdr::opaque(reader, NAME_MAX, "protocol family")?;
        let _protocol = xdr::opaque(reader, NAME_MAX, "protocol")?;
        if first.port == 0 {
            first = universal_port(uaddr, transport(netid.starts_with(b"tcp")), bad);
        }
    }
    Ok(first)
}

fn next_mapping<'a>(version: u32, reader: &mut Reader<'a>, bad: OnBadPort<'_>) -> Result<Option<PmMapping<'a>>, Bad> {
    match xdr::boolean(reader)? {
        true => mapping(version, reader, bad).map(Some),
        false => Ok(None),
    }
}

/// Walks the whole list once, so that its end is known to be sound, and keeps as many mappings as the bound allows.
fn mappings<'a>(
    version: u32,
    reader: &mut Reader<'a>,
    bounds: Bounds,
    bad: OnBadPort<'_>,
) -> Result<PmMappings<'a>, Bad> {
    let list = MappingList { version, reader: *reader };
    let mut total: usize = 0;
    loop {
        let kept = total < bounds.mappings;
        match next_mapping(version, reader, &mut |word| {
            if kept {
                bad(word);
            }
        }) {
            Ok(Some(_)) => total = total.saturating_add(1),
            Ok(None) => break,
            Err(Bad::Truncated) if !bounds.whole => {
                reader.skip();
                break;
            }
            Err(bad) => return Err(bad),
        }
    }
    Ok(PmMappings { kept: total.min(bounds.mappings), total, list })
}
