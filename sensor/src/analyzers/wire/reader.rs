//! The only way to take bytes off a message: every step is checked, and none can be taken twice.

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The message ended before what it promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Truncated;

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How much has not been read yet.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next bytes, `count` of them or what there is.
    pub fn up_to(&mut self, count: u32) -> &'a [u8] {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, b""));
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub fn skip(&mut self) {
        self.rest = b"";
    }

    /// A big-endian word.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        let (word, rest) = self.rest.split_first_chunk().ok_or(Truncated)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*word))
    }
}
