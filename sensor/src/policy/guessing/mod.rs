//! Password guessing, wherever its attempts meet: by source as the manual has it, and by server, by account and by password besides.

#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use super::notice::{About, Note, Notices};
use super::tally::{Rule, Source, Tally};
use super::words::put;
use crate::collector::Detector;
use crate::config::Settings;
use crate::config::sets::{PolicySets, Thresholds};
use crate::keyed::Keyed;
use crate::record::{ConnId, Fact, Record, Tried};
use crate::text::Text;
use crate::time::Timestamp;

/// What a user is called of whom nothing is known.
const UNKNOWN: &[u8] = b"<unknown>";
/// Attempts of one connection that are forgiven when somebody is let in without its password being seen. OpenSSH allows six.
const FORGIVEN: u32 = 16;
/// How long a connection is expected to be let in after it tried.
const KEPT: Duration = Duration::from_secs(600);
/// How long a source that was reported often enough is ignored: the manual's `ignored_scanners`.
const IGNORED: Duration = Duration::from_secs(86_400);

/// Counts the accounts that all workers have seen tried.
#[derive(Debug)]
pub struct Guessing {
    tally: Tally,
    rules: Rules,
    notices: Notices,
    /// With what a connection tried to log in last.
    known: Memory<u128, Tried>,
    /// Sources that were reported often enough.
    ignored: Memory<Source, ()>,
    ignore_scanners_threshold: u32,
    success_after: u32,
    ipv6_prefix: u8,
    keyed: Keyed,
}

#[derive(Debug)]
struct Rules {
    /// Pairs of user and password by source: elsewhere, and ours.
    pairs: [Rule; 2],
    sources_of_server: Rule,
    passwords_of_account: Rule,
    servers_of_pair: Rule,
    users_of_password: Rule,
}

/// By what attempts are counted. The hash of each is a subject of its own.
#[derive(Clone, Copy, Hash)]
enum By<'a> {
    Source(Source),
    Server(IpAddr),
    Account(IpAddr, &'a [u8]),
    Pair(&'a [u8], u64),
    Password(Source, u64),
}

/// The attempt that is being counted.
#[derive(Clone, Copy)]
struct Latest<'a> {
    at: Timestamp,
    id: &'a ConnId,
    source: Source,
    user: &'a [u8],
    /// What a record may say of the password.
    shown: &'a Text,
}

type Raised = Vec<Record>;

impl<'a> Latest<'a> {
    fn name(&self) -> &'a [u8] {
        if self.user.is_empty() { UNKNOWN } else { self.user }
    }
}

impl Guessing {
    /// Nothing tried yet.
    pub fn new(settings: &Settings, sets: &PolicySets) -> Self {
        let window = Duration::from_secs(settings.accounts.window_seconds.max(1));
        let success_after = sets.password_guessing_success_threshhold;
        let rule = |thresholds: &Thresholds, up_to| Rule { window, thresholds: thresholds.clone(), up_to };
        Guessing {
            tally: Tally::new(&settings.limits),
            rules: Rules {
                pairs: [&sets.report_accounts_tried, &sets.report_remote_accounts_tried]
                    .map(|thresholds| rule(thresholds, success_after)),
                sources_of_server: rule(&sets.report_sources_of_guesses, 0),
                passwords_of_account: rule(&sets.report_passwords_of_account, 0),
                servers_of_pair: rule(&sets.report_servers_sprayed, 0),
                users_of_password: rule(&sets.report_accounts_sprayed, 0),
            },
            notices: Notices::new(settings, Arc::default()),
            known: Memory::new(settings.limits.policy_hosts, settings.seed),
            ignored: Memory::new(settings.limits.policy_hosts, settings.seed),
            ignore_scanners_threshold: sets.ignore_scanners_threshold,
            success_after,
            ipv6_prefix: settings.accounts.ipv6_prefix,
            keyed: Keyed::new(settings.seed, "guessing"),
        }
    }
}

