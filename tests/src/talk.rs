//! A conversation as a person writes it down: the grammar of `talk.txt`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{rpc, ssh};

/// A parsed `talk.txt`.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// The first comment: what the case shows, in one sentence.
    pub title: String,
    /// The settings of this case, each as `--set` takes it.
    pub settings: Vec<String>,
    /// Everyone who talks, in order of appearance.
    pub conversations: Vec<Conversation>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Two endpoints and how their talk begins.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its name, where several take turns.
    pub name: String,
    /// TCP, or else UDP.
    pub tcp: bool,
    /// The side whose lines begin with `>`.
    pub client: SocketAddr,
    /// The side whose lines begin with `<`.
    pub server: SocketAddr,
    /// Whether a TCP conversation begins with its three segments.
    pub handshake: bool,
    /// The sequence number of the client's SYN; the server's is 4000 more.
    pub isn: u32,
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// `>`
    Client,
    /// `<`
    Server,
}

/// One thing that happens.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// A conversation begins.
    Open(usize),
    /// A segment or datagram, or several.
    Send {
        /// Index of the conversation.
        conversation: usize,
        /// Who sends.
        side: Side,
        /// How it differs from the ordinary.
        options: Options,
        /// What it carries.
        payload: Vec<u8>,
    },
    /// Time passes in silence.
    Wait(Duration),
    /// So many bytes of this direction never reach the sensor.
    Lose(usize, Side, u32),
    /// The last frame comes once more.
    Double,
    /// The last two frames change places.
    Swap,
    /// From here on this conversation's frames carry these VLAN tags.
    Vlan(usize, Vec<u16>),
    /// From here on frames are captured up to this length only.
    Snap(usize),
    /// The last packet travelled in IP fragments of this many bytes.
    Fragment(Fragments),
    /// The last frame is really only this long.
    Truncate(usize),
    /// The last frame is preceded by every shorter version of itself.
    TruncateEach,
    /// A frame, byte by byte.
    Frame(Vec<u8>),
}

/// How a packet is fragmented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragments {
    /// Payload bytes of each fragment, a multiple of 8.
    pub size: usize,
    /// The last fragment comes first.
    pub reversed: bool,
    /// Fragments from this one on never arrive.
    pub keep: usize,
}

/// What stands in brackets before a payload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// TCP flags by name; empty means the ordinary ones.
    pub flags: Vec<String>,
    /// Added to the sequence number that comes next.
    pub seq: i64,
    /// Added to the acknowledgement number that comes next.
    pub ack: i64,
    /// The window that is advertised, if not the ordinary one.
    pub window: Option<u16>,
    /// Lengths of the pieces that the payload is cut into; the last one repeats.
    pub cut: Vec<usize>,
    /// Datagrams with every prefix of the payload come first.
    pub prefixes: bool,
    /// The transport checksum is wrong.
    pub bad_checksum: bool,
}

/// Reads a talk; an error names the line.
pub fn parse(text: &str) -> Result<Talk, String> {
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        reader.line(line).map_err(|why| format!("line {}: {why}\n  {line}", number + 1))?;
    }
    if reader.held.is_some() {
        return Err("the last line ends in `+`: nothing follows it".into());
    }
    if reader.talk.title.is_empty() {
        return Err("line 1: the first line says in one sentence what the case shows: `# ...`".into());
    }
    Ok(reader.talk)
}

