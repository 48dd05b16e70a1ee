//! Attempts to use an account: the manual's `account_tried` and `login_successful`.

use super::{Policy, Seen};

impl Policy {
    /// Somebody has tried an account with a password (guests are welcome, and are not counted).
    pub(super) fn account_tried(&mut self, _seen: &mut Seen<'_>, _user: &[u8], _password: &[u8]) {
        self.stats.counters.accounts_tried.inc();
    }

    /// Somebody is logged in.
    pub(super) fn login_successful(&mut self, _seen: &mut Seen<'_>, _user: &[u8]) {
        self.stats.counters.logins_successful.inc();
    }
}
