//! The collector's side of transcripts: one text file per hot login session, beside the file of its packets.

use std::fs::File;
use std::io::{BufWriter, Write};

use super::KeptLine;
use super::budget::{Open, Written};
use super::files::create;
use crate::config::RecordSettings;
use crate::record::Uid;
use crate::record::sinks::line::Line;
use crate::record::sinks::{escape, plain};

/// What a line takes besides its text, about.
const LINE_BYTES: u64 = 24;

/// The files under way.
#[derive(Default, Debug)]
pub struct Transcripts {
    open: Open<Transcript>,
}

#[derive(Debug)]
struct Transcript {
    file: Option<BufWriter<File>>,
}

impl Transcripts {
    /// Writes a line, if the budgets allow.
    pub fn line(&mut self, line: &KeptLine, settings: &RecordSettings, written: &mut Written) {
        let size = line.text.len() as u64 + LINE_BYTES;
        let begin = |_: &mut Written| Transcript::begin(line, settings);
        let Some((transcript, first)) = self.open.admit(line.id.uid, size, (settings, written), begin) else { return };
        match transcript.write(line, first) {
            Some(()) => {
                written.lines += 1;
                written.bytes += size;
            }
            None => written.failed += 1,
        }
    }

    /// There will be no more of this session.
    pub fn end(&mut self, uid: Uid) {
        self.open.end(uid);
    }

    /// Hands what was gathered to the kernel; returns how many files refused it.
    pub fn flush(&mut self) -> u64 {
        let files = self.open.all().filter_map(|transcript| transcript.file.as_mut());
        files.map(|file| u64::from(file.flush().is_err())).sum()
    }
}

impl Transcript {
    fn begin(line: &KeptLine, settings: &RecordSettings) -> Self {
        let file = create(&settings.dir, &format!("{}.transcript", line.id.uid));
        if let Err(why) = &file {
            tracing::warn!("{why}");
        }
        Transcript { file: file.ok().map(BufWriter::new) }
    }

    /// `1700000000.000000 > what was typed`; bytes that could disturb a terminal are escaped.
    fn write(&mut self, line: &KeptLine, first: bool) -> Option<()> {
        let mut out = Line::default();
        if first {
            let key = &line.id.key;
            let (from, to) = (key.orig_h, key.resp_h);
            let head = format!("# uid={} why={} {from}:{} > {to}:{}\n", line.id.uid, line.why, key.orig_p, key.resp_p);
            out.put(head.as_bytes());
        }
        if line.after_hole {
            out.put(b"# earlier lines of this session had to be forgotten\n");
        }
        plain::time(line.at, &mut out);
        out.put(if line.is_orig { b" > " } else { b" < " });
        escape::tsv(&line.text, &mut out);
        out.push(b'\n');
        self.file.as_mut()?.write_all(out.as_bytes()).ok()
    }
}
