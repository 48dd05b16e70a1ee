//! What people do with FTP clients: curl, lftp and tnftp against every server, each as a short script of the shell.
//!
//! `$H` is the server's address, `$U` the same in a URL, `$N` a name for the scenario's files; the working folder holds `up.bin`.

use std::path::Path;
use std::process::Command;

use crate::servers::{PASSWORDS, PYFTPD, VSFTPD};

/// A password that is wrong, and that nobody may find anywhere either.
pub const WRONG: &str = "Nettle-66-ditch";

/// How long a client may take.
const LONGEST: &str = "20";

/// Where a scenario takes place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    All,
    Ipv4,
    Vsftpd,
}

/// Name, servers and script. A script succeeds where the client did what it should, a refusal included.
const SCENARIOS: [(&str, At, &str); 17] = [
    (
        "curl, anonymous, extended passive",
        At::All,
        "curl -sS -o got ftp://$U/pub/anon.bin && [ $(wc -c <got) = 43210 ]",
    ),
    ("curl, passive", At::Ipv4, "curl -sS --disable-epsv -u alice:$ALICE -T up.bin ftp://$U/$N"),
    (
        "curl, active",
        At::Ipv4,
        "curl -sS -P - --disable-eprt -u alice:$ALICE -o got ftp://$U/given.bin && [ $(wc -c <got) = 123456 ]",
    ),
    ("curl, extended active", At::All, "curl -sS -P - -u alice:$ALICE -T up.bin ftp://$U/$N"),
    ("curl, wrong password", At::All, "curl -sS -u alice:$WRONG ftp://$U/given.bin; [ $? = 67 ]"),
    ("curl, nobody of that name", At::Ipv4, "curl -sS -u mallory:$WRONG ftp://$U/given.bin; [ $? = 67 ]"),
    ("curl, no such file", At::Ipv4, "curl -sS -u alice:$ALICE ftp://$U/nosuch.bin; [ $? = 78 ]"),
    ("curl, the listing of a folder", At::All, "curl -sS -u alice:$ALICE ftp://$U/ | grep -q given.bin"),
    (
        "curl, made, renamed, deleted",
        At::Ipv4,
        "curl -sS -u alice:$ALICE -T up.bin ftp://$U/$N -Q '-RNFR '$N -Q '-RNTO '$N.moved -Q '-DELE '$N.moved",
    ),
    (
        "curl, AUTH TLS",
        At::Vsftpd,
        "curl -sS --ssl-reqd -k -u carol:$CAROL -o got ftp://$U/secret.bin && [ $(wc -c <got) = 777 ]",
    ),
    (
        "curl, left in the middle",
        At::Ipv4,
        "curl -sS -m 1 --limit-rate 200k -u alice:$ALICE -o got ftp://$U/large.bin; [ $? = 28 ]",
    ),
    (
        "lftp, passive",
        At::All,
        "lftp -u alice,$ALICE -e \"$LFTP; get given.bin -o got; put up.bin -o $N; cls; bye\" $H && [ $(wc -c <got) = 123456 ]",
    ),
    (
        "lftp, active",
        At::All,
        "lftp -u alice,$ALICE -e \"$LFTP; set ftp:passive-mode off; put up.bin -o $N; get given.bin -o got; bye\" $H && [ $(wc -c <got) = 123456 ]",
    ),
    ("lftp, wrong password", At::Ipv4, "! lftp -u alice,$WRONG -e \"$LFTP; get given.bin -o got; bye\" $H"),
    (
        "lftp, AUTH TLS",
        At::Vsftpd,
        "lftp -u carol,$CAROL -e \"$LFTP; set ftp:ssl-allow on; set ftp:ssl-force on; set ssl:verify-certificate off; get secret.bin -o got; bye\" $H && [ $(wc -c <got) = 777 ]",
    ),
    (
        "tnftp, two tries, up and down",
        At::All,
        "tnftp -n -i -v $H >said 2>&1 <<END\nuser alice $WRONG\nuser alice $ALICE\nbinary\nget given.bin got\nput up.bin $N\nquit\nEND\n[ $(wc -c <got) = 123456 ]",
    ),
    ("tnftp, ABOR with an urgent mark", At::Ipv4, ABORT),
];

/// The client is slow, and is interrupted while it receives; then it goes on.
const ABORT: &str = "
mkfifo say; tnftp -n -i -v $H <say >said 2>&1 & client=$!; exec 3>say; rm say
printf 'user alice %s\\nbinary\\nrate get 400000\\nget large.bin got\\n' $ALICE >&3
for i in 1 2 3 4 5 6 7 8 9; do [ -s got ] && break; sleep 0.2; done
kill -INT $client
printf 'rate get 0\\nput up.bin %s\\nquit\\n' $N >&3; exec 3>&-
wait $client; grep -q 'ransfer complete\\|226' said";

/// Carries them all out, one after the other, in a folder of their own.
pub fn play(folder: &Path) {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    for (number, (name, at, script)) in SCENARIOS.iter().enumerate().filter(|(_, (name, ..))| name.contains(&only)) {
        for (place, address) in [VSFTPD, PYFTPD].concat().iter().enumerate() {
            let fits = match at {
                At::All => true,
                At::Ipv4 => !address.contains(':'),
                At::Vsftpd => VSFTPD.contains(address),
            };
            if fits {
                let file = format!("s{number}-{place}.bin");
                std::fs::write(folder.join("up.bin"), vec![b'x'; 10_000 * (number + 1) + place])
                    .expect("a file to put");
                carry_out(folder, (name, script), address, &file);
            }
        }
    }
}

fn carry_out(folder: &Path, (name, script): (&str, &str), address: &str, file: &str) {
    let _ = std::fs::remove_file(folder.join("got"));
    let in_url = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let mut command = Command::new("timeout");
    command.args([LONGEST, "bash", "-c", script]).current_dir(folder).env("HOME", folder);
    command.env("LFTP", "set net:max-retries 1; set ftp:ssl-allow off").env("WRONG", WRONG);
    command.env("ALICE", PASSWORDS[0].1).env("CAROL", PASSWORDS[1].1);
    command.env("H", address).env("U", in_url).env("N", file);
    let output = command.output().expect("a shell is there");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} at {address}: {}\n{told}", output.status);
}
