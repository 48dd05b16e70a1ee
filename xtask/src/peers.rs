//! The tests' real peers that are unpacked, not installed: a server that is installed is also started, and stays.

use std::path::Path;

use xshell::{Shell, cmd};

/// Where they are unpacked, from the repository's root.
const FOLDER: &str = "target/peers";

/// Debian packages, and a file of each. The libraries that they want come with the packages that setup installs.
const PACKAGES: [(&str, &str); 9] = [
    ("vsftpd", "usr/sbin/vsftpd"),
    ("inetutils-inetd", "usr/sbin/inetutils-inetd"),
    ("inetutils-syslogd", "usr/sbin/syslogd"),
    ("inetutils-telnetd", "usr/sbin/telnetd"),
    ("telnetd-ssl", "usr/sbin/in.telnetd"),
    ("inetutils-telnet", "usr/bin/inetutils-telnet"),
    ("rsh-redone-server", "usr/sbin/in.rlogind"),
    ("rsh-redone-client", "usr/bin/rsh-redone-rlogin"),
    ("openssh-server", "usr/sbin/sshd"),
];

/// Fetches and unpacks what is missing. What cannot be had is told, and the tests that need it are skipped: nothing else wants it.
pub fn run(shell: &Shell) {
    let folder = shell.current_dir().join(FOLDER);
    let missing = PACKAGES.iter().filter(|(_, proof)| !folder.join(proof).exists());
    for (package, proof) in missing {
        if let Err(why) = unpack(shell, &folder, package) {
            println!("setup: {package} cannot be had, and tests that need {proof} will be skipped: {why}");
        }
    }
}

fn unpack(shell: &Shell, folder: &Path, package: &str) -> xshell::Result<()> {
    let download = shell.create_temp_dir()?;
    let inside = shell.push_dir(download.path());
    if cmd!(shell, "apt-get -q download {package}").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        cmd!(shell, "apt-get -q -o DPkg::Lock::Timeout=300 update").ignore_stdout().run()?;
        cmd!(shell, "apt-get -q download {package}").ignore_stdout().run()?;
    }
    for archive in shell.read_dir(download.path())? {
        cmd!(shell, "dpkg -x {archive} {folder}").run()?;
    }
    drop(inside);
    Ok(())
}
