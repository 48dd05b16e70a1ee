//! A capture file that is made: a classic pcap of Ethernet, at an even pace.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// Where its clock starts, in seconds since 1970.
const START: u64 = 1_700_000_000;

/// A file that frames are put into.
#[derive(Debug)]
pub struct CaptureFile {
    file: BufWriter<File>,
    micros: u64,
    pace: u64,
}

impl CaptureFile {
    /// Begins a file; each frame comes so many microseconds after the one before.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path, pace: u64) -> Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.write_all(&word.to_le_bytes())?;
        }
        Ok(CaptureFile { file, micros: 0, pace })
    }

    /// Puts one frame in.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn frame(&mut self, frame: &[u8]) -> Result<()> {
        let (seconds, micros) = ((START + self.micros / 1_000_000) as u32, (self.micros % 1_000_000) as u32);
        for word in [seconds, micros, frame.len() as u32, frame.len() as u32] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.micros += self.pace;
        self.file.write_all(frame)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What is left cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush()
    }
}
