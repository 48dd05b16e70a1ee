//! Frames become a capture file, so that a case can be looked at with the tools that everyone has.

use crate::encode::WireFrame;

/// A pcap file with nanosecond times and Ethernet frames.
pub fn file(frames: &[WireFrame]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        out.extend(word.to_le_bytes());
    }
    for frame in frames {
        let (seconds, nanos) = (frame.at / 1_000_000_000, frame.at % 1_000_000_000);
        for word in [seconds as u32, nanos as u32, frame.bytes.len() as u32, frame.wire_len as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(&frame.bytes);
    }
    out
}
