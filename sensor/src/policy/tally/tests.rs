//! What is counted, how long, and what gives way when there is no room.

use super::members::MEMBER_BYTES;
use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_parts(1_000_000 + seconds, 0)
}

fn rule(thresholds: &[u32]) -> Rule {
    Rule { window: Duration::from_secs(100), thresholds: thresholds.to_vec().into(), up_to: 0 }
}

fn tally(sightings: usize, subjects: usize, members: usize) -> Tally {
    let limits =
        Limits { tally_sightings: sightings, tally_subjects: subjects, tally_members: members, ..Limits::default() };
    Tally::new(&limits)
}

/// Digests as even as those of the real hash.
fn digest(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

#[test]
fn each_threshold_is_reported_once_at_the_exact_number() {
    let (mut tally, rule) = (tally(64, 8, 64), rule(&[3, 1, 5, 0]));
    let mut reported = Vec::new();
    for thing in 0..7 {
        reported.extend(tally.count(at(thing), &rule, 7, digest(thing)));
        reported.extend(tally.count(at(thing), &rule, 7, digest(thing)));
    }
    assert_eq!(reported, [1, 3, 5]);
    assert_eq!(tally.number(at(7), &rule, 7), 5, "counted no further than anybody asks");
}

#[test]
fn what_was_done_too_long_ago_does_not_count() {
    let (mut tally, rule) = (tally(64, 8, 64), rule(&[3]));
    assert_eq!(tally.count(at(0), &rule, 7, 1), None);
    assert_eq!(tally.count(at(50), &rule, 7, 2), None);
    assert_eq!(tally.count(at(99), &rule, 7, 1), None, "done again: it counts from now on");
    assert_eq!(tally.count(at(149), &rule, 7, 3), Some(3));
    let numbers = [149, 150, 198, 199, 249].map(|seconds| tally.number(at(seconds), &rule, 7));
    assert_eq!(numbers, [3, 2, 2, 1, 0]);
    for thing in 1..3 {
        assert_eq!(tally.count(at(300), &rule, 7, thing), None);
    }
    assert_eq!(tally.count(at(300), &rule, 7, 3), Some(3), "after silence it is reported again");
}

#[test]
fn what_is_forgiven_does_not_count() {
    let (mut tally, rule) = (tally(64, 8, 64), rule(&[3]));
    tally.count(at(0), &rule, 7, 1);
    tally.forgive(7, 1);
    assert_eq!(tally.number(at(0), &rule, 7), 0);
    for thing in [1, 2] {
        tally.count(at(0), &rule, 7, thing);
    }
    tally.forgive(7, 2);
    assert_eq!((tally.count(at(1), &rule, 7, 3), tally.count(at(1), &rule, 7, 4)), (None, Some(3)));
    assert_eq!(tally.forgotten(), 0);
}

#[test]
fn the_lightest_gives_way_and_the_bounds_hold() {
    let (mut tally, rule) = (tally(4096, 4, 32), rule(&[3, 20]));
    for thing in 0..10 {
        tally.count(at(1), &rule, 7, digest(thing));
    }
    // Many others that do two or three things each.
    for other in 100..1000 {
        for thing in 0..2 + other % 2 {
            tally.count(at(2), &rule, digest(other), digest(thing));
        }
    }
    assert_eq!(tally.number(at(2), &rule, 7), 10, "who has done most is spared");
    assert!(tally.forgotten() > 500);
    let reported = (10..40).filter_map(|thing| tally.count(at(3), &rule, 7, digest(thing)));
    assert_eq!(reported.collect::<Vec<_>>(), [20], "even where all others have to give way");
    assert_eq!((tally.subjects.len(), tally.members.held() / MEMBER_BYTES < 64), (4, true));
}

#[test]
fn a_table_smaller_than_one_subject_counts_what_it_holds() {
    let (mut tally, rule) = (tally(64, 2, 4), rule(&[4, 10]));
    let reported = (0..50).filter_map(|thing| tally.count(at(1), &rule, 7, digest(thing)));
    assert_eq!(reported.collect::<Vec<_>>(), [4]);
    assert_eq!(tally.number(at(1), &rule, 7), 4);
}

/// The same numbers as by remembering everything.
#[test]
fn it_counts_as_a_naive_one_does() {
    let (mut tally, rule) = (tally(4096, 64, 4096), rule(&[4, 9, 16]));
    let mut naive: Vec<(u64, u64, u64)> = Vec::new();
    let mut state = 1;
    for step in 0..4000_u64 {
        state = digest(state);
        let (subject, thing, now) = (state % 20, state / 20 % 30, step / 2);
        naive.retain(|&(who, what, when)| now - when < 100 && (who, what) != (subject, thing));
        naive.push((subject, thing, now));
        tally.count(at(now), &rule, digest(subject), digest(1000 + thing));
        let expected = naive.iter().filter(|(who, ..)| *who == subject).count().min(16);
        assert_eq!(tally.number(at(now), &rule, digest(subject)) as usize, expected, "step {step}");
    }
    assert_eq!(tally.forgotten(), 0);
}
