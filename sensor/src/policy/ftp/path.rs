//! Where a session is in the server's directories: what CWD, CDUP and PWD say of it.

/// Where a session is before anybody has logged in, and after, until the server tells.
pub(super) const BEFORE_LOGIN: &str = "<before_login>/";
pub(super) const UNKNOWN: &str = "<unknown>/";

/// Goes where CWD said: an absolute path replaces what was there, any other is appended to it.
pub(super) fn change(cwd: &mut Vec<u8>, to: &[u8], limit: usize) {
    let start = if is_absolute(to) { 0 } else { cwd.len() };
    cwd.truncate(start);
    if start > 0 && !cwd.ends_with(b"/") {
        cwd.push(b'/');
    }
    cwd.extend_from_slice(to.get(..limit.saturating_sub(cwd.len())).unwrap_or(to));
    compress(cwd);
}

/// Takes over the path that the reply to PWD quotes; where it quotes none, or several, nothing changes.
pub(super) fn quoted(cwd: &mut Vec<u8>, msg: &[u8], limit: usize) {
    let mut found = None;
    let mut rest = msg;
    while let Some(start) = memchr::memchr(b'"', rest) {
        let Some(after) = rest.get(start + 1..) else { return };
        let Some(length) = closing(after) else { break };
        let (path, behind) = (after.get(..length).unwrap_or_default(), after.get(length + 1..).unwrap_or_default());
        rest = behind;
        if path.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
            if found.is_some() {
                return;
            }
            found = Some(path);
        }
    }
    if let Some(path) = found {
        cwd.clear();
        let mut quote = false;
        for &byte in path.iter().take(limit) {
            // A quote inside the path is doubled (RFC 959).
            quote = byte == b'"' && !quote;
            if !quote {
                cwd.push(byte);
            }
        }
    }
}

/// The length up to a quote that is not doubled.
fn closing(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether it begins at the root, of a drive if need be.
fn is_absolute(path: &[u8]) -> bool {
    match path {
        [b'/', ..] => true,
        [drive, b':', b'/' | b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Collapses `//`, `/.` and `x/..`, in place.
fn compress(path: &mut Vec<u8>) {
    let (mut kept, mut at) = (0, 0);
    let rooted = path.starts_with(b"/");
    while at < path.len() {
        let end = memchr::memchr(b'/', &path[at..]).map_or(path.len(), |length| at + length);
        let before = &path[..kept];
        let parent = before.strip_suffix(b"/").map(|parent| memchr::memrchr(b'/', parent).map_or(0, |slash| slash + 1));
        match &path[at..end] {
            b"" if kept > 0 => {}
            b"." => {}
            b".." if rooted && kept == 1 => {}
            b".." if parent.is_some_and(|from| !matches!(&before[from..], b"../" | b"/") && before[from] != b'<') => {
                kept = parent.unwrap_or(0);
            }
            _ => {
                let length = (end - at) + usize::from(end < path.len());
                path.copy_within(at..at + length, kept);
                kept += length;
            }
        }
        at = end + 1;
    }
    path.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(steps: &[&str]) -> String {
        let mut cwd = BEFORE_LOGIN.as_bytes().to_vec();
        steps.iter().for_each(|step| change(&mut cwd, step.as_bytes(), 1024));
        String::from_utf8(cwd).unwrap()
    }

    #[test]
    fn directories_are_followed() {
        let walks: [(&[&str], &str); 9] = [
            (&["/pub"], "/pub"),
            (&["/pub", "linux"], "/pub/linux"),
            (&["/pub", "linux/", ".."], "/pub/"),
            (&["/pub", "..", "..", ".."], "/"),
            (&["/a//b/./c"], "/a/b/c"),
            (&["/a/b", "../.."], "/"),
            (&["x"], "<before_login>/x"),
            (&["..", ".."], "<before_login>/../.."),
            (&["c:\\home", "x"], "c:\\home/x"),
        ];
        for (steps, expected) in walks {
            assert_eq!(walk(steps), expected, "{steps:?}");
        }
        assert!(walk(&["/x", &"long/".repeat(1000)]).len() <= 1024);
    }

    #[test]
    fn the_server_tells_where_it_is() {
        let told = [
            (r#""/pub" is the current directory"#, "/pub"),
            (r#"user "bob" is in "/home/bob""#, "/home/bob"),
            (r#""/a ""quoted"" name""#, r#"/a "quoted" name"#),
            (r#"between "/a" and "/b""#, "/old"),
            (r#"nothing "here""#, "/old"),
            (r#""/unfinished"#, "/old"),
        ];
        for (msg, expected) in told {
            let mut cwd = b"/old".to_vec();
            quoted(&mut cwd, msg.as_bytes(), 1024);
            assert_eq!(cwd, expected.as_bytes(), "{msg}");
        }
    }
}
