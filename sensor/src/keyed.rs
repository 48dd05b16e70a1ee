//! The keyed hash of the tables whose keys come from the wire: a stranger who does not know the key cannot choose keys that collide.
//!
//! It is the multilinear hash of Dietzfelbinger, and of Lemire and Kaser ("Strongly universal string hashing is fast", 2014): the sum,
//! modulo 2^128, of each 64-bit word times a 128-bit key of its own; the upper half counts. Over the choice of keys any two different
//! inputs collide with a chance of 2^-64, whatever they are. That holds as long as nobody learns which ones do, and a passive sensor tells
//! nobody. The products do not wait for each other: two or three words cost what one round of SipHash does.

use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

/// Words with a key of their own; only texts are longer, and are hashed in pieces.
const WORDS: usize = 32;

/// A hash function, chosen by its seed.
#[derive(Clone, Debug)]
pub struct Keyed {
    keys: Box<[u128; WORDS + 1]>,
}

impl Keyed {
    /// The function that this seed chooses. `table` is to differ between tables, so that they do not all share one function.
    pub fn new(seed: u64, table: &str) -> Self {
        let key = |number: usize| {
            let mut hasher = SipHasher13::new_with_keys(seed, !seed.rotate_left(32));
            (table, number).hash(&mut hasher);
            hasher.finish128().as_u128()
        };
        Keyed { keys: Box::new(std::array::from_fn(key)) }
    }

    /// Begins to hash.
    #[inline]
    pub fn hasher(&self) -> Sum<'_> {
        let [first, all @ ..] = &*self.keys;
        Sum { all, keys: all.iter(), sum: *first }
    }

    /// The hash of a key.
    #[inline]
    pub fn of<K: Hash>(&self, key: &K) -> u64 {
        let mut sum = self.hasher();
        key.hash(&mut sum);
        sum.finish()
    }
}

/// A hash under way.
#[derive(Clone, Debug)]
pub struct Sum<'a> {
    all: &'a [u128; WORDS],
    /// Those of the words to come.
    keys: std::slice::Iter<'a, u128>,
    sum: u128,
}

impl<'a> Sum<'a> {
    /// Takes in one word.
    #[inline(always)]
    pub fn word(&mut self, word: u64) {
        let key = match self.keys.next() {
            Some(key) => key,
            None => self.fold(),
        };
        self.sum = self.sum.wrapping_add(key.wrapping_mul(u128::from(word)));
    }

    /// Begins the next piece with what the last one came to, and returns the key of its next word.
    #[cold]
    fn fold(&mut self) -> &'a u128 {
        let [first, second, rest @ ..] = self.all;
        (self.sum, self.keys) = (first.wrapping_mul(u128::from(self.finish())), rest.iter());
        second
    }
}

impl Hasher for Sum<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        match rest {
            [] => {}
            // An IPv4 address: a word that is put together byte by byte is not there at once.
            &[a, b, c, d] => self.word(u32::from_le_bytes([a, b, c, d]).into()),
            _ => {
                let mut word = [0; 8];
                word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
                self.word(u64::from_le_bytes(word));
            }
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }

    #[inline]
    fn write_u128(&mut self, number: u128) {
        self.word(number as u64);
        self.word((number >> 64) as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        (self.sum >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_seed_and_the_table_choose_the_function() {
        let key = ("telnet", [10_u8, 0, 0, 1], 23_u16);
        let of = |seed, table| Keyed::new(seed, table).of(&key);
        assert_eq!(of(1, "a"), of(1, "a"));
        assert_ne!(of(1, "a"), of(2, "a"));
        assert_ne!(of(1, "a"), of(1, "b"));
    }

    #[test]
    fn neighbours_spread_over_both_ends_of_the_hash() {
        let keyed = Keyed::new(7, "");
        let hashes = Vec::from_iter((0..4096_u32).map(|n| keyed.of(&([198, 18, 0, 0_u8], n << 12))));
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 48).collect();
        // 4096 balls in 65,536 bins: 3971 bins are expected to be hit.
        assert!(low.len() > 3850 && high.len() > 3850, "{} {}", low.len(), high.len());
    }

    #[test]
    fn long_texts_count_to_their_end() {
        let keyed = Keyed::new(7, "");
        let (long, mut other) = ([b'x'; 4000], [b'x'; 4000]);
        assert_eq!(keyed.of(&long), keyed.of(&other));
        for at in [0, 255, 256, 257, 3999] {
            other[at] = b'y';
            assert_ne!(keyed.of(&long), keyed.of(&other), "{at}");
            other[at] = b'x';
        }
    }
}
