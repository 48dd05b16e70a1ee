//! Zeek's JSON: one flat object a line, keys with dots, unset values left out; and the same for the event stream.

use crate::record::{Mapping, Record, Value};
use crate::text::Text;

use super::{escape, plain};

/// Appends the line of a record; `community_id` comes after the log's own columns.
pub fn line(record: &Record, community_id: Option<&[u8]>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    match record {
        Record::Event(_) => record.visit(&mut |name, value| object.event_member(name, &value)),
        _ => record.visit(&mut |name, value| object.member(name, &value)),
    }
    if let Some(id) = community_id {
        object.raw("community_id", id);
    }
    object.end();
    out.push(b'\n');
}

/// A JSON object under construction at the end of a buffer.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out }
    }

    /// Closes it.
    pub fn end(self) {
        self.out.push(b'}');
    }

    /// Adds a value under its name, or nothing if it is unset. A text that was cut gets a sibling, `<name>_truncated`.
    pub fn member(&mut self, name: &str, value: &Value<'_>) {
        match value {
            Value::Unset => return,
            Value::Double(number) if !number.is_finite() => return,
            _ => self.key(name),
        }
        self.value(value);
        if let Value::Text(text) = value
            && text.is_truncated()
        {
            self.begin_key(name);
            self.out.extend_from_slice(b"_truncated\":true");
        }
    }

    /// Adds our own text, already free of anything to escape.
    pub fn raw(&mut self, name: &str, text: &[u8]) {
        self.key(name);
        self.quoted(text);
    }

    /// Adds a text from the wire.
    pub fn text(&mut self, name: &str, text: &Text) {
        self.key(name);
        self.out.push(b'"');
        escape::json(text.as_bytes(), self.out);
        self.out.push(b'"');
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
        self.out.extend_from_slice(b"[\"");
        escape::json(text.as_bytes(), self.out);
        self.out.extend_from_slice(b"\"]");
    }

    fn key(&mut self, name: &str) {
        self.begin_key(name);
        self.out.extend_from_slice(b"\":");
    }

    fn begin_key(&mut self, name: &str) {
        let opening: &[u8] = if self.out.last() == Some(&b'{') { b"\"" } else { b",\"" };
        self.out.extend_from_slice(opening);
        self.out.extend_from_slice(name.as_bytes());
    }

    fn value(&mut self, value: &Value<'_>) {
        let out = &mut *self.out;
        match value {
            Value::Unset => out.extend_from_slice(b"null"),
            Value::Time(moment) => plain::time(*moment, out),
            Value::Interval(length) => plain::interval(*length, out),
            Value::Count(number) => plain::count(*number, out),
            Value::Double(number) => plain::double(*number, out),
            Value::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Value::Port(port) => plain::count(u64::from(*port), out),
            Value::Words(words) => self.list(words, |word, out| escape::json(word.as_bytes(), out)),
            Value::Mappings(mappings) => self.list(mappings, mapping),
            Value::Text(text) => quote(out, |out| escape::json(text.as_bytes(), out)),
            Value::Word(word) => quote(out, |out| escape::json(word.as_bytes(), out)),
            Value::Uid(uid) => quote(out, |out| uid.append_to(out)),
            Value::Addr(addr) => quote(out, |out| plain::addr(*addr, out)),
            Value::PortOf(port, transport) => quote(out, |out| port_of(*port, transport.name(), out)),
        }
    }

    /// The event stream shows mappings as the manual's `pm_mapping` records; a log column has a text for each.
    fn event_member(&mut self, name: &str, value: &Value<'_>) {
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

    fn list<T>(&mut self, members: &[T], append: impl Fn(&T, &mut Vec<u8>)) {
        self.out.push(b'[');
        for (number, member) in members.iter().enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            quote(self.out, |out| append(member, out));
        }
        self.out.push(b']');
    }

    fn quoted(&mut self, text: &[u8]) {
        quote(self.out, |out| out.extend_from_slice(text));
    }
}

/// `<program>/<version> -> <port>/<transport>`.
pub fn mapping(mapping: &Mapping, out: &mut Vec<u8>) {
    plain::count(u64::from(mapping.program), out);
    out.push(b'/');
    plain::count(u64::from(mapping.version), out);
    out.extend_from_slice(b" -> ");
    port_of(mapping.port, mapping.transport.name(), out);
}

/// `<port>/<transport>`.
pub fn port_of(port: u16, transport: &str, out: &mut Vec<u8>) {
    plain::count(u64::from(port), out);
    out.push(b'/');
    out.extend_from_slice(transport.as_bytes());
}

fn quote(out: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inside(out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    fn text(record: impl Into<Record>) -> String {
        let mut out = Vec::new();
        line(&record.into(), Some(b"1:id"), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn conn_is_flat_and_leaves_out_what_is_unset() {
        let expected = concat!(
            r#"{"ts":1258531221.486539,"uid":"CSONE5v7pOyTCTQt","id.orig_h":"1.2.3.4","id.orig_p":1122,"id.resp_h":"5.6.7.8","#,
            r#""id.resp_p":3344,"proto":"udp","duration":1.000301,"orig_bytes":56,"resp_bytes":28,"conn_state":"SF","#,
            r#""local_orig":false,"local_resp":true,"missed_bytes":0,"history":"Dd","orig_pkts":1,"orig_ip_bytes":84,"#,
            r#""resp_pkts":1,"resp_ip_bytes":56,"community_id":"1:id"}"#,
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
        let mut out = Vec::new();
        line(&Box::new(samples::event()).into(), None, &mut out);
        let expected = concat!(
            r#"{"ts":1258531221.486539,"uid":"CSONE5v7pOyTCTQt","id.orig_h":"1.2.3.4","id.orig_p":1122,"id.resp_h":"5.6.7.8","#,
            r#""id.resp_p":3344,"event":"pm_request_dump","mappings":[{"program":100003,"version":2,"p":"2049/udp"}],"#,
            r#""port":"2049/udp","success":true}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
