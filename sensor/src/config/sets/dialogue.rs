//! The sets of the login dialogue, compiled for the analyzers that follow one.

use std::sync::{Arc, LazyLock, OnceLock};

use super::{Patterns, PolicySets};

/// What a line of a login dialogue may be. Once somebody was let in, only the client's lines and what may be a
/// prompt for a password are asked about.
#[derive(Clone, Default, Debug)]
pub struct DialogueSets {
    /// All that decides about a user, prompts among it: most lines have none of it.
    telling: Patterns,
    prompts: Patterns,
    direct_prompts: Patterns,
    headings: Patterns,
    failures: Patterns,
    non_failures: Patterns,
    successes: Patterns,
    router_prompts: Patterns,
    timeouts: Patterns,
    skips: Patterns,
    shell_prompts: Patterns,
    password_prompts: Patterns,
    password_arguments: Patterns,
}

impl DialogueSets {
    /// The sets with the user's changes.
    pub fn new(sets: &PolicySets) -> Self {
        let telling = [
            &sets.login_prompts,
            &sets.direct_login_prompts,
            &sets.login_failure_msgs,
            &sets.login_success_msgs,
            &sets.router_prompts,
            &sets.login_timeouts,
            &sets.skip_authentication,
        ];
        DialogueSets {
            telling: Patterns::union(&telling.map(Patterns::sources).concat()),
            prompts: Patterns::union(&[sets.login_prompts.sources(), sets.direct_login_prompts.sources()].concat()),
            direct_prompts: sets.direct_login_prompts.clone(),
            headings: sets.login_headings.clone(),
            failures: sets.login_failure_msgs.clone(),
            non_failures: sets.login_non_failure_msgs.clone(),
            successes: sets.login_success_msgs.clone(),
            router_prompts: sets.router_prompts.clone(),
            timeouts: sets.login_timeouts.clone(),
            skips: sets.skip_authentication.clone(),
            shell_prompts: sets.login_shell_prompts.clone(),
            password_prompts: sets.login_password_prompts.clone(),
            password_arguments: sets.login_password_arguments.clone(),
        }
    }

    /// No sets at all: nothing is a prompt or a message.
    pub fn none() -> &'static Self {
        static NONE: LazyLock<DialogueSets> = LazyLock::new(DialogueSets::default);
        &NONE
    }

    /// Whether `text` is a prompt, a failure, a success, a timeout, or says that nobody needs to log in: any of what the questions below
    /// are about, but for shells and passwords.
    pub fn tells(&self, text: &[u8]) -> bool {
        self.telling.is_match(text)
    }

    /// Where the first prompt ends in `text`, if it is one and no failure message.
    pub fn prompt(&self, text: &[u8]) -> Option<usize> {
        self.prompts.first_end(text).filter(|_| !self.is_failure(text))
    }

    /// Where the last prompt ends in `text`.
    pub fn last_prompt(&self, text: &[u8]) -> Option<usize> {
        let mut last = self.prompt(text)?;
        while let Some(next) = text.get(last..).and_then(|rest| self.prompts.first_end(rest)).filter(|next| *next > 0) {
            last = last.saturating_add(next);
        }
        Some(last)
    }

    /// Whether `text` has a prompt after which everybody is let in.
    pub fn is_direct_prompt(&self, text: &[u8]) -> bool {
        self.direct_prompts.is_match(text)
    }

    /// Whether the prompt in `text` is but the heading of one.
    pub fn is_heading(&self, text: &[u8]) -> bool {
        self.headings.is_match(text)
    }

    /// Whether `text` says that the user was not let in.
    pub fn is_failure(&self, text: &[u8]) -> bool {
        self.failures.is_match(text) && !self.non_failures.is_match(text)
    }

    /// Whether `text` says that the user was let in. The manual's `router_prompts` are asked at use, so that a change reaches them.
    pub fn is_success(&self, text: &[u8]) -> bool {
        self.successes.is_match(text) || self.router_prompts.is_match(text)
    }

    /// Whether `text` says that the server did not wait any longer.
    pub fn is_timeout(&self, text: &[u8]) -> bool {
        self.timeouts.is_match(text)
    }

    /// Whether `text` says that nobody needs to log in.
    pub fn is_skip(&self, text: &[u8]) -> bool {
        self.skips.is_match(text)
    }

    /// Whether `text` begins with a shell's prompt.
    pub fn is_shell_prompt(&self, text: &[u8]) -> bool {
        self.shell_prompts.is_match(text)
    }

    /// Whether `text` asks for a password.
    pub fn is_password_prompt(&self, text: &[u8]) -> bool {
        self.password_prompts.is_match(text)
    }

    /// Whether `text` is a command that carries a password.
    pub fn has_password_argument(&self, text: &[u8]) -> bool {
        self.password_arguments.is_match(text)
    }

    /// Whether a client that says `text` pretends to be a server.
    pub fn is_ploy(&self, text: &[u8]) -> bool {
        self.tells(text)
            && (self.prompt(text).is_some() || self.is_failure(text) || self.is_success(text) || self.is_skip(text))
    }
}

/// What was compiled of some settings' sets. A copy of the settings compiles anew, because it may be changed first.
#[derive(Default, Debug)]
pub struct Compiled {
    sets: OnceLock<PolicySets>,
    dialogue: OnceLock<Arc<DialogueSets>>,
}

impl Compiled {
    /// All the sets, compiled if nobody asked before.
    pub fn sets_or(&self, sets: impl FnOnce() -> PolicySets) -> &PolicySets {
        self.sets.get_or_init(sets)
    }

    /// Those of the dialogue, compiled from `sets` if nobody asked before.
    pub fn dialogue_of(&self, sets: &PolicySets) -> Arc<DialogueSets> {
        Arc::clone(self.dialogue.get_or_init(|| Arc::new(DialogueSets::new(sets))))
    }
}

impl Clone for Compiled {
    fn clone(&self) -> Self {
        Compiled::default()
    }
}

impl PartialEq for Compiled {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn what_any_question_is_about_tells() {
        let sets = DialogueSets::new(Settings::default().sets());
        for line in ["login: ", "User Access Verification", "TERMINAL?"] {
            assert!(sets.prompt(line.as_bytes()).is_some() && sets.tells(line.as_bytes()), "{line}");
        }
        assert!(sets.is_failure(b"Login incorrect") && sets.tells(b"Login incorrect"));
        assert!(sets.is_success(b"Last login: Mon") && sets.tells(b"Last login: Mon"));
        assert!(sets.is_timeout(b"timed out") && sets.tells(b"timed out"));
        let library = b"WELCOME TO THE BERKELEY PUBLIC LIBRARY";
        assert!(sets.is_skip(library) && sets.tells(library));
        assert!(!sets.tells(b"total 12") && !DialogueSets::none().tells(b"login: "));
    }
}
