//! Numbers, times and addresses as digits, appended without the detour through `fmt` where it is hot.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Timestamp;

/// Appends a number in decimal.
pub fn count(mut number: u64, out: &mut Vec<u8>) {
    if number < 10 {
        out.push(b'0' + number as u8);
        return;
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends seconds since the epoch with six decimals, cut, not rounded.
pub fn time(moment: Timestamp, out: &mut Vec<u8>) {
    let nanos = moment.as_nanos();
    seconds(nanos / 1_000_000_000, (nanos % 1_000_000_000) as u32, out);
}

/// Appends seconds with six decimals, cut, not rounded.
pub fn interval(length: Duration, out: &mut Vec<u8>) {
    seconds(length.as_secs(), length.subsec_nanos(), out);
}

/// Appends a fraction with six decimals.
pub fn double(number: f64, out: &mut Vec<u8>) {
    let _ = write!(out, "{number:.6}");
}

/// Appends an address: IPv6 as RFC 5952 writes it.
pub fn addr(addr: IpAddr, out: &mut Vec<u8>) {
    match addr {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            count(u64::from(a), out);
            for octet in [b, c, d] {
                out.push(b'.');
                count(u64::from(octet), out);
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
}

fn seconds(whole: u64, nanos: u32, out: &mut Vec<u8>) {
    count(whole, out);
    let micros = nanos / 1000;
    let digit = |unit: u32| b'0' + (micros / unit % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100_000), digit(10_000), digit(1000), digit(100), digit(10), digit(1)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_read_as_std_writes_them() {
        for number in [0, 9, 10, 65_535, u64::MAX] {
            assert_eq!(text(|out| count(number, out)), number.to_string());
        }
        assert_eq!(text(|out| time(Timestamp::from_parts(1_258_531_221, 486_539_999), out)), "1258531221.486539");
        assert_eq!(text(|out| interval(Duration::from_micros(301), out)), "0.000301");
        for address in ["0.0.0.0", "192.168.1.254", "::ffff:1.2.3.4", "2001:db8::1"] {
            assert_eq!(text(|out| addr(address.parse().unwrap(), out)), address);
        }
    }
}
