//! The loop of one core: drain a batch, tick, wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::capture::{Source, Wait};
use crate::event::Handler;
use crate::flow::shard::Shard;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// How long a worker sleeps at most: timers of quiet connections are never later than this.
const NAP: Duration = Duration::from_millis(100);
/// How often the source is asked what it has lost: that costs a system call.
const ASK_LOSSES: Duration = Duration::from_secs(1);

/// One worker: a source, and the shard of the connections that only it touches.
#[derive(Debug)]
pub struct Worker<S, H: Handler> {
    /// Where frames come from.
    pub source: S,
    /// Everything above.
    pub shard: Shard<H>,
    /// What it counts.
    pub stats: Arc<WorkerStats>,
}

impl<S: Source, H: Handler> Worker<S, H> {
    /// Works until the source ends, or until `stop` is set and nothing waits any more. Gives the source back: it is closed only
    /// after the kernel program has been detached.
    pub fn run(mut self, stop: &AtomicBool) -> S {
        let mut asked = Timestamp::ZERO;
        loop {
            let stopping = stop.load(Ordering::Relaxed);
            if stopping {
                self.source.stop();
            }
            let shard = &mut self.shard;
            let frames = self.source.drain(&mut |frames, gate| shard.on_frames(frames, gate));
            let now = self.tick();
            if now.since(asked) >= ASK_LOSSES {
                asked = now;
                self.count_losses();
            }
            if frames > 0 {
                continue;
            }
            if stopping || self.source.wait(NAP) == Wait::Ended {
                break;
            }
        }
        let now = self.source.now();
        self.shard.close_all(now, self.source.gate());
        self.tick();
        self.count_losses();
        self.source
    }

    fn count_losses(&self) {
        self.stats.counters.frames_lost.set(self.source.losses().total());
        self.stats.counters.spun_nanos.set(u64::try_from(self.source.spun().as_nanos()).unwrap_or(u64::MAX));
    }

    /// Asks the source for the time, once per batch.
    fn tick(&mut self) -> Timestamp {
        let now = self.source.now();
        self.shard.tick(now, self.source.gate());
        self.stats.counters.clock_nanos.set(now.as_nanos());
        now
    }
}
