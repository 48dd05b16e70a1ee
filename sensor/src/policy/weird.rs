//! Unusual events: what is done with each name, and how a storm of them stays small and countable.

use std::net::IpAddr;
use std::time::Duration;

use super::memory::Memory;
use super::notice::About;
use super::words::{Words, put};
use super::{Note, Policy, Seen};
use crate::config::Settings;
use crate::config::sets::WeirdAction;
use crate::record::{ConnId, Fact, Message, WeirdRecord};
use crate::time::Timestamp;

/// Names whose action is softer for clients in `RPC_okay_nets`: the manual's `RPC_weird_action_filter`.
const SOFTER_FOR_OKAY_NETS: [&str; 4] = ["bad_RPC", "excess_RPC", "multiple_RPCs", "partial_RPC"];

/// What is remembered of weirds.
#[derive(Debug)]
pub(super) struct Weirds {
    /// Names written lately, per connection, with how many were not written since.
    written: Memory<(&'static str, About), u64>,
    /// Whose notice was given, for actions that give one per connection, per originator or once.
    noticed: Memory<(&'static str, About), ()>,
    /// How many of a name came, between two hosts.
    sampled: Memory<(&'static str, About), Sampling>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Sampling {
    seen: u64,
    /// Not written since the last that was.
    held_back: u64,
}

impl Weirds {
    pub fn new(settings: &Settings) -> Self {
        let (capacity, seed) = (settings.limits.weirds_remembered, settings.seed);
        Weirds {
            written: Memory::new(capacity, seed),
            noticed: Memory::new(capacity, seed),
            sampled: Memory::new(capacity, seed),
        }
    }

    /// Entries that had to give way before they expired.
    pub fn forgotten(&self) -> u64 {
        self.written.forgotten() + self.noticed.forgotten() + self.sampled.forgotten()
    }
}

/// What a weird is about: a connection, two hosts, or nothing that is known.
#[derive(Clone, Copy, Debug)]
struct Subject {
    id: Option<ConnId>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
}

impl Subject {
    /// What a memory per connection is kept by: the connection, or the hosts.
    fn alone(&self) -> About {
        match self.id {
            Some(ConnId { uid, .. }) => About { detail: (uid.0 as u64, (uid.0 >> 64) as u64), ..About::default() },
            None => self.hosts(),
        }
    }

    fn hosts(&self) -> About {
        About { src: self.src, dst: self.dst, ..About::default() }
    }
}

impl Policy {
    /// The manual's `conn_weird` and `conn_weird_addl`.
    pub(super) fn conn_weird(&mut self, seen: &mut Seen<'_>, name: &'static str, addl: &[u8]) {
        let key = seen.conn.id.key;
        let ignored = |host| self.sets.weird_ignore_host.any(host, |ignored| ignored == name);
        if ignored(key.orig_h) || ignored(key.resp_h) {
            return;
        }
        let subject = Subject { id: Some(seen.conn.id), src: Some(key.orig_h), dst: Some(key.resp_h) };
        self.weird(seen.now, subject, name, addl);
    }

    /// The manual's `flow_weird` and `net_weird`: two hosts, or not even those.
    pub(super) fn weird_between(&mut self, now: Timestamp, hosts: Option<(IpAddr, IpAddr)>, name: &'static str) {
        let (src, dst) = hosts.unzip();
        self.weird(now, Subject { id: None, src, dst }, name, b"");
    }

    fn weird(&mut self, now: Timestamp, subject: Subject, name: &'static str, addl: &[u8]) {
        let listed = self.sets.weird_action.0.get(name).copied();
        let okay_net = subject.src.is_some_and(|src| self.sets.RPC_okay_nets.contains(src));
        let softened = okay_net && SOFTER_FOR_OKAY_NETS.contains(&name);
        let action = if softened { WeirdAction::File } else { listed.unwrap_or(WeirdAction::NoticeAlways) };
        if action == WeirdAction::Ignore {
            return;
        }
        let Some(suppressed) = self.weird_is_due(now, &subject, name, action) else {
            self.stats.counters.weirds_suppressed.inc();
            return;
        };
        let notice = action != WeirdAction::File;
        let record = WeirdRecord {
            ts: now,
            id: subject.id,
            name,
            addl: Some(self.text(addl)).filter(|addl| !addl.is_empty()),
            notice,
            src: subject.src.filter(|_| subject.id.is_none()),
            dst: subject.dst.filter(|_| subject.id.is_none()),
            suppressed: Some(suppressed).filter(|&suppressed| suppressed > 0),
        };
        self.write(now, record);
        if notice {
            self.weird_activity(now, &subject, (name, addl), listed);
        }
    }

    /// The notice that the action asks for. Per originator and once, the collector knows whether another worker was first.
    fn weird_activity(
        &mut self,
        now: Timestamp,
        subject: &Subject,
        weird: (&'static str, &[u8]),
        listed: Option<WeirdAction>,
    ) {
        let (name, _) = weird;
        let action = listed.unwrap_or(WeirdAction::NoticeAlways);
        let first = self.weird_notice_is_due(now, subject, name, action);
        if !first {
            return;
        }
        let (sets, id) = (&self.sets, subject.id.as_ref());
        let notice = self.notices.due(now, Note::WeirdActivity, About::default(), id, |out| {
            if listed.is_none() {
                out.extend_from_slice(b"** ");
            }
            weird_line(Words { sets }, subject, weird, out);
        });
        let Some(mut notice) = notice else { return };
        (notice.src, notice.dst) = (subject.src, subject.dst);
        let who = subject.src.filter(|_| action == WeirdAction::NoticePerOrig);
        if matches!(action, WeirdAction::NoticePerOrig | WeirdAction::NoticeOnce) {
            let keep = Duration::from_secs(self.settings.weird.notice_memory_seconds);
            let notice = Box::new(notice);
            self.outbox
                .push(Message::fact(now, Fact::NoticeOnce { notice, who, what: name, detail: 0, keep, renew: true }));
        } else {
            self.write(now, notice);
        }
    }

    /// Whether this one is written, and how many before it were not.
    fn weird_is_due(
        &mut self,
        now: Timestamp,
        subject: &Subject,
        name: &'static str,
        action: WeirdAction,
    ) -> Option<u64> {
        let settings = &self.settings.weird;
        let mut suppressed = 0;
        if action == WeirdAction::File && !self.sets.weird_do_not_ignore_repeats.contains(name) {
            let about = (name, subject.alone());
            if let Some(repeats) = self.weirds.written.get(now, &about) {
                *repeats += 1;
                return None;
            }
            suppressed = self.weirds.written.expired(&about).map_or(0, |repeats| *repeats);
            self.weirds.written.put(now, about, 0, Duration::from_secs(settings.repeat_seconds));
        }
        if settings.sampling_exempt.iter().any(|exempt| exempt == name) {
            return Some(suppressed);
        }
        let about = (name, subject.hosts());
        let quiet = Duration::from_secs(settings.sampling_duration_seconds);
        let mut sampling = self.weirds.sampled.get(now, &about).copied().unwrap_or_default();
        sampling.seen += 1;
        let beyond = sampling.seen.saturating_sub(settings.sampling_threshold);
        let due = beyond == 0 || (settings.sampling_rate > 0 && beyond % settings.sampling_rate == 0);
        if due {
            suppressed += std::mem::take(&mut sampling.held_back);
        } else {
            sampling.held_back += 1;
        }
        self.weirds.sampled.put(now, about, sampling, quiet);
        due.then_some(suppressed)
    }

    fn weird_notice_is_due(
        &mut self,
        now: Timestamp,
        subject: &Subject,
        name: &'static str,
        action: WeirdAction,
    ) -> bool {
        let about = match action {
            WeirdAction::Ignore | WeirdAction::File => return false,
            WeirdAction::NoticeAlways => return true,
            WeirdAction::NoticePerConn => subject.alone(),
            WeirdAction::NoticePerOrig => About { src: subject.src, ..About::default() },
            WeirdAction::NoticeOnce => About::default(),
        };
        let keep = Duration::from_secs(self.settings.weird.notice_memory_seconds);
        let first = !self.weirds.noticed.contains(now, &(name, about));
        self.weirds.noticed.put(now, (name, about), (), keep);
        first
    }
}

/// `<originator> > <responder>: <name> (<addl>)`; between hosts without a connection, `<src> -> <dst>`.
fn weird_line(words: Words<'_>, subject: &Subject, (name, addl): (&str, &[u8]), out: &mut Vec<u8>) {
    match (subject.id, subject.src, subject.dst) {
        (Some(id), ..) => words.id_string(out, &id.key),
        (None, Some(src), Some(dst)) => put(out, format_args!("{src} -> {dst}")),
        _ => {}
    }
    put(out, format_args!(": {name}"));
    if !addl.is_empty() {
        out.extend_from_slice(b" (");
        out.extend_from_slice(addl);
        out.push(b')');
    }
}
