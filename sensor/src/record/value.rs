//! The values that records are made of, and the types that turn into them.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::define::{Column, Field, Log, Name, Show, key};
use super::{ConnId, EventRecord, Mapping, Uid};
use crate::flow::key::Transport;
use crate::text::Text;
use crate::time::Timestamp;

/// One value, on its way to a sink.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value<'a> {
    Unset,
    Time(Timestamp),
    Interval(Duration),
    Uid(Uid),
    /// Our own words: nothing to escape but what a format itself requires.
    Word(&'static str),
    /// Bytes from the wire: hostile.
    Text(Cow<'a, Text>),
    Count(u64),
    Double(f64),
    Bool(bool),
    Addr(IpAddr),
    Port(u16),
    /// A port with its transport, as the manual's `port` type prints it: `2049/udp`.
    PortOf(u16, Transport),
    /// A set of our own words.
    Words(&'static [&'static str]),
    Mappings(Cow<'a, [Mapping]>),
}

impl Value<'_> {
    /// The value with nothing borrowed, so that it can outlive its record.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Unset => Value::Unset,
            Value::Time(time) => Value::Time(time),
            Value::Interval(interval) => Value::Interval(interval),
            Value::Uid(uid) => Value::Uid(uid),
            Value::Word(word) => Value::Word(word),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Count(count) => Value::Count(count),
            Value::Double(double) => Value::Double(double),
            Value::Bool(bool) => Value::Bool(bool),
            Value::Addr(addr) => Value::Addr(addr),
            Value::Port(port) => Value::Port(port),
            Value::PortOf(port, transport) => Value::PortOf(port, transport),
            Value::Words(words) => Value::Words(words),
            Value::Mappings(mappings) => Value::Mappings(Cow::Owned(mappings.into_owned())),
        }
    }
}

macro_rules! field {
    ($type:ty, $kind:literal, |$value:ident| $make:expr) => {
        impl Field for $type {
            fn columns(name: &'static str, out: &mut Vec<Column>) {
                out.push(Column { name, kind: $kind });
            }

            #[inline]
            fn visit<S: Show>(&self, name: &'static Name, to: &mut S) {
                let $value = self;
                to.show(name, $make);
            }
        }
    };
}

field!(Timestamp, "time", |v| Value::Time(*v));
field!(Duration, "interval", |v| Value::Interval(*v));
field!(Text, "string", |v| Value::Text(Cow::Borrowed(v)));
field!(&'static str, "string", |v| Value::Word(v));
field!(&'static [&'static str], "set[enum]", |v| Value::Words(v));
field!(u64, "count", |v| Value::Count(*v));
field!(u32, "count", |v| Value::Count(u64::from(*v)));
field!(f64, "double", |v| Value::Double(*v));
field!(bool, "bool", |v| Value::Bool(*v));
field!(IpAddr, "addr", |v| Value::Addr(*v));
field!(u16, "port", |v| Value::Port(*v));
field!(Transport, "enum", |v| Value::Word(v.name()));
field!(Box<[Mapping]>, "vector[string]", |v| Value::Mappings(Cow::Borrowed(v)));

impl<T: Field> Field for Option<T> {
    fn columns(name: &'static str, out: &mut Vec<Column>) {
        T::columns(name, out);
    }

    #[inline]
    fn visit<S: Show>(&self, name: &'static Name, to: &mut S) {
        match self {
            Some(value) => value.visit(name, to),
            None => T::unset(name, to),
        }
    }

    #[inline(always)]
    fn conn_id(&self) -> Option<&ConnId> {
        self.as_ref().and_then(T::conn_id)
    }
}

impl Field for ConnId {
    fn columns(_name: &'static str, out: &mut Vec<Column>) {
        let column = |name, kind| Column { name, kind };
        out.extend([column("uid", "string"), column("id.orig_h", "addr"), column("id.orig_p", "port")]);
        out.extend([column("id.resp_h", "addr"), column("id.resp_p", "port")]);
    }

    #[inline]
    fn visit<S: Show>(&self, _name: &'static Name, to: &mut S) {
        to.show_connection(self);
    }

    fn unset<S: Show>(_name: &'static Name, to: &mut S) {
        let names = [key!("uid"), key!("id.orig_h"), key!("id.orig_p"), key!("id.resp_h"), key!("id.resp_p")];
        names.into_iter().for_each(|name| to.show(name, Value::Unset));
    }

    #[inline(always)]
    fn conn_id(&self) -> Option<&ConnId> {
        Some(self)
    }
}

/// Shows the five columns of a connection; in a loop, so that what shows them is there once.
pub(in crate::record) fn show_columns(id: &ConnId, to: &mut (impl Show + ?Sized)) {
    let key = &id.key;
    let columns = [
        (key!("uid"), Value::Uid(id.uid)),
        (key!("id.orig_h"), Value::Addr(key.orig_h)),
        (key!("id.orig_p"), Value::Port(key.orig_p)),
        (key!("id.resp_h"), Value::Addr(key.resp_h)),
        (key!("id.resp_p"), Value::Port(key.resp_p)),
    ];
    columns.into_iter().for_each(|(name, value)| to.show(name, value));
}

impl Log for EventRecord {
    const PATH: &'static str = "events";

    fn columns() -> Vec<Column> {
        let mut columns = vec![Column { name: "ts", kind: "time" }];
        ConnId::columns("id", &mut columns);
        columns.push(Column { name: "event", kind: "enum" });
        columns
    }

    /// Its parameters have no columns.
    fn visit<S: Show>(&self, to: &mut S) {
        to.show(key!("ts"), Value::Time(self.ts));
        self.id.visit(key!("id"), to);
        to.show(key!("event"), Value::Word(self.event));
    }

    fn conn_id(&self) -> Option<&ConnId> {
        Some(&self.id)
    }
}
