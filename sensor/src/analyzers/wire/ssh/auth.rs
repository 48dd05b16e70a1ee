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
    /// An attempt failed, or so many did. (The client's question which methods there are, which always fails, is not one.)
    Failed(u32),
    /// Somebody is let in.
    Succeeded {
        /// The first request was enough: no proof is wanted (RFC 4252 section 5.2), or the client gave it at once.
        none: bool,
    },
}

/// How far the authentication has come.
#[derive(Clone, Copy, Default, Debug)]
pub struct Authentication {
    /// The client has sent something encrypted: what the server sends before that is no answer.
    asked: bool,
    /// It has, since the server's latest segment.
    asks: bool,
    /// Something has come that is too long for an answer.
    banner: bool,
    /// What was taken for the failure of the client's question may have been that of an attempt.
    uncounted: bool,
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
        (self.asked, self.asks) = (true, true);
    }

    /// The server has sent a segment of this length.
    pub fn server_sent(&mut self, length: usize) -> Inferred {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if !self.asked {
            return Inferred::Nothing;
        }
        self.answers = self.answers.saturating_add(1);
        let asked_again = std::mem::take(&mut self.asks);
        if self.service_accept == 0 {
            self.service_accept = length;
            return Inferred::Nothing;
        }
        if length.saturating_add(SUCCESS_IS_SHORTER) == self.service_accept {
            return Inferred::Succeeded { none: self.failure == 0 && !self.banner };
        }
        if self.failure == 0 {
            let banner = length.saturating_sub(self.service_accept) > BANNER_IS_LONGER;
            let second = self.banner;
            self.banner |= banner;
            if !banner || second {
                self.failure = length;
                // The answer to the question came in one segment with the banner, or with EXT_INFO (RFC 8308), if the client went on.
                self.uncounted = second && asked_again;
            }
            return Inferred::Nothing;
        }
        if length != self.failure {
            return Inferred::Nothing;
        }
        Inferred::Failed(if std::mem::take(&mut self.uncounted) { 2 } else { 1 })
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    fn all(lengths: &[usize]) -> Vec<Inferred> {
        let mut authentication = Authentication::default();
        assert_eq!(authentication.server_sent(999), Inferred::Nothing, "nobody has asked yet");
        lengths
            .iter()
            .map(|&length| {
                // What is written with a thousand more comes in one turn with what is before it.
                if length < 1000 {
                    authentication.client_sent();
                }
                authentication.server_sent(length % 1000)
            })
            .collect()
    }

    #[test]
    fn success_is_sixteen_bytes_shorter_than_service_accept() {
        use Inferred::{Failed, Nothing, Succeeded};
        assert_eq!(all(&[52, 84, 84, 84, 36]), [Nothing, Nothing, Failed(1), Failed(1), Succeeded { none: false }]);
        assert_eq!(all(&[52, 36]), [Nothing, Succeeded { none: true }]);
        let banner = [Nothing, Nothing, Nothing, Failed(1), Succeeded { none: false }];
        assert_eq!(all(&[52, 400, 1084, 84, 36]), banner, "a banner, and the answer after it");
        let together = [Nothing, Nothing, Nothing, Failed(2), Succeeded { none: false }];
        assert_eq!(all(&[52, 484, 84, 84, 36]), together, "both in one segment");
        assert_eq!(all(&[52, 484, 36])[2], Succeeded { none: false });
        assert_eq!(all(&[52, 84, 100, 36])[2..], [Nothing, Succeeded { none: false }], "a challenge is no failure");
    }
}
