//! Frames with random damage: nothing panics, and every frame is counted once. A bounded stand-in for `cargo xtask fuzz`.

use std::time::{Duration, Instant};

use portreeve_tests::case;
use portreeve_tests::play::{Packet, Scene};
use portreeve_tests::random::Random;
use portreeve_tests::replay;

/// At most so long, and at least one round over all cases.
const LIMIT: Duration = Duration::from_secs(20);
const ROUNDS: u64 = 20;

#[test]
fn damaged_frames_are_counted_and_nothing_panics() {
    let begun = Instant::now();
    let cases = case::all();
    for round in 0..ROUNDS {
        for (number, case) in cases.iter().enumerate() {
            let mut random = Random::new(round << 32 | number as u64);
            let damaged: Vec<Scene> = case.scenes.iter().take(400).map(|scene| damage(scene, &mut random)).collect();
            let outcome = replay::scenes(&damaged, &case.talk.settings);
            assert_eq!(outcome.panics, 0, "{}, round {round}", case.name);
            assert_eq!(outcome.offered, outcome.filtered + outcome.explained, "{}, round {round}", case.name);
        }
        if begun.elapsed() > LIMIT {
            break;
        }
    }
}

/// In every third packet some bytes are other ones, or missing, or there twice.
fn damage(scene: &Scene, random: &mut Random) -> Scene {
    let Scene::Packet(packet) = scene else { return scene.clone() };
    let mut packet: Packet = (**packet).clone();
    if packet.payload.is_empty() || random.below(3) > 0 {
        packet.bent.truncate = (random.below(10) == 0).then(|| random.below(80));
        return Scene::Packet(Box::new(packet));
    }
    for _ in 0..=random.below(4) {
        let at = random.below(packet.payload.len());
        match random.below(4) {
            0 => packet.payload[at] = random.bits() as u8,
            1 => packet.payload[at] ^= 1 << random.below(8),
            2 => packet.payload[at] = [0, 0xff, 0x7f, 0x80][random.below(4)],
            _ if packet.payload.len() > 1 => packet.payload.truncate(at.max(1)),
            _ => {}
        }
    }
    Scene::Packet(Box::new(packet))
}
