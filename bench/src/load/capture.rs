//! A capture file as a load: its frames as they are, again and again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Error, Result, ensure};
use portreeve::capture::plan::Plan;
use portreeve::capture::{Frame, Link, Source, Wait, pcap};
use portreeve::config::Settings;
use portreeve_ebpf::load::{Step, Template};

use super::Load;

/// More frames than this are not kept: each takes the memory of the longest.
const MOST: usize = 400_000;

/// Reads the frames of a file, up to 400,000 of them; longer ones than 1520 bytes are cut.
///
/// # Errors
/// It cannot be read, or has no Ethernet frames.
pub fn read(file: &Path) -> Result<Load> {
    let settings = Settings::default();
    let plan = Plan::new(&settings, 1, 1).map_err(Error::new)?;
    let opened = pcap::open(&[file.to_owned()], &plan, &pcap::Settings { progress: false }).map_err(Error::new)?;
    let mut templates = Vec::new();
    for mut source in opened.sources {
        while source.wait(Duration::ZERO) != Wait::Ended && templates.len() < MOST {
            source.drain(&mut |frame, _| keep(frame, &mut templates));
        }
    }
    ensure!(!templates.is_empty(), "{} has no Ethernet frames that the sensor wants", file.display());
    templates.truncate(MOST);
    let steps = (0..templates.len()).map(|template| Step { template: template as u32, slot: 0 }).collect();
    let what = "the frames of a capture file that the sensor wants, again and again";
    Ok(Load { name: "replay", what, templates, steps, host_bits: 0, port_bits: 0, seed: 0 })
}

fn keep(frame: Frame<'_>, templates: &mut Vec<Template>) {
    if frame.link == Link::Ethernet {
        templates.push(Template::new(frame.bytes, Template::FIXED | Template::WANTED));
    }
}
