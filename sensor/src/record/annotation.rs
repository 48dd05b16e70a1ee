//! What records say in structure until a sink wants words: annotations, names of programs, what is spoken.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::Value;
use super::define::{Column, Field, Name, Show};
use super::digits::{put_number, put_port};
use crate::analyzers::Service;
use crate::flow::History;
use crate::flow::key::Transport;
use crate::text::Text;

/// An RPC program's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgramName {
    /// As the settings have it.
    Known(&'static str),
    /// `unknown-<number>`.
    Unknown(u32),
}

/// One annotation of the manual's `addl`: structured here, words only in a line or a notice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Annotation {
    /// Words of our own.
    Words(&'static str),
    /// Words with something from the wire or from the policy in them, already put together (rare paths only).
    Text(Text),
    /// What one portmapper call was about, likewise put together.
    Call(Text),
    /// `<program> -> <port>/<transport>` of a portmapper answer.
    Mapping {
        /// RPC program.
        program: ProgramName,
        /// Its port; 0: not registered.
        port: u16,
        /// TCP or UDP.
        transport: Transport,
    },
}

/// The annotations of a connection that is over.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Annotations {
    /// In the order in which they were made.
    pub list: SmallVec<[Annotation; 1]>,
    /// The most bytes that are written of them.
    pub limit: usize,
}

/// What is spoken on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// The analyzer's name, and the procedures that were seen.
    Analyzed {
        /// The analyzer, if its name says anything.
        service: Option<Service>,
        /// Further names.
        labels: SmallVec<[&'static str; 1]>,
    },
    /// What a portmapper said of the port.
    Learned(Text),
}

impl ProgramName {
    /// Lends the name as text.
    pub fn with_str<R>(self, of: impl FnOnce(&str) -> R) -> R {
        match self {
            ProgramName::Known(name) => of(name),
            ProgramName::Unknown(_) => of(&self.to_string()),
        }
    }

    /// The name as a record keeps it.
    pub fn text(self) -> Text {
        self.with_str(|name| Text::new(name.as_bytes(), usize::MAX))
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            ProgramName::Known(name) => out.extend_from_slice(name.as_bytes()),
            ProgramName::Unknown(number) => {
                out.extend_from_slice(b"unknown-");
                put_number(out, number.into());
            }
        }
    }

    fn length(self) -> usize {
        match self {
            ProgramName::Known(name) => name.len(),
            ProgramName::Unknown(number) => "unknown-".len() + digits(number),
        }
    }
}

impl fmt::Display for ProgramName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramName::Known(name) => f.write_str(name),
            ProgramName::Unknown(number) => write!(f, "unknown-{number}"),
        }
    }
}

impl Annotation {
    /// What stands for annotations beyond the length that the settings allow.
    pub const CUT: Annotation = Annotation::Words("...");

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        match self {
            Annotation::Text(text) | Annotation::Call(text) => text.held(),
            Annotation::Words(_) | Annotation::Mapping { .. } => 0,
        }
    }

    /// How long [`Annotation::put`] makes it, without making it.
    pub fn length(&self) -> usize {
        match self {
            Annotation::Words(words) => words.len(),
            Annotation::Text(text) | Annotation::Call(text) => text.as_bytes().len(),
            Annotation::Mapping { program, port, .. } => program.length() + " -> /tcp".len() + digits(u32::from(*port)),
        }
    }

    /// Appends its words.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Annotation::Words(words) => out.extend_from_slice(words.as_bytes()),
            Annotation::Text(text) | Annotation::Call(text) => out.extend_from_slice(text.as_bytes()),
            Annotation::Mapping { program, port, transport } => {
                program.put(out);
                out.extend_from_slice(b" -> ");
                put_port(out, *port, *transport);
            }
        }
    }

    /// Appends the words of several, the manual's `addl`: calls are parted by commas, everything else by blanks.
    pub fn put_all(annotations: &[Annotation], out: &mut Vec<u8>) {
        for (at, annotation) in annotations.iter().enumerate() {
            let call = matches!(annotation, Annotation::Call(_) | Annotation::Mapping { .. });
            let cut = *annotation == Annotation::CUT;
            out.extend_from_slice(match (at, call, cut) {
                (0, _, _) | (_, _, true) => b"",
                (_, true, _) => b", ",
                (_, false, _) => b" ",
            });
            annotation.put(out);
        }
    }
}

fn digits(number: u32) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// A column that is put into words when it is written; unset if there are none.
macro_rules! worded {
    ($type:ty, |$value:ident| $words:expr) => {
        impl Field for $type {
            fn columns(name: &'static str, out: &mut Vec<Column>) {
                out.push(Column { name, kind: "string" });
            }

            fn visit<S: Show>(&self, name: &'static Name, to: &mut S) {
                let $value = self;
                let words: Text = $words;
                to.show(name, if words.is_empty() { Value::Unset } else { Value::Text(Cow::Owned(words)) });
            }
        }
    };
}

worded!(ProgramName, |name| name.text());
worded!(History, |history| Text::new(history.as_str().as_bytes(), usize::MAX));
worded!(Spoken, |spoken| spoken.text());

worded!(Annotations, |annotations| {
    let length = annotations.list.iter().map(|annotation| annotation.length() + ", ".len()).sum();
    let mut words = Vec::with_capacity(length);
    Annotation::put_all(&annotations.list, &mut words);
    Text::new(&words, annotations.limit)
});

impl Spoken {
    /// Its names, parted by commas.
    pub fn text(&self) -> Text {
        match self {
            Spoken::Learned(name) => name.clone(),
            Spoken::Analyzed { service, labels } => {
                let mut names = SmallVec::<[u8; 64]>::from_slice(service.map_or("", Service::name).as_bytes());
                for label in labels {
                    names.push(b',');
                    names.extend_from_slice(label.as_bytes());
                }
                Text::new(&names, usize::MAX)
            }
        }
    }
}
