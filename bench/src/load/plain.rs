//! Loads of packets that stand alone: datagrams to a port that is watched, or to one that is not, in the sizes of the field.

use portreeve_ebpf::load::{Step, Template};

use super::frames::{direction, udp};
use super::{IMIX, Load};

/// Ports of the portmapper and of nobody.
const WATCHED: u16 = 111;
const UNWATCHED: u16 = 40_111;
/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 42;

/// How long frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// All of so many bytes, without the checksum.
    Fixed(usize),
    /// The mix that is called simple IMIX.
    Imix,
}

/// So many in a hundred frames go to a watched port; those carry the moment at which they should have been sent.
pub fn mixed(name: &'static str, what: &'static str, percent: usize, size: Size) -> Load {
    let lengths: Vec<usize> = match size {
        Size::Fixed(length) => vec![length],
        Size::Imix => shuffled(IMIX.iter().flat_map(|(length, times)| vec![*length; *times]).collect()),
    };
    let mut kinds: Vec<usize> = lengths.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let template = |port, flags| move |length: &usize| Template::new(&datagram(port, *length), flags | direction(0));
    let wanted = kinds.iter().map(template(WATCHED, Template::WANTED | Template::STAMPED));
    let unwanted = kinds.iter().map(template(UNWATCHED, 0));
    let templates = wanted.chain(unwanted).collect();
    let mut steps = Vec::new();
    for turn in 0..100 {
        for (place, length) in lengths.iter().enumerate() {
            // Evenly among the others: of so many frames, the share of wanted ones has just grown by one.
            let number = turn * lengths.len() + place;
            let is_wanted = (number + 1) * percent / 100 > number * percent / 100;
            let kind = kinds.iter().position(|kind| kind == length).unwrap_or(0);
            let template = if is_wanted { kind } else { kinds.len() + kind };
            steps.push(Step { template: template as u16, slot: (number % 16) as u8 });
        }
    }
    Load { name, what, templates, steps, host_bits: 10, port_bits: 4, seed: 1 }
}

/// A datagram that ends with room for a stamp. Its checksum is none: the stamp is not covered.
fn datagram(port: u16, length: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; length.saturating_sub(HEADERS + 16)];
    payload.extend(Template::STAMP_MAGIC);
    payload.extend([0; 8]);
    let mut frame = udp(0, port, &payload);
    if let Some(checksum) = frame.get_mut(40..42) {
        checksum.fill(0);
    }
    frame
}

/// Always the same disorder.
fn shuffled(mut lengths: Vec<usize>) -> Vec<usize> {
    let mut state = 0x2545_f491_u64;
    for place in (1..lengths.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        lengths.swap(place, (state >> 33) as usize % (place + 1));
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_what_was_asked_for() {
        let load = mixed("mix", "", 10, Size::Imix);
        assert!((load.wanted() - 0.1).abs() < 1e-9, "{}", load.wanted());
        let mean = (28.0 * 60.0 + 16.0 * 566.0 + 4.0 * 1514.0) / 48.0;
        assert!((load.frame_bytes() - mean).abs() < 1e-9, "{}", load.frame_bytes());
        assert!(load.is_stamped());
        let lengths: Vec<u32> = load.templates.iter().map(|template| template.length).collect();
        assert_eq!(lengths, [60, 566, 1514, 60, 566, 1514]);
    }
}
