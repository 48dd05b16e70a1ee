//! Attempts to use an account: the manual's `account_tried` and `login_successful`. They are told to where those of all connections meet.

use super::memory::{hash_of, keys};
use super::password::HIDDEN;
use super::{Policy, Seen, ids};
use crate::record::{Fact, Message};
use crate::text::Text;

impl Policy {
    /// Somebody has tried an account with a password (guests are welcome, and are not counted). Where nothing is known but that a
    /// login failed, there is no password, and each connection counts as an attempt.
    pub(super) fn account_tried(&mut self, seen: &mut Seen<'_>, user: &[u8], password: Option<&[u8]>) {
        self.stats.counters.accounts_tried.inc();
        let id = seen.conn.id;
        if self.sets.skip_accounts_tried.contains(id.key.orig_h) {
            return;
        }
        let fact = Fact::AccountTried {
            id,
            outbound: self.is_local_addr(id.key.orig_h),
            user: self.account(user),
            password: password.map(|password| hash_of(keys(self.settings.seed), password)),
            shown: password.map_or(HIDDEN.into(), |password| self.password(password)),
        };
        self.outbox.push(Message::fact(seen.now, fact));
    }

    /// Somebody has tried some account of an encrypted service in vain, for the so manieth time on this connection.
    pub(super) fn account_tried_unseen(&mut self, seen: &mut Seen<'_>, attempt: u32) {
        self.stats.counters.accounts_tried.inc();
        let id = seen.conn.id;
        if self.sets.skip_accounts_tried.contains(id.key.orig_h) {
            return;
        }
        let fact = Fact::AccountTried {
            id,
            outbound: self.is_local_addr(id.key.orig_h),
            user: Text::default(),
            password: Some(hash_of(keys(self.settings.seed), &(id.uid, attempt))),
            shown: HIDDEN.into(),
        };
        self.outbox.push(Message::fact(seen.now, fact));
    }

    /// Somebody is logged in. That a guest is says nothing about passwords.
    pub(super) fn login_successful(&mut self, seen: &mut Seen<'_>, user: &[u8]) {
        self.stats.counters.logins_successful.inc();
        let id = seen.conn.id;
        if self.sets.skip_accounts_tried.contains(id.key.orig_h) || ids::has(&self.sets.guest_ids, user) {
            return;
        }
        let fact = Fact::LoginSuccessful { id, user: self.account(user) };
        self.outbox.push(Message::fact(seen.now, fact));
    }

    fn account(&self, user: &[u8]) -> Text {
        Text::new(user, self.settings.limits.ftp_user_bytes)
    }
}
