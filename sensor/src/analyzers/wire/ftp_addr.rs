//! Where an FTP data connection is to go: the arguments of PORT and EPRT, the replies to PASV and EPSV (RFC 959, RFC 2428).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memmem};

/// The manual's `ftp_port`: an address, a port, and whether both could be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FtpPort {
    /// The address; unspecified where none was given (EPSV), or none could be read.
    pub h: IpAddr,
    /// The port.
    pub p: u16,
    /// Whether this is where a data connection can go.
    pub valid: bool,
}

impl FtpPort {
    fn invalid(h: IpAddr) -> Self {
        FtpPort { h, p: 0, valid: false }
    }
}

/// The argument of PORT: `h1,h2,h3,h4,p1,p2`, each at most 255. What follows is ignored.
pub fn parse_ftp_port(text: &[u8]) -> FtpPort {
    let mut numbers = [0u8; 6];
    let mut rest = text;
    for (place, number) in numbers.iter_mut().enumerate() {
        if place > 0 {
            let Some(after) = rest.strip_prefix(b",") else { return FtpPort::invalid(Ipv4Addr::UNSPECIFIED.into()) };
            rest = after;
        }
        let Some((value, after)) = decimal(rest.trim_ascii_start()) else {
            return FtpPort::invalid(Ipv4Addr::UNSPECIFIED.into());
        };
        let Ok(value) = u8::try_from(value) else { return FtpPort::invalid(Ipv4Addr::UNSPECIFIED.into()) };
        (*number, rest) = (value, after);
    }
    let [a, b, c, d, high, low] = numbers;
    FtpPort { h: Ipv4Addr::new(a, b, c, d).into(), p: u16::from_be_bytes([high, low]), valid: true }
}

/// The reply to PASV: in parentheses, after the word PORT, or around the first comma.
pub fn parse_ftp_pasv(text: &[u8]) -> FtpPort {
    if let Some(at) = memchr(b'(', text) {
        return parse_ftp_port(text.get(at..).and_then(|rest| rest.strip_prefix(b"(")).unwrap_or_default());
    }
    if let Some(at) = memmem::find(text, b"PORT") {
        return parse_ftp_port(text.get(at..).and_then(|rest| rest.get(b"PORT ".len()..)).unwrap_or_default());
    }
    let comma = memchr(b',', text).unwrap_or(0);
    let before = text.get(..comma).unwrap_or_default();
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    parse_ftp_port(text.get(comma.saturating_sub(digits)..).unwrap_or_default())
}

/// The argument of EPRT: `|protocol|address|port|`, between any delimiters. The protocol's number says nothing that the address does not.
pub fn parse_eftp_port(text: &[u8]) -> FtpPort {
    let text = text.trim_ascii_start();
    let nothing = FtpPort::invalid(Ipv6Addr::UNSPECIFIED.into());
    let Some((&delimiter, rest)) = text.split_first() else { return nothing };
    let mut parts = rest.split(|&byte| byte == delimiter);
    let (Some(_), Some(address), Some(port), Some(_)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return nothing;
    };
    let h = match std::str::from_utf8(address.trim_ascii()).ok().map(str::parse::<IpAddr>) {
        _ if address.is_empty() => nothing.h,
        Some(Ok(h)) => h,
        _ => return with_port(nothing.h, port, false),
    };
    with_port(h, port, true)
}

/// The reply to EPSV: `(|||port|)`.
pub fn parse_ftp_epsv(text: &[u8]) -> FtpPort {
    let start = memchr(b'(', text).and_then(|at| text.get(at..)).and_then(|rest| rest.strip_prefix(b"("));
    start.map_or_else(|| FtpPort::invalid(Ipv6Addr::UNSPECIFIED.into()), parse_eftp_port)
}

/// The inverse of [`parse_ftp_port`]; IPv6 has no such form.
pub fn fmt_ftp_port(h: IpAddr, p: u16) -> Option<String> {
    let IpAddr::V4(h) = h else { return None };
    let ([a, b, c, d], [high, low]) = (h.octets(), p.to_be_bytes());
    Some(format!("{a},{b},{c},{d},{high},{low}"))
}

