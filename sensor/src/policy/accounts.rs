//! Attempts to use an account: the manual's `account_tried` and `login_successful`. They are told to where those of all connections meet.

use super::password::HIDDEN;
use super::{Policy, Seen};
use crate::record::{Fact, Message, Tried};
use crate::text::Text;

impl Policy {
    /// Somebody has tried an account with a password (guests are welcome, and are not counted).
    pub(super) fn account_tried(&mut self, seen: &mut Seen<'_>, user: &[u8], password: &[u8]) {
        let tried = Tried::Password(self.digest(password));
        self.tell_attempt(seen, self.account(user), tried, self.password(password));
    }

    /// Somebody has tried some account of an encrypted service in vain, for the so manieth time on this connection.
    pub(super) fn account_tried_unseen(&mut self, seen: &mut Seen<'_>, attempt: u32) {
        self.tell_attempt(seen, Text::default(), Tried::Unseen(attempt), HIDDEN.into());
    }

    fn tell_attempt(&self, seen: &mut Seen<'_>, user: Text, tried: Tried, shown: Text) {
        self.stats.counters.accounts_tried.inc();
        let id = seen.conn.id;
        if !self.sets.skip_accounts_tried.contains(id.key.orig_h) {
            let outbound = self.is_local_addr(id.key.orig_h);
            self.outbox.push(Message::fact(seen.now, Fact::AccountTried { id, outbound, user, tried, shown }));
        }
    }

    /// Somebody is logged in. That a guest is says nothing about passwords.
    pub(super) fn login_successful(&mut self, seen: &mut Seen<'_>, user: &[u8]) {
        self.stats.counters.logins_successful.inc();
        let id = seen.conn.id;
        if self.sets.skip_accounts_tried.contains(id.key.orig_h) || self.sets.guest_ids.contains(user) {
            return;
        }
        let fact = Fact::LoginSuccessful { id, user: self.account(user) };
        self.outbox.push(Message::fact(seen.now, fact));
    }

    fn account(&self, user: &[u8]) -> Text {
        self.buffers.text(user, self.settings.limits.ftp_user_bytes)
    }
}
