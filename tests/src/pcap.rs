//! Frames become a capture file, so that a case can be looked at with the tools that everyone has; and the other way round.

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

/// The frames of a pcap file in this machine's byte order, as tcpdump writes it here.
pub fn frames(file: &[u8]) -> Result<Vec<WireFrame>, String> {
    let word =
        |at: usize| file.get(at..at + 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let unit = match word(0) {
        Some(0xa1b2_c3d4) => 1000,
        Some(0xa1b2_3c4d) => 1,
        _ => return Err("not a pcap file of this machine".into()),
    };
    let mut frames = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(length), Some(wire)) =
        (word(at), word(at + 4), word(at + 8), word(at + 12))
    {
        let bytes = file.get(at + 16..at + 16 + length as usize).ok_or("the file ends inside a packet")?.to_vec();
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        frames.push(WireFrame { at: nanos, bytes, wire_len: wire as usize });
        at += 16 + length as usize;
    }
    Ok(frames)
}