#[derive(Default)]
struct Reader {
    talk: Talk,
    current: usize,
    /// Payload of `>+` lines, waiting for the line that sends it.
    held: Option<Vec<u8>>,
    times: usize,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let words = line.trim();
        match words.split_once(' ').unwrap_or((words, "")) {
            ("", _) => Ok(()),
            (head, _) if head.starts_with('#') => {
                if self.talk.title.is_empty() {
                    self.talk.title = words.trim_start_matches('#').trim().into();
                }
                Ok(())
            }
            ("set", setting) => {
                self.talk.settings.push(setting.trim().into());
                Ok(())
            }
            ("tcp", rest) => self.open(true, rest),
            ("udp", rest) => self.open(false, rest),
            (command, rest) if command.starts_with('!') => self.bend(command, rest),
            _ => self.send(line.trim_start()),
        }
    }

    fn open(&mut self, tcp: bool, rest: &str) -> Result<(), String> {
        let mut words = rest.split_whitespace();
        let client = endpoint(words.next())?;
        if words.next() != Some(">") {
            return Err("a conversation is opened by `tcp CLIENT:PORT > SERVER:PORT`".into());
        }
        let server = endpoint(words.next())?;
        let mut conversation = Conversation { name: String::new(), tcp, client, server, handshake: tcp, isn: 1000 };
        while let Some(word) = words.next() {
            match (word, word.split_once('=')) {
                ("as", _) => conversation.name = words.next().ok_or("`as` needs a name")?.into(),
                ("without", _) if words.next() == Some("handshake") => conversation.handshake = false,
                (_, Some(("isn", value))) => conversation.isn = number(value)? as u32,
                _ => return Err(format!("`{word}`? known here: as NAME, without handshake, isn=N")),
            }
        }
        self.current = self.talk.conversations.len();
        self.talk.conversations.push(conversation);
        self.talk.steps.push(Step::Open(self.current));
        Ok(())
    }

    fn send(&mut self, line: &str) -> Result<(), String> {
        let at = line.find(['>', '<']).ok_or("neither a conversation, a `>` or `<` line, a `!` line, nor a comment")?;
        let (name, rest) = line.split_at(at);
        if !name.trim().is_empty() {
            let known = self.talk.conversations.iter().position(|c| c.name == name.trim());
            self.current = known.ok_or(format!("no conversation is called `{}`", name.trim()))?;
        }
        let conversation = self.talk.conversations.get(self.current).ok_or("nobody has opened a conversation yet")?;
        let side = if rest.starts_with('>') { Side::Client } else { Side::Server };
        let rest = &rest[1..];
        let (hold, rest) = rest.strip_prefix('+').map_or((false, rest), |rest| (true, rest));
        let (options, words) = options(rest.strip_prefix(' ').unwrap_or(rest))?;
        for time in 1..=self.times.max(1) {
            let mut payload = self.held.take().unwrap_or_default();
            let counted = if self.times > 0 { words.replace("$n", &time.to_string()) } else { words.into() };
            payload.extend(content(&counted, conversation.tcp)?);
            if hold {
                self.held = Some(payload);
            } else {
                let options = options.clone();
                self.talk.steps.push(Step::Send { conversation: self.current, side, options, payload });
            }
        }
        self.times = 0;
        Ok(())
    }

    fn bend(&mut self, command: &str, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let step = match (command, words.as_slice()) {
            ("!wait", [time]) => Step::Wait(duration(time)?),
            ("!lose", [side, count]) => Step::Lose(self.current, this_side(side)?, number(count)? as u32),
            ("!double", []) => Step::Double,
            ("!swap", []) => Step::Swap,
            ("!vlan", [tags]) => Step::Vlan(self.current, numbers(tags)?.iter().map(|tag| *tag as u16).collect()),
            ("!snap", [length]) => Step::Snap(number(length)? as usize),
            ("!fragment", [size, more @ ..]) => Step::Fragment(fragments(size, more)?),
            ("!truncate", ["each"]) => Step::TruncateEach,
            ("!truncate", [length]) => Step::Truncate(number(length)? as usize),
            ("!frame", _) => Step::Frame(rpc::hex(rest)?),
            ("!times", [count]) => {
                self.times = number(count)? as usize;
                return Ok(());
            }
            ("!close", side) => return self.close(side),
            ("!reset", side) => return self.flags(first_side(side)?, &["rst", "ack"]),
            _ => return Err(format!("`{command} {rest}`? see tests/README.md for what can be done to the wire")),
        };
        self.talk.steps.push(step);
        Ok(())
    }

    /// FIN, FIN, ACK.
    fn close(&mut self, side: &[&str]) -> Result<(), String> {
        let first = first_side(side)?;
        self.flags(first, &["fin", "ack"])?;
        self.flags(first.other(), &["fin", "ack"])?;
        self.flags(first, &["ack"])
    }

    fn flags(&mut self, side: Side, flags: &[&str]) -> Result<(), String> {
        let options = Options { flags: flags.iter().map(|flag| (*flag).into()).collect(), ..Options::default() };
        self.talk.steps.push(Step::Send { conversation: self.current, side, options, payload: Vec::new() });
        Ok(())
    }
}

