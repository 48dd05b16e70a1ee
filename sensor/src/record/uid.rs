//! The unique name of a connection, as text.

use std::fmt;

/// A connection's unique name, in every record about it: `C` and base-62 digits of 96 bits, as Zeek writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(C, packed(8))] // what holds one is not to be padded to 16 bytes
pub struct Uid(pub u128);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^10: the low ten digits fit into 64 bits, and so do the seven above them.
const LOW: u128 = 839_299_365_868_340_224;

impl Uid {
    /// Appends `C` and up to 17 digits, without leading zeros. Different names have different texts.
    pub fn append_to(self, out: &mut Vec<u8>) {
        let bits = self.0 & ((1 << 96) - 1);
        let mut text = [b'0'; 17];
        let (high, low) = text.split_at_mut(7);
        fill(high, (bits / LOW) as u64);
        fill(low, (bits % LOW) as u64);
        let leading = text.iter().take_while(|digit| **digit == b'0').count().min(16);
        out.push(b'C');
        out.extend_from_slice(&text[leading..]);
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(18);
        self.append_to(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

fn fill(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bits: u128) -> String {
        let mut out = Vec::new();
        Uid(bits).append_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digits_run_from_0_to_z() {
        assert_eq!(text(0), "C0");
        assert_eq!(text(61), "Cz");
        assert_eq!(text(62), "C10");
        assert_eq!(text(LOW), "C10000000000");
        assert_eq!(text((1 << 96) - 1), "C1f2SI9UJPXvb7vdJ1");
    }

    #[test]
    fn only_96_bits_count() {
        assert_eq!(text(1 << 96 | 5), "C5");
    }
}
