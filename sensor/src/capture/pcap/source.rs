//! The frames of capture files, for one worker.

use std::sync::Arc;
use std::time::Duration;

use super::chunk::Chunk;
use super::dispatch::{Fed, Feed};
use crate::capture::filter::{FilterCounters, ShardFilter};
use crate::capture::{Frame, Gate, Losses, OnFrames, Source, TOGETHER, Wait, together};
use crate::time::Timestamp;

/// The frames of capture files, for one worker.
pub struct FileSource {
    feed: Feed,
    chunk: Arc<Chunk>,
    shard: usize,
    /// The next packet of the shard's list.
    next: usize,
    /// The step of the clock that is under way.
    step: u32,
    now: Timestamp,
    state: Wait,
    stopped: bool,
    filter: ShardFilter,
}

impl FileSource {
    pub(super) fn new(feed: Feed, shard: usize, filter: ShardFilter) -> Self {
        // The first chunk is empty, and its only step is over.
        let chunk = Arc::new(Chunk::new(1));
        FileSource {
            feed,
            chunk,
            shard,
            next: 0,
            step: 0,
            now: Timestamp::ZERO,
            state: Wait::Ready,
            stopped: false,
            filter,
        }
    }

    /// What its filter counts. The frames of all sources together are the packets of the report, but for those of link types that are
    /// not analysed.
    pub fn filter_counters(&self) -> &FilterCounters {
        self.filter.counters()
    }

    fn has_step(&self) -> bool {
        (self.step as usize) < self.chunk.clocks.len()
    }

    fn take(&mut self, fed: Fed) -> bool {
        self.state = match fed {
            Fed::Chunk => Wait::Ready,
            Fed::NotYet => Wait::Idle,
            Fed::Ended => Wait::Ended,
        };
        if self.state == Wait::Ready {
            (self.next, self.step) = (0, 0);
            self.filter.hear();
        }
        self.state == Wait::Ready
    }

    /// Whether there is a step to work on, perhaps in a new chunk.
    fn ready(&mut self) -> bool {
        if self.has_step() {
            return true;
        }
        let fed = self.feed.next(&mut self.chunk);
        self.take(fed)
    }
}

impl Source for FileSource {
    /// A batch is a step of the clock. Afterwards [`Source::now`] is the time of the first frame of the next step, so that all timers up to
    /// it fire before it is seen.
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize {
        if self.stopped || !self.ready() {
            return 0;
        }
        let packets = self.chunk.shards.get(self.shard).map(Vec::as_slice).unwrap_or_default();
        let packets = packets.get(self.next..).unwrap_or_default();
        let count = packets.iter().take_while(|packet| packet.step == self.step).count();
        let mut frames = [Frame::EMPTY; TOGETHER];
        for packets in packets.get(..count).unwrap_or_default().chunks(TOGETHER) {
            on_frames(together(&mut frames, packets.iter().map(|packet| self.chunk.frame(packet))), &mut self.filter);
        }
        self.next = self.next.saturating_add(count);
        self.step = self.step.saturating_add(1);
        if let Some(&clock) = self.chunk.clocks.get(self.step as usize) {
            self.now = clock;
        }
        count
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn wait(&mut self, limit: Duration) -> Wait {
        if self.state != Wait::Ended && !self.has_step() {
            let fed = self.feed.wait(&mut self.chunk, limit);
            self.take(fed);
        }
        self.state
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn losses(&self) -> Losses {
        Losses::default()
    }

    fn gate(&mut self) -> &mut dyn Gate {
        &mut self.filter
    }
}
