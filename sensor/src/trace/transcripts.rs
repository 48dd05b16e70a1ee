//! The collector's side of transcripts: one text file per hot login session, beside the file of its packets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use super::KeptLine;
use super::files::{Written, create};
use crate::config::RecordSettings;
use crate::record::Uid;
use crate::record::sinks::{escape, plain};

/// What a line takes besides its text, about.
const LINE_BYTES: u64 = 24;

/// The files under way.
#[derive(Default, Debug)]
pub struct Transcripts {
    open: HashMap<Uid, Transcript>,
}

#[derive(Debug)]
struct Transcript {
    file: Option<BufWriter<File>>,
    room: u64,
}

impl Transcripts {
    /// Writes a line, if the budgets allow.
    pub fn line(&mut self, line: &KeptLine, settings: &RecordSettings, written: &mut Written) {
        let size = line.text.len() as u64 + LINE_BYTES;
        let first = !self.open.contains_key(&line.id.uid);
        let over = written.bytes.saturating_add(size) > settings.total_bytes;
        if over || (first && self.open.len() >= settings.connections) {
            written.over_budget += 1;
            return;
        }
        let transcript = self.open.entry(line.id.uid).or_insert_with(|| {
            let file = create(&settings.dir, &format!("{}.transcript", line.id.uid));
            if let Err(why) = &file {
                tracing::warn!("{why}");
            }
            Transcript { file: file.ok().map(BufWriter::new), room: settings.connection_bytes }
        });
        if size > transcript.room {
            written.over_budget += 1;
            return;
        }
        transcript.room -= size;
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
        self.open.remove(&uid);
    }

    /// Hands what was gathered to the kernel; returns how many files refused it.
    pub fn flush(&mut self) -> u64 {
        let files = self.open.values_mut().filter_map(|transcript| transcript.file.as_mut());
        files.map(|file| u64::from(file.flush().is_err())).sum()
    }
}

impl Transcript {
    /// `1700000000.000000 > what was typed`; bytes that could disturb a terminal are escaped.
    fn write(&mut self, line: &KeptLine, first: bool) -> Option<()> {
        let mut out = Vec::with_capacity(line.text.len() + 64);
        if first {
            let key = &line.id.key;
            let (from, to) = (key.orig_h, key.resp_h);
            let head = format!("# uid={} why={} {from}:{} > {to}:{}\n", line.id.uid, line.why, key.orig_p, key.resp_p);
            out.extend_from_slice(head.as_bytes());
        }
        if line.after_hole {
            out.extend_from_slice(b"# earlier lines of this session had to be forgotten\n");
        }
        plain::time(line.at, &mut out);
        out.extend_from_slice(if line.is_orig { b" > " } else { b" < " });
        escape::tsv(&line.text, &mut out);
        out.push(b'\n');
        self.file.as_mut()?.write_all(&out).ok()
    }
}
