//! Attempts fed by hand, and what becomes of a million sources.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::config::limits::Limits;
use crate::flow::key::{FlowKey, Transport};
use crate::record::Uid;

/// A detector, and its notices so far as `kind: message`.
struct Bench {
    guessing: Guessing,
    raised: Vec<Record>,
    attempts: u64,
}

impl Bench {
    fn new(sets: &[&str]) -> Self {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let settings = Settings::load(None, &sets).unwrap();
        Bench { guessing: Guessing::new(&settings, settings.sets()), raised: Vec::new(), attempts: 0 }
    }

    fn id(&mut self, source: IpAddr, server: u8) -> (Timestamp, ConnId) {
        self.attempts += 1;
        let resp_h = Ipv4Addr::new(10, 0, 0, server).into();
        let key = FlowKey { orig_h: source, orig_p: 1024, resp_h, resp_p: 23, transport: Transport::Tcp };
        let uid = Uid(u128::from(self.attempts));
        (Timestamp::from_nanos(1_000_000_000_000 + self.attempts * 1000), ConnId { uid, key })
    }

    fn tries(&mut self, source: impl Into<IpAddr>, server: u8, user: &str, password: u64) {
        let (at, id) = self.id(source.into(), server);
        let (user, shown) = (Text::new(user.as_bytes(), 128), "<hidden>".into());
        let fact = Fact::AccountTried { id, outbound: false, user, tried: Tried::Password(password), shown };
        self.guessing.on_fact(at, &fact, &mut self.raised);
    }

    /// So many attempts of which nothing is seen, on one connection; then, perhaps, somebody is let in.
    fn tries_unseen(&mut self, source: impl Into<IpAddr>, attempts: u32, succeeds: bool) {
        let (at, id) = self.id(source.into(), 1);
        for attempt in 1..=attempts {
            let (user, tried, shown) = (Text::default(), Tried::Unseen(attempt), "<hidden>".into());
            let fact = Fact::AccountTried { id, outbound: false, user, tried, shown };
            self.guessing.on_fact(at, &fact, &mut self.raised);
        }
        if succeeds {
            self.guessing.on_fact(at, &Fact::LoginSuccessful { id, user: Text::default() }, &mut self.raised);
        }
    }

    fn logs_in(&mut self, source: impl Into<IpAddr>, server: u8, user: &str, password: u64) {
        let source = source.into();
        self.tries(source, server, user, password);
        let (at, mut id) = self.id(source, server);
        id.uid.0 -= 1;
        let fact = Fact::LoginSuccessful { id, user: Text::new(user.as_bytes(), 128) };
        self.guessing.on_fact(at, &fact, &mut self.raised);
    }

    fn notices(&mut self) -> Vec<String> {
        let text = |record: Record| match record {
            Record::Notice(notice) => format!("{}: {}", notice.note, String::from_utf8_lossy(notice.msg.as_bytes())),
            other => format!("{other:?}"),
        };
        self.raised.drain(..).map(text).collect()
    }
}

fn host(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc000_0000 + number)
}

#[test]
fn distinct_pairs_of_a_source_count_and_the_twentieth_is_reported() {
    let mut bench = Bench::new(&[]);
    for password in 0..19 {
        bench.tries(host(1), 1, "root", password);
        bench.tries(host(1), 2, "root", password);
    }
    assert_eq!(bench.notices(), [""; 0]);
    bench.tries(host(1), 3, "admin", 0);
    let expected = "PasswordGuessing: 192.0.0.1 has tried 20 username/password combinations (latest: admin@10.0.0.3)";
    assert_eq!(bench.notices(), [expected]);
    bench.logs_in(host(1), 3, "admin", 1);
    let expected = "SuccessfulPasswordGuessing: 192.0.0.1 successfully logged in user 'admin' after trying 21 \
                    username/password combinations";
    assert_eq!(bench.notices(), [expected]);
    bench.logs_in(host(2), 3, "admin", 1);
    assert_eq!(bench.notices(), [""; 0]);
}

#[test]
fn failures_of_which_nothing_is_known_count_each() {
    let mut bench = Bench::new(&[]);
    (0..3).for_each(|_| bench.tries_unseen(host(1), 6, false));
    assert_eq!(bench.notices(), [""; 0]);
    bench.tries_unseen(host(1), 2, false);
    let tried = "PasswordGuessing: 192.0.0.1 has tried 20 username/password combinations (latest: <unknown>@10.0.0.1)";
    assert_eq!(bench.notices(), [tried]);
    bench.tries_unseen(host(1), 2, true);
    let success = "SuccessfulPasswordGuessing: 192.0.0.1 successfully logged in user '<unknown>' after trying 22 \
                   username/password combinations";
    assert_eq!(bench.notices(), [success]);
}

