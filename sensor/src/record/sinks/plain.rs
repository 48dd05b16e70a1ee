//! Numbers, times and addresses as digits, appended without the detour through `fmt` where it is hot.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::line::Line;
use crate::record::digits::{decimal, dotted, pair};
use crate::time::Timestamp;

/// Appends a number in decimal.
pub fn count(number: u64, out: &mut Line) {
    match number {
        0..10 => out.push(b'0' + number as u8),
        10..100 => out.put_first(2, &pair(number)),
        _ => {
            let digits = decimal(number);
            out.put_first(digits.length, &digits.bytes);
        }
    }
}

/// Appends seconds since the epoch with six decimals, cut, not rounded.
pub fn time(moment: Timestamp, out: &mut Line) {
    let nanos = moment.as_nanos();
    seconds(nanos / 1_000_000_000, (nanos % 1_000_000_000) as u32, out);
}

/// Appends seconds with six decimals, cut, not rounded.
pub fn interval(length: Duration, out: &mut Line) {
    seconds(length.as_secs(), length.subsec_nanos(), out);
}

/// Appends a fraction with six decimals.
pub fn double(number: f64, out: &mut Line) {
    let _ = write!(out, "{number:.6}");
}

/// Appends an address: IPv6 as RFC 5952 writes it.
pub fn addr(addr: IpAddr, out: &mut Line) {
    match addr {
        IpAddr::V4(v4) => {
            let digits = dotted(v4);
            out.put_first(digits.length, &digits.bytes);
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
}

fn seconds(whole: u64, nanos: u32, out: &mut Line) {
    count(whole, out);
    let micros = u64::from(nanos / 1000);
    let [[a, b], [c, d], [e, f]] = [pair(micros / 10_000), pair(micros / 100 % 100), pair(micros % 100)];
    out.put_first(7, &[b'.', a, b, c, d, e, f]);
}

#[cfg(test)]
mod tests {
    use super::super::line::text;
    use super::*;

    #[test]
    fn numbers_read_as_std_writes_them() {
        for number in [0, 9, 10, 99, 100, 999, 1000, 65_535, 100_000, u64::MAX] {
            assert_eq!(text(|out| count(number, out)), number.to_string());
        }
        assert_eq!(text(|out| time(Timestamp::from_parts(1_258_531_221, 486_539_999), out)), "1258531221.486539");
        assert_eq!(text(|out| interval(Duration::from_micros(301), out)), "0.000301");
        for address in ["0.0.0.0", "192.168.1.254", "255.255.255.255", "9.10.99.100", "::ffff:1.2.3.4", "2001:db8::1"] {
            assert_eq!(text(|out| addr(address.parse().unwrap(), out)), address);
        }
    }
}
