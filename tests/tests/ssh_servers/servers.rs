//! OpenSSH's server at several addresses, each with rules of its own, and what its log says of those who came.

use portreeve_tests::host::Host;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{peer, wait_for};

/// Passwords that are right, and that nobody may find anywhere. Bob's is empty.
pub const PASSWORDS: [(&str, &str); 1] = [("alice", "Tulip-93-meadow")];

/// Keys and passwords, as Debian has it.
pub const ORDINARY: &str = "10.77.0.1";
/// Keys, and passwords asked for as the server likes (RFC 4256).
pub const INTERACTIVE: &str = "10.77.0.2";
/// Everything that there is, with two tries at most.
pub const IMPATIENT: &str = "10.77.0.3";
/// Passwords may be empty.
pub const CARELESS: &str = "10.77.0.4";
/// A long text comes before the first answer.
pub const TALKATIVE: &str = "10.77.0.5";
/// A key, and then a password.
pub const STRICT: &str = "10.77.0.6";

const ALL: [&str; 6] = [ORDINARY, INTERACTIVE, IMPATIENT, CARELESS, TALKATIVE, STRICT];

const SSHD_CONFIG: &str = "
LogLevel VERBOSE
UsePAM yes
UseDNS no
PrintMotd no
HostKey /etc/keys/ed25519
HostKey /etc/keys/rsa
HostKeyAlgorithms +ssh-rsa
PubkeyAcceptedAlgorithms +ssh-rsa
KexAlgorithms +diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1
Ciphers +3des-cbc,aes128-cbc
MACs +hmac-md5,hmac-sha1-96
AuthorizedKeysFile .ssh/authorized_keys
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
Match LocalAddress 10.77.0.2
  KbdInteractiveAuthentication yes
  PasswordAuthentication no
Match LocalAddress 10.77.0.3
  KbdInteractiveAuthentication yes
  MaxAuthTries 2
Match LocalAddress 10.77.0.4
  PermitEmptyPasswords yes
Match LocalAddress 10.77.0.5
  Banner /etc/banner
Match LocalAddress 10.77.0.6
  AuthenticationMethods publickey,password
";

/// Users, in place of those of the same name that the machine may have; the server's keys, and a banner.
const PREPARE: &str = "
mkdir -p /run/sshd /etc/keys
chmod 755 /run/sshd
for user in sshd alice bob; do userdel -f $user || true; done
useradd -d /run/sshd -s /usr/sbin/nologin sshd
for user in alice bob; do useradd -m -s /bin/sh $user; done
passwd -d bob
printf 'auth required pam_unix.so nodelay nullok\\naccount required pam_unix.so\\nsession required pam_unix.so\\n' > /etc/pam.d/sshd
for i in 1 2 3 4 5 6 7 8 9; do echo 'Whoever is not expected here is asked to leave now.'; done > /etc/banner
ssh-keygen -q -t ed25519 -N '' -f /etc/keys/ed25519
ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/keys/rsa
";

/// The machine with the server at work.
#[derive(Debug)]
pub struct Servers(pub Host);

impl Servers {
    /// Starts it behind `server0`; Alice comes with the public key given.
    pub fn start(lab: &Lab, key: &str) -> Servers {
        let host = Host::start();
        let addresses = ALL.map(|address| format!("{address}/24"));
        host.connect(lab, "server0", &addresses.each_ref().map(String::as_str));
        host.script(PREPARE);
        for (user, password) in PASSWORDS {
            host.script(&format!("echo {user}:{password} | chpasswd"));
        }
        std::fs::create_dir(host.file("/home/alice/.ssh")).expect("a folder");
        std::fs::write(host.file("/home/alice/.ssh/authorized_keys"), key).expect("a key");
        host.script("chown -R alice /home/alice/.ssh; chmod 700 /home/alice/.ssh");
        std::fs::write(host.file("/etc/sshd_config"), SSHD_CONFIG).expect("a configuration");
        let sshd = peer("usr/sbin/sshd").canonicalize().expect("it is unpacked").display().to_string();
        host.run(&[&sshd, "-f", "/etc/sshd_config", "-E", "/var/log/sshd.log"]);
        wait_for("sshd", || host.read("/var/log/sshd.log").contains("Server listening"));
        Servers(host)
    }

    /// The server's own log.
    pub fn log(&self) -> String {
        self.0.read("/var/log/sshd.log")
    }
}
