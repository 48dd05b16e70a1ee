//! What people do when they log in.

use portreeve_tests::process::peer;
use portreeve_tests::terminal::Terminal;

use crate::servers::{PASSWORDS, SERVER};

/// A password that is wrong, and that nobody may find anywhere either.
pub const WRONG: &str = "Nettle-66-ditch";

const ALICE: &str = PASSWORDS[0].1;
const DAVE: &str = PASSWORDS[1].1;

/// What the shell shows when it waits.
const SHELL: &str = "$ ";

/// Carries everything out, one after the other.
pub fn play() {
    for (name, act) in SCENARIOS {
        println!("{name}");
        act();
    }
}

/// How many connections that makes.
pub const COUNT: usize = SCENARIOS.len();

const SCENARIOS: [(&str, fn()); 17] = [
    ("telnet, good", || logs_in(&mut telnet("", "vt100"), "alice", ALICE)),
    ("telnet, another terminal", || logs_in(&mut telnet("", "xterm-256color"), "alice", ALICE)),
    ("telnet, wrong, then good", || {
        let mut person = telnet("", "vt100");
        tries(&mut person, "alice", WRONG);
        person.see("incorrect");
        logs_in(&mut person, "alice", ALICE);
    }),
    ("telnet, three times wrong", || {
        let mut person = telnet("", "vt100");
        for user in ["alice", "mallory", "dave"] {
            tries(&mut person, user, WRONG);
            person.see(if user == "dave" { "Maximum" } else { "incorrect" });
        }
        person.ends();
    }),
    ("telnet, corrected with rubouts", || {
        logs_in(&mut telnet("", "vt100"), "alx\x7fic\x7f\x7fice", &format!("Tw\x7f{}", &ALICE[1..]));
    }),
    ("telnet, corrected with a killed line", || {
        logs_in(&mut telnet("", "vt100"), "malo\x15alice", &format!("oops\x15{ALICE}"));
    }),
    ("telnet, all at once", || {
        let mut person = telnet("", "vt100");
        person.see("login: ");
        person.paste(b"dave\r");
        person.see("Password: ");
        person.paste(format!("{DAVE}\rexit\r").as_bytes());
        leaves(&mut person);
    }),
    ("telnet, the password before it was asked for", || {
        let mut person = telnet("", "vt100");
        person.see("login: ");
        // What comes too early is shown, and then thrown away by login(1).
        person.paste(format!("alice\r{ALICE}\r").as_bytes());
        person.see("Password: ");
        person.press(&format!("{ALICE}\r"));
        leaves(&mut person);
    }),
    ("telnet, abandoned at the prompt", || telnet("", "vt100").see("login: ")),
    ("telnet, abandoned after the name", || {
        let mut person = telnet("", "vt100");
        person.see("login: ");
        person.press("alice\r");
        person.see("Password: ");
    }),
    ("telnet, timed out", || {
        let mut person = telnet("", "vt100");
        person.see("login: ");
        person.ends();
    }),
    ("telnet, one name in the environment and another typed", || {
        logs_in(&mut telnet("-l alice", "vt100"), "dave", DAVE);
    }),
    ("telnet, an option as name in the environment", || telnet("-l '-f root'", "vt100").see("login: ")),
    ("rlogin, good", || {
        let mut person = rlogin("alice", "vt100");
        person.see("Password: ");
        person.press(&format!("{ALICE}\r"));
        leaves(&mut person);
    }),
    ("rlogin, wrong", || {
        let mut person = rlogin("alice", "vt100");
        person.see("Password: ");
        person.press(&format!("{WRONG}\r"));
        person.ends();
    }),
    ("rlogin, by .rhosts", || leaves(&mut rlogin("dave", "xterm"))),
    ("rlogin, by .rhosts and without a word", || leaves(&mut rlogin("carol", "xterm"))),
];

fn telnet(options: &str, terminal: &str) -> Terminal {
    let program = peer("usr/bin/inetutils-telnet");
    Terminal::start(&format!("{} {options} {SERVER}", program.display()), &[("TERM", terminal), ("SHELL", "/bin/sh")])
}

fn rlogin(user: &str, terminal: &str) -> Terminal {
    let program = peer("usr/bin/rsh-redone-rlogin");
    Terminal::start(&format!("{} -l {user} {SERVER}", program.display()), &[("TERM", terminal), ("SHELL", "/bin/sh")])
}

fn tries(person: &mut Terminal, user: &str, password: &str) {
    person.see("login: ");
    person.press(&format!("{user}\r"));
    person.see("Password: ");
    person.press(&format!("{password}\r"));
}

fn logs_in(person: &mut Terminal, user: &str, password: &str) {
    tries(person, user, password);
    leaves(person);
}

fn leaves(person: &mut Terminal) {
    person.see(SHELL);
    person.press("exit\r");
    person.ends();
}
