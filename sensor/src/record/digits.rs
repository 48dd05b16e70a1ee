//! Numbers and addresses as text, without the way through [`std::fmt`]: nearly every line and every notice has several.

use std::net::{IpAddr, Ipv4Addr};

use crate::flow::key::Transport;

/// The most digits of a number.
const MOST: usize = 20;

/// The numbers below a hundred, in two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// An octet of an address, the dot behind it, and how many characters these are.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([b'.'; 4], 0); 256];
    let mut number = 0;
    while number < octets.len() {
        let [tens, ones] = PAIRS[number % 100];
        octets[number] = match number {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([b'0' + (number / 100) as u8, tens, ones, b'.'], 4),
        };
        number += 1;
    }
    octets
};

/// A text of at most `N` bytes; what lies behind it means nothing.
#[derive(Clone, Copy, Debug)]
pub struct Digits<const N: usize> {
    /// The text, and what lies behind it.
    pub bytes: [u8; N],
    /// How long the text is.
    pub length: usize,
}

impl<const N: usize> Digits<N> {
    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

/// Two digits of a number below a hundred.
pub fn pair(number: u64) -> [u8; 2] {
    PAIRS[number as usize]
}

/// A number in decimal.
pub fn decimal(mut number: u64) -> Digits<MOST> {
    // As many bytes stand behind the digits, so that what begins with the first one is an array.
    let mut digits = [[b'0'; 2]; MOST];
    let mut at = MOST / 2;
    while number >= 10 {
        at -= 1;
        digits[at] = pair(number % 100);
        number /= 100;
    }
    if number > 0 || at == MOST / 2 {
        at -= 1;
        digits[at] = pair(number);
    }
    let at = 2 * at + usize::from(digits[at][0] == b'0');
    let bytes = digits.as_flattened()[at..].first_chunk().copied().unwrap_or_default();
    Digits { bytes, length: MOST - at }
}

/// An address of IPv4.
pub fn dotted(addr: Ipv4Addr) -> Digits<16> {
    let (mut bytes, mut length) = ([0; 16], 0);
    for octet in addr.octets() {
        let (characters, own) = OCTETS[usize::from(octet)];
        if let Some(place) = bytes[length..].first_chunk_mut() {
            *place = characters;
        }
        length += usize::from(own);
    }
    Digits { bytes, length: length - 1 }
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(decimal(number).as_bytes());
}

/// Appends an address: of IPv6, as RFC 5952 writes it.
pub fn put_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(v4) => out.extend_from_slice(dotted(v4).as_bytes()),
        IpAddr::V6(v6) => {
            let _ = std::io::Write::write_fmt(out, format_args!("{v6}"));
        }
    }
}

/// Appends `<port>/<transport>`.
pub fn put_port(out: &mut Vec<u8>, port: u16, transport: Transport) {
    put_number(out, port.into());
    out.push(b'/');
    out.extend_from_slice(transport.name().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_read_as_std_writes_them() {
        let mut numbers = vec![0, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 65_535, 100_000, u64::MAX];
        numbers.extend((0..20).map(|digits| 10_u64.pow(digits)));
        for number in numbers {
            assert_eq!(decimal(number).as_bytes(), number.to_string().as_bytes());
        }
        for octet in 0..=255 {
            let addr = Ipv4Addr::new(octet, 255 - octet, 7, octet / 2);
            assert_eq!(dotted(addr).as_bytes(), addr.to_string().as_bytes());
        }
        let mut out = Vec::new();
        put_addr(&mut out, "2001:db8::1".parse().unwrap());
        put_number(&mut out, 7);
        assert_eq!(out, b"2001:db8::17");
    }
}
