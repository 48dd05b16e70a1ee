//! The collector's side: one pcapng file per recorded connection, within the budgets of the settings.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};

use super::budget::{Open, Written};
use super::transcripts::Transcripts;
use super::{Kept, KeptPacket};
use crate::capture::Link;
use crate::config::RecordSettings;
use crate::error::{Error, Result};
use crate::record::ConnId;
use crate::time::Timestamp;

/// What a packet takes in a file besides its bytes, at most, without a comment.
const BLOCK_BYTES: u64 = 36;

/// The files under way.
pub struct Traces {
    settings: RecordSettings,
    packets: Open<Trace>,
    transcripts: Transcripts,
    written: Written,
}

type Pcapng = PcapNgWriter<BufWriter<File>>;

struct Trace {
    file: Option<Pcapng>,
    link: Link,
    until: Timestamp,
}

/// The name of a connection's file, inside the folder of the settings.
pub fn file_name(id: &ConnId) -> String {
    format!("{}.pcapng", id.uid)
}

impl Traces {
    /// Makes the folder, readable for its owner only: there are passwords in such files.
    ///
    /// # Errors
    /// The folder can neither be made nor written to.
    pub fn new(settings: &RecordSettings) -> Result<Self> {
        if settings.is_on() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&settings.dir);
            made.map_err(|why| {
                Error::new(format!("make the folder for recorded packets, {}", settings.dir.display()), why)
                    .hint("set record.dir to a folder that can be made, or leave it empty: then nothing is recorded")
            })?;
        }
        Ok(Traces {
            settings: settings.clone(),
            packets: Open::default(),
            transcripts: Transcripts::default(),
            written: Written::default(),
        })
    }

    /// Writes a packet, or closes its file.
    pub fn take(&mut self, kept: &Kept) {
        match kept {
            Kept::Packet(packet) => self.packet(packet),
            Kept::Line(line) => self.transcripts.line(line, &self.settings, &mut self.written),
            Kept::End(id) => {
                self.packets.end(id.uid);
                self.transcripts.end(id.uid);
            }
        }
    }

    /// Closes every file, and says what was written.
    pub fn finish(mut self) -> Written {
        self.flush();
        self.written
    }

    /// Hands what was gathered to the kernel.
    pub fn flush(&mut self) {
        self.written.failed += self.transcripts.flush();
        for file in self.packets.all().filter_map(|trace| trace.file.as_mut()) {
            if file.get_mut().flush().is_err() {
                self.written.failed += 1;
            }
        }
    }

    fn packet(&mut self, packet: &KeptPacket) {
        let Traces { settings, packets, written, .. } = self;
        let size = packet.bytes.len() as u64 + BLOCK_BYTES;
        let begin = |written: &mut Written| Trace::begin(packet, settings, written);
        let Some((trace, first)) = packets.admit(packet.id.uid, size, (settings, written), begin) else { return };
        if trace.link != packet.link || packet.at > trace.until {
            written.over_budget += 1;
            return;
        }
        match trace.write(packet, comment(packet, first)) {
            Some(()) => {
                written.packets += 1;
                written.bytes += size;
            }
            None => written.failed += 1,
        }
    }
}

impl Trace {
    fn begin(packet: &KeptPacket, settings: &RecordSettings, written: &mut Written) -> Self {
        let file = Trace::create(packet, settings);
        if let Err(why) = &file {
            tracing::warn!("{why}");
        }
        written.files += u64::from(file.is_ok());
        let until = packet.at + Duration::from_secs(settings.seconds);
        Trace { file: file.ok(), link: packet.link, until }
    }

    fn create(packet: &KeptPacket, settings: &RecordSettings) -> Result<Pcapng> {
        let name = file_name(&packet.id);
        let wrong = |why: &dyn std::fmt::Display| Error::new(format!("record packets in {name}"), why);
        let file = create(&settings.dir, &name)?;
        let mut writer = PcapNgWriter::new(BufWriter::new(file)).map_err(|why| wrong(&why))?;
        let interface = InterfaceDescriptionBlock {
            linktype: data_link(packet.link),
            snaplen: 0,
            options: vec![InterfaceDescriptionOption::IfTsResol(9)],
        };
        writer.write_pcapng_block(interface).map_err(|why| wrong(&why))?;
        Ok(writer)
    }

    fn write(&mut self, packet: &KeptPacket, comment: Option<String>) -> Option<()> {
        let options = comment.map(|comment| EnhancedPacketOption::Comment(Cow::Owned(comment)));
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(packet.at.as_nanos()),
            original_len: packet.wire_len,
            data: Cow::Borrowed(&packet.bytes),
            options: options.into_iter().collect(),
        };
        self.file.as_mut()?.write_pcapng_block(block).ok().map(drop)
    }
}

/// A new file that only its owner can read.
pub(super) fn create(dir: &Path, name: &str) -> Result<File> {
    let path = dir.join(name);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.map_err(|why| Error::new(format!("make the record {}", path.display()), why))
}

/// What is said of a packet in its file: of the first one, why the connection is there.
fn comment(packet: &KeptPacket, first: bool) -> Option<String> {
    let hole = "earlier packets of this connection had to be forgotten";
    match (first, packet.after_hole) {
        (true, false) => Some(format!("uid={} why={}", packet.id.uid, packet.why)),
        (true, true) => Some(format!("uid={} why={}; {hole}", packet.id.uid, packet.why)),
        (false, true) => Some(hole.to_owned()),
        (false, false) => None,
    }
}

fn data_link(link: Link) -> DataLink {
    match link {
        Link::Ethernet => DataLink::ETHERNET,
        Link::RawIp => DataLink::RAW,
        Link::LinuxSll => DataLink::LINUX_SLL,
        Link::LinuxSll2 => DataLink::LINUX_SLL2,
        Link::Null => DataLink::NULL,
    }
}
