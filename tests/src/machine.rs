//! Another machine in a test: a thread with a network of its own, which ends with it.

use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sched::{CloneFlags, unshare};

/// The machine. Nothing is up in it but what the test moves in and takes up.
#[derive(Debug)]
pub struct Machine {
    /// Names its network to `ip link set ... netns`.
    pub thread: i32,
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Machine {
    /// Starts it.
    ///
    /// # Panics
    /// Without the right to make a network namespace: a [`Lab`](crate::lab::Lab) comes first, and asks.
    #[allow(clippy::new_without_default, reason = "it starts a thread")]
    pub fn new() -> Machine {
        let (jobs, todo) = channel::<Job>();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("another network namespace");
            tell.send(nix::unistd::gettid().as_raw()).expect("somebody asked");
            todo.into_iter().for_each(|job| job());
        });
        Machine { thread: told.recv().expect("the thread lives"), jobs }
    }

    /// Does something there.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.start(job).recv().expect("it is done")
    }

    /// The same without waiting for it.
    pub fn start<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (tell, told) = channel();
        let job = move || tell.send(job()).expect("somebody waits");
        self.jobs.send(Box::new(job)).expect("the thread lives");
        told
    }
}
