//! What the sensor says of itself, from what its workers have counted: stats.log and capture_loss.log.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Settings;
use crate::outbox::Inbox;
use crate::policy::{CaptureLoss, Evidence, PEER};
use crate::record::{Record, StatsRecord};
use crate::stats::is_level;
use crate::sys;
use crate::time::Timestamp;

/// Loss is told for the first time after so long: whoever has just plugged a mirror port in wants to know.
const FIRST_LOOK: Duration = Duration::from_secs(60);

/// Counters by name, the sums of all workers.
type Counts = BTreeMap<&'static str, u64>;

/// Looks at the counters whenever it is time.
pub struct Health {
    stats: Turn,
    loss: Turn,
    judge: CaptureLoss,
    judges_captures: bool,
}

impl Health {
    /// Nothing looked at yet.
    pub fn new(settings: &Settings) -> Self {
        let health = &settings.health;
        Health {
            stats: Turn::new(health.stats_seconds, Duration::MAX),
            loss: Turn::new(health.capture_loss_seconds, FIRST_LOOK),
            judge: CaptureLoss::new(settings),
            judges_captures: health.judge_captures,
        }
    }

    /// Live: says what is due at `now`.
    pub fn look(&mut self, now: Timestamp, inboxes: &[Inbox], raised: &mut Vec<Record>) {
        if let Some((_, counts)) = self.stats.take(now, inboxes) {
            raised.push(Record::Stats(Box::new(stats(now, &counts))));
        }
        if let Some((over, counts)) = self.loss.take(now, inboxes) {
            let seen = evidence(&counts);
            self.judge.judge(now, over, seen, raised);
            if over >= self.loss.every {
                self.judge.judge_silence(now, over, seen, raised);
            }
        }
    }

    /// Replay: judges the whole capture once it has been read. What was counted by then does not depend on the number of workers, which what
    /// was counted at some moment before does.
    pub fn conclude(&mut self, inboxes: &[Inbox], raised: &mut Vec<Record>) {
        let began = inboxes.iter().map(Inbox::began).filter(|began| *began > Timestamp::ZERO).min();
        if let (true, Some(began)) = (self.judges_captures, began) {
            let now = inboxes.iter().map(Inbox::clock).fold(began, Ord::max);
            self.judge.judge(now, now.since(began), evidence(&sums(inboxes)), raised);
        }
    }
}

/// Something that is said again and again, of what was counted in between.
struct Turn {
    every: Duration,
    wait: Duration,
    last: Option<(Timestamp, Counts)>,
}

impl Turn {
    /// Every so many seconds, the first time after `first` if that is sooner; 0: never.
    fn new(seconds: u64, first: Duration) -> Self {
        let every = if seconds == 0 { Duration::MAX } else { Duration::from_secs(seconds) };
        Turn { every, wait: if seconds == 0 { every } else { every.min(first) }, last: None }
    }

    /// What was counted since the last time, and how long ago that is, if it is time again.
    fn take(&mut self, now: Timestamp, inboxes: &[Inbox]) -> Option<(Duration, Counts)> {
        if now == Timestamp::ZERO {
            return None; // no worker has a clock yet
        }
        let Some((at, before)) = &mut self.last else {
            self.last = Some((now, sums(inboxes)));
            return None;
        };
        let over = now.since(*at);
        if over < self.wait {
            return None;
        }
        let counts = sums(inboxes);
        let growth = |(name, now): (&&'static str, &u64)| {
            let was = if is_level(name) { 0 } else { before.get(name).copied().unwrap_or(0) };
            (*name, now.saturating_sub(was))
        };
        let growth = counts.iter().map(growth).collect();
        (*at, *before, self.wait) = (now, counts, self.every);
        Some((over, growth))
    }
}

fn sums(inboxes: &[Inbox]) -> Counts {
    let mut sums = Counts::new();
    for (name, number) in inboxes.iter().flat_map(Inbox::counters) {
        let sum = sums.entry(name).or_default();
        *sum = sum.saturating_add(number);
    }
    sums
}

fn evidence(counts: &Counts) -> Evidence {
    let [frames, acks, gaps, two_sided, one_sided] =
        ["frames", "acks", "gaps", "connections_two_sided", "connections_one_sided"].map(|name| count(counts, name));
    Evidence { frames, acks, gaps, two_sided, one_sided }
}