#[test]
fn keys_that_do_not_fit_before_the_one_that_does_are_no_guesses() {
    let mut bench = Bench::new(&[]);
    (0..100).for_each(|_| bench.tries_unseen(host(1), 5, true));
    assert_eq!(bench.notices(), [""; 0]);
}

#[test]
fn addresses_of_one_network_are_one_source_of_ipv6() {
    for (prefix, notices) in [("64", 1), ("80", 0)] {
        let mut bench = Bench::new(&[&format!("accounts.ipv6_prefix = {prefix}")]);
        for number in 0..20_u16 {
            let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, number, 0, 0, 1);
            bench.tries(source, 1, "root", u64::from(number % 20));
        }
        let of_source =
            bench.notices().into_iter().filter(|notice| notice.starts_with("PasswordGuessing: 2001:db8:0:7::/64"));
        assert_eq!(of_source.count(), notices, "by /{prefix}");
    }
}

#[test]
fn many_sources_are_reported_by_server_and_by_account() {
    let mut bench = Bench::new(&["policy.replace.report_passwords_of_account = [25]"]);
    // Users who mistype once and are let in then are no guessers.
    for user in 0..100 {
        bench.tries(host(500 + user), 1, &format!("user{user}"), 1);
        bench.logs_in(host(500 + user), 1, &format!("user{user}"), 2);
    }
    assert_eq!(bench.notices(), [""; 0]);
    for source in 0..20 {
        bench.tries(host(source), 1, "root", u64::from(source));
    }
    let expected = "DistributedPasswordGuessing: 20 sources have tried accounts of 10.0.0.1 in vain (latest: root@10.0.0.1 from 192.0.0.19)";
    assert_eq!(bench.notices(), [expected]);
    for source in 20..25 {
        bench.tries(host(source), 1, "root", u64::from(source));
    }
    assert_eq!(
        bench.notices(),
        ["AccountGuessing: root@10.0.0.1 has been tried with 25 passwords (latest from 192.0.0.24)"]
    );
}

#[test]
fn spraying_is_reported_by_account_and_by_password() {
    let mut bench = Bench::new(&[]);
    for server in 0..10 {
        bench.tries(host(u32::from(server)), server, "admin", 7);
    }
    let servers =
        "PasswordSpraying: one username and password tried on 10 servers (latest: admin@10.0.0.9 from 192.0.0.9)";
    assert_eq!(bench.notices(), [servers]);
    for user in 0..10 {
        bench.tries(host(77), 1, &format!("user{user}"), 8);
    }
    assert_eq!(
        bench.notices(),
        ["PasswordSpraying: 192.0.0.77 has tried one password on 10 accounts (latest: user9@10.0.0.1)"]
    );
    for server in 100..120 {
        bench.logs_in(host(78), server, "operator", 9);
    }
    assert_eq!(bench.notices(), [""; 0], "whoever may log in everywhere does not spray");
}

/// A million sources try one account each; ten among them try twenty, a fifty-thousandth of the whole apart.
#[test]
fn ten_guessers_are_found_among_a_million_sources() {
    const SOURCES: u32 = 1_000_000;
    let mut bench = Bench::new(&[]);
    for number in 0..SOURCES {
        bench.tries(host(100 + number), number as u8, "root", u64::from(number));
        if number % 5000 == 0 {
            let (guesser, guess) = (number / 5000 % 10, number / 50_000);
            bench.tries(host(guesser), 1, "admin", u64::from(guess));
        }
    }
    let notices = bench.notices();
    let mut guessers: Vec<&str> =
        notices.iter().filter_map(|notice| notice.strip_prefix("PasswordGuessing: ")).collect();
    guessers.sort_unstable();
    assert_eq!(guessers.len(), 10, "{guessers:?}");
    for (number, text) in guessers.iter().enumerate() {
        assert!(text.starts_with(&format!("192.0.0.{number} has tried 20 ")), "{text}");
    }
    let (held, bound) = (bench.guessing.tally.held(), Tally::bound(&Limits::default()));
    eprintln!("{held} of {bound} bytes");
    assert!(held <= bound, "{held} bytes, and the bound is {bound}");
}
