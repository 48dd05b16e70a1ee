//! Unusual events: what is done with each name, and how a storm of them stays small and countable.

use std::time::Duration;

use super::memory::Memory;
use super::notice::About;
use super::words::{Words, put};
use super::{Note, Policy, Seen};
use crate::config::Settings;
use crate::config::sets::WeirdAction;
use crate::record::{Uid, WeirdRecord};

/// Names whose action is softer for clients in `RPC_okay_nets`: the manual's `RPC_weird_action_filter`.
const SOFTER_FOR_OKAY_NETS: [&str; 4] = ["bad_RPC", "excess_RPC", "multiple_RPCs", "partial_RPC"];

/// What is remembered of weirds.
#[derive(Debug)]
pub(super) struct Weirds {
    /// Names written lately, per connection, with how many were not written since.
    written: Memory<(Uid, &'static str), u64>,
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

impl Policy {
    /// The manual's `conn_weird` and `conn_weird_addl`.
    pub(super) fn conn_weird(&mut self, seen: &mut Seen<'_>, name: &'static str, addl: &[u8]) {
        let key = seen.conn.id.key;
        let ignored = |host| self.sets.weird_ignore_host.any(host, |ignored| ignored == name);
        if ignored(key.orig_h) || ignored(key.resp_h) {
            return;
        }
        let listed = self.sets.weird_action.0.get(name).copied();
        let softened = SOFTER_FOR_OKAY_NETS.contains(&name) && self.sets.RPC_okay_nets.contains(key.orig_h);
        let action = if softened { WeirdAction::File } else { listed.unwrap_or(WeirdAction::NoticeAlways) };
        if action == WeirdAction::Ignore {
            return;
        }
        let Some(suppressed) = self.weird_is_due(seen, name, action) else {
            self.stats.counters.weirds_suppressed.inc();
            return;
        };
        let notice = self.weird_notice_is_due(seen, name, action);
        let record = WeirdRecord {
            ts: seen.now,
            id: Some(seen.conn.id),
            name,
            addl: Some(self.text(addl)).filter(|addl| !addl.is_empty()),
            notice,
            src: None,
            dst: None,
            suppressed: Some(suppressed).filter(|&suppressed| suppressed > 0),
        };
        self.write(seen.now, record);
        if notice {
            let prefix = if listed.is_none() { "** " } else { "" };
            let _ = self.notice(seen, Note::WeirdActivity, About::default(), |words, conn, out| {
                out.extend_from_slice(prefix.as_bytes());
                weird_line(words, conn, (name, addl), out);
                None
            });
        }
    }

    /// Whether this one is written, and how many before it were not.
    fn weird_is_due(&mut self, seen: &Seen<'_>, name: &'static str, action: WeirdAction) -> Option<u64> {
        let settings = &self.settings.weird;
        let each_time = self.sets.weird_do_not_ignore_repeats.contains(name);
        let mut suppressed = 0;
        if action == WeirdAction::File && !each_time {
            let uid = seen.conn.id.uid;
            if let Some(repeats) = self.weirds.written.get(seen.now, &(uid, name)) {
                *repeats += 1;
                return None;
            }
            let keep = Duration::from_secs(settings.repeat_seconds);
            self.weirds.written.put(seen.now, (uid, name), 0, keep);
        }
        if settings.sampling_exempt.iter().any(|exempt| exempt == name) {
            return Some(suppressed);
        }
        let about = (name, About::pair(&seen.conn.id, (0, 0)));
        let quiet = Duration::from_secs(settings.sampling_duration_seconds);
        let mut sampling = self.weirds.sampled.get(seen.now, &about).copied().unwrap_or_default();
        sampling.seen += 1;
        let beyond = sampling.seen.saturating_sub(settings.sampling_threshold);
        let due = beyond == 0 || (settings.sampling_rate > 0 && beyond % settings.sampling_rate == 0);
        if due {
            suppressed = std::mem::take(&mut sampling.held_back);
        } else {
            sampling.held_back += 1;
        }
        self.weirds.sampled.put(seen.now, about, sampling, quiet);
        due.then_some(suppressed)
    }

    fn weird_notice_is_due(&mut self, seen: &Seen<'_>, name: &'static str, action: WeirdAction) -> bool {
        let uid = seen.conn.id.uid.0;
        let about = match action {
            WeirdAction::Ignore | WeirdAction::File => return false,
            WeirdAction::NoticeAlways => return true,
            WeirdAction::NoticePerConn => About { detail: (uid as u64, (uid >> 64) as u64), ..About::default() },
            WeirdAction::NoticePerOrig => About { src: Some(seen.conn.id.key.orig_h), ..About::default() },
            WeirdAction::NoticeOnce => About::default(),
        };
        let keep = Duration::from_secs(self.settings.weird.notice_memory_seconds);
        let first = !self.weirds.noticed.contains(seen.now, &(name, about));
        self.weirds.noticed.put(seen.now, (name, about), (), keep);
        first
    }
}

/// `<originator> > <responder>: <name> (<addl>)`.
fn weird_line(words: Words<'_>, conn: &crate::flow::Conn, (name, addl): (&str, &[u8]), out: &mut Vec<u8>) {
    words.id_string(out, &conn.id.key);
    put(out, format_args!(": {name}"));
    if !addl.is_empty() {
        out.extend_from_slice(b" (");
        out.extend_from_slice(addl);
        out.push(b')');
    }
}
