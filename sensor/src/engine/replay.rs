//! From capture files to logs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Ended, Manner, ledger};
use crate::capture::plan::Plan;
use crate::capture::{Losses, pcap};
use crate::config::Settings;
use crate::error::Result;
use crate::summary::{Capture, Ledger, Summary};

/// Analyses capture files. Nothing is lost for want of speed: a file can wait.
///
/// # Errors
/// Nothing could be read, or nothing could be written. Damage on the way is among the [`Ended::troubles`].
pub fn read(settings: Settings, files: &[PathBuf], progress: bool, stop: &Arc<AtomicBool>) -> Result<Ended> {
    let settings = Arc::new(settings);
    let workers = u32::try_from(settings.workers.max(1)).unwrap_or(u32::MAX);
    let plan = Plan::new(&settings, 1, workers)?;
    let capture = pcap::open(files, &plan, &pcap::Settings { progress })?;
    let finished = super::start(&settings, capture.sources, Manner::Replay, stop)?.join()?;

    let mut ledger = Ledger::default();
    let counts = ledger::of_filters(finished.sources.iter().map(pcap::FileSource::filter_counters));
    let (offered, filtered) = (capture.report.packets.get(), ledger::total(&counts));
    let unsupported = capture.report.unsupported_link.get();
    let mut fates = vec![("filter", filtered), ("unsupported_link", unsupported)];
    if stop.load(Ordering::Relaxed) {
        fates.push(("interrupted", offered.saturating_sub(filtered).saturating_sub(unsupported)));
    }
    ledger.stage("offered", offered, fates);
    ledger::add_filter_stages(&mut ledger, &counts, &Losses::default(), finished.packets());
    finished.add_worker_stage(&mut ledger);

    let mut troubles = capture.report.errors();
    troubles.extend(finished.troubles());
    let what = Capture { source: "file", queues: 1, workers, ..Capture::default() };
    let packets = capture.report.packets.get();
    let summary = Summary::new(packets, ledger, &finished.collected, finished.took, what);
    Ok(Ended { summary: Summary { counters: finished.counters(), bypassed: finished.bypassed(), ..summary }, troubles })
}
