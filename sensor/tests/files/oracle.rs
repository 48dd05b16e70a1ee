//! Well-formed files as another reader reads them.

use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};
use proptest::prelude::*;

use crate::lab::read;
use crate::write::{Classic, MICROS, Order, PcapNg, frame};

type Seen = Vec<(u64, Vec<u8>)>;

/// What the library sees, in microseconds.
fn library(mut reader: impl PcapReaderIterator) -> Seen {
    let mut seen = Vec::new();
    loop {
        match reader.next() {
            Ok((len, block)) => {
                match block {
                    PcapBlockOwned::Legacy(packet) => {
                        let micros = u64::from(packet.ts_sec) * 1_000_000 + u64::from(packet.ts_usec);
                        seen.push((micros, packet.data.to_vec()));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let micros = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                        seen.push((micros, packet.packet_data().to_vec()));
                    }
                    _ => {}
                }
                reader.consume(len);
            }
            Err(PcapError::Eof) => return seen,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(why) => panic!("{why:?}"),
        }
    }
}

fn ours(bytes: &[u8]) -> Seen {
    let out = read(bytes);
    assert_eq!(out.complaint(), "");
    out.frames().iter().map(|frame| (frame.nanos / 1000, frame.bytes.clone())).collect()
}

fn packets() -> impl Strategy<Value = Vec<(u32, u32, Vec<u8>)>> {
    let packet = (any::<u32>(), 0..1_000_000_u32, any::<u8>(), prop::collection::vec(any::<u8>(), 0..300));
    let whole = packet.prop_map(|(seconds, micros, n, tail)| (seconds, micros, [frame(n), tail].concat()));
    prop::collection::vec(whole, 0..20)
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Little), Just(Order::Big)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn classic(order in orders(), packets in packets()) {
        let file = packets.iter().fold(Classic::new(order, MICROS, 1), |file, (s, u, bytes)| file.packet(*s, *u, bytes));
        prop_assert_eq!(ours(&file.bytes), library(LegacyPcapReader::new(65_536, &file.bytes[..]).unwrap()));
    }

    #[test]
    fn pcapng(order in orders(), packets in packets(), kind in 0x100..u32::MAX / 2) {
        let file = PcapNg::new(order).interface(1, 0, &[(9, &[6])]);
        let file = packets.iter().fold(file, |file, (s, u, bytes)| {
            file.block(kind, bytes).packet(0, u64::from(*s) * 1_000_000 + u64::from(*u), bytes)
        });
        prop_assert_eq!(ours(&file.bytes), library(PcapNGReader::new(65_536, &file.bytes[..]).unwrap()));
    }
}
