//! What is sent: a script of frames, and the clients between which it is played again and again.

pub mod capture;
mod frames;
pub mod plain;
pub mod played;
pub mod spoken;
pub mod talk;
pub mod talks;

use portreeve_ebpf::load::{Run, Step, Template};

use crate::generator::Pace;

/// Bytes of the frames of CSIT's "IMIX", without their checksums, and how many there are of each in 48.
const IMIX: [(usize, usize); 3] = [(60, 28), (566, 16), (1514, 4)];
/// How many frames a generator that was held up sends at once to make up for it; the others are given up. Any ring here has room for them.
const BURST: u64 = 4096;

/// A script with its clients.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its name.
    pub name: &'static str,
    /// What it is made of, in a sentence.
    pub what: &'static str,
    /// The frames that steps are made from.
    pub templates: Vec<Template>,
    /// What is sent, in this order, again and again.
    pub steps: Vec<Step>,
    /// How many clients there are, as a power of two; at most 16.
    pub host_bits: u32,
    /// How many ports each of them has, as a power of two; at most 15.
    pub port_bits: u32,
    /// Decides which client comes when.
    pub seed: u64,
}

impl Load {
    /// Bytes of a frame without its checksum, on average.
    pub fn frame_bytes(&self) -> f64 {
        self.mean(|template| f64::from(template.length))
    }

    /// The share of frames that the sensor is there for, 0 to 1.
    pub fn wanted(&self) -> f64 {
        self.mean(|template| f64::from(u8::from(template.is(Template::WANTED))))
    }

    /// Whether its wanted frames tell when they should have been sent.
    pub fn is_stamped(&self) -> bool {
        self.templates.iter().any(|template| template.is(Template::STAMPED))
    }

    /// How many of the first `frames` frames are whole talks: those of its last template.
    pub fn talks_in(&self, frames: u64) -> u64 {
        let last = self.templates.len().saturating_sub(1);
        let length = self.steps.len().max(1) as u64;
        let among = |steps: &[Step]| steps.iter().filter(|step| step.template as usize == last).count() as u64;
        let begun = self.steps.get(..(frames % length) as usize).unwrap_or_default();
        frames / length * among(&self.steps) + among(begun)
    }

    /// What a generator begins with.
    pub fn run(&self, pace: Pace) -> Run {
        Run {
            interval: pace.interval(),
            slack: pace.interval() * BURST / Run::PARTS,
            steps: self.steps.len() as u64,
            host_bits: u64::from(self.host_bits),
            ports: (1 << self.port_bits) - 1,
            seed: self.seed,
            ..Run::default()
        }
    }

    /// Bytes of the longest frame.
    pub fn longest(&self) -> usize {
        self.templates.iter().map(|template| template.length as usize).max().unwrap_or(Template::SHORTEST)
    }

    fn mean(&self, of: impl Fn(&Template) -> f64) -> f64 {
        let of_step = |step: &Step| self.templates.get(step.template as usize).map_or(0.0, &of);
        self.steps.iter().map(of_step).sum::<f64>() / self.steps.len().max(1) as f64
    }
}
