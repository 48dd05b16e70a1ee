//! Names that the settings give.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer};

/// A name from the settings. It is kept for the life of the process, so that records carry it from thread to thread without copying it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Name(&'static str);

/// Settings may be read more than once (`check`, tests); the same name is kept once.
static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl Name {
    /// The name itself.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(name.as_str()).copied();
        Name(known.unwrap_or_else(|| {
            let name: &'static str = name.leak();
            kept.insert(name);
            name
        }))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Name::from)
    }
}
