//! The `record!` macro: one definition gives the struct, its columns and their order.

use super::Value;

/// A column of a log: its name, and its type in Zeek's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// The key in JSON, the column in TSV.
    pub name: &'static str,
    /// `time`, `interval`, `string`, `addr`, `port`, `count`, `bool`, `enum`, `vector[string]`.
    pub kind: &'static str,
}

/// A record that is a line of a log.
pub trait Log {
    /// The log's name, and its file's without the suffix.
    const PATH: &'static str;

    /// Its columns, in order.
    fn columns() -> Vec<Column>;

    /// Shows each value in the order of [`Log::columns`]; an unset one is [`Value::Unset`].
    fn visit(&self, out: &mut dyn FnMut(&'static str, Value<'_>));
}

/// A type that may be a field of a record.
pub trait Field {
    /// The columns it takes: one, but for a connection's identity.
    fn columns(name: &'static str, out: &mut Vec<Column>);

    /// Shows its value or values.
    fn visit(&self, name: &'static str, out: &mut dyn FnMut(&'static str, Value<'_>));
}

macro_rules! record {
    ($(#[$doc:meta])* $record:ident => $path:literal { $($field:ident $(as $name:literal)? : $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        #[expect(missing_docs, reason = "the columns carry Zeek's names; the README says what each one means")]
        pub struct $record { $(pub $field: $kind),+ }

        impl $crate::record::Log for $record {
            const PATH: &'static str = $path;

            fn columns() -> Vec<$crate::record::Column> {
                let mut columns = Vec::new();
                $(<$kind as $crate::record::define::Field>::columns($crate::record::define::name!($field $($name)?), &mut columns);)+
                columns
            }

            fn visit(&self, out: &mut dyn FnMut(&'static str, $crate::record::Value<'_>)) {
                $($crate::record::define::Field::visit(&self.$field, $crate::record::define::name!($field $($name)?), out);)+
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

pub(crate) use {name, record};
