//! Notices that are given once for a host or once at all: which worker was first is known only where all their words meet.

use std::net::IpAddr;

use super::memory::Memory;
use crate::collector::Detector;
use crate::config::limits::Limits;
use crate::record::{Fact, NoticeRecord, Record};
use crate::time::Timestamp;

/// Lets the first of such notices through, whichever worker it comes from.
#[derive(Debug)]
pub struct NoticesOnce {
    given: Memory<(&'static str, Option<IpAddr>, &'static str, u64), ()>,
}

impl NoticesOnce {
    /// None given yet.
    pub fn new(limits: &Limits) -> Self {
        NoticesOnce { given: Memory::new(limits.notices_remembered, 0) }
    }
}

impl Detector for NoticesOnce {
    fn on_fact(&mut self, at: Timestamp, fact: &Fact, raised: &mut Vec<Record>) {
        let Fact::NoticeOnce { notice, who, what, detail, keep, renew } = fact else { return };
        let key = (notice.note, *who, *what, *detail);
        let first = !self.given.contains(at, &key);
        if first || *renew {
            self.given.put(at, key, (), *keep);
        }
        if first {
            raised.push(Record::Notice(NoticeRecord::clone(notice)));
        }
    }
}