fn with_port(h: IpAddr, port: &[u8], valid: bool) -> FtpPort {
    let read = decimal(port).filter(|(_, rest)| rest.is_empty()).and_then(|(value, _)| u16::try_from(value).ok());
    match read {
        Some(p) => FtpPort { h, p, valid },
        None => FtpPort::invalid(h),
    }
}

/// A decimal number, and what comes after its digits. One that no port can have is as large as can be.
fn decimal(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    let value = number
        .iter()
        .fold(0u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))));
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(h: &str, p: u16, valid: bool) -> FtpPort {
        FtpPort { h: h.parse().unwrap_or(Ipv4Addr::BROADCAST.into()), p, valid }
    }

    #[test]
    fn the_reference_vectors() {
        assert_eq!(parse_ftp_port(b"192,168,0,2,1,1"), port("192.168.0.2", 257, true));
        let eprt: [(&[u8], FtpPort); 7] = [
            (b"|1|192.168.0.2|257|", port("192.168.0.2", 257, true)),
            (b"|2|fe80::12|1234|", port("fe80::12", 1234, true)),
            (b"|1|192.168.0.313|257|", port("::", 257, false)),
            (b"|2|fe80::gg|1234|", port("::", 1234, false)),
            (b"|1|192.168.0.2|-1|", port("192.168.0.2", 0, false)),
            (b"|2|192.168.0.2|131072|", port("192.168.0.2", 0, false)),
            (b"  !2!fe80::12!1234!", port("fe80::12", 1234, true)),
        ];
        for (text, expected) in eprt {
            assert_eq!(parse_eftp_port(text), expected, "{}", text.escape_ascii());
        }
        let pasv = parse_ftp_pasv(b"227 Entering Passive Mode (192,168,0,2,1,1)");
        assert_eq!(pasv, port("192.168.0.2", 257, true));
        let epsv = parse_ftp_epsv(b"229 Entering Extended Passive Mode (|||1234|)");
        assert_eq!(epsv, port("::", 1234, true));
        assert_eq!(fmt_ftp_port([192, 168, 0, 2].into(), 257).as_deref(), Some("192,168,0,2,1,1"));
        assert_eq!(fmt_ftp_port(Ipv6Addr::LOCALHOST.into(), 257), None);
    }

    #[test]
    fn what_is_no_address_is_not_valid() {
        let none = port("0.0.0.0", 0, false);
        let long = [b"10,0,0,1,1,".as_slice(), &[b'9'; 120]].concat();
        let bad: [&[u8]; 8] =
            [b"", b"1,2,3,4,5", b"300,1,1,1,1,1", b"-1,2,3,4,5,6", b"1,,2,3,4,5", b",0,0", b"1 2 3 4 5 6", &long];
        for text in bad {
            assert_eq!(parse_ftp_port(text), none, "{}", text.escape_ascii());
        }
        assert_eq!(parse_ftp_port(b"1,2,3,4,5,6,7"), port("1.2.3.4", 1286, true), "what follows is ignored");
        for text in [b"|||1234".as_slice(), b"", b"|", b"||||||", b"|1|10.0.0.1||", b"|1|10.0.0.1|12x|"] {
            assert!(!parse_eftp_port(text).valid, "{}", text.escape_ascii());
        }
        assert!(!parse_ftp_epsv(b"Entering Extended Passive Mode |||1234|").valid, "no parenthesis");
    }

    #[test]
    fn replies_to_pasv_come_in_three_shapes() {
        let expected = port("10.0.0.1", 1025, true);
        for text in [b"Passive (10,0,0,1,4,1).".as_slice(), b"use PORT 10,0,0,1,4,1", b"=10,0,0,1,4,1"] {
            assert_eq!(parse_ftp_pasv(text), expected, "{}", text.escape_ascii());
        }
        assert!(!parse_ftp_pasv(b"Entering Passive Mode").valid && !parse_ftp_pasv(b"(").valid);
    }
}
