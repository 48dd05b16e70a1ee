//! vsftpd, telnetd and sshd on one machine of many addresses.

use portreeve_tests::host::Host;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{peer, wait_for};

/// The one account that is to be guessed.
pub const USER: &str = "alice";
pub const PASSWORD: &str = "Tulip-93-meadow";

/// Services by hydra's names.
pub const SERVICES: [&str; 3] = ["ftp", "telnet", "ssh"];

const PORTS: [u16; 3] = [21, 22, 23];

/// What the servers need.
pub const PEERS: [&str; 4] = ["usr/sbin/vsftpd", "usr/sbin/in.telnetd", "usr/sbin/inetutils-inetd", "usr/sbin/sshd"];

const VSFTPD_CONF: &str = "\
listen=YES
background=YES
anonymous_enable=NO
local_enable=YES
secure_chroot_dir=/run/vsftpd/empty
pam_service_name=sshd
seccomp_sandbox=NO
delay_failed_login=0
delay_successful_login=0
max_login_fails=3
";

const SSHD_CONFIG: &str = "\
UsePAM yes
UseDNS no
HostKey /etc/key
KbdInteractiveAuthentication no
";

/// Terminals of its own, the user, and nobody who lets a wrong password wait. No line comes before telnetd's prompt: hydra would send the
/// name at once, before login reads it.
const PREPARE: &str = "
mkdir -p /run/dev/pts /run/sshd /run/vsftpd/empty
chmod 755 /run/sshd
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /run/dev/
mount -t devpts -o newinstance,ptmxmode=666,mode=620 none /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
mount --rbind /run/dev /dev
hostname harbour
touch /var/log/wtmp /var/log/btmp /run/utmp
for user in sshd alice; do userdel -f $user || true; done
useradd -d /run/sshd -s /usr/sbin/nologin sshd
useradd -m -s /bin/sh alice
touch /home/alice/.hushlogin
: > /etc/issue.net
printf 'hosts: files\\npasswd: files\\ngroup: files\\nshadow: files\\n' > /etc/nsswitch.conf
sed -i '/^LOGIN_RETRIES/d; /^FAIL_DELAY/d' /etc/login.defs
printf 'LOGIN_RETRIES 3\\n' >> /etc/login.defs
printf 'auth required pam_unix.so nodelay\\naccount required pam_unix.so\\nsession required pam_unix.so\\n' > /etc/pam.d/login
cp /etc/pam.d/login /etc/pam.d/sshd
ssh-keygen -q -t ed25519 -N '' -f /etc/key
mkdir -p /etc/telnetd-ssl
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=telnet -days 2 -keyout /run/key.pem -out /run/cert.pem
cat /run/key.pem /run/cert.pem > /etc/telnetd-ssl/telnetd.pem
";

/// The machine with the servers at work.
#[derive(Debug)]
pub struct Servers(Host);

impl Servers {
    /// Starts them behind `server0`, at these addresses.
    pub fn start(lab: &Lab, addresses: &[&str]) -> Servers {
        let host = Host::start();
        host.connect(lab, "server0", addresses);
        host.script(PREPARE);
        host.script(&format!("echo {USER}:{PASSWORD} | chpasswd"));
        let [vsftpd, telnetd, inetd, sshd] =
            PEERS.map(|path| peer(path).canonicalize().expect("it is unpacked").display().to_string());
        let telnet = format!("telnet stream tcp nowait root {telnetd} in.telnetd -L /bin/login\n");
        for (file, text) in [("vsftpd.conf", VSFTPD_CONF), ("sshd_config", SSHD_CONFIG), ("inetd.conf", &telnet)] {
            std::fs::write(host.file(&format!("/etc/{file}")), text).expect("a configuration");
        }
        host.run(&[&vsftpd, "/etc/vsftpd.conf"]);
        host.run(&[&inetd, "/etc/inetd.conf"]);
        host.run(&[&sshd, "-f", "/etc/sshd_config", "-E", "/var/log/sshd.log"]);
        for port in PORTS {
            let open = format!(": > /dev/tcp/127.0.0.1/{port}");
            wait_for("a server", || host.command(&["bash", "-c", &open]).output().is_ok_and(|o| o.status.success()));
        }
        Servers(host)
    }

    /// How many passwords of a source sshd has refused.
    pub fn refused_by_sshd(&self, source: &str) -> usize {
        let log = self.0.read("/var/log/sshd.log");
        let from = format!(" from {source} ");
        log.lines().filter(|line| line.starts_with("Failed password ") && line.contains(&from)).count()
    }
}
