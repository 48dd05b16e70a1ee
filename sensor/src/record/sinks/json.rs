//! Zeek's JSON: one flat object a line, keys with dots, unset values left out; and the same for the event stream.

use crate::record::define::key;
use crate::record::value::show_columns;
use crate::record::{ConnId, Mapping, Name, Record, Show, Value};
use crate::text::Text;

use super::identity::Identity;
use super::line::Line;
use super::{escape, plain};

/// Appends the line of a record about a connection with this identity, if it is about one; the Community ID comes after the log's own
/// columns.
pub fn line(record: &Record, identity: Option<&Identity>, out: &mut Line) {
    let mut object = Object::begin(out);
    object.connection = identity.map_or(b"", Identity::columns);
    record.visit(&mut object);
    match (record, identity) {
        (Record::Event(event), _) => event.fields.iter().for_each(|(name, value)| object.parameter(name, value)),
        (_, Some(identity)) => object.plain(key!("community_id"), identity.community_id()),
        _ => {}
    }
    object.end();
    out.push(b'\n');
}

/// Appends the columns of a connection, each with its comma in front.
pub fn connection(id: &ConnId, out: &mut Line) {
    Object::begin(out).show_connection(id);
}

/// A JSON object under construction at the end of a buffer. Each member brings the comma in front of it; the first one's becomes the brace.
pub struct Object<'a> {
    out: &'a mut Line,
    start: usize,
    /// The columns of the connection, if they have been put together before.
    connection: &'a [u8],
}

/// The columns of a record. This is where the lines of all logs are made: each column has code of its own.
impl Show for Object<'_> {
    #[inline(always)]
    fn show(&mut self, name: &'static Name, value: Value<'_>) {
        if is_shown(&value) {
            self.name(name);
            self.value(&value);
            if is_cut(&value) {
                self.say_cut(name.plain());
            }
        }
    }

    fn show_connection(&mut self, id: &ConnId) {
        if self.connection.is_empty() {
            show_columns(id, self);
        } else {
            self.out.put(self.connection);
        }
    }
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub fn begin(out: &'a mut Line) -> Self {
        let start = out.len();
        Object { out, start, connection: b"" }
    }

    /// Closes it.
    pub fn end(self) {
        match self.out.get_mut(self.start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// Adds a value under its name, or nothing if it is unset. A text that was cut gets a sibling, `<name>_truncated`.
    pub fn member(&mut self, name: &str, value: &Value<'_>) {
        if is_shown(value) {
            self.key(name);
            self.value(value);
            if is_cut(value) {
                self.say_cut(name);
            }
        }
    }

    /// Adds our own text, already free of anything to escape.
    pub fn raw(&mut self, name: &str, text: &[u8]) {
        self.key(name);
        self.out.put_quoted(text);
    }

    /// Adds a text from the wire.
    pub fn text(&mut self, name: &str, text: &Text) {
        self.key(name);
        words(text.as_bytes(), self.out);
    }

    /// Adds a number.
    pub fn count(&mut self, name: &str, number: u64) {
        self.key(name);
        plain::count(number, self.out);
    }

    /// Adds an object, filled by `fill`.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(name);
        let mut inner = Object::begin(self.out);
        fill(&mut inner);
        inner.end();
    }

    /// Adds a list of one text from the wire.
    pub fn list_of_one(&mut self, name: &str, text: &Text) {
        self.key(name);
        self.out.put(b"[\"");
        escape::json(text.as_bytes(), self.out);
        self.out.put(b"\"]");
    }

    fn plain(&mut self, name: &'static Name, text: &[u8]) {
        self.name(name);
        self.out.put_quoted(text);
    }

    #[inline(always)]
    fn name(&mut self, name: &'static Name) {
        let (length, json) = name.json();
        self.out.put_first(length, json);
    }

    fn key(&mut self, name: &str) {
        self.out.put(b",\"");
        self.out.put(name.as_bytes());
        self.out.put(b"\":");
    }

    #[cold]
    fn say_cut(&mut self, name: &str) {
        self.out.put(b",\"");
        self.out.put(name.as_bytes());
        self.out.put(b"_truncated\":true");
    }

    #[inline(always)]
    fn value(&mut self, value: &Value<'_>) {
        let out = &mut *self.out;
        match value {
            Value::Unset => out.put(b"null"),
            Value::Time(moment) => plain::time(*moment, out),
            Value::Interval(length) => plain::interval(*length, out),
            Value::Count(number) => plain::count(*number, out),
            Value::Double(number) => plain::double(*number, out),
            Value::Bool(true) => out.put_first(4, b"true"),
            Value::Bool(false) => out.put_first(5, b"false"),
            Value::Port(port) => plain::count(u64::from(*port), out),
            Value::Words(members) => list(out, members, |word, out| words(word.as_bytes(), out)),
            Value::Mappings(mappings) => list(out, mappings, |one, out| quote(out, |out| mapping(one, out))),
            Value::Text(text) => words(text.as_bytes(), out),
            Value::Word(word) => words(word.as_bytes(), out),
            Value::Uid(uid) => quote(out, |out| uid.with_text(|text| out.put(text))),
            Value::Addr(addr) => quote(out, |out| plain::addr(*addr, out)),
            Value::PortOf(port, transport) => quote(out, |out| port_of(*port, transport.name(), out)),
        }
    }

    /// The event stream shows mappings as the manual's `pm_mapping` records; a log column has a text for each.
    fn parameter(&mut self, name: &str, value: &Value<'_>) {
        let Value::Mappings(mappings) = value else { return self.member(name, value) };
        self.key(name);
        self.out.push(b'[');
        for (number, mapping) in mappings.iter().enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            let mut object = Object::begin(self.out);
            object.count("program", u64::from(mapping.program));
            object.count("version", u64::from(mapping.version));
            object.member("p", &Value::PortOf(mapping.port, mapping.transport));
            object.end();
        }
        self.out.push(b']');
    }
}

