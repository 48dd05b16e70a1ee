//! Whether somebody was let in, inferred from the lengths of what both sides send once everything is encrypted.
//!
//! Packets cannot be told apart then, because their lengths are encrypted too; but before anybody is let in, the two sides take turns,
//! and each segment is a request or an answer. Ciphers pad to blocks, so that SERVICE_ACCEPT for `ssh-userauth` is 16 bytes longer than
//! USERAUTH_SUCCESS whatever the cipher and its MAC. The first USERAUTH_FAILURE answers the client's question which methods there are;
//! what is as long afterwards says that an attempt has failed. Four things look alike, and are told apart by what comes around them:
//!
//! - A challenge (INFO_REQUEST of RFC 4256) may be as long as a failure. The request for one is 24 bytes longer than the question, and
//!   what the client says next is a response: shorter than any request, or padded as OpenSSH pads whatever has a password in it.
//!   If that fails, OpenSSH's next request is one for a challenge again; if it is not, there was no challenge.
//! - An empty challenge, as PAM sends it before it lets somebody in, is as long as SERVICE_ACCEPT. So is a failure once PAM has had
//!   enough and only `publickey` is left to try; but that does not come between a response and a success. So is GSSAPI_RESPONSE
//!   (RFC 4462 section 3.3), after which a long token comes.
//! - A server that has had enough says goodbye (DISCONNECT), or counts up fewer methods. Nobody goes on after that.
//! - A failure after the signature of a key that was welcome says that a password is wanted besides (RFC 4252 section 5.1).

#[cfg(test)]
mod tests;

/// By how much SERVICE_ACCEPT is longer than USERAUTH_SUCCESS.
const SUCCESS_IS_SHORTER: u32 = 16;
/// What is so much longer than SERVICE_ACCEPT is a banner (RFC 4252 section 5.4), and not yet an answer.
const BANNER_IS_LONGER: u32 = 256;
/// By how much OpenSSH's "Too many authentication failures" is longer than SERVICE_ACCEPT.
const GOODBYE_IS_LONGER: [u32; 2] = [24, 32];
/// A request that is so much longer than SERVICE_REQUEST has something in it besides a name.
const MORE_THAN_A_NAME: u32 = 32;
/// A request with a key is so much longer than the question, and the same with a signature once more.
const KEY_IS_LONGER: u32 = 64;
/// OpenSSH's clients pad packets with passwords to multiples of this. SERVICE_REQUEST takes 24 or 32 bytes of it.
const PADDED_TO: u32 = 64;
const SERVICE_REQUEST: [u32; 2] = [24, 32];

/// What a segment says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inferred {
    /// Nothing that is known.
    Nothing,
    /// So many attempts have failed. (The client's question which methods there are, which always fails, is none.)
    Failed(u32),
    /// Somebody is let in.
    Succeeded {
        /// The first request was enough, and had no proof in it (RFC 4252 section 5.2).
        none: bool,
    },
}

/// How far the authentication has come.
#[derive(Clone, Copy, Default, Debug)]
pub struct Authentication {
    /// The client is OpenSSH's: it asks first which methods there are, and pads.
    openssh: bool,
    /// The client has sent something encrypted: what the server sends before that is no answer.
    asked: bool,
    /// It has, since the server's latest segment.
    asks: bool,
    /// Something has come that is too long for an answer.
    banner: bool,
    /// The client's latest segment answers a challenge.
    challenged: bool,
    /// It has the signature of a key that is welcome.
    signed: bool,
    challenges: Challenges,
    /// Requests, two at most: what comes first may be a question.
    requests: u8,
    open: Open,
    /// Length of SERVICE_ACCEPT, with all that goes around it; 0: it has not come.
    accept: u32,
    /// Length of the client's question; 0: it has not come.
    question: u32,
    /// Length of the client's latest segments.
    request: u32,
    /// Length of USERAUTH_FAILURE; 0: it has not come.
    failure: u32,
    /// Segments of the server.
    pub answers: u32,
}

/// What the server's latest answer has left open.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Open {
    #[default]
    Nothing,
    /// A failure or a challenge: what comes next tells. Whether failures were thought to be as long because of it.
    Challenge { length: u32, first: bool },
    /// A failure or an empty challenge: the next answer tells.
    Farewell,
    /// Something else, of this length.
    Other(u32),
}

/// Whether what was taken for challenges of OpenSSH's clients were any.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Challenges {
    #[default]
    None,
    /// A failure came after what was taken for a response: the client's next request tells.
    Doubted,
    Proved,
}

impl Authentication {
    /// The client has sent a segment of this length; whether it is OpenSSH's is known by its identification.
    pub fn client_sent(&mut self, length: usize, openssh: bool) -> Inferred {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        (self.openssh, self.asked) = (openssh, true);
        if std::mem::replace(&mut self.asks, true) {
            self.request = self.request.saturating_add(length);
            return Inferred::Nothing;
        }
        let before = std::mem::replace(&mut self.request, length);
        let refused = [self.goes_on_after_refusal(before), self.disproves_challenge(), self.is_second_attempt()];
        failed(refused.into_iter().map(u32::from).sum())
    }

