//! What TCP tells of bytes that the sensor was not shown.

use portreeve_tests::{play, replay, talk};

const JUDGED: &str = "health.judge_captures = true";

/// The acknowledgements and gaps that this conversation gives, and whether it is a notice.
fn judged(conversation: &str) -> (u64, u64, bool) {
    let talk = talk::parse(&format!("# A case.\n{conversation}")).expect("the conversation is well-formed");
    let scenes = play::play(&talk).expect("the conversation can be played");
    let logs = replay::scenes(&scenes, &[JUDGED.to_owned()]).logs;
    let lines = logs.get("capture_loss.log").map(Vec::as_slice).unwrap_or_default();
    let [line] = lines else { panic!("one line: {logs:?}") };
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let count = |name: &str| line.get(name).and_then(serde_json::Value::as_u64).expect("a count");
    let notices = logs.get("notice.log").map(|lines| lines.join("\n")).unwrap_or_default();
    (count("acks"), count("gaps"), notices.contains("CaptureLoss::Too_Much_Loss"))
}

const OPENED: &str = "tcp 10.0.0.9:1040 > 10.0.0.1:21\n< 220 ready\\r\\n\n";

#[test]
fn what_was_seen_is_not_lost() {
    let (acks, gaps, notice) = judged(&format!("{OPENED}!times 20\n> NOOP\\r\\n\n!close\n"));
    assert!(acks >= 1, "data was acknowledged");
    assert_eq!((gaps, notice), (0, false));
}

#[test]
fn each_hole_that_was_acknowledged_counts_once() {
    let (acks, gaps, notice) =
        judged(&format!("{OPENED}> NOOP\\r\\n\n!lose > 100\n> NOOP\\r\\n\n< 200 fine\\r\\n\n!close\n"));
    assert!(acks >= 2, "{acks}");
    assert_eq!((gaps, notice), (1, true));
}

#[test]
fn of_what_began_before_the_capture_nothing_is_known() {
    let middle = "tcp 10.0.0.9:1040 > 10.0.0.1:21 without handshake\n> NOOP\\r\\n\n!lose > 100\n> NOOP\\r\\n\n< 200 fine\\r\\n\n";
    assert_eq!(judged(middle), (0, 0, false));
}

#[test]
fn what_the_filter_keeps_out_is_not_lost() {
    let encrypted = format!(
        "{OPENED}> AUTH TLS\\r\\n\n< 234 go ahead\\r\\n\n> \\x16\\x03\\x01\\0\\0\n!lose > 5000\n< \\x16\\x03\\x01\\0\\0\n!close\n"
    );
    assert_eq!(judged(&encrypted).1, 0);
}
