//! Loads of packets that stand alone: datagrams to a port that is watched, or to one that is not, in the sizes of the field.

use portreeve_ebpf::load::{Step, Template};

use super::frames::{FIRST_PORT, Ports, direction, fragments, tcp, udp};
use super::talk::{Random, Talk, woven};
use super::{IMIX, Load, talks};

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
    let (kinds, lengths) = (size.kinds(), size.mix());
    let template = |port, flags| move |length: &usize| Template::new(&datagram(port, *length), flags | direction(0));
    let wanted = kinds.iter().map(template(WATCHED, Template::WANTED | Template::STAMPED));
    let unwanted = kinds.iter().map(template(UNWATCHED, 0));
    let templates = wanted.chain(unwanted).collect();
    let mut steps = Vec::new();
    for number in 0..100 * lengths.len() {
        // Evenly among the others: of so many frames, the share of wanted ones has just grown by one.
        let is_wanted = (number + 1) * percent / 100 > number * percent / 100;
        let length = lengths[number % lengths.len()];
        let kind = kinds.iter().position(|kind| *kind == length).unwrap_or(0);
        let template = if is_wanted { kind } else { kinds.len() + kind };
        steps.push(Step { template: template as u32, slot: (number % 16) as u8 });
    }
    Load { name, what, templates, steps, host_bits: 6, port_bits: 0, seed: 1 }
}

/// Frames that nobody wants, for between others.
pub fn unwanted(size: Size) -> Vec<Template> {
    size.mix().iter().map(|length| Template::new(&datagram(UNWATCHED, *length), 0)).collect()
}

/// SYNs to the Telnet port, each of a connection of its own, that no one answers; among them, one lookup in so many frames that is a
/// notice.
pub fn syn_flood(name: &'static str, what: &'static str, one_attack_in: usize) -> Load {
    let syn = Template::new(&tcp(0, Ports { client: FIRST_PORT, server: 23 }, [1, 0], "S", b""), Template::WANTED);
    let share = 1.0 - 2.0 / one_attack_in as f64;
    let (templates, steps) = woven(&[talks::lookup()], &[syn], share, 3);
    Load { name, what, templates, steps, host_bits: 16, port_bits: 13, seed: 3 }
}

/// Datagrams in three fragments each, every second one to a watched port.
pub fn fragmented(name: &'static str, what: &'static str) -> Load {
    let mut talks = Vec::new();
    for slot in 0..32_u16 {
        let (port, flag) = if slot % 2 == 0 { (WATCHED, Template::WANTED) } else { (UNWATCHED, 0) };
        let whole = udp(0, Ports { client: FIRST_PORT, server: port }, &[0; 1200]);
        let parts = fragments(&whole, 512, slot);
        let template = |part: &Vec<u8>| Template::new(part, flag | Template::CONVERSATION);
        talks.push(Talk { templates: parts.iter().map(template).collect() });
    }
    let (templates, steps) = woven(&talks, &[], 0.0, 4);
    Load { name, what, templates, steps, host_bits: 16, port_bits: 0, seed: 4 }
}

/// A datagram that ends with room for a stamp. Its checksum is none: the stamp is not covered.
fn datagram(port: u16, length: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; length.saturating_sub(HEADERS + 16)];
    payload.extend(Template::STAMP_MAGIC);
    payload.extend([0; 8]);
    let mut frame = udp(0, Ports { client: FIRST_PORT, server: port }, &payload);
    if let Some(checksum) = frame.get_mut(40..42) {
        checksum.fill(0);
    }
    frame
}

impl Size {
    /// The lengths that there are.
    fn kinds(self) -> Vec<usize> {
        match self {
            Size::Fixed(length) => vec![length],
            Size::Imix => IMIX.iter().map(|(length, _)| *length).collect(),
        }
    }

    /// The lengths as often as they come, in an order that is always the same and looks like none.
    fn mix(self) -> Vec<usize> {
        let Size::Imix = self else { return self.kinds() };
        let mut lengths: Vec<usize> = IMIX.iter().flat_map(|(length, times)| vec![*length; *times]).collect();
        let mut random = Random(2);
        for place in (1..lengths.len()).rev() {
            lengths.swap(place, random.below(place + 1));
        }
        lengths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_counts_once_its_answer_is_sent() {
        let load = syn_flood("flood", "", 1000);
        let frames = load.steps.len() as u64;
        let answer = load.steps.iter().rposition(|step| step.template as usize + 1 == load.templates.len());
        let until = answer.expect("there is an answer") as u64;
        assert_eq!([until, until + 1, frames, frames + until + 1].map(|sent| load.talks_in(sent)), [0, 1, 1, 2]);
    }

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
