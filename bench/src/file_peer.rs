//! Another program that reads the same capture file, and the processor time that it takes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// tshark as somebody would use it in the sensor's place: it dissects every packet and prints the fields that the sensor's logs are about.
/// `-V` and `-T ek`, which print everything, take a third and four times more; `-z io,stat` prints no packet and takes half.
pub const TSHARK: &str = "tshark -n -r {file} -T fields -e frame.time_epoch -e ip.src -e ip.dst -e portmap.prog -e ftp.request.command \
                          -e ftp.response.code -e telnet.data -e rlogin.data -e ssh.protocol";

/// How long the command and what it starts are on processors, reading this file. What it prints goes nowhere.
///
/// # Errors
/// It does not start, or fails.
pub fn processor_time(command: &str, file: &Path) -> Result<Duration> {
    let before = of_children()?;
    let script = format!("exec {}", command.replace("{file}", "\"$0\""));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    let ended = shell.stderr(Stdio::piped()).output().with_context(|| format!("start `{command}`"))?;
    ensure!(ended.status.success(), "`{command}` failed:\n{}", String::from_utf8_lossy(&ended.stderr).trim_end());
    Ok(of_children()?.saturating_sub(before))
}

fn of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}
