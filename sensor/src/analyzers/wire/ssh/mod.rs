//! SSH on the wire (RFC 4253): identifications, packets before encryption, KEXINIT, and what lengths tell after it.

pub mod auth;
pub mod identification;
pub mod kexinit;
pub mod packet;

/// The version that both sides will speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// SSH 1.
    One,
    /// SSH 2.
    Two,
}