#[inline(always)]
fn is_shown(value: &Value<'_>) -> bool {
    match value {
        Value::Unset => false,
        Value::Double(number) => number.is_finite(),
        _ => true,
    }
}

#[inline(always)]
fn is_cut(value: &Value<'_>) -> bool {
    matches!(value, Value::Text(text) if text.is_truncated())
}

/// Words as a JSON string.
fn words(words: &[u8], out: &mut Line) {
    if escape::are_plain(words) {
        out.put_quoted(words);
    } else {
        quote(out, |out| escape::json(words, out));
    }
}

fn list<T>(out: &mut Line, members: &[T], append: impl Fn(&T, &mut Line)) {
    out.push(b'[');
    for (number, member) in members.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        append(member, out);
    }
    out.push(b']');
}

/// `<program>/<version> -> <port>/<transport>`.
pub fn mapping(mapping: &Mapping, out: &mut Line) {
    plain::count(u64::from(mapping.program), out);
    out.push(b'/');
    plain::count(u64::from(mapping.version), out);
    out.put(b" -> ");
    port_of(mapping.port, mapping.transport.name(), out);
}

/// `<port>/<transport>`.
pub fn port_of(port: u16, transport: &str, out: &mut Line) {
    plain::count(u64::from(port), out);
    out.push(b'/');
    out.put(transport.as_bytes());
}

fn quote(out: &mut Line, inside: impl FnOnce(&mut Line)) {
    out.push(b'"');
    inside(out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::line;
    use super::*;
    use crate::record::samples;

    fn text(record: impl Into<Record>) -> String {
        let record = record.into();
        let identity = record.conn_id().map(|id| Identity::new(id, &mut Line::default()));
        line::text(|out| line(&record, identity.as_ref(), out))
    }

    #[test]
    fn conn_is_flat_and_leaves_out_what_is_unset() {
        let expected = concat!(
            r#"{"ts":1258531221.486539,"uid":"CSONE5v7pOyTCTQt","id.orig_h":"1.2.3.4","id.orig_p":1122,"id.resp_h":"5.6.7.8","#,
            r#""id.resp_p":3344,"proto":"udp","duration":1.000301,"orig_bytes":56,"resp_bytes":28,"conn_state":"SF","#,
            r#""local_orig":false,"local_resp":true,"missed_bytes":0,"history":"Dd","orig_pkts":1,"orig_ip_bytes":84,"#,
            r#""resp_pkts":1,"resp_ip_bytes":56,"community_id":"1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="}"#,
            "\n"
        );
        assert_eq!(text(samples::conn()), expected);
    }

    #[test]
    fn hostile_and_cut_texts_are_marked() {
        let line = text(samples::portmap());
        assert!(line.contains(r#""machine_name":"evil\u001b\\xffhost","machine_name_truncated":true,"#), "{line}");
        assert!(line.contains(r#""mappings":["100003/2 -> 2049/udp"],"#), "{line}");
    }

    #[test]
    fn sets_are_arrays() {
        let line = text(samples::notice());
        assert!(
            line.contains(r#""actions":["NOTICE_FILE","NOTICE_ALARM_ALWAYS"],"suppress_for":3600.000000,"#),
            "{line}"
        );
    }

    #[test]
    fn an_event_has_the_manuals_parameters() {
        let line = line::text(|out| line(&Box::new(samples::event()).into(), None, out));
        let expected = concat!(
            r#"{"ts":1258531221.486539,"uid":"CSONE5v7pOyTCTQt","id.orig_h":"1.2.3.4","id.orig_p":1122,"id.resp_h":"5.6.7.8","#,
            r#""id.resp_p":3344,"event":"pm_request_dump","mappings":[{"program":100003,"version":2,"p":"2049/udp"}],"#,
            r#""port":"2049/udp","success":true}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }
}
