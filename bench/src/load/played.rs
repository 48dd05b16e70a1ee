//! A load as frames in this process, for what sends them through a socket: the same frames as the kernel program makes of it.

use portreeve_ebpf::load::{Run, Template, patch};

use super::Load;
use crate::generator::Pace;

/// A load being played.
#[derive(Debug)]
pub struct Played<'a> {
    load: &'a Load,
    run: Run,
    frame: Vec<u8>,
}

impl<'a> Played<'a> {
    /// From the beginning.
    pub fn new(load: &'a Load, pace: Pace) -> Self {
        Played { load, run: load.run(pace), frame: Vec::with_capacity(Template::LONGEST) }
    }

    /// The next frame, if one is due at this time, in nanoseconds of `CLOCK_MONOTONIC`.
    pub fn next(&mut self, now: u64) -> Option<&[u8]> {
        let step = self.load.steps.get(self.run.position as usize)?;
        let template = self.load.templates.get(step.template as usize)?;
        let due = self.run.take_turn(now)?;
        self.frame.clear();
        self.frame.extend(template.bytes.iter().take(template.length as usize));
        if let Some(head) = self.frame.first_chunk_mut() {
            patch(head, template.flags, step.slot, self.run.client(template.flags));
        }
        if template.is(Template::STAMPED)
            && let Some(stamp) = self.frame.last_chunk_mut()
        {
            *stamp = due.to_ne_bytes();
        }
        self.run.advance(template.is(Template::WANTED));
        Some(&self.frame)
    }

    /// What has been sent so far.
    pub fn counted(&self) -> &Run {
        &self.run
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;
    use crate::scenario;

    #[test]
    fn every_frame_has_right_checksums_whoever_its_client_is() {
        let load = scenario::load("conversations").expect("it is one of them");
        let mut played = Played::new(&load, Pace::FlatOut);
        for number in 0..3 * load.steps.len() {
            let packet = SlicedPacket::from_ethernet(played.next(1).expect("a frame")).expect("a packet");
            let Some(NetSlice::Ipv4(ip)) = packet.net else { panic!("frame {number} is not IPv4") };
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum, "frame {number}");
            match packet.transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    let right = tcp.to_header().calc_checksum_ipv4(&header, tcp.payload());
                    assert_eq!(right, Ok(tcp.checksum()), "frame {number}");
                }
                Some(TransportSlice::Udp(udp)) => {
                    let right = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
                    assert_eq!(right, Ok(udp.checksum()), "frame {number}");
                }
                other => panic!("frame {number}: {other:?}"),
            }
        }
    }

    #[test]
    fn clients_of_a_flood_do_not_come_twice_before_all_have_come() {
        let load = Load { host_bits: 6, port_bits: 3, ..scenario::load("syn-flood").expect("it is one of them") };
        let mut played = Played::new(&load, Pace::FlatOut);
        let mut clients = BTreeSet::new();
        for _ in 0..1 << 9 {
            let template = &load.templates[0];
            let client = played.run.client(template.flags);
            assert!(clients.insert((client.host, client.port)), "{client:?} comes again");
            played.next(1).expect("a frame");
        }
    }

    #[test]
    fn what_is_late_by_more_than_the_slack_is_given_up() {
        let load = scenario::load("wanted").expect("it is one of them");
        let mut played = Played::new(&load, Pace::PerSecond(1e6));
        assert!(played.next(1_000_000).is_some());
        assert!(played.next(1_000_500).is_none());
        assert!(played.next(1_001_000).is_some());
        // Ten milliseconds of silence: 4096 frames of them may be made up for.
        let after = 11_001_000;
        let sent = std::iter::from_fn(|| played.next(after).map(|_| ())).count();
        assert_eq!((sent, played.counted().missed), (4096, 5904));
    }
}
