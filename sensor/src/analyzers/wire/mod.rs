//! Formats on the wire, and what several protocols share of reading them.

pub mod calls;
pub mod dialogue;
pub mod pmap;
pub mod reader;
pub mod rpc;
pub mod xdr;

/// A number as decimal digits, for the details of a weird.
pub fn decimal(number: u32, digits: &mut [u8; 10]) -> &[u8] {
    use std::io::Write;
    let mut rest = &mut digits[..];
    let _ = write!(rest, "{number}");
    let unused = rest.len();
    digits.get(..10_usize.saturating_sub(unused)).unwrap_or_default()
}
