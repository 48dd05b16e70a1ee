//! ONC RPC messages as a person writes them down: `call xid=1 proc=getport { prog=nfs vers=2 prot=udp port=0 }`.

use crate::talk::{number, numbers};

/// The portmapper's procedures (v2), and rpcbind's (v3, v4), by number.
const PROCEDURES: [(&str, u32); 17] = [
    ("null", 0),
    ("set", 1),
    ("unset", 2),
    ("getport", 3),
    ("getaddr", 3),
    ("dump", 4),
    ("callit", 5),
    ("bcast", 5),
    ("gettime", 6),
    ("uaddr2taddr", 7),
    ("taddr2uaddr", 8),
    ("getversaddr", 9),
    ("indirect", 10),
    ("getaddrlist", 11),
    ("getstat", 12),
    ("beyond", 13),
    ("far-beyond", 0xffff_ffff),
];

/// Words that stand for a number.
const WORDS: [(&str, u32); 16] = [
    ("portmapper", 100_000),
    ("nfs", 100_003),
    ("ypserv", 100_004),
    ("mountd", 100_005),
    ("walld", 100_008),
    ("rquotad", 100_011),
    ("status", 100_024),
    ("nlockmgr", 100_021),
    ("sadmind", 100_232),
    ("tcp", 6),
    ("udp", 17),
    ("true", 1),
    ("false", 0),
    ("more", 1),
    ("end", 0),
    ("none", 0),
];

/// A call or a reply with everything that can be said about it.
struct Message<'a> {
    fields: Vec<(&'a str, &'a str)>,
    body: Vec<u8>,
}

/// `call key=value ... { body }` or `reply ...`; over TCP with record marks in front.
pub fn message(words: &str, tcp: bool) -> Result<Vec<u8>, String> {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    let message = Message::parse(rest)?;
    let bytes = match kind {
        "call" => message.call()?,
        "reply" => message.reply()?,
        _ => return Err(format!("`rpc {kind}`? an RPC message is a call or a reply")),
    };
    if tcp { message.records(&bytes) } else { Ok(bytes) }
}

/// Hexadecimal digits, with blanks anywhere between bytes; `400*41` is the byte 0x41 four hundred times.
pub fn hex(digits: &str) -> Result<Vec<u8>, String> {
    let byte = |pair: &[u8]| {
        std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let mut bytes = Vec::new();
    for word in digits.split_whitespace() {
        let (times, unit) = word.split_once('*').unwrap_or(("1", word));
        let unit: Option<Vec<u8>> = unit.as_bytes().chunks(2).map(byte).collect();
        bytes.extend(unit.ok_or("not pairs of hexadecimal digits")?.repeat(number(times)? as usize));
    }
    Ok(bytes)
}

impl<'a> Message<'a> {
    fn parse(words: &'a str) -> Result<Self, String> {
        const KNOWN: [&str; 12] =
            ["xid", "prog", "vers", "proc", "rpcvers", "cred", "verf", "status", "fragments", "marker", "type", "last"];
        let (head, body) = words.split_once('{').unwrap_or((words, "}"));
        let body = body.trim_end().strip_suffix('}').ok_or("`{` is never closed")?;
        let mut fields = Vec::new();
        for word in head.split_whitespace() {
            let (key, value) = word.split_once('=').ok_or(format!("`{word}` is not key=value"))?;
            if !KNOWN.contains(&key) {
                return Err(format!("`{key}`? known here: {}", KNOWN.join(", ")));
            }
            fields.push((key, value));
        }
        Ok(Message { fields, body: values(body)? })
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn word(&self, name: &str, otherwise: u32) -> Result<u32, String> {
        self.field(name).map_or(Ok(otherwise), word)
    }

    /// RFC 5531 section 9: xid, CALL, version 2, program, version, procedure, credential, verifier, arguments.
    fn call(&self) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let procedure = self.field("proc").ok_or("a call needs proc=")?;
        let by_name = PROCEDURES.iter().find(|(name, _)| *name == procedure).map(|(_, number)| *number);
        let procedure = by_name.map_or_else(|| word(procedure), Ok)?;
        push(&mut out, self.word("xid", 1)?);
        push(&mut out, self.word("type", 0)?);
        push(&mut out, self.word("rpcvers", 2)?);
        push(&mut out, self.word("prog", 100_000)?);
        push(&mut out, self.word("vers", 2)?);
        push(&mut out, procedure);
        out.extend(auth(self.field("cred").unwrap_or("none"))?);
        out.extend(auth(self.field("verf").unwrap_or("none"))?);
        out.extend(&self.body);
        Ok(out)
    }

    /// RFC 5531 section 9: xid, REPLY, then accepted (verifier, status) or denied (reason).
    fn reply(&self) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        push(&mut out, self.word("xid", 1)?);
        push(&mut out, self.word("type", 1)?);
        let (status, arguments) = name_and_arguments(self.field("status").unwrap_or("ok"));
        let accepted = ["ok", "prog-unavail", "prog-mismatch", "proc-unavail", "garbage-args", "system-err", "accept"];
        match (accepted.iter().position(|name| *name == status), status) {
            (Some(6), _) => {
                push(&mut out, 0);
                out.extend(auth(self.field("verf").unwrap_or("none"))?);
            }
            (Some(number), _) => {
                push(&mut out, 0);
                out.extend(auth(self.field("verf").unwrap_or("none"))?);
                push(&mut out, number as u32);
            }
            (None, "vers-mismatch") => [1, 0].iter().for_each(|value| push(&mut out, *value)),
            (None, "auth-error") => [1, 1].iter().for_each(|value| push(&mut out, *value)),
            (None, "raw") => {}
            _ => {
                return Err(format!(
                    "`{status}`? a status is one of {}, vers-mismatch, auth-error, raw",
                    accepted.join(", ")
                ));
            }
        }
        for argument in arguments {
            push(&mut out, word(argument)?);
        }
        out.extend(&self.body);
        Ok(out)
    }

    /// RFC 5531 section 11: each fragment begins with its length, and the last one says so in the top bit.
    fn records(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let mut rest = message;
        let sizes = self.field("fragments").map_or(Ok(Vec::new()), numbers)?;
        let last = self.field("last") != Some("never");
        for size in sizes {
            let (fragment, after) = rest.split_at((size as usize).min(rest.len()));
            push(&mut out, fragment.len() as u32);
            out.extend(fragment);
            rest = after;
        }
        match self.field("marker") {
            Some("none") => {}
            Some(marker) => push(&mut out, word(marker)?),
            None => push(&mut out, rest.len() as u32 | if last { 1 << 31 } else { 0 }),
        }
        out.extend(rest);
        Ok(out)
    }
}

