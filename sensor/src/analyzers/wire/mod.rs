//! Formats on the wire, and what several protocols share of reading them.

pub mod calls;
pub mod dialogue;
pub mod ftp_addr;
pub mod lines;
pub mod login;
pub mod nvt;
pub mod pmap;
pub mod rcmd;
pub mod reader;
pub mod record;
pub mod rpc;
pub mod session;
pub mod ssh;
pub mod xdr;

/// A number as decimal digits, for the details of a weird.
#[derive(Debug)]
pub struct Decimal {
    digits: [u8; 20],
    unused: usize,
}

impl Decimal {
    /// The digits of a number.
    pub fn new(number: impl Into<u64>) -> Self {
        use std::io::Write;
        let mut digits = [0; 20];
        let mut rest = &mut digits[..];
        let _ = write!(rest, "{}", number.into());
        let unused = rest.len();
        Decimal { digits, unused }
    }

    /// As text.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.digits.len().saturating_sub(self.unused)).unwrap_or_default()
    }
}
