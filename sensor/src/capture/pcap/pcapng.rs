//! The pcapng format: sections, interfaces and packets, as blocks (draft-ietf-opsawg-pcapng).

use super::formats::{LARGEST_RECORD, Order, Packet, Step, Stop, link_of};
use super::places::Places;
use crate::capture::Link;
use crate::time::Timestamp;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Interfaces of one section; more than any machine has, and a bound on what a file can make grow.
const MOST_INTERFACES: usize = 65_536;

/// Where a pcapng file's reader is: the section's byte order and the interfaces it has described.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    order: Option<Order>,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Result<Link, u32>,
    snaplen: u32,
    clock: Clock,
}

impl PcapNg {
    /// Whether a file that starts like this is a pcapng file. The type of the section header reads the same in both byte orders.
    pub fn starts(head: &[u8]) -> bool {
        let order = head.get(8..).and_then(|rest| rest.first_chunk()).and_then(byte_order);
        head.starts_with(&SECTION_HEADER.to_be_bytes()) && order.is_some()
    }

    /// Whether a file so short begins like a pcapng file.
    pub fn may_start(head: &[u8]) -> bool {
        head.iter().zip(SECTION_HEADER.to_be_bytes()).all(|(&byte, expected)| byte == expected)
    }

    /// Reads the block at the start of `bytes`, and enters its packet, if it has one.
    #[inline]
    pub fn step(&mut self, bytes: &[u8], places: &mut Places<'_>) -> Step {
        let Some(head) = bytes.first_chunk::<12>() else { return Err(Stop::Need(12)) };
        if head.starts_with(&SECTION_HEADER.to_be_bytes()) {
            // A section has a byte order of its own, and its interfaces count from 0.
            let [.., a, b, c, d] = *head;
            self.order = byte_order(&[a, b, c, d]);
            self.interfaces.clear();
        }
        let Some(order) = self.order else { return Err(Stop::Damaged("a section header without a byte order".into())) };
        let kind = order.u32(head, 0).unwrap_or_default();
        let total = order.u32(head, 4).unwrap_or_default();
        // Some writers forget the padding of the last field in the length, but write it.
        let len = (total as usize).next_multiple_of(4);
        if len < 12 {
            return Err(Stop::Damaged(format!("a block claims a length of {total} bytes").into()));
        }
        if !matches!(kind, SECTION_HEADER | INTERFACE_DESCRIPTION | PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
            return Err(Stop::Skip(len as u64));
        }
        if len > LARGEST_RECORD {
            return Err(Stop::Damaged(format!("a block of type {kind} claims a length of {total} bytes").into()));
        }
        let Some(block) = bytes.get(..len) else { return Err(Stop::Need(len)) };
        let Some((body, trailer)) = block.split_last_chunk::<4>() else { return Err(Stop::Need(len)) };
        if order.u32(trailer, 0) != Some(total) {
            return Err(Stop::Damaged(format!("a block's two lengths differ, {total} at its start").into()));
        }
        self.block(kind, order, body, places)
    }

    /// Reads a whole block without its trailer.
    #[inline]
    fn block(&mut self, kind: u32, order: Order, body: &[u8], places: &mut Places<'_>) -> Step {
        let len = body.len().saturating_add(4);
        let packet = match kind {
            ENHANCED_PACKET => self.enhanced_packet(order, body),
            PACKET => self.packet(order, body),
            SIMPLE_PACKET => self.simple_packet(order, body),
            INTERFACE_DESCRIPTION => return self.interface(order, body),
            _ => return Err(Stop::Skip(len as u64)),
        };
        match packet {
            Ok(packet) => {
                places.enter(&packet);
                Ok(len)
            }
            Err(why) => Err(Stop::Flawed { len, why: why.into() }),
        }
    }