    /// The server has sent a segment of this length.
    pub fn server_sent(&mut self, length: usize) -> Inferred {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if !self.asked {
            return Inferred::Nothing;
        }
        self.answers = self.answers.saturating_add(1);
        let asked_again = std::mem::take(&mut self.asks);
        if self.accept == 0 {
            self.accept = length;
            return Inferred::Nothing;
        }
        if length.saturating_add(SUCCESS_IS_SHORTER) == self.accept {
            self.open = Open::Nothing;
            return Inferred::Succeeded { none: self.failure == 0 && !self.banner && !self.begins_with_attempt() };
        }
        if self.failure != 0 {
            return self.answer(length, false);
        }
        let second = self.banner;
        self.banner |= length.saturating_sub(self.accept) > BANNER_IS_LONGER;
        if self.banner && !second {
            return Inferred::Nothing;
        }
        self.failure = length;
        // If the client went on, the answer to its question came in one segment with the banner, or with EXT_INFO (RFC 8308).
        if second && asked_again { self.answer(length, true) } else { Inferred::Nothing }
    }

    /// The server has sent all that it ever will.
    pub fn ended(&mut self) -> Inferred {
        let refused = match std::mem::take(&mut self.open) {
            Open::Challenge { .. } => !self.openssh,
            Open::Farewell => true,
            Open::Other(length) => self.is_last_refusal(length),
            Open::Nothing => self.requests == 1 && self.failure != 0 && self.begins_with_attempt(),
        };
        self.requests = 2;
        failed(u32::from(refused))
    }

    /// An answer to an attempt; `first`: it is the first of its length.
    fn answer(&mut self, length: u32, first: bool) -> Inferred {
        let before = std::mem::take(&mut self.open);
        if let Open::Challenge { first: true, .. } = before {
            self.failure = length;
        }
        let refused = if length != self.failure && length != self.accept {
            self.open = Open::Other(length);
            false
        } else if self.challenged && length == self.accept {
            self.open = Open::Farewell;
            false
        } else if !self.challenged && self.may_want_challenge(self.request) {
            self.open = Open::Challenge { length, first };
            false
        } else {
            if matches!(before, Open::Challenge { .. }) && self.openssh && self.challenges == Challenges::None {
                self.challenges = Challenges::Doubted;
            }
            !self.signed
        };
        failed(u32::from(before == Open::Farewell).saturating_add(u32::from(refused)))
    }

    /// The client goes on after a request of this length. Whether the answer to that is known now as a failure.
    fn goes_on_after_refusal(&mut self, before: u32) -> bool {
        (self.challenged, self.signed) = (false, false);
        match self.open {
            Open::Challenge { length, .. } => {
                let token = length != self.failure && self.request.saturating_sub(before) >= KEY_IS_LONGER;
                self.challenged = token || self.is_response(self.request);
                if !self.challenged {
                    self.open = Open::Nothing;
                }
                !self.challenged
            }
            Open::Other(_) => {
                self.open = Open::Nothing;
                self.challenged = self.may_want_challenge(before);
                let key = before.saturating_sub(self.question) >= KEY_IS_LONGER;
                self.signed = key && self.request.saturating_sub(before) >= KEY_IS_LONGER;
                false
            }
            Open::Farewell | Open::Nothing => false,
        }
    }

    /// Whether the client's request shows that what was taken for a challenge before it was a failure.
    fn disproves_challenge(&mut self) -> bool {
        if self.challenges != Challenges::Doubted {
            return false;
        }
        let wants_challenge = self.may_want_challenge(self.request);
        self.challenges = if wants_challenge { Challenges::Proved } else { Challenges::None };
        !wants_challenge
    }

    /// Counts the client's requests. Whether the first was an attempt, as this one shows: a question is shorter than any.
    fn is_second_attempt(&mut self) -> bool {
        if self.accept == 0 {
            return false;
        }
        self.requests = self.requests.saturating_add(1);
        match self.requests {
            1 if self.failure == 0 => self.question = self.request,
            2 if self.failure != 0 && self.request <= self.question && self.begins_with_attempt() => {
                self.question = self.request;
                return true;
            }
            _ => self.requests = 2.min(self.requests),
        }
        false
    }

    /// Whether the first request was too long for a question.
    fn begins_with_attempt(&self) -> bool {
        !self.openssh && self.question.saturating_sub(self.accept) >= MORE_THAN_A_NAME
    }

    /// Whether a request may be one for a challenge.
    fn may_want_challenge(&self, request: u32) -> bool {
        let longer = request.saturating_sub(self.question);
        (16..=32).contains(&longer) && !(self.openssh && self.is_padded(request))
    }

    /// Whether a segment of the client that may be the answer to a challenge is one.
    fn is_response(&self, length: u32) -> bool {
        if self.openssh { self.is_padded(length) } else { length < self.question }
    }

    fn is_padded(&self, length: u32) -> bool {
        let longer = length.saturating_sub(self.accept);
        longer > 0 && SERVICE_REQUEST.iter().any(|own| longer.saturating_add(*own) % PADDED_TO == 0)
    }

    /// Whether an answer of another length, after which nobody went on, was a refusal.
    fn is_last_refusal(&self, length: u32) -> bool {
        let goodbye = GOODBYE_IS_LONGER.contains(&length.saturating_sub(self.accept));
        !self.may_want_challenge(self.request) && (goodbye || length < self.failure && !self.challenged)
    }
}

fn failed(attempts: u32) -> Inferred {
    if attempts == 0 { Inferred::Nothing } else { Inferred::Failed(attempts) }
}
