//! Addresses as both sides store them, and the hash of an address pair.

/// An IP address as four words in wire order; IPv4 is stored as its IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u32; 4]);

impl Address {
    /// The IPv4 address with these octets.
    #[inline(always)]
    pub const fn v4(octets: [u8; 4]) -> Self {
        Address([0, 0, 0xffff_u32.to_be(), u32::from_ne_bytes(octets)])
    }

    /// The IPv6 address with these octets.
    #[inline(always)]
    pub const fn v6(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Address([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ])
    }

    #[inline(always)]
    const fn mixed(self, seed: u64) -> u64 {
        let [a, b, c, d] = self.0;
        mix(mix(seed, (a as u64) << 32 | b as u64), (c as u64) << 32 | d as u64)
    }
}

impl From<core::net::IpAddr> for Address {
    fn from(address: core::net::IpAddr) -> Self {
        match address {
            core::net::IpAddr::V4(v4) => Address::v4(v4.octets()),
            core::net::IpAddr::V6(v6) => Address::v6(v6.octets()),
        }
    }
}

/// The shard hash: of the two addresses alone, the same in both directions.
///
/// Ports stay out, so that all fragments, an FTP control connection with its data connections, and a portmapper lookup with the
/// calls that follow it meet in one worker. The seed keeps a sender from choosing addresses that meet there on purpose.
/// Each address is mixed alone and the results are added: symmetric without a comparison, and equal addresses do not cancel.
#[inline(always)]
pub const fn pair_hash(seed: u64, a: Address, b: Address) -> u32 {
    let sum = a.mixed(seed).wrapping_add(b.mixed(seed));
    (mix(seed, sum) >> 32) as u32
}

/// The worker that owns this hash; `workers` of 0 counts as 1. By multiplication, because the high bits of the hash are its best.
#[inline(always)]
pub const fn shard_of(hash: u32, workers: u32) -> u32 {
    ((hash as u64 * workers as u64) >> 32) as u32
}

/// One round of mixing: the multiplication spreads low bits upward, the shift brings them back.
#[inline(always)]
const fn mix(state: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio
    let x = (state ^ word).wrapping_mul(ODD);
    let x = (x ^ (x >> 32)).wrapping_mul(ODD);
    x ^ (x >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_meet() {
        let (a, b) = (Address::v4([10, 0, 0, 1]), Address::v4([192, 168, 7, 9]));
        assert_eq!(pair_hash(7, a, b), pair_hash(7, b, a));
        assert_ne!(pair_hash(7, a, b), pair_hash(8, a, b), "the seed matters");
        assert_ne!(pair_hash(7, a, a), pair_hash(7, b, b), "equal addresses do not cancel");
    }

    #[test]
    fn neighbouring_pairs_spread_evenly() {
        let mut shards = [0_u32; 8];
        for host in 0..=255_u8 {
            for net in 0..=63_u8 {
                let hash = pair_hash(99, Address::v4([10, 0, 0, host]), Address::v4([10, 0, 1, net]));
                shards[shard_of(hash, 8) as usize] += 1;
            }
        }
        let mean = 256 * 64 / 8;
        assert!(shards.iter().all(|&n| n > mean * 9 / 10 && n < mean * 11 / 10), "{shards:?}");
    }

    #[test]
    fn a_shard_is_always_a_worker() {
        for workers in 1..=64 {
            assert!(shard_of(u32::MAX, workers) < workers);
        }
        assert_eq!(shard_of(u32::MAX, 0), 0);
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_ones() {
        let mapped: core::net::IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let v4: core::net::IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(Address::from(mapped), Address::from(v4));
    }
}