fn stats(ts: Timestamp, counts: &Counts) -> StatsRecord {
    let count = |name| count(counts, name);
    StatsRecord {
        ts,
        peer: PEER,
        mem: sys::resident_bytes() >> 20,
        pkts_proc: count("frames"),
        bytes_recv: count("bytes"),
        pkts_dropped: count("frames_lost"),
        conns: count("connections_opened"),
        active_conns: count("connections_open"),
        evicted_conns: count("connections_evicted"),
        buffered_bytes: count("buffered_bytes"),
        messages: count("messages"),
        messages_lost: count("messages_lost"),
        notices_suppressed: count("notices_suppressed"),
        weirds_suppressed: count("weirds_suppressed"),
        accounts_tried: count("accounts_tried"),
        responses_dropped: count("responses_dropped"),
        analyzer_panics: count("analyzer_panics"),
        policy_forgotten: count("policy_forgotten"),
        bypass_skipped_conns: count("bypass_skipped_conns"),
        bypass_skipped_pkts: count("bypass_skipped_pkts"),
        bypass_skipped_bytes: count("bypass_skipped_bytes"),
        bypass_encrypted_conns: count("bypass_encrypted_conns"),
        bypass_encrypted_pkts: count("bypass_encrypted_pkts"),
        bypass_encrypted_bytes: count("bypass_encrypted_bytes"),
        bypass_ssh_authenticated_conns: count("bypass_ssh_authenticated_conns"),
        bypass_ssh_authenticated_pkts: count("bypass_ssh_authenticated_pkts"),
        bypass_ssh_authenticated_bytes: count("bypass_ssh_authenticated_bytes"),
        bypass_ssh_unknown_conns: count("bypass_ssh_unknown_conns"),
        bypass_ssh_unknown_pkts: count("bypass_ssh_unknown_pkts"),
        bypass_ssh_unknown_bytes: count("bypass_ssh_unknown_bytes"),
        bypass_ftp_data_conns: count("bypass_ftp_data_conns"),
        bypass_ftp_data_pkts: count("bypass_ftp_data_pkts"),
        bypass_ftp_data_bytes: count("bypass_ftp_data_bytes"),
        bypasses_evicted: count("bypasses_evicted"),
    }
}

fn count(counts: &Counts, name: &str) -> u64 {
    let number = counts.get(name);
    debug_assert!(number.is_some(), "no counter is called {name}");
    number.copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::outbox::{WhenFull, outbox};
    use crate::stats::WorkerStats;

    fn workers() -> (Vec<Arc<WorkerStats>>, Vec<Inbox>) {
        let stats = Vec::from_iter((0..2).map(|_| Arc::<WorkerStats>::default()));
        let inbox = |stats: &Arc<WorkerStats>| outbox(0, WhenFull::Wait, Arc::clone(stats)).1;
        let inboxes = stats.iter().map(inbox).collect();
        (stats, inboxes)
    }

    #[test]
    fn each_log_has_its_turn_and_says_what_is_new() {
        let (workers, inboxes) = workers();
        let mut health = Health::new(&Settings::default());
        let (mut lines, mut raised) = (Vec::new(), Vec::new());
        for second in 1..=1000 {
            workers.iter().for_each(|worker| worker.counters.frames.inc());
            workers[0].counters.acks.add(2);
            workers[1].counters.connections_open.set(second);
            health.look(Timestamp::from_parts(second, 0), &inboxes, &mut raised);
            lines.extend(raised.drain(..).map(|record| match record {
                Record::Stats(line) => (second, "stats", line.pkts_proc, line.active_conns),
                Record::CaptureLoss(line) => (second, "loss", line.acks, line.ts_delta.as_secs()),
                other => panic!("{other:?}"),
            }));
        }
        let stats = [301, 601, 901].map(|second| (second, "stats", 600, second));
        let expected = [(61, "loss", 120, 60), stats[0], stats[1], stats[2], (961, "loss", 1800, 900)];
        assert_eq!(lines, expected);
    }

    #[test]
    fn zero_switches_off_and_a_replay_is_judged_only_on_request() {
        let (workers, inboxes) = workers();
        let mut settings = Settings::default();
        (settings.health.stats_seconds, settings.health.capture_loss_seconds) = (0, 0);
        let mut raised = Vec::new();
        let mut health = Health::new(&settings);
        for hour in 1..100 {
            health.look(Timestamp::from_parts(hour * 3600, 0), &inboxes, &mut raised);
        }
        workers[1].counters.began_nanos.set(5_000_000_000);
        workers[1].counters.acks.add(4);
        workers[1].counters.gaps.add(1);
        workers.iter().for_each(|worker| worker.counters.clock_nanos.set(9_000_000_000));
        health.conclude(&inboxes, &mut raised);
        assert!(raised.is_empty());
        settings.health.judge_captures = true;
        Health::new(&settings).conclude(&inboxes, &mut raised);
        let Some(Record::CaptureLoss(line)) = raised.first() else { panic!("{raised:?}") };
        assert_eq!((line.ts_delta.as_secs(), line.gaps, line.percent_lost), (4, 1, 25.0));
        assert_eq!(raised.len(), 2, "and the notice");
    }
}
