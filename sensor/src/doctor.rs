//! `portreeve doctor IF`: whether this machine and this interface can do the job, and what would make it better.

use std::fmt::{self, Write as _};

use crate::capture::plan::Plan;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::nic::Interface;

/// What was found, in the order in which a run would meet it.
#[derive(Debug)]
pub struct Findings {
    lines: Vec<(Mark, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    Good,
    Bad,
    Advice,
}

/// Examines an interface. Nothing on it is changed, and nothing is attached.
///
/// # Errors
/// There is no such interface.
pub fn examine(name: &str) -> Result<Findings> {
    let interface = Interface::find(name)?;
    let mut findings = Findings { lines: Vec::new() };
    let Interface { driver, queues, mtu, .. } = &interface;
    let driver = if driver.is_empty() { "unknown" } else { driver };
    findings.good(format!("{name}: driver {driver}, {queues} receive queues, MTU {mtu}"));
    findings.check("it is up", interface.refuse_if_down());
    findings
        .check("nothing of this machine's own goes over it: `tap` takes nothing away", interface.refuse_if_in_use());
    findings.check("its frames fit AF_XDP", interface.refuse_jumbo_frames());
    let loaded = Plan::new(&Settings::default(), *queues, 1).and_then(|plan| Kernel::load(&plan)).map(|_| ());
    findings.check("the kernel takes our programs", loaded);
    for advice in interface.advice() {
        findings.lines.push((Mark::Advice, format!("{}\n      {}", advice.command, advice.why)));
    }
    Ok(findings)
}

impl Findings {
    fn good(&mut self, text: String) {
        self.lines.push((Mark::Good, text));
    }

    fn check(&mut self, good: &str, outcome: std::result::Result<(), Error>) {
        match outcome {
            Ok(()) => self.good(good.to_owned()),
            Err(error) => self.lines.push((Mark::Bad, error.to_string().replace('\n', "\n    "))),
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mark, text) in &self.lines {
            let mark = match mark {
                Mark::Good => "  ok",
                Mark::Bad => "  !!",
                Mark::Advice => "  ->",
            };
            f.write_str(mark)?;
            f.write_char(' ')?;
            writeln!(f, "{text}")?;
        }
        Ok(())
    }
}
