//! Packets that are kept: which connections, from which packet on, and that other tools can read them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use portreeve_tests::expect::Logs;
use portreeve_tests::process::are_installed;
use portreeve_tests::{encode, pcap, play, sensor, talk};

/// Two sessions, of which only the one on the flagged port is hot, and only after its handshake.
const TALK: &str = "# One hot session beside one that is not.
tcp 10.0.0.9:4000 > 10.0.0.1:23 as hot
tcp 10.0.0.8:4000 > 10.0.0.1:513 as cold
cold < login:\\x20
hot < login:\\x20
hot > smith\\r\\n
cold > jones\\r\\n
!close
";
/// Packets only.
const NO_TEXT: [&str; 2] = ["--set", "record.transcripts=false"];
const FLAG: &str = "policy.add.flag_successful_service={\"23/tcp\"=\"Telnet is not wanted here\"}";

#[test]
fn a_hot_session_is_recorded_from_its_handshake_on() {
    let Some((logs, files, _folder)) = recorded(TALK, &["--set", FLAG, NO_TEXT[0], NO_TEXT[1]]) else { return };
    let [file] = files.as_slice() else { panic!("one session, one file: {files:?}") };
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let name = file.file_name().unwrap().to_str().unwrap();
    let notices = &logs["notice.log"];
    assert!(notices.iter().any(|line| line.contains(name)), "{notices:?}");
    if !are_installed(&["tshark"]) {
        return;
    }
    let packets = tshark(file);
    assert!(packets[0].starts_with("0x0002\t10.0.0.9,"), "the SYN comes first: {packets:#?}");
    assert!(packets[0].contains("why=SensitiveConnection"), "{packets:#?}");
    assert_eq!(packets.iter().filter(|packet| packet.contains("why=")).count(), 1, "{packets:#?}");
    assert!(packets.iter().all(|packet| packet.contains("10.0.0.9")), "{packets:#?}");
    assert_eq!(packets.len(), 5, "three of the handshake, and a line of each side: {packets:#?}");
}

#[test]
fn what_is_not_hot_and_what_is_over_budget_is_not_recorded() {
    let Some((_, files, _folder)) = recorded(TALK, &[]) else { return };
    assert!(files.is_empty(), "{files:?}");
    let Some((_, files, _folder)) =
        recorded(TALK, &["--set", FLAG, NO_TEXT[0], NO_TEXT[1], "--set", "record.total_bytes=10"])
    else {
        return;
    };
    assert!(files.is_empty(), "{files:?}");
    let Some((_, files, _folder)) =
        recorded(TALK, &["--set", FLAG, NO_TEXT[0], NO_TEXT[1], "--set", "record.connection_bytes=300"])
    else {
        return;
    };
    assert_eq!(files.len(), 1);
    assert!(std::fs::metadata(&files[0]).unwrap().len() < 600);
}

/// Somebody becomes root over Telnet.
const LOGIN: &str = "# A root login, and what is typed after it.
tcp 10.0.0.9:4000 > 10.0.0.1:23
< SunOS 5.6\\r\\nlogin:\\x20
> root\\r\\n
< root\\r\\nPassword:\\x20
> s3cr3t-0f-r00t\\r\\n
< \\r\\nLast login: Mon Nov 16\\r\\n#\\x20
> ls\\x1b[31m\\r\\n
< ls\\x1b[31m\\r\\nfile\\r\\n#\\x20
!close
";

#[test]
fn what_was_said_in_a_hot_login_is_kept_without_its_password() {
    let Some((logs, files, _folder)) = recorded(LOGIN, &[]) else { return };
    assert!(logs["notice.log"].iter().any(|notice| notice.contains("SensitiveLogin")), "{logs:?}");
    let transcript = files.iter().find(|file| file.extension().is_some_and(|suffix| suffix == "transcript"));
    let transcript = transcript.unwrap_or_else(|| panic!("a transcript beside the packets: {files:?}"));
    assert_eq!(std::fs::metadata(transcript).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(transcript).unwrap();
    let said: Vec<&str> = text.lines().map(|line| line.split_once(' ').map_or(line, |(_, said)| said)).collect();
    assert!(said[0].contains("why=SensitiveLogin 10.0.0.9:4000 > 10.0.0.1:23"), "{text}");
    let expected = ["< SunOS 5.6", "> root", "< login: root", "> <hidden>"];
    assert_eq!(said[1..5], expected, "{text}");
    assert!(said.contains(&"> ls\\x1b[31m") && said.contains(&"< file"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

/// A client that types what servers print: nobody knows any more who is who, and no notice is given.
const PLOY: &str = "# A ploy.
tcp 10.0.0.9:4000 > 10.0.0.1:23
< login:\\x20
> Login incorrect\\r\\n
< Login incorrect\\r\\nlogin:\\x20
!close
";

#[test]
fn a_confused_session_is_recorded_and_says_why() {
    let Some((logs, files, _folder)) = recorded(PLOY, &[]) else { return };
    assert!(logs.get("notice.log").is_none_or(Vec::is_empty), "{logs:?}");
    let transcript = files.iter().find(|file| file.extension().is_some_and(|suffix| suffix == "transcript"));
    let text = std::fs::read_to_string(transcript.unwrap_or_else(|| panic!("{files:?}"))).unwrap();
    assert!(text.contains("why=login_confused_possible_login_ploy "), "{text}");
}

/// The logs and the recorded files of a conversation; nothing where the sensor was not built.
fn recorded(text: &str, options: &[&str]) -> Option<(Logs, Vec<PathBuf>, tempfile::TempDir)> {
    if !sensor::is_built() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (capture, kept) = (folder.path().join("talk.pcap"), folder.path().join("kept"));
    let scenes = play::play(&talk::parse(text).expect("a talk")).expect("a play");
    std::fs::write(&capture, pcap::file(&encode::all(&scenes))).unwrap();
    let kept_text = kept.to_str().unwrap();
    let logs = sensor::read(&capture, &[&["--record", kept_text], options].concat());
    let files = std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path());
    Some((logs, files.collect(), folder))
}

/// Flags, source and comment of each packet.
fn tshark(file: &Path) -> Vec<String> {
    let fields = ["tcp.flags", "ip.addr", "frame.comment"].map(|field| ["-e", field]).concat();
    let output = Command::new("tshark").arg("-r").arg(file).args(["-T", "fields"]).args(fields).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