    /// Section 4.2.
    fn interface(&mut self, order: Order, body: &[u8]) -> Step {
        let len = body.len().saturating_add(4);
        let (Some(link), Some(snaplen)) = (order.u16(body, 8), order.u32(body, 12)) else {
            return Err(Stop::Damaged("an interface description is cut short".into()));
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Stop::Damaged(format!("a section describes more than {MOST_INTERFACES} interfaces").into()));
        }
        let clock = Clock::from_options(order, body.get(16..).unwrap_or_default());
        self.interfaces.push(Interface { link: link_of(u32::from(link)), snaplen, clock });
        Err(Stop::Skip(len as u64))
    }

    /// Section 4.3.
    #[inline]
    fn enhanced_packet(&self, order: Order, body: &[u8]) -> Result<Packet, &'static str> {
        let fields = body.first_chunk::<28>().ok_or("a packet block is cut short")?;
        let word = |at| order.u32(fields, at).unwrap_or_default();
        self.timed_packet(&Fields {
            interface: word(8),
            units: u64::from(word(12)) << 32 | u64::from(word(16)),
            captured: word(20),
            wire_len: word(24),
            room: body.len().saturating_sub(28),
        })
    }

    /// The packet block that the enhanced one replaced (appendix A).
    fn packet(&self, order: Order, body: &[u8]) -> Result<Packet, &'static str> {
        let fields = body.first_chunk::<28>().ok_or("a packet block is cut short")?;
        let word = |at| order.u32(fields, at).unwrap_or_default();
        self.timed_packet(&Fields {
            interface: u32::from(order.u16(fields, 8).unwrap_or_default()),
            units: u64::from(word(12)) << 32 | u64::from(word(16)),
            captured: word(20),
            wire_len: word(24),
            room: body.len().saturating_sub(28),
        })
    }

    #[inline]
    fn timed_packet(&self, fields: &Fields) -> Result<Packet, &'static str> {
        let interface =
            self.interfaces.get(fields.interface as usize).ok_or("a packet of an interface that was not described")?;
        let captured = fields.captured as usize;
        if captured > fields.room {
            return Err("a packet claims more captured bytes than its block has");
        }
        Ok(Packet {
            start: 28,
            captured,
            wire_len: captured.max(fields.wire_len as usize),
            at: Some(interface.clock.at(fields.units)),
            link: interface.link,
        })
    }

    /// Section 4.4: no time, and always the first interface.
    fn simple_packet(&self, order: Order, body: &[u8]) -> Result<Packet, &'static str> {
        let interface = self.interfaces.first().ok_or("a packet of an interface that was not described")?;
        let wire_len = order.u32(body, 8).ok_or("a packet block is cut short")? as usize;
        let snaplen = if interface.snaplen == 0 { usize::MAX } else { interface.snaplen as usize };
        let captured = wire_len.min(snaplen).min(body.len().saturating_sub(12));
        Ok(Packet { start: 12, captured, wire_len, at: None, link: interface.link })
    }
}

/// What the packet blocks with a time say.
struct Fields {
    interface: u32,
    units: u64,
    captured: u32,
    wire_len: u32,
    room: usize,
}

/// How an interface counts time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Clock {
    resolution: Resolution,
    /// Seconds to add.
    offset: i64,
}

/// The unit of an interface's time stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resolution {
    /// This many nanoseconds.
    Nanos(u64),
    /// This fraction of a nanosecond; `None` if it is too small for any difference.
    Finer(Option<u128>),
    /// 2 to the minus this, in seconds.
    Binary(u32),
}

impl Clock {
    const DEFAULT: Clock = Clock { resolution: Resolution::Nanos(1000), offset: 0 };

    /// Looks for `if_tsresol` and `if_tsoffset` (section 4.2) among an interface's options; what cannot be read is left out.
    fn from_options(order: Order, mut options: &[u8]) -> Self {
        let mut clock = Clock::DEFAULT;
        while let (Some(code @ 1..), Some(len)) = (order.u16(options, 0), order.u16(options, 2)) {
            let end = usize::from(len).saturating_add(4);
            let Some(value) = options.get(4..end) else { break };
            match (code, value) {
                (9, [resolution, ..]) => clock.resolution = Resolution::from_option(*resolution),
                (14, [a, b, c, d, e, f, g, h]) => {
                    let word = [*a, *b, *c, *d, *e, *f, *g, *h];
                    clock.offset = match order {
                        Order::Little => i64::from_le_bytes(word),
                        Order::Big => i64::from_be_bytes(word),
                    };
                }
                _ => {}
            }
            options = options.get(end.next_multiple_of(4)..).unwrap_or_default();
        }
        clock
    }

    #[inline]
    fn at(self, units: u64) -> Timestamp {
        let nanos = match self.resolution {
            Resolution::Nanos(unit) => units.saturating_mul(unit).min(u64::MAX - 1),
            Resolution::Finer(unit) => clamped(u128::from(units).checked_div(unit.unwrap_or(u128::MAX)).unwrap_or(0)),
            Resolution::Binary(shift) => clamped((u128::from(units).saturating_mul(1_000_000_000)) >> shift),
        };
        if self.offset == 0 {
            return Timestamp::from_nanos(nanos);
        }
        let offset = i128::from(self.offset).saturating_mul(1_000_000_000);
        let nanos = i128::from(nanos).saturating_add(offset).max(0);
        Timestamp::from_nanos(clamped(nanos.unsigned_abs()))
    }
}

impl Resolution {
    /// The most significant bit tells powers of 2 from powers of 10; the others are the exponent.
    fn from_option(value: u8) -> Self {
        let exponent = u32::from(value & 0x7f);
        if value & 0x80 != 0 {
            return Resolution::Binary(exponent);
        }
        match 9_u32.checked_sub(exponent) {
            Some(coarser) => Resolution::Nanos(10_u64.saturating_pow(coarser)),
            None => Resolution::Finer(10_u128.checked_pow(exponent.saturating_sub(9))),
        }
    }
}

/// A time that is too late for a [`Timestamp`] becomes the last one, which is not [`Timestamp::NEVER`].
fn clamped(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX).min(u64::MAX - 1)
}

/// The byte order that a section header's magic number shows.
fn byte_order(magic: &[u8; 4]) -> Option<Order> {
    match magic {
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(Order::Little),
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(Order::Big),
        _ => None,
    }
}
