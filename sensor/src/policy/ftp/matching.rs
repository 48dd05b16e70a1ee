//! Which command a reply answers: clients that do not wait, and servers that answer out of turn, make it a guess by scores.

use memchr::memmem;

/// What stands for the greeting, which nobody asked for.
pub(super) const INIT: &[u8] = b"<init>";

/// The replies that RFC 959 and its successors have for each command.
const REPLIES: &[(&str, &[u16])] = &[
    ("<init>", &[120, 220, 421, 0]),
    ("<missing>", &[0]),
    ("USER", &[230, 530, 500, 501, 421, 331, 332]),
    ("PASS", &[230, 202, 530, 500, 501, 503, 421, 332]),
    ("ACCT", &[230, 202, 530, 500, 501, 503, 421]),
    ("CWD", &[250, 500, 501, 502, 421, 530, 550]),
    ("CDUP", &[200, 250, 500, 501, 502, 421, 530, 550]),
    ("SMNT", &[202, 250, 500, 501, 502, 421, 530, 550]),
    ("REIN", &[120, 220, 421, 500, 502]),
    ("QUIT", &[221, 500, 0]),
    ("PORT", &[200, 500, 501, 421, 530]),
    ("PASV", &[227, 500, 501, 502, 421, 530]),
    ("MODE", &[200, 500, 501, 502, 504, 421, 530]),
    ("TYPE", &[200, 500, 501, 504, 421, 530]),
    ("STRU", &[200, 500, 501, 504, 421, 530]),
    ("ALLO", &[200, 202, 500, 501, 504, 421, 530]),
    ("REST", &[200, 500, 501, 502, 421, 530, 350]),
    ("STOR", &[125, 150, 110, 226, 250, 425, 426, 451, 550, 551, 552, 532, 450, 452, 553, 500, 501, 421, 530]),
    ("STOU", &[125, 150, 110, 226, 250, 425, 426, 451, 550, 551, 552, 532, 450, 452, 553, 500, 501, 421, 530]),
    ("RETR", &[125, 150, 110, 226, 250, 425, 426, 451, 450, 550, 500, 501, 421, 530]),
    ("LIST", &[125, 150, 226, 250, 425, 426, 451, 450, 550, 500, 501, 502, 421, 530]),
    ("NLST", &[125, 150, 226, 250, 425, 426, 451, 450, 550, 500, 501, 502, 421, 530]),
    ("APPE", &[125, 150, 226, 250, 425, 426, 451, 551, 552, 532, 450, 550, 452, 553, 500, 501, 502, 421, 530]),
    ("RNFR", &[450, 550, 500, 501, 502, 421, 530, 350]),
    ("RNTO", &[250, 532, 553, 500, 501, 502, 503, 421, 530]),
    ("DELE", &[250, 450, 550, 500, 501, 502, 421, 530]),
    ("RMD", &[250, 500, 501, 502, 421, 530, 550]),
    ("MKD", &[257, 500, 501, 502, 421, 530, 550]),
    ("PWD", &[257, 500, 501, 502, 421, 550]),
    ("ABOR", &[225, 226, 500, 501, 502, 421]),
    ("SYST", &[215, 500, 501, 502, 421, 530]),
    ("STAT", &[211, 212, 213, 450, 500, 501, 502, 421, 530]),
    ("HELP", &[200, 211, 214, 500, 501, 502, 421]),
    ("SITE", &[200, 202, 214, 500, 501, 502, 530]),
    ("NOOP", &[200, 500, 421]),
    ("LPRT", &[500, 501, 521]),
    ("FEAT", &[211, 500, 502]),
    ("OPTS", &[200, 451, 501]),
    ("EPSV", &[229, 500, 501]),
    ("EPRT", &[200, 500, 501, 522]),
    ("SIZE", &[213, 500, 501, 550]),
    ("MDTM", &[213, 500, 501, 550]),
    ("MLST", &[150, 226, 250, 500, 501, 550]),
    ("MLSD", &[150, 226, 250, 500, 501, 550]),
    ("CLNT", &[200, 500]),
    ("MACB", &[200, 500, 550]),
    ("AUTH", &[234, 334, 431, 500, 502, 504, 530, 534]),
    ("ADAT", &[235, 335, 431, 500, 501, 503, 535]),
    ("PBSZ", &[200, 500, 501, 503, 530]),
    ("PROT", &[200, 431, 500, 503, 504, 530, 534, 536]),
    ("CCC", &[200, 500, 533, 534]),
    ("RANG", &[350, 500, 501]),
    ("XPWD", &[257, 500, 501, 502, 421, 550]),
    ("XCWD", &[250, 500, 501, 502, 421, 530, 550]),
    ("XCUP", &[200, 250, 500, 501, 502, 421, 530, 550]),
    ("XMKD", &[257, 500, 501, 502, 421, 530, 550]),
    ("XRMD", &[250, 500, 501, 502, 421, 530, 550]),
];

/// A command that waits for its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Command<'a> {
    pub name: &'a [u8],
    pub arg: &'a [u8],
}

/// The place of the command that this reply most likely answers: of equal ones, the oldest.
pub(super) fn answered<'a>(pending: impl Iterator<Item = Command<'a>> + Clone, code: u32, msg: &[u8]) -> Option<usize> {
    if pending.clone().nth(1).is_none() {
        return pending.clone().next().map(|_| 0);
    }
    let mut best = None;
    for (place, command) in pending.enumerate() {
        let score = score(command, code, msg);
        if best.is_none_or(|(_, most)| score > most) {
            best = Some((place, score));
        }
    }
    best.map(|(place, _)| place)
}

fn score(command: Command<'_>, code: u32, msg: &[u8]) -> u32 {
    let known = REPLIES.iter().find(|(name, _)| name.as_bytes() == command.name);
    let fits = code == 500 || known.is_some_and(|(_, codes)| codes.iter().any(|&fit| u32::from(fit) == code));
    let contains = |word: &[u8]| !word.is_empty() && memmem::find(msg, word).is_some();
    100 * u32::from(fits) + 20 * u32::from(contains(command.name)) + 10 * u32::from(contains(command.arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pending: &[(&str, &str)], code: u32, msg: &str) -> Option<usize> {
        let commands = pending.iter().map(|(name, arg)| Command { name: name.as_bytes(), arg: arg.as_bytes() });
        answered(commands, code, msg.as_bytes())
    }

    #[test]
    fn replies_are_matched_by_code_then_by_words_then_by_age() {
        let login = [("USER", "a"), ("PASS", "b"), ("CWD", "x")];
        assert_eq!(of(&login, 331, "password please"), Some(0));
        assert_eq!(of(&login, 230, "welcome"), Some(0), "230 fits USER as well as PASS");
        assert_eq!(of(&login[1..], 230, "welcome"), Some(0));
        assert_eq!(of(&login, 250, "ok"), Some(2));
        let abort = [("RETR", "file"), ("ABOR", "")];
        assert_eq!(of(&abort, 225, "ABOR command successful"), Some(1));
        assert_eq!(of(&abort, 226, "closing"), Some(0));
        assert_eq!(of(&abort, 226, "ABOR done"), Some(1), "the command's word");
        let two = [("DELE", "one"), ("DELE", "two")];
        assert_eq!(of(&two, 250, "two deleted"), Some(1), "the argument");
        assert_eq!(of(&two, 250, "deleted"), Some(0), "the oldest");
        assert_eq!(of(&two, 999, ""), Some(0), "nothing fits: the oldest");
        assert_eq!(of(&[], 226, "done"), None);
    }
}
