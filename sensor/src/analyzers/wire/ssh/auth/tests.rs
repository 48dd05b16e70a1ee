//! Authentications as real clients and servers have them, by their lengths: a request is written with `>`, an answer with `<`.

use super::*;

/// What is inferred of it: one letter for each failed attempt, `+` where somebody is let in and `0` where nothing was asked of him,
/// `|` where the connection ends.
fn inferred(openssh: bool, talk: &str) -> String {
    let mut authentication = Authentication::default();
    let mut told = String::new();
    let mut tell = |inferred| match inferred {
        Inferred::Nothing => {}
        Inferred::Failed(attempts) => (0..attempts).for_each(|_| told.push('f')),
        Inferred::Succeeded { none } => told.push(if none { '0' } else { '+' }),
    };
    for word in talk.split_whitespace() {
        let length = word.trim_start_matches(['>', '<']).parse().unwrap_or(0);
        tell(if word.starts_with('>') {
            authentication.client_sent(length, openssh)
        } else {
            authentication.server_sent(length)
        });
    }
    tell(authentication.ended());
    assert_eq!(authentication.ended(), Inferred::Nothing, "it is known once");
    told
}

/// OpenSSH 9.2 on both sides: chacha20-poly1305, aes128-gcm, aes256-ctr with hmac-sha2-256.
const OPENSSH: [(&str, &str, &str); 33] = [
    ("the right password", ">44 <44 >68 <52 >148 <28", "+"),
    ("wrong passwords before it", ">44 <44 >68 <52 >148 <52 >148 <52 >148 <28", "ff+"),
    ("with gcm", ">52 <52 >68 <52 >148 <52 >148 <52 >148 <36", "ff+"),
    ("with ctr", ">64 <64 >80 <80 >160 <80 >160 <80 >160 <48", "ff+"),
    ("PAM has had enough of passwords", ">44 <44 >68 <52 >148 <52 >148 <52 >148 <44", "fff"),
    ("and still another is tried", ">44 <44 >68 <52 >148 <52 >148 <52 >148 <44 >148 <44", "ffff"),
    ("the server has had enough", ">44 <44 >68 <52 >148 <52 >148 <76", "ff"),
    ("a key", ">44 <44 >68 <52 >140 <100 >308 <28", "+"),
    ("a key after another", ">44 <44 >68 <52 >140 <52 >140 <100 >308 <28", "f+"),
    ("a password after another key", ">44 <44 >68 <52 >140 <52 >148 <52 >148 <28", "ff+"),
    ("a challenge", ">44 <44 >68 <68 >92 <60 >84 <44 >84 <28", "+"),
    ("as long as a failure", ">52 <52 >68 <68 >100 <68 >84 <52 >84 <36", "+"),
    ("with ctr", ">64 <64 >80 <80 >112 <80 >96 <64 >96 <48", "+"),
    ("wrongly answered twice", ">44 <44 >68 <68 >92 <60 >84 <68 >92 <60 >84 <68 >92 <60 >84 <44 >84 <28", "ff+"),
    ("with gcm", ">52 <52 >68 <68 >100 <68 >84 <68 >100 <68 >84 <68 >100 <68 >84 <52 >84 <36", "ff+"),
    ("with ctr", ">64 <64 >80 <80 >112 <80 >96 <80 >112 <80 >96 <80 >112 <80 >96 <64 >96 <48", "ff+"),
    ("always wrongly", ">52 <52 >68 <68 >100 <68 >84 <68 >100 <68 >84 <68 >100 <68 >84 <68", "fff"),
    ("never answered", ">52 <52 >68 <68 >100 <68 >84 <68 >100 <68", "f"),
    ("goodbye after a challenge", ">44 <44 >68 <76 >92 <60 >84 <76 >92 <60 >84 <76 >92 <60 >84 <76", "fff"),
    ("goodbye of another length", ">52 <52 >68 <68 >100 <68 >84 <68 >100 <68 >84 <84", "ff"),
    ("only challenges, with gcm", ">52 <52 >68 <52 >100 <68 >84 <52 >100 <68 >84 <52 >84 <36", "f+"),
    ("nothing is asked for", ">44 <44 >60 <28", "0"),
    ("the answer came with a banner", ">44 <44 >68 <560 >148 <52 >148 <28", "f+"),
    ("it did, and two keys", ">44 <44 >68 <560 >140 <52 >140 <100 >308 <28", "f+"),
    ("it did, and a challenge", ">52 <52 >68 <560 >100 <68 >84 <68 >100 <68 >84 <52 >84 <36", "f+"),
    ("it came after the banner", ">44 <44 >68 <508 <52 >148 <52 >148 <28", "f+"),
    ("a key and a password", ">44 <44 >68 <44 >140 <100 >308 <44 >148 <28", "+"),
    ("a key and a wrong one", ">44 <44 >68 <44 >140 <100 >308 <44 >148 <44 >148 <28", "f+"),
    ("old ciphers", ">48 <48 >64 <56 >144 <56 >144 <32", "f+"),
    ("a challenge that is refused, and passwords", ">48 <48 >64 <96 >96 <96 >144 <96 >144 <96 >144 <96", "ffff"),
    ("the same, and the right one", ">48 <48 >64 <96 >96 <96 >144 <96 >144 <32", "ff+"),
    ("a ticket", ">48 <48 >64 <80 >96 <48 >672 <192 >64 <32", "+"),
    ("only a question", ">44 <44 >68 <52", ""),
];

#[test]
fn openssh_is_understood() {
    for (name, talk, expected) in OPENSSH {
        assert_eq!(inferred(true, talk), expected, "{name}: {talk}");
    }
}

/// Clients that pad nothing; some of them ask no question.
const OTHERS: [(&str, &str, &str); 13] = [
    ("a question, and wrong passwords", ">44 <44 >68 <52 >76 <52 >84 <52 >76 <28", "ff+"),
    ("as long as a request for a challenge", ">52 <52 >68 <68 >100 <68 >84 <68 >100 <68 >84 <36", "fff+"),
    ("challenges, answered wrongly", ">52 <52 >68 <68 >100 <68 >52 <68 >100 <68 >52 <52 >36 <36", "f+"),
    ("no question, and the right password", ">44 <44 >84 <28", "+"),
    ("no question, and one wrong password", ">44 <44 >84 <52", "f"),
    ("no question, and two", ">44 <44 >84 <52 >76 <52", "ff"),
    ("no question, and two of one length", ">44 <44 >76 <52 >76 <52 >76 <28", "ff+"),
    ("only a question", ">44 <44 >60 <52", ""),
    ("only a question, and goodbye", ">64 <64 >80 <80 >64", ""),
    ("as long as a request for a challenge, and goodbye", ">64 <64 >80 <96 >96 <96 >64", "f"),
    ("PAM has had enough of them, and goodbye", ">44 <44 >68 <52 >84 <52 >84 <52 >84 <44 >52", "fff"),
    ("PAM has had enough of such", ">44 <44 >68 <52 >92 <52 >92 <52 >92 <44 >92 <44", "ffff"),
    ("something is asked before the server has answered", ">44 >68 <44 <52 >92 <52", "f"),
];

#[test]
fn others_are_understood() {
    for (name, talk, expected) in OTHERS {
        assert_eq!(inferred(false, talk), expected, "{name}: {talk}");
    }
}

#[test]
fn what_is_said_before_anybody_asks_is_no_answer() {
    assert_eq!(inferred(true, "<999 >52 <52 >84 <36"), "0");
}
