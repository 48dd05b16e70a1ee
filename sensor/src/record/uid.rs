//! The unique name of a connection, as text.

use std::fmt;

/// A connection's unique name, in every record about it: `C` and base-62 digits of 96 bits, as Zeek writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(C, packed(8))] // what holds one is not to be padded to 16 bytes
pub struct Uid(pub u128);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The numbers below 62 * 62, in two digits each.
const PAIRS: [[u8; 2]; 62 * 62] = {
    let mut pairs = [[0; 2]; 62 * 62];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [DIGITS[number / 62], DIGITS[number % 62]];
        number += 1;
    }
    pairs
};
/// 62^10: the low ten digits fit into 64 bits, and so do the seven above them.
const LOW: u128 = 839_299_365_868_340_224;

impl Uid {
    /// Lends `C` and up to 17 digits, without leading zeros. Different names have different texts.
    pub fn with_text<R>(self, of: impl FnOnce(&[u8]) -> R) -> R {
        let bits = self.0 & ((1 << 96) - 1);
        let high = bits / LOW;
        // The first pair is for the `C`.
        let mut pairs = [[b'0'; 2]; 10];
        let (above, below) = pairs.split_at_mut(5);
        fill(&mut above[1..], high as u64);
        fill(below, (bits - high * LOW) as u64);
        let text = pairs.as_flattened_mut();
        let leading = text.iter().take_while(|digit| **digit == b'0').count().min(19);
        text[leading - 1] = b'C';
        of(&text[leading - 1..])
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(&String::from_utf8_lossy(text)))
    }
}

fn fill(pairs: &mut [[u8; 2]], mut number: u64) {
    for pair in pairs.iter_mut().rev() {
        *pair = PAIRS[(number % PAIRS.len() as u64) as usize];
        number /= PAIRS.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bits: u128) -> String {
        Uid(bits).to_string()
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