impl Side {
    /// The one who is listening.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// `[fin ack seq=-5 cut=1] the rest`.
fn options(line: &str) -> Result<(Options, &str), String> {
    let Some(inside) = line.strip_prefix('[') else { return Ok((Options::default(), line)) };
    let (inside, rest) =
        inside.split_once(']').ok_or("`[` is never closed; a text that begins with it is written \\x5b")?;
    let mut options = Options::default();
    for word in inside.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("syn" | "ack" | "fin" | "rst" | "psh" | "urg", "") => options.flags.push(word.into()),
            ("seq", offset) => options.seq = signed(offset)?,
            ("ack", offset) => options.ack = signed(offset)?,
            ("window", size) => options.window = Some(size.parse().map_err(|_| format!("`{size}` is no window"))?),
            ("cut", lengths) => options.cut = numbers(lengths)?.iter().map(|n| *n as usize).collect(),
            ("prefixes", "") => options.prefixes = true,
            ("bad-checksum", "") => options.bad_checksum = true,
            _ => {
                return Err(format!(
                    "`{word}`? known here: TCP flags, seq=, ack=, window=, cut=, prefixes, bad-checksum"
                ));
            }
        }
    }
    Ok((options, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// `rpc ...`, `ssh ...`, `hex ...`, or text with escapes.
fn content(words: &str, tcp: bool) -> Result<Vec<u8>, String> {
    match words.split_once(' ') {
        Some(("rpc", message)) => rpc::message(message, tcp),
        Some(("hex", digits)) => rpc::hex(digits),
        Some(("ssh", message)) => ssh::message(message),
        _ => text(words),
    }
}

/// Text with `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN`.
fn text(words: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut chars = words.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| format!("`\\x{digits}` is not a byte"))?
            }
            other => return Err(format!("`\\{}`? known: \\r \\n \\t \\0 \\\\ \\xNN", other.unwrap_or(' '))),
        });
    }
    Ok(bytes)
}

fn endpoint(word: Option<&str>) -> Result<SocketAddr, String> {
    let word = word.ok_or("an endpoint is missing")?;
    word.parse().map_err(|_| format!("`{word}` is not ADDRESS:PORT"))
}

fn this_side(word: &str) -> Result<Side, String> {
    match word {
        ">" => Ok(Side::Client),
        "<" => Ok(Side::Server),
        _ => Err(format!("`{word}` is neither `>` nor `<`")),
    }
}

fn first_side(words: &[&str]) -> Result<Side, String> {
    words.first().map_or(Ok(Side::Client), |word| this_side(word))
}

fn fragments(size: &str, more: &[&str]) -> Result<Fragments, String> {
    let mut fragments = Fragments { size: number(size)? as usize, reversed: false, keep: usize::MAX };
    if fragments.size == 0 || !fragments.size.is_multiple_of(8) {
        return Err("a fragment's size is a multiple of 8".into());
    }
    for word in more {
        match (*word, word.split_once('=')) {
            ("reversed", _) => fragments.reversed = true,
            (_, Some(("keep", count))) => fragments.keep = number(count)? as usize,
            _ => return Err(format!("`{word}`? known here: reversed, keep=N")),
        }
    }
    Ok(fragments)
}

fn duration(word: &str) -> Result<Duration, String> {
    let split = word.find(|c: char| c.is_alphabetic()).ok_or("a time needs a unit: ms, s, m or h")?;
    let (count, unit) = word.split_at(split);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}`? a time's unit is ms, s, m or h")),
    };
    Ok(Duration::from_millis(number(count)? * milliseconds))
}

/// A decimal or `0x` number.
pub(crate) fn number(word: &str) -> Result<u64, String> {
    let parsed = word.strip_prefix("0x").map_or_else(|| word.parse(), |digits| u64::from_str_radix(digits, 16));
    parsed.map_err(|_| format!("`{word}` is not a number"))
}

/// Numbers with commas between them; `N*M` is M times N.
pub(crate) fn numbers(words: &str) -> Result<Vec<u64>, String> {
    let mut all = Vec::new();
    for word in words.split(',') {
        let (value, times) = word.split_once('*').unwrap_or((word, "1"));
        all.extend(std::iter::repeat_n(number(value)?, number(times)? as usize));
    }
    Ok(all)
}

fn signed(word: &str) -> Result<i64, String> {
    word.parse().map_err(|_| format!("`{word}` is not a signed number"))
}
