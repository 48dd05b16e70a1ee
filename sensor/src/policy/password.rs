//! Passwords in records: hidden, as a digest that tells equal ones from others, or in the clear, as the settings say.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::Policy;
use crate::config::PasswordOutput;
use crate::text::Text;

/// What stands for a password that is not shown.
pub(super) const HIDDEN: &str = "<hidden>";

impl Policy {
    /// What a record may say of a password.
    pub(super) fn password(&self, password: &[u8]) -> Text {
        let output = &self.settings.output;
        match output.passwords {
            PasswordOutput::Hidden => HIDDEN.into(),
            PasswordOutput::Digest => digest(output.password_key.as_bytes(), self.settings.seed, password),
            PasswordOutput::Clear => self.text(password),
        }
    }
}

/// Equal passwords have equal digests under the same key; without the key nobody can try passwords out on them.
fn digest(key: &[u8], seed: u64, password: &[u8]) -> Text {
    let mut hasher = match key {
        // Without a key of the user's, the seed's: as random as the machine's entropy in a live run.
        b"" => SipHasher24::new_with_keys(seed, !seed),
        key => {
            let mut derive = SipHasher24::new();
            derive.write(key);
            let key = derive.finish128();
            SipHasher24::new_with_keys(key.h1, key.h2)
        }
    };
    hasher.write(password);
    super::words::text(format_args!("<{:024x}>", hasher.finish128().as_u128() >> 32), usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_password_and_key_and_stays_in_place() {
        let one = digest(b"key", 1, b"secret");
        assert_eq!(one, digest(b"key", 2, b"secret"), "with a key, runs can be compared");
        assert_ne!(one, digest(b"key", 1, b"secre7"));
        assert_ne!(one, digest(b"another", 1, b"secret"));
        assert_ne!(digest(b"", 1, b"secret"), digest(b"", 2, b"secret"));
        assert_eq!((one.as_bytes().len(), one.held()), (26, 0));
    }
}
