//! telnetd and rlogind behind an inetd, and what the system's own log says of those who came.

use portreeve_tests::host::Host;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{peer, wait_for};

/// Passwords that are right, and that nobody may find anywhere.
pub const PASSWORDS: [(&str, &str); 2] = [("alice", "Tulip-93-meadow"), ("dave", "Cowslip-41-brook")];

/// Where they listen.
pub const SERVER: &str = "10.77.0.1";

/// How long login(1) waits, in seconds.
const LOGIN_TIMEOUT: u32 = 3;

/// Alice and Carol are let in without a word, Dave with his last login; Carol and Dave are trusted on another host. Devices of its own, so that the log's socket and the terminals are; the kernel's messages are left alone.
const PREPARE: &str = "
mkdir -p /run/dev/pts /run/empty
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /run/dev/
mount -t devpts -o newinstance,ptmxmode=666,mode=620 none /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
mount --rbind /run/dev /dev
hostname harbour
touch /var/log/wtmp /var/log/btmp /run/utmp
for user in alice carol dave; do userdel -f $user || true; useradd -m -s /bin/sh $user; done
touch /home/alice/.hushlogin /home/carol/.hushlogin
for user in carol dave; do
printf '10.77.0.9 root\\n' > /home/$user/.rhosts
chown $user /home/$user/.rhosts; chmod 600 /home/$user/.rhosts
done
printf '10.77.0.9 client\\n10.77.0.1 harbour\\n127.0.0.1 localhost\\n' > /etc/hosts
printf 'hosts: files\\npasswd: files\\ngroup: files\\nshadow: files\\n' > /etc/nsswitch.conf
printf 'auth,authpriv.* /var/log/auth.log\\n' > /etc/syslog.conf
sed -i '/^LOGIN_TIMEOUT/d; /^LOG_UNKFAIL_ENAB/d; /^LOGIN_RETRIES/d; /^LOG_OK_LOGINS/d; /^FAIL_DELAY/d' /etc/login.defs
printf 'LOG_UNKFAIL_ENAB yes\\nLOGIN_RETRIES 3\\nLOG_OK_LOGINS yes\\n' >> /etc/login.defs
printf 'auth required pam_unix.so nodelay\\naccount required pam_unix.so\\nsession required pam_unix.so\\n-session optional pam_lastlog.so\\n' > /etc/pam.d/login
printf 'auth sufficient pam_rhosts.so\\n' > /etc/pam.d/rlogin; cat /etc/pam.d/login >> /etc/pam.d/rlogin
";

/// The machine with the servers at work.
#[derive(Debug)]
pub struct Servers(pub Host);

impl Servers {
    /// Starts them behind `server0`.
    pub fn start(lab: &Lab) -> Servers {
        let host = Host::start();
        host.connect(lab, "server0", &[&format!("{SERVER}/24")]);
        host.script(PREPARE);
        for (user, password) in PASSWORDS {
            host.script(&format!("echo {user}:{password} | chpasswd"));
        }
        let [syslogd, inetd, telnetd, rlogind] = ["syslogd", "inetutils-inetd", "telnetd", "in.rlogind"]
            .map(|name| peer(&format!("usr/sbin/{name}")).display().to_string());
        let services = format!(
            "telnet stream tcp nowait root {telnetd} telnetd\nlogin stream tcp nowait root {rlogind} in.rlogind\n"
        );
        std::fs::write(host.file("/etc/inetd.conf"), services).expect("a configuration");
        host.script(&format!("echo LOGIN_TIMEOUT {LOGIN_TIMEOUT} >> /etc/login.defs"));
        host.run(&[&syslogd, "--no-klog", "-f", "/etc/syslog.conf"]);
        wait_for("the log's socket", || host.file("/dev/log").exists());
        host.run(&[&inetd, "/etc/inetd.conf"]);
        for port in [23, 513] {
            let open = format!(": > /dev/tcp/{SERVER}/{port}");
            wait_for("inetd", || host.command(&["bash", "-c", &open]).output().is_ok_and(|o| o.status.success()));
        }
        Servers(host)
    }

    /// The system's own log.
    pub fn log(&self) -> String {
        self.0.read("/var/log/auth.log")
    }
}
