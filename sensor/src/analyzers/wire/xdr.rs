//! External Data Representation (RFC 4506): words, opaque bytes and strings, padded to four.

use super::reader::{Reader, Truncated};

/// Why something does not decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    /// The message ends too early.
    Truncated,
    /// A value that the protocol does not allow; the words say which.
    Value(&'static str),
}

impl From<Truncated> for Bad {
    fn from(_: Truncated) -> Self {
        Bad::Truncated
    }
}

/// Variable-length opaque data of at most `limit` bytes: a length word, the bytes, padding.
///
/// Padding that is missing at the very end of a message is forgiven: several old clients leave it out.
pub fn opaque<'a>(reader: &mut Reader<'a>, limit: u32, what: &'static str) -> Result<&'a [u8], Bad> {
    let length = reader.u32()?;
    if length > limit {
        return Err(Bad::Value(what));
    }
    let length = usize::try_from(length).map_err(|_| Bad::Value(what))?;
    let bytes = reader.take(length)?;
    let padding = length.wrapping_neg() & 3;
    reader.take(padding.min(reader.len()))?;
    Ok(bytes)
}

/// A boolean: as servers do, everything but 0 counts as true.
pub fn boolean(reader: &mut Reader<'_>) -> Result<bool, Bad> {
    Ok(reader.u32()? != 0)
}
