//! vsftpd and pyftpdlib on one machine, each with its addresses, and what their logs say happened.

use portreeve_tests::host::Host;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{peer, wait_for};

use crate::facts::{Fact, Outcome, Way};

/// Passwords that are right, and that nobody may find anywhere.
pub const PASSWORDS: [(&str, &str); 2] = [("alice", "Tulip-93-meadow"), ("carol", "Cowslip-41-brook")];

/// Where each server listens.
pub const VSFTPD: [&str; 2] = ["10.77.0.1", "fd77::1"];
pub const PYFTPD: [&str; 2] = ["10.77.0.2", "fd77::2"];

const VSFTPD_CONF: &str = "\
listen=YES
background=YES
anonymous_enable=YES
anon_root=/srv/ftp
anon_upload_enable=YES
local_enable=YES
write_enable=YES
banner_file=/etc/banner
xferlog_enable=YES
vsftpd_log_file=/var/log/vsftpd.log
secure_chroot_dir=/run/vsftpd/empty
pam_service_name=vsftpd
seccomp_sandbox=NO
ssl_enable=YES
rsa_cert_file=/run/cert.pem
rsa_private_key_file=/run/key.pem
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
connect_from_port_20=YES
async_abor_enable=YES
delay_failed_login=0
delay_successful_login=0
max_login_fails=3
";

/// Users, in place of those of the same name that the machine may have, files of known sizes, and a key.
const PREPARE: &str = "
for user in ftp alice carol; do userdel -f $user || true; done
useradd -d /srv/ftp -s /usr/sbin/nologin ftp
mkdir -p /srv/ftp/pub /srv/ftp/incoming /run/vsftpd/empty
chown ftp /srv/ftp/incoming
for user in alice carol; do useradd -m -s /bin/sh $user; done
head -c 43210 /dev/zero > /srv/ftp/pub/anon.bin
head -c 123456 /dev/zero > /home/alice/given.bin
head -c 4000000 /dev/zero > /home/alice/large.bin
head -c 777 /dev/zero > /home/carol/secret.bin
chown alice /home/alice/*
printf 'auth required pam_unix.so nodelay\\naccount required pam_unix.so\\n' > /etc/pam.d/vsftpd
printf 'Welcome to a server\\n220 is not the end of this\\nbut this is' > /etc/banner
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=ftp -days 2 -keyout /run/key.pem -out /run/cert.pem
";

/// The machine with the servers at work.
#[derive(Debug)]
pub struct Servers(pub Host);

impl Servers {
    /// Starts them behind `server0`.
    pub fn start(lab: &Lab) -> Servers {
        let host = Host::start();
        let addresses = [VSFTPD, PYFTPD].concat().iter().map(|address| prefixed(address)).collect::<Vec<_>>();
        host.connect(lab, "server0", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
        host.script(PREPARE);
        for (user, password) in PASSWORDS {
            host.script(&format!("echo {user}:{password} | chpasswd"));
        }
        for (listen, address) in [("listen_address", VSFTPD[0]), ("listen_address6", VSFTPD[1])] {
            let (file, conf) = (format!("/etc/{listen}.conf"), format!("{VSFTPD_CONF}{listen}={address}\n"));
            let conf = if listen.ends_with('6') { conf.replace("listen=YES", "listen_ipv6=YES") } else { conf };
            std::fs::write(host.file(&file), conf).expect("a configuration");
            host.run(&[&peer("usr/sbin/vsftpd").display().to_string(), &file]);
        }
        let script = format!(
            "/usr/bin/python3 {}/tests/ftp_servers/pyftpd.py {} {} >/run/pyftpd 2>&1 &",
            env!("CARGO_MANIFEST_DIR"),
            PASSWORDS[0].1,
            PYFTPD.join(" ")
        );
        host.script(&script);
        for address in [VSFTPD, PYFTPD].concat() {
            wait_for(address, || {
                host.command(&["bash", "-c", &format!(": > /dev/tcp/{address}/21")])
                    .output()
                    .is_ok_and(|o| o.status.success())
            });
        }
        for log in ["/var/log/vsftpd.log", "/var/log/pyftpd.log"] {
            std::fs::write(host.file(log), "").expect("the log can be emptied");
        }
        Servers(host)
    }

    /// What the servers say happened.
    pub fn facts(&self) -> Vec<Fact> {
        let vsftpd = self.0.read("/var/log/vsftpd.log");
        let pyftpd = self.0.read("/var/log/pyftpd.log");
        vsftpd.lines().filter_map(vsftpd_fact).chain(pyftpd.lines().filter_map(pyftpd_fact)).collect()
    }
}

/// `Sat Nov 21 22:07:49 2026 [pid 38] [alice] OK DOWNLOAD: Client "10.77.0.9", "/home/alice/x", 4321 bytes, 21.62Kbyte/sec`
fn vsftpd_fact(line: &str) -> Option<Fact> {
    let (_, rest) = line.split_once("[pid ")?.1.split_once("] [")?;
    let (user, rest) = rest.split_once("] ")?;
    let (what, rest) = rest.split_once(": Client ")?;
    let outcome = Outcome::from_ok(what.starts_with("OK "));
    // The account that anonymous users get has another name than theirs.
    let user = if user == "ftp" { "anonymous" } else { user };
    match what.split_once(' ')?.1 {
        "LOGIN" => Some(Fact::login("vsftpd", user, outcome)),
        verb @ ("DOWNLOAD" | "UPLOAD") => {
            let way = if verb == "UPLOAD" { Way::Up } else { Way::Down };
            let mut quoted = rest.split('"').skip(3);
            let (path, after) = (quoted.next()?, quoted.next().unwrap_or_default());
            let bytes = after.trim_start_matches(", ").split_once(" bytes").and_then(|(bytes, _)| bytes.parse().ok());
            Some(Fact::transfer("vsftpd", way, path, bytes, outcome))
        }
        _ => None,
    }
}

/// `10.77.0.9:46022-[alice] RETR /home/alice/x completed=1 bytes=4321 seconds=0.0`, `10.77.0.9:46022-[] USER 'alice' failed login.`
fn pyftpd_fact(line: &str) -> Option<Fact> {
    let (_, rest) = line.split_once("-[")?;
    let (_, rest) = rest.split_once("] ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    match words[..] {
        ["USER", user, how, _] => {
            let outcome = Outcome::from_ok(how == "logged");
            Some(Fact::login("pyftpdlib", user.trim_matches('\''), outcome))
        }
        [verb @ ("RETR" | "STOR" | "STOU" | "APPE"), path, completed, bytes, _] => {
            let way = if verb == "RETR" { Way::Down } else { Way::Up };
            let bytes = bytes.strip_prefix("bytes=").and_then(|bytes| bytes.parse().ok());
            Some(Fact::transfer("pyftpdlib", way, path, bytes, Outcome::from_ok(completed == "completed=1")))
        }
        _ => None,
    }
}

fn prefixed(address: &str) -> String {
    format!("{address}/{}", if address.contains(':') { 64 } else { 24 })
}
