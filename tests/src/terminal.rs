//! A person at a terminal: a program on a pseudo terminal of its own, what it shows, and keys that are pressed one by one.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::PATIENCE;

/// Between two keys.
const KEY: Duration = Duration::from_millis(4);

/// The terminal. The program is killed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    /// What was shown and not yet looked for.
    shown: Vec<u8>,
}

impl Terminal {
    /// Runs a line of the shell on it, with these variables.
    pub fn start(line: &str, variables: &[(&str, &str)]) -> Terminal {
        let mut command = Command::new("script");
        command.args(["-qefc", line, "/dev/null"]).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("script is there");
        let mut output = child.stdout.take().expect("stdout is piped");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { keys: child.stdin.take(), child, screen, shown: Vec::new() }
    }

    /// Waits until it shows this text; what was shown up to there is not looked at again.
    pub fn see(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            let found = self.shown.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                self.shown.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(bytes) => self.shown.extend(bytes),
                Err(_) => panic!("the terminal does not show {text:?}, but {:?}", String::from_utf8_lossy(&self.shown)),
            }
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        for key in keys.bytes() {
            self.paste(&[key]);
            sleep(KEY);
        }
    }

    /// Sends keys all at once.
    pub fn paste(&mut self, keys: &[u8]) {
        let terminal = self.keys.as_mut().expect("it is open");
        terminal.write_all(keys).and_then(|()| terminal.flush()).expect("the program reads");
    }

    /// Waits until the program ends by itself.
    pub fn ends(&mut self) {
        let begun = Instant::now();
        while self.child.try_wait().expect("it can be waited for").is_none() {
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    /// Closing the terminal hangs up.
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
