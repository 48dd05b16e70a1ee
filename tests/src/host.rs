//! A server's machine in a test: network, mounts, `/etc`, `/run`, logs and process numbers of its own. All of it ends with the test.

use std::path::PathBuf;
use std::process::{Child, Command};

use crate::lab::Lab;
use crate::process::{run, wait_for};

/// Folders that begin empty; `/etc` begins as a copy.
const FOLDERS: &str = "/home /srv /var/log /var/mail";

/// The machine. What is started in it is killed when this is dropped.
#[derive(Debug)]
pub struct Host {
    holder: Child,
    /// Its first process.
    inside: String,
}

impl Host {
    /// Starts it, with the loopback interface only.
    pub fn start() -> Host {
        let script = format!(
            "mount -t tmpfs none /run && mkdir /run/etc && cp -a /etc/. /run/etc && mount --bind /run/etc /etc &&
            for folder in {FOLDERS}; do mount -t tmpfs none $folder || exit; done && ip link set lo up && exec sleep 600"
        );
        let mut holder = Command::new("unshare");
        holder.args(["--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
        let holder = holder.arg(script).spawn().expect("unshare is there");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let child = || std::fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        wait_for("the server's network", || !child().is_empty());
        let host = Host { holder, inside: child() };
        wait_for("its loopback", || {
            let link = host.command(&["ip", "link", "show", "lo", "up"]).output();
            link.is_ok_and(|link| !link.stdout.is_empty())
        });
        host
    }

    /// Moves an interface in and gives it addresses.
    pub fn connect(&self, lab: &Lab, interface: &str, addresses: &[&str]) {
        lab.ip(&format!("link set {interface} netns {}", self.inside));
        run(self.command(&["sh", "-c", &switch_on(interface, addresses)]));
    }

    /// Runs something in it, which has to succeed.
    pub fn run(&self, words: &[&str]) {
        run(self.command(words));
    }

    /// The same for a script of the shell.
    pub fn script(&self, script: &str) {
        self.run(&["sh", "-e", "-c", script]);
    }

    /// Something to be run in it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inside, "--net", "--mount", "--pid", "--uts"]).args(words);
        command
    }

    /// Where one of its files is seen from here.
    pub fn file(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.inside))
    }

    /// The text of one of its files.
    pub fn read(&self, path: &str) -> String {
        let bytes = std::fs::read(self.file(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Gives an interface of the lab addresses, IPv6 ones too, which the lab leaves switched off.
pub fn connect_here(interface: &str, addresses: &[&str]) {
    let mut command = Command::new("sh");
    command.args(["-c", &switch_on(interface, addresses)]);
    run(command);
}

fn switch_on(interface: &str, addresses: &[&str]) -> String {
    let mut script = format!("echo 0 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    for address in addresses {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        script.push_str(&format!(" && ip addr add {address} dev {interface} {nodad}"));
    }
    format!("{script} && ip link set {interface} up")
}
