//! Somebody logs in by SSH and copies a large file: the login as single frames, the copying as a load, and the end that fits both.

use anyhow::{Context, Result, anyhow};
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use portreeve_ebpf::load::{Step, Template};
use portreeve_tests::encode::{self, WireFrame};
use portreeve_tests::{play, talk};

use crate::load::Load;

/// From the handshake to the first answer after the login, by OpenSSH's lengths.
const LOGIN: &str = r"# Somebody logs in by SSH.
tcp 10.0.0.9:40022 > 10.0.0.1:22
< SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n
> SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n
> ssh kexinit
< ssh kexinit
> ssh init
< ssh reply
< ssh newkeys
> ssh newkeys
> ssh encrypted 64
< ssh encrypted 52
> ssh encrypted 64
< ssh encrypted 84
> ssh encrypted 64
< ssh encrypted 36
> ssh encrypted 64
< ssh encrypted 36
> ssh encrypted 64
< ssh encrypted 1000
";

/// Bytes of payload in a full segment: an MTU of 1500 without the headers of IPv4, TCP and the timestamps.
pub const SEGMENT: usize = 1448;
/// A full segment's frame, and what Ethernet adds to it on the wire: checksum, preamble, gap.
pub const WIRE_BYTES: usize = 14 + 20 + 32 + SEGMENT + 24;

/// The conversation.
#[derive(Debug)]
pub struct SshBulk {
    /// The frames of the login.
    pub login: Vec<WireFrame>,
    /// Bytes that the server has sent in them.
    pub login_bytes: u64,
    ports: [u16; 2],
    /// The next number of the client and of the server.
    next: [u32; 2],
}

impl SshBulk {
    /// As far as the login.
    ///
    /// # Errors
    /// It is not what the language of the cases has become.
    pub fn new() -> Result<Self> {
        let talk = talk::parse(LOGIN).map_err(|why| anyhow!(why))?;
        let login = encode::all(&play::play(&talk).map_err(|why| anyhow!(why))?);
        let mut bulk = SshBulk { login, login_bytes: 0, ports: [40_022, 22], next: [0; 2] };
        for frame in &bulk.login {
            let sliced = SlicedPacket::from_ethernet(&frame.bytes)?;
            let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { continue };
            let from = usize::from(tcp.source_port() == bulk.ports[1]);
            let next = bulk.next.get_mut(from).context("one of two sides")?;
            *next = tcp.sequence_number().wrapping_add(tcp.payload().len() as u32 + u32::from(tcp.syn()));
            bulk.login_bytes += (from * tcp.payload().len()) as u64;
        }
        Ok(bulk)
    }

    /// Two full segments of the server, and the client's acknowledgement of both, again and again.
    ///
    /// # Errors
    /// None, if a segment can be written.
    pub fn load(&self) -> Result<Load> {
        let segment = Template::new(&self.frame(1, 0, "P", &[0x5a; SEGMENT])?, Template::FIXED);
        let acknowledgement = Template::new(&self.frame(0, 0, "", b"")?, Template::FIXED);
        let steps = [0, 0, 1].map(|template| Step { template, slot: 0 }).to_vec();
        Ok(Load {
            name: "ssh_bulk",
            what: "one SSH connection: two full segments and an acknowledgement, again and again",
            templates: vec![segment, acknowledgement],
            steps,
            host_bits: 0,
            port_bits: 0,
            seed: 0,
        })
    }

    /// How many segments are in so many frames of the load.
    pub fn segments(frames: u64) -> u64 {
        frames / 3 * 2 + (frames % 3).min(2)
    }

    /// How both sides close after so many segments: their numbers say how much was copied.
    ///
    /// # Errors
    /// None, if a segment can be written.
    pub fn close(&self, segments: u64) -> Result<Vec<WireFrame>> {
        let copied = (segments * SEGMENT as u64) as u32; // the low 32 bits are the point
        let frames =
            [self.frame(1, copied, "F", b""), self.frame(0, copied + 1, "F", b""), self.frame(1, copied + 1, "", b"")];
        let wire = |bytes: Vec<u8>| WireFrame { at: 0, wire_len: bytes.len(), bytes };
        frames.into_iter().map(|frame| frame.map(wire)).collect()
    }

    /// A segment from the client (0) or the server (1) when the server has copied so much.
    fn frame(&self, from: usize, copied: u32, flags: &str, payload: &[u8]) -> Result<Vec<u8>> {
        let addresses = [[10, 0, 0, 9], [10, 0, 0, 1]];
        let mut numbers = self.next;
        numbers[1] = numbers[1].wrapping_add(copied);
        // What follows a FIN of the client is an acknowledgement of it.
        numbers[0] = numbers[0].wrapping_add(u32::from(from == 1 && flags.is_empty()));
        let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(addresses[from], addresses[1 - from], 64);
        let mut tcp = ip.tcp(self.ports[from], self.ports[1 - from], numbers[from], 8192);
        for flag in flags.bytes() {
            tcp = if flag == b'F' { tcp.fin() } else { tcp.psh() };
        }
        let timestamps = etherparse::TcpOptionElement::Timestamp(1, 1);
        let tcp = tcp.ack(numbers[1 - from]).options(&[timestamps])?;
        let mut frame = Vec::with_capacity(2048);
        tcp.write(&mut frame, payload)?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_fills_a_frame() {
        let bulk = SshBulk::new().unwrap();
        let load = bulk.load().unwrap();
        assert_eq!(load.templates[0].length as usize, WIRE_BYTES - 24);
        assert_eq!(load.templates[0].length, 1514);
        assert!(bulk.login_bytes > 1000, "{}", bulk.login_bytes);
    }
}
