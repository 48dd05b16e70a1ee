//! Whether somebody was let in, inferred from the lengths of what the server sends once everything is encrypted.
//!
//! Packets cannot be told apart then, because their lengths are encrypted too; but before anybody is let in, the two sides take turns,
//! and each segment is an answer. Ciphers pad to blocks, so that SERVICE_ACCEPT for `ssh-userauth` is 16 bytes longer than
//! USERAUTH_SUCCESS whatever the cipher and its MAC; and every USERAUTH_FAILURE of a server has the same length.

/// By how much SERVICE_ACCEPT is longer than USERAUTH_SUCCESS.
const SUCCESS_IS_SHORTER: u32 = 16;
/// What is so much longer than SERVICE_ACCEPT is a banner (RFC 4252 section 5.4), and not yet an answer.
const BANNER_IS_LONGER: u32 = 256;

/// What a segment says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inferred {
    /// Nothing that is known.
    Nothing,
    /// An attempt failed. (The client's question which methods there are, which always fails, is not one.)
    Failed,
    /// Somebody is let in; without any proof (RFC 4252 section 5.2), if `none`.
    Succeeded {
        /// The first question was enough.
        none: bool,
    },
}

/// How far the authentication has come.
#[derive(Clone, Copy, Default, Debug)]
pub struct Authentication {
    /// The client has sent something encrypted: what the server sends before that is no answer.
    asked: bool,
    banner: bool,
    /// Length of SERVICE_ACCEPT, with all that goes around it; 0: it has not come.
    service_accept: u32,
    /// Length of USERAUTH_FAILURE; 0: it has not come.
    failure: u32,
    /// Segments of the server.
    pub answers: u32,
}

impl Authentication {
    /// The client has sent a segment.
    pub fn client_sent(&mut self) {
        self.asked = true;
    }

    /// The server has sent a segment of this length.
    pub fn server_sent(&mut self, length: usize) -> Inferred {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if !self.asked {
            return Inferred::Nothing;
        }
        self.answers = self.answers.saturating_add(1);
        if self.service_accept == 0 {
            self.service_accept = length;
            return Inferred::Nothing;
        }
        if length.saturating_add(SUCCESS_IS_SHORTER) == self.service_accept {
            return Inferred::Succeeded { none: self.failure == 0 };
        }
        if self.failure == 0 {
            let banner = length.saturating_sub(self.service_accept) > BANNER_IS_LONGER;
            if !banner || std::mem::replace(&mut self.banner, true) {
                self.failure = length;
            }
            return Inferred::Nothing;
        }
        if length == self.failure { Inferred::Failed } else { Inferred::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lengths: &[usize]) -> Vec<Inferred> {
        let mut authentication = Authentication::default();
        assert_eq!(authentication.server_sent(999), Inferred::Nothing, "nobody has asked yet");
        authentication.client_sent();
        lengths.iter().map(|&length| authentication.server_sent(length)).collect()
    }

    #[test]
    fn success_is_sixteen_bytes_shorter_than_service_accept() {
        use Inferred::{Failed, Nothing, Succeeded};
        assert_eq!(all(&[52, 84, 84, 84, 36]), [Nothing, Nothing, Failed, Failed, Succeeded { none: false }]);
        assert_eq!(all(&[52, 36]), [Nothing, Succeeded { none: true }]);
        assert_eq!(all(&[52, 400, 84, 84, 36]), [Nothing, Nothing, Nothing, Failed, Succeeded { none: false }]);
        assert_eq!(all(&[52, 84, 100, 36])[2..], [Nothing, Succeeded { none: false }], "a challenge is no failure");
    }
}
