//! Zeek's tab-separated values: a header that names the columns and their types, a line for each record, a footer.

use super::line::Line;
use super::{escape, json, plain};
use crate::record::{Column, LogName, Name, Record, Value};
use crate::time::Timestamp;

/// Appends the header of a log begun at `at`. The first line alone has a space: it is what says that the rest has tabs.
pub fn header(log: LogName, at: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n");
    meta("path", log.path(), out);
    meta("open", &at.format_utc(DATE), out);
    let mut columns = log.columns();
    columns.push(Column { name: "community_id", kind: "string" });
    out.extend_from_slice(b"#fields");
    columns.iter().for_each(|column| cell(column.name, out));
    out.extend_from_slice(b"\n#types");
    columns.iter().for_each(|column| cell(column.kind, out));
    out.push(b'\n');
}

/// Appends the footer of a log closed at `at`.
pub fn footer(at: Timestamp, out: &mut Vec<u8>) {
    meta("close", &at.format_utc(DATE), out);
}

/// Appends the line of a record. Every log has a column for the Community ID: all may be about a connection.
pub fn line(record: &Record, community_id: Option<&[u8]>, out: &mut Line) {
    record.visit(&mut |_: &'static Name, shown: Value<'_>| {
        value(&shown, out);
        out.push(b'\t');
    });
    out.put(community_id.unwrap_or(b"-"));
    out.push(b'\n');
}

/// As Zeek writes dates in headers and in the names of files set aside.
const DATE: &str = "%Y-%m-%d-%H-%M-%S";

fn meta(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b'#');
    out.extend_from_slice(name.as_bytes());
    cell(text, out);
    out.push(b'\n');
}

fn cell(text: &str, out: &mut Vec<u8>) {
    out.push(b'\t');
    out.extend_from_slice(text.as_bytes());
}

fn value(value: &Value<'_>, out: &mut Line) {
    match value {
        Value::Unset => out.push(b'-'),
        Value::Time(moment) => plain::time(*moment, out),
        Value::Interval(length) => plain::interval(*length, out),
        Value::Count(number) => plain::count(*number, out),
        Value::Double(number) => plain::double(*number, out),
        Value::Bool(yes) => out.push(if *yes { b'T' } else { b'F' }),
        Value::Port(port) => plain::count(u64::from(*port), out),
        Value::PortOf(port, transport) => json::port_of(*port, transport.name(), out),
        Value::Addr(addr) => plain::addr(*addr, out),
        Value::Uid(uid) => uid.with_text(|text| out.put(text)),
        Value::Word(word) => escape::tsv(word.as_bytes(), out),
        Value::Text(text) => escape::tsv(text.as_bytes(), out),
        Value::Words(words) => set(words, |word, out| escape::tsv_member(word.as_bytes(), out), out),
        Value::Mappings(mappings) => set(mappings, json::mapping, out),
    }
}

fn set<T>(members: &[T], append: impl Fn(&T, &mut Line), out: &mut Line) {
    if members.is_empty() {
        out.put(b"(empty)");
    }
    for (number, member) in members.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        append(member, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::line;
    use super::*;
    use crate::record::samples;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn conn_has_zeeks_header() {
        let expected = "#separator \\x09\n\
            #set_separator\t,\n\
            #empty_field\t(empty)\n\
            #unset_field\t-\n\
            #path\tconn\n\
            #open\t2009-11-18-08-00-21\n\
            #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\t\
            local_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\thot\taddl\tcommunity_id\n\
            #types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\t\
            bool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tcount\tstring\tstring\n";
        assert_eq!(text(|out| header(LogName::Conn, samples::AT, out)), expected);
        assert_eq!(text(|out| footer(samples::AT, out)), "#close\t2009-11-18-08-00-21\n");
    }

    #[test]
    fn lines_have_as_many_cells_as_the_header() {
        let conn = line::text(|out| line(&samples::conn().into(), Some(b"1:id"), out));
        let expected = "1258531221.486539\tCSONE5v7pOyTCTQt\t1.2.3.4\t1122\t5.6.7.8\t3344\tudp\t-\t1.000301\t56\t28\tSF\t\
            F\tT\t0\tDd\t1\t84\t1\t56\t-\t-\t1:id\n";
        assert_eq!(conn, expected);
        let records = [samples::portmap().into(), samples::notice().into(), Record::from(samples::weird())];
        for record in records {
            let header = text(|out| header(record.log(), samples::AT, out));
            let fields = header.lines().find(|line| line.starts_with("#fields")).unwrap();
            let line = line::text(|out| line(&record, None, out));
            assert_eq!(fields.matches('\t').count(), line.matches('\t').count() + 1, "{fields}\n{line}");
        }
    }

    #[test]
    fn sets_and_hostile_texts() {
        let notice = line::text(|out| line(&samples::notice().into(), None, out));
        assert!(notice.contains("\tNOTICE_FILE,NOTICE_ALARM_ALWAYS\t3600.000000\t-\n"), "{notice}");
        let portmap = line::text(|out| line(&samples::portmap().into(), None, out));
        assert!(portmap.contains("\tevil\\x1b\\xffhost\t"), "{portmap}");
    }
}
