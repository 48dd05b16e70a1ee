//! The line that each side of an SSH connection begins with (RFC 4253 section 4.2), and the version that two of them agree on.

use memchr::memchr;

use super::Version;

/// An identification has at most so many bytes, its end included (RFC 4253 section 4.2).
pub const LONGEST: usize = 255;

/// The versions that an identification admits to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// SSH 1 only.
    One,
    /// `1.99`: either (RFC 4253 section 5.1).
    Either,
    /// SSH 2 only.
    Two,
}

/// A line at the beginning of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// The line without its end, and the bytes that it takes.
    Whole(&'a [u8], usize),
    /// Its end has not come yet.
    Unfinished,
    /// It is longer than the bound.
    TooLong,
}

/// The first line, which has at most `limit` bytes.
pub fn line(bytes: &[u8], limit: usize) -> Line<'_> {
    let within = bytes.get(..limit).unwrap_or(bytes);
    let Some(end) = memchr(b'\n', within) else {
        return if bytes.len() >= limit { Line::TooLong } else { Line::Unfinished };
    };
    let text = within.get(..end).unwrap_or_default();
    Line::Whole(text.strip_suffix(b"\r").unwrap_or(text), end.saturating_add(1))
}

/// Whether a line is an identification, or begins like one.
pub fn is_identification(line: &[u8]) -> bool {
    line.starts_with(b"SSH-")
}

/// Whether an identification is that of OpenSSH.
pub fn is_openssh(line: &[u8]) -> bool {
    line.starts_with(b"SSH-2.0-OpenSSH")
}

/// What an identification admits to; `Err`: the weird that says what is wrong with it.
pub fn speaks(line: &[u8]) -> Result<Speaks, &'static str> {
    let rest = line.strip_prefix(b"SSH-").ok_or("malformed_ssh_identification")?;
    let end = memchr(b'-', rest).ok_or("malformed_ssh_version")?;
    match rest.get(..end).unwrap_or_default() {
        b"1.99" => Ok(Speaks::Either),
        version if version.starts_with(b"1.") => Ok(Speaks::One),
        version if version.starts_with(b"2.") => Ok(Speaks::Two),
        _ => Err("SSH_cannot_determine_version"),
    }
}

/// The version that two sides will speak; `None`: they cannot understand each other.
pub fn agreed(one: Speaks, other: Speaks) -> Option<Version> {
    match (one, other) {
        (Speaks::Either | Speaks::Two, Speaks::Either | Speaks::Two) => Some(Version::Two),
        (Speaks::Either | Speaks::One, Speaks::Either | Speaks::One) => Some(Version::One),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_lf() {
        assert_eq!(line(b"SSH-2.0-x\r\nrest", 255), Line::Whole(b"SSH-2.0-x", 11));
        assert_eq!(line(b"SSH-2.0-x\nrest", 255), Line::Whole(b"SSH-2.0-x", 10));
        assert_eq!(line(b"SSH-2.0", 255), Line::Unfinished);
        assert_eq!(line(b"SSH-2.0-long\n", 8), Line::TooLong);
        assert_eq!(line(b"SSH-2.0\n", 8), Line::Whole(b"SSH-2.0", 8));
    }

    #[test]
    fn versions_are_read_and_agreed_on() {
        assert_eq!(speaks(b"SSH-1.5-OpenSSH_5.3"), Ok(Speaks::One));
        assert_eq!(speaks(b"SSH-1.99-Cisco-1.25"), Ok(Speaks::Either));
        assert_eq!(speaks(b"SSH-2.0-"), Ok(Speaks::Two));
        assert_eq!(speaks(b"GET / HTTP/1.0"), Err("malformed_ssh_identification"));
        assert_eq!(speaks(b"SSH-2.0"), Err("malformed_ssh_version"));
        assert_eq!(speaks(b"SSH-3.0-x"), Err("SSH_cannot_determine_version"));
        assert_eq!(agreed(Speaks::Either, Speaks::Two), Some(Version::Two));
        assert_eq!(agreed(Speaks::Either, Speaks::One), Some(Version::One));
        assert_eq!(agreed(Speaks::Either, Speaks::Either), Some(Version::Two));
        assert_eq!(agreed(Speaks::One, Speaks::Two), None);
    }
}
