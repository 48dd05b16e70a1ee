//! What a run has found, to be read: JSON for programs, Markdown for notes, and one page with curves for people.

mod bars;
mod chart;
mod curves;
mod markdown;
mod number;
mod page;
#[cfg(test)]
mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::result::Report;

pub use markdown::table;
pub use number::{nanos, percent, rate};

/// The rung that this is all about: the sensor as it is delivered.
const SENSOR: &str = "sensor";

/// The first curve as a file of its own.
pub const PICTURE: &str = "drop-rate.svg";

/// Writes `drop-rate.json`, `drop-rate.md`, `drop-rate.html` and `drop-rate.svg` into a folder, and says where the page is.
///
/// # Errors
/// A file cannot be written.
pub fn write(report: &Report, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    keep(report, &folder.join("drop-rate.json"))?;
    put(&folder.join("drop-rate.md"), &markdown::document(report))?;
    if let Some(picture) = report.scenarios.first().map(|scenario| page::picture(&curves::received(scenario))) {
        put(&folder.join(PICTURE), &picture)?;
    }
    let page = folder.join("drop-rate.html");
    put(&page, &page::html(report))?;
    Ok(page)
}

/// Writes a run as it is kept.
///
/// # Errors
/// The file cannot be written.
pub fn keep(report: &Report, file: &Path) -> Result<()> {
    put(file, &(serde_json::to_string_pretty(report)? + "\n"))
}

/// Reads a kept run.
///
/// # Errors
/// The file cannot be read, or is not one.
pub fn kept(file: &Path) -> Result<Report> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not a kept run of the drop-rate benchmark", file.display()))
}

fn put(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A run in one sentence: what the sensor takes without a loss.
fn headline(report: &Report) -> Option<String> {
    let scenario = report.scenarios.first()?;
    let sensor = scenario.rungs.iter().find(|rung| rung.name == SENSOR)?;
    Some(match sensor.ndr {
        Some(ndr) => format!("{}\u{a0}million frames a second, none lost", number::millions(ndr.value)),
        None => format!("{}\u{a0}million frames a second received", number::millions(sensor.mrr?.value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_were_kept_can_still_be_read_and_drawn() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs");
        let mut read = 0;
        for file in fs::read_dir(folder).expect("there are kept runs").flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|extension| extension == "json") {
                let report = kept(&file).expect("it is one");
                assert!(headline(&report).is_some() && page::html(&report).contains("</html>"), "{}", file.display());
                read += 1;
            }
        }
        assert!(read > 0);
    }

    #[test]
    fn a_run_is_written_in_every_shape() {
        let folder = tempfile::tempdir().expect("a folder");
        let report = sample::sample();
        let page = write(&report, folder.path()).expect("it can be written");
        assert!(page.ends_with("drop-rate.html"));
        for name in ["drop-rate.json", "drop-rate.md", PICTURE] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
        assert_eq!(kept(&folder.path().join("drop-rate.json")).expect("it was kept"), report);
        assert!(kept(&page).is_err_and(|error| error.to_string().contains("not a kept run")));
    }
}
