//! The `record!` macro: one definition gives the struct, its columns and their order.

use super::value::show_columns;
use super::{ConnId, Value};

/// A [`Name`], put together when the program is compiled.
macro_rules! key {
    ($($name:tt)+) => {
        &const { $crate::record::define::Name::new(concat!(",\"", $($name)+, "\":")) }
    };
}

/// A column of a log: its name, and its type in Zeek's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// The key in JSON, the column in TSV.
    pub name: &'static str,
    /// `time`, `interval`, `string`, `addr`, `port`, `count`, `bool`, `enum`, `vector[string]`.
    pub kind: &'static str,
}

/// A column's name, ready to be written in front of its value: most of a line's bytes are names.
#[derive(Debug)]
pub struct Name {
    plain: &'static str,
    /// What a member of a JSON object begins with, in an array of one length for all: it is moved without a call.
    json: [u8; JSON_BYTES],
    length: usize,
}

const JSON_BYTES: usize = 40;

impl Name {
    /// A name between `,"` and `":`; made by `key` alone.
    pub const fn new(json: &'static str) -> Self {
        let plain = json.split_at(json.len() - 2).0.split_at(2).1;
        let mut name = Name { plain, json: [0; JSON_BYTES], length: json.len() };
        name.json.split_at_mut(json.len()).0.copy_from_slice(json.as_bytes());
        name
    }

    /// What a member of a JSON object begins with, the comma with it: so many of these bytes.
    #[inline(always)]
    pub const fn json(&self) -> (usize, &[u8; JSON_BYTES]) {
        (self.length, &self.json)
    }

    /// The name itself.
    pub const fn plain(&self) -> &'static str {
        self.plain
    }
}

/// Whatever is shown the values of a record, one after the other.
pub trait Show {
    /// The next value.
    fn show(&mut self, name: &'static Name, value: Value<'_>);

    /// The five columns of a connection, for whom they are nothing but five.
    fn show_connection(&mut self, id: &ConnId) {
        show_columns(id, self);
    }
}

impl<F: FnMut(&'static Name, Value<'_>)> Show for F {
    fn show(&mut self, name: &'static Name, value: Value<'_>) {
        self(name, value);
    }
}

/// A record that is a line of a log.
pub trait Log {
    /// The log's name, and its file's without the suffix.
    const PATH: &'static str;

    /// Its columns, in order.
    fn columns() -> Vec<Column>;

    /// Shows each value in the order of [`Log::columns`]; an unset one is [`Value::Unset`].
    fn visit<S: Show>(&self, to: &mut S);

    /// The connection it is about.
    fn conn_id(&self) -> Option<&ConnId>;
}

impl<T: Log> Log for Box<T> {
    const PATH: &'static str = T::PATH;

    fn columns() -> Vec<Column> {
        T::columns()
    }

    fn visit<S: Show>(&self, to: &mut S) {
        T::visit(self, to);
    }

    fn conn_id(&self) -> Option<&ConnId> {
        T::conn_id(self)
    }
}

/// A type that may be a field of a record.
pub trait Field {
    /// The columns it takes: one, but for a connection's identity.
    fn columns(name: &'static str, out: &mut Vec<Column>);

    /// Shows its value or values.
    fn visit<S: Show>(&self, name: &'static Name, to: &mut S);

    /// Shows that it has no value.
    #[inline]
    fn unset<S: Show>(name: &'static Name, to: &mut S) {
        to.show(name, Value::Unset);
    }

    /// The connection, if this field is one.
    #[inline(always)]
    fn conn_id(&self) -> Option<&ConnId> {
        None
    }
}

macro_rules! record {
    ($(#[$doc:meta])* $record:ident => $path:literal { $($field:ident $(as $name:literal)? $(of $zeek:literal)? : $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        #[expect(missing_docs, reason = "the columns carry Zeek's names; the README says what each one means")]
        pub struct $record { $(pub $field: $kind),+ }

        impl $crate::record::Log for $record {
            const PATH: &'static str = $path;

            fn columns() -> Vec<$crate::record::Column> {
                let mut columns = Vec::new();
                $(
                    <$kind as $crate::record::define::Field>::columns($crate::record::define::name!($field $($name)?), &mut columns);
                    $(columns.last_mut().into_iter().for_each(|column: &mut $crate::record::Column| column.kind = $zeek);)?
                )+
                columns
            }

            fn visit<S: $crate::record::define::Show>(&self, to: &mut S) {
                use $crate::record::define::{key, name};
                $($crate::record::define::Field::visit(&self.$field, key!(name!($field $($name)?)), to);)+
            }

            fn conn_id(&self) -> Option<&$crate::record::ConnId> {
                None$(.or($crate::record::define::Field::conn_id(&self.$field)))+
            }
        }
    };
}

macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

/// One enum of all records, and one of their logs, from one list.
macro_rules! logs {
    ($($log:ident($record:ty)),+ $(,)?) => {
        /// A record on its way to a log.
        #[derive(Clone, PartialEq, Debug)]
        #[expect(missing_docs, reason = "each variant is its record")]
        pub enum Record { $($log($record)),+ }

        /// A log, without its contents: what counts are kept by.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[expect(missing_docs, reason = "each variant is its record")]
        pub enum LogName { $($log),+ }

        impl LogName {
            /// Every log, in the order of the variants.
            pub const ALL: &'static [LogName] = &[$(LogName::$log),+];

            /// Its name, and its file's without the suffix.
            pub const fn path(self) -> &'static str {
                match self { $(LogName::$log => <$record as Log>::PATH),+ }
            }

            /// Its columns, in order.
            pub fn columns(self) -> Vec<Column> {
                match self { $(LogName::$log => <$record as Log>::columns()),+ }
            }
        }

        impl Record {
            /// The log that it is a line of.
            pub const fn log(&self) -> LogName {
                match self { $(Record::$log(_) => LogName::$log),+ }
            }

            /// Shows each value in the order of the log's columns.
            pub fn visit<S: define::Show>(&self, to: &mut S) {
                match self { $(Record::$log(record) => record.visit(to)),+ }
            }

            /// The connection it is about.
            pub fn conn_id(&self) -> Option<&ConnId> {
                match self { $(Record::$log(record) => record.conn_id()),+ }
            }
        }

        $(impl From<$record> for Record {
            fn from(record: $record) -> Self {
                Record::$log(record)
            }
        })+
    };
}

pub(crate) use {key, logs, name, record};