impl Detector for Guessing {
    fn on_fact(&mut self, at: Timestamp, fact: &Fact, raised: &mut Vec<Record>) {
        match fact {
            Fact::AccountTried { id, outbound, user, tried: with, shown } => {
                let source = Source::of(id.key.orig_h, self.ipv6_prefix);
                let latest = Latest { at, id, source, user: user.as_bytes(), shown };
                let tried = self.account_tried(&latest, *outbound, *with, raised);
                self.sources_of_server(&latest, raised);
                self.known.put(at, id.uid.0, *with, KEPT);
                if let Tried::Password(password) = *with {
                    self.passwords_of_account(&latest, password, tried, raised);
                    self.sprayed(&latest, password, raised);
                }
            }
            Fact::LoginSuccessful { id, user } => self.login_successful(at, id, user, raised),
            _ => {}
        }
    }

    fn forgotten(&self) -> u64 {
        self.tally.forgotten() + self.known.forgotten() + self.ignored.forgotten()
    }
}

impl Guessing {
    /// The manual's `account_tried`. Returns how many pairs the source has tried.
    fn account_tried(&mut self, latest: &Latest<'_>, outbound: bool, with: Tried, raised: &mut Raised) -> u32 {
        let subject = self.digest(&By::Source(latest.source));
        let thing = match with {
            Tried::Password(password) => self.digest(&(latest.user, password)),
            Tried::Unseen(attempt) => self.digest(&(latest.id.uid, attempt)),
        };
        let rule = &self.rules.pairs[usize::from(outbound)];
        let reached = self.tally.count(latest.at, rule, subject, thing);
        let tried = self.tally.number(latest.at, rule, subject);
        if let Some(n) = reached.filter(|_| !self.ignored.contains(latest.at, &latest.source)) {
            if self.ignore_scanners_threshold > 0 && n > self.ignore_scanners_threshold {
                self.ignored.put(latest.at, latest.source, (), IGNORED);
            }
            self.raise(Note::PasswordGuessing, latest, n, raised, |out| {
                put(out, format_args!("{} has tried {n} username/password combinations (latest: ", latest.source));
                put_account(out, latest);
                out.push(b')');
            });
        }
        tried
    }

    /// The manual's `login_successful`.
    fn login_successful(&mut self, at: Timestamp, id: &ConnId, user: &Text, raised: &mut Raised) {
        let source = Source::of(id.key.orig_h, self.ipv6_prefix);
        // What is forgiven below counts for this once: a guesser may find the password after others on the same connection.
        let tried = self.tally.number(at, &self.rules.pairs[0], self.digest(&By::Source(source)));
        self.forgive_connection(at, id, source, user.as_bytes());
        if tried < self.success_after.max(1) {
            return;
        }
        let latest = Latest { at, id, source, user: user.as_bytes(), shown: &Text::default() };
        self.raise(Note::SuccessfulPasswordGuessing, &latest, tried, raised, |out| {
            put(out, format_args!("{source} successfully logged in user '"));
            out.extend_from_slice(latest.name());
            put(out, format_args!("' after trying {tried} username/password combinations"));
        });
    }

    /// What let somebody in was no guess, and who was let in is none of many who are not: users who mistype do not add up. Nor do the
    /// keys that an SSH client offers before the one that fits.
    fn forgive_connection(&mut self, at: Timestamp, id: &ConnId, source: Source, user: &[u8]) {
        let server = id.key.resp_h;
        self.forgive(&By::Server(server), &source);
        match self.known.get(at, &{ id.uid.0 }).copied() {
            Some(Tried::Password(password)) => {
                self.tally.forgive(self.digest(&By::Account(server, user)), password);
                self.forgive(&By::Pair(user, password), &server);
                self.forgive(&By::Password(source, password), &user);
            }
            Some(Tried::Unseen(attempts)) => (1..=attempts.min(FORGIVEN)).for_each(|attempt| {
                self.forgive(&By::Source(source), &(id.uid, attempt));
            }),
            None => {}
        }
    }