/// `none`, `unix(machine,uid,gid,aux...)`, or `flavor(hex)`; RFC 5531 section 8.2 and appendix A.
fn auth(words: &str) -> Result<Vec<u8>, String> {
    let (flavor, arguments) = name_and_arguments(words);
    let mut body = Vec::new();
    let mut out = Vec::new();
    match (flavor, arguments.as_slice()) {
        ("none", []) => push(&mut out, 0),
        ("unix", [machine, uid, gid, groups @ ..]) => {
            push(&mut out, 1);
            push(&mut body, 0x0061_6263);
            opaque(&mut body, machine.as_bytes());
            push(&mut body, word(uid)?);
            push(&mut body, word(gid)?);
            push(&mut body, groups.len() as u32);
            for group in groups {
                push(&mut body, word(group)?);
            }
        }
        (flavor, bytes) => {
            push(&mut out, word(flavor)?);
            body.extend(hex(&bytes.concat())?);
        }
    }
    opaque(&mut out, &body);
    Ok(out)
}

/// XDR values in a row: numbers, words, `"text"`, `opaque(hex)`, `hex(..)`; `N*( ... )` repeats; `name=` is for the reader.
fn values(body: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = body.trim_start();
    while !rest.is_empty() {
        let end = value_end(rest)?;
        let (item, after) = rest.split_at(end);
        rest = after.trim_start();
        let named = item.split_once('=').filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let item = named.map_or(item, |(_, value)| value);
        match (item.strip_prefix('"'), item.split_once('(')) {
            (Some(text), _) => opaque(&mut out, text.trim_end_matches('"').as_bytes()),
            (None, Some(("opaque", digits))) => opaque(&mut out, &hex(digits.trim_end_matches(')'))?),
            (None, Some(("hex", digits))) => out.extend(hex(digits.trim_end_matches(')'))?),
            (None, Some((times, inside))) if times.ends_with('*') => {
                let inside = values(inside.strip_suffix(')').unwrap_or(inside))?;
                let times = number(times.trim_end_matches('*'))?;
                (0..times).for_each(|_| out.extend(&inside));
            }
            _ => push(&mut out, word(item)?),
        }
    }
    Ok(out)
}

/// Where the first value ends: at a blank that is neither in quotes nor in parentheses.
fn value_end(words: &str) -> Result<usize, String> {
    let (mut quoted, mut depth) = (false, 0);
    for (at, c) in words.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            c if c.is_whitespace() && !quoted && depth == 0 => return Ok(at),
            _ => {}
        }
    }
    if quoted || depth != 0 { Err("a quote or a parenthesis is never closed".into()) } else { Ok(words.len()) }
}

fn name_and_arguments(words: &str) -> (&str, Vec<&str>) {
    match words.split_once('(') {
        Some((name, inside)) => (name, inside.trim_end_matches(')').split(',').filter(|a| !a.is_empty()).collect()),
        None => (words, Vec::new()),
    }
}

fn word(words: &str) -> Result<u32, String> {
    if let Some((_, number)) = WORDS.iter().find(|(name, _)| *name == words) {
        return Ok(*number);
    }
    u32::try_from(number(words)?).map_err(|_| format!("`{words}` does not fit 32 bits"))
}

fn push(out: &mut Vec<u8>, word: u32) {
    out.extend(word.to_be_bytes());
}

fn opaque(out: &mut Vec<u8>, bytes: &[u8]) {
    push(out, bytes.len() as u32);
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}
