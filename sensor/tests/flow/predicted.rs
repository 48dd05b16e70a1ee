//! Segments that are predicted go a short way; that one leaves the same behind as the long way.

use proptest::prelude::*;

use crate::lab::{C, S, Talk, Tcp};

/// What happens next in a conversation.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Says { from_server: bool, bytes: usize, again: usize },
    Acknowledges { from_server: bool, acked: i32 },
    Loses { bytes: u32 },
    Waits { millis: u64 },
    Ends { from_server: bool, rst: bool },
}

/// Mostly what is predicted, and now and then something that is not.
fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        20 => (any::<bool>(), 1usize..300).prop_map(|(from_server, bytes)| Turn::Says { from_server, bytes, again: 0 }),
        4 => (any::<bool>(), 1usize..300, 1usize..300)
            .prop_map(|(from_server, bytes, again)| Turn::Says { from_server, bytes, again }),
        12 => any::<bool>().prop_map(|from_server| Turn::Acknowledges { from_server, acked: 0 }),
        3 => (any::<bool>(), -400i32..400).prop_map(|(from_server, acked)| Turn::Acknowledges { from_server, acked }),
        1 => (1u32..500).prop_map(|bytes| Turn::Loses { bytes }),
        3 => (0u64..400_000).prop_map(|millis| Turn::Waits { millis }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(from_server, rst)| Turn::Ends { from_server, rst }),
    ];
    proptest::collection::vec(turn, 1..60)
}

impl Talk {
    fn take(&mut self, turn: Turn) {
        let from = |from_server| if from_server { S } else { C };
        match turn {
            Turn::Says { from_server, bytes, again } => {
                // A call of the portmapper, as far as its first bytes go; the rest depends on where it was cut.
                let payload: Vec<u8> = [0x80, 0, 0, 40].into_iter().chain(1..=250).cycle().take(bytes).collect();
                self.send(from(from_server), &payload);
                if again > 0 {
                    self.send(Tcp { seq: -(again as i32), ..from(from_server) }, &payload);
                }
            }
            Turn::Acknowledges { from_server, acked } => self.send(Tcp { acked, ..from(from_server) }, b""),
            Turn::Loses { bytes } => self.lose(bytes),
            Turn::Waits { millis } => self.clock += millis,
            Turn::Ends { from_server, rst } => self.send(Tcp { fin: !rst, rst, ..from(from_server) }, b""),
        }
    }
}

/// Everything that is left of it, step by step.
fn story(turns: &[Turn], handshake: bool, urges: bool) -> Vec<String> {
    let mut talk = Talk { urges, ..Talk::new() };
    if handshake {
        talk.handshake();
    }
    let mut story = Vec::new();
    for turn in turns {
        talk.take(*turn);
        story.extend(talk.lab.heard());
        story.push(format!("{:?} holds {}", talk.lab.outcomes(), talk.lab.stats.counters.buffered_bytes.get()));
    }
    talk.lab.close(talk.clock);
    story.extend(talk.lab.shard.handler().records.drain(..).map(|record| format!("{record:?}")));
    story.extend(talk.lab.heard());
    let counters = &talk.lab.stats.counters;
    story.push(format!("{} acks, {} gaps", counters.acks.get(), counters.gaps.get()));
    story
}

proptest! {
    #[test]
    fn the_short_way_leaves_the_same_behind(turns in turns(), handshake in any::<bool>()) {
        let (short, long) = (story(&turns, handshake, false), story(&turns, handshake, true));
        // Only a SYN says more about an urgent pointer.
        let long: Vec<String> = long.into_iter().filter(|line| !line.contains("weird baroque_SYN")).collect();
        prop_assert_eq!(short, long);
    }
}