    /// Many sources against one server.
    fn sources_of_server(&mut self, latest: &Latest<'_>, raised: &mut Raised) {
        let server = latest.id.key.resp_h;
        let (subject, thing) = (self.digest(&By::Server(server)), self.digest(&latest.source));
        if let Some(n) = self.tally.count(latest.at, &self.rules.sources_of_server, subject, thing) {
            self.raise(Note::DistributedPasswordGuessing, latest, n, raised, |out| {
                put(out, format_args!("{n} sources have tried accounts of {server} in vain (latest: "));
                put_account(out, latest);
                put(out, format_args!(" from {})", latest.source));
            });
        }
    }

    /// Many passwords for one account, and not from this source alone.
    fn passwords_of_account(&mut self, latest: &Latest<'_>, password: u64, tried: u32, raised: &mut Raised) {
        let subject = self.digest(&By::Account(latest.id.key.resp_h, latest.user));
        let reached = self.tally.count(latest.at, &self.rules.passwords_of_account, subject, password);
        if let Some(n) = reached.filter(|&n| n > tried) {
            self.raise(Note::AccountGuessing, latest, n, raised, |out| {
                put_account(out, latest);
                put(out, format_args!(" has been tried with {n} passwords (latest from {})", latest.source));
            });
        }
    }

    /// One account and password on many servers, or one password for many accounts.
    fn sprayed(&mut self, latest: &Latest<'_>, password: u64, raised: &mut Raised) {
        let (source, user) = (latest.source, latest.user);
        let (subject, thing) = (self.digest(&By::Pair(user, password)), self.digest(&latest.id.key.resp_h));
        if let Some(n) = self.tally.count(latest.at, &self.rules.servers_of_pair, subject, thing) {
            self.raise(Note::PasswordSpraying, latest, n, raised, |out| {
                put(out, format_args!("one username and password tried on {n} servers (latest: "));
                put_account(out, latest);
                put(out, format_args!(" from {})", source));
            });
        }
        let (subject, thing) = (self.digest(&By::Password(source, password)), self.digest(&user));
        if let Some(n) = self.tally.count(latest.at, &self.rules.users_of_password, subject, thing) {
            self.raise(Note::PasswordSpraying, latest, n, raised, |out| {
                put(out, format_args!("{} has tried one password on {n} accounts (latest: ", source));
                put_account(out, latest);
                out.push(b')');
            });
        }
    }

    fn forgive(&mut self, by: &By<'_>, thing: &impl Hash) {
        self.tally.forgive(self.digest(by), self.digest(thing));
    }

    fn raise(
        &mut self,
        note: Note,
        latest: &Latest<'_>,
        n: u32,
        raised: &mut Raised,
        words: impl FnOnce(&mut Vec<u8>),
    ) {
        let source = Some(latest.source.addr());
        let about =
            About { src: source, dst: Some(latest.id.key.resp_h), detail: (u64::from(n), self.digest(&latest.user)) };
        let Some(mut record) = self.notices.due(latest.at, note, about, Some(latest.id), words) else { return };
        record.n = Some(u64::from(n));
        record.user = Some(latest.user).filter(|user| !user.is_empty()).map(|user| Text::new(user, usize::MAX));
        record.sub = Some(latest.shown.clone()).filter(|shown| !shown.is_empty());
        raised.push(Record::Notice(record));
    }

    fn digest(&self, what: &impl Hash) -> u64 {
        self.keyed.of(what)
    }
}

/// `<user>@<server>`.
fn put_account(out: &mut Vec<u8>, latest: &Latest<'_>) {
    out.extend_from_slice(latest.name());
    put(out, format_args!("@{}", latest.id.key.resp_h));
}
