//! Whether a user's name, or what may be one, is sensitive: the manual's `edit_and_check_line`, `_user` and `_password`.

use super::edit::{Edits, is_edited};
use super::session::{NAME_BYTES, kept, session, session_mut};
use crate::event::LoginState;
use crate::event::login::LoginAttempt;
use crate::flow::Annotation;
use crate::policy::ids::Sensitivity;
use crate::policy::notice::About;
use crate::policy::password::HIDDEN;
use crate::policy::words::put;
use crate::policy::{Note, Policy, Seen};
use crate::text::Text;

/// In what light a name is judged: the manual's `successful` and `confused`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Light {
    Succeeded,
    Failed,
    Confused,
}

/// A user's name, as it was typed or sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub text: &'a [u8],
    /// It may be a password: it is judged, and not shown.
    pub secret: bool,
}

impl<'a> Name<'a> {
    pub fn of(attempt: &LoginAttempt<'a>) -> Self {
        Name { text: attempt.user, secret: attempt.user_secret }
    }
}

/// The manual's `check_info`.
#[derive(Debug)]
pub(super) struct CheckInfo {
    /// Every way to read the line, with commas between.
    pub expanded_line: Vec<u8>,
    /// The line as it was meant.
    pub meant: Vec<u8>,
    /// The first reading that is a sensitive name.
    pub hot_id: Option<Vec<u8>>,
    pub forbidden: bool,
}

impl Policy {
    /// The manual's `edit_and_check_line`.
    pub(super) fn edit_and_check_line(&self, line: &[u8], light: Light) -> CheckInfo {
        let line = line.get(..NAME_BYTES).unwrap_or(line);
        let (mut edits, edited) = (Edits::default(), is_edited(line));
        if edited {
            edits.read(line);
        }
        // The first is the line as it is; where nothing was edited, the others are no different.
        let readings = if edited { usize::MAX } else { 1 };
        let mut info = CheckInfo { expanded_line: Vec::new(), meant: line.to_vec(), hot_id: None, forbidden: false };
        for variant in edits.variants(line).take(readings) {
            if !info.expanded_line.is_empty() {
                info.expanded_line.push(b',');
            }
            info.expanded_line.extend_from_slice(variant);
            let forbidden = self.is_forbidden_id(variant);
            if (forbidden || self.is_hot_id(variant, light)) && info.hot_id.is_none() {
                info.hot_id = Some(variant.to_vec());
            }
            info.forbidden |= forbidden;
        }
        if edited {
            info.meant.clone_from(&edits.full);
        }
        info
    }

    /// The manual's `edit_and_check_user`: annotates the connection with the name between two texts. Whether it is hot now.
    pub(super) fn edit_and_check_user(
        &mut self,
        seen: &mut Seen<'_>,
        name: Name<'_>,
        light: Light,
        around: (&[u8], &[u8]),
    ) -> bool {
        let info = self.edit_and_check_line(name.text, light);
        let hidden = || info.hot_id.clone().map_or_else(|| HIDDEN.as_bytes().to_vec(), |id| self.name_alone(id));
        let shown = if name.secret { hidden() } else { info.expanded_line.clone() };
        session_mut(seen.conn).user = if name.secret { None } else { kept(&info.meant, NAME_BYTES) };
        let confused = seen.conn.login == LoginState::Confused;
        let annotation = self.text(&[around.0, &shown, around.1].concat());
        self.append_addl(seen.conn, Annotation::Text(annotation));
        if info.hot_id.is_some() {
            seen.conn.hot += 1;
            seen.set_record_packets(Note::SensitiveLogin.name());
        }
        if info.forbidden {
            self.forbidden(seen, confused);
        }
        seen.conn.hot > 0
    }

    /// The manual's `edit_and_check_password`: what is sent as a password may be the name of a user, when the dialogue has slipped.
    /// The name is all that is told of it.
    pub(super) fn edit_and_check_password(&mut self, seen: &mut Seen<'_>, password: &[u8]) {
        if matches!(password, b"" | b"<none>" | b"<timeout>") {
            return;
        }
        let info = self.edit_and_check_line(password, Light::Succeeded);
        let Some(hot_id) = info.hot_id else { return };
        seen.conn.hot += 1;
        let shown = self.name_alone(hot_id);
        let about = About::connection(&seen.conn.id, self.digest(&shown));
        let user = self.session_user(seen);
        let _ = self.notice_of_user(seen, Note::SensitiveUsernameInPassword, about, user, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.extend_from_slice(b" password: \"");
            out.extend_from_slice(&shown);
            out.push(b'"');
            None
        });
    }

    /// A name as it may be told when it was sent for a password: only what stands in a list, nothing that a pattern matches.
    pub(super) fn name_alone(&self, id: Vec<u8>) -> Vec<u8> {
        let sets = &self.sets;
        let lists =
            [&sets.forbidden_ids, &sets.always_hot_ids, &sets.hot_ids, &sets.always_hot_login_ids, &sets.hot_login_ids];
        if lists.into_iter().any(|list| list.contains(&id)) { id } else { HIDDEN.as_bytes().to_vec() }
    }

    /// The manual's `is_hot_id`. It leaves out `always_hot_login_ids` when the dialogue is confused, and says that they always count.
    pub(super) fn is_hot_id(&self, id: &[u8], light: Light) -> bool {
        let sensitivity = Sensitivity::of(&self.sets, id);
        match light {
            Light::Succeeded => {
                sensitivity >= Sensitivity::Hot
                    || self.sets.hot_login_ids.contains(id)
                    || self.sets.always_hot_login_ids.contains(id)
            }
            Light::Failed | Light::Confused => {
                sensitivity >= Sensitivity::AlwaysHot || self.sets.always_hot_login_ids.contains(id)
            }
        }
    }

    /// The manual's `is_forbidden_id`, and names that the server's login program would take for options.
    pub(super) fn is_forbidden_id(&self, id: &[u8]) -> bool {
        Sensitivity::of(&self.sets, id) == Sensitivity::Forbidden
            || self.sets.forbidden_environment.is_match(&[b"USER=", id].concat())
    }

    /// What is done about a name that nobody may use.
    pub(super) fn forbidden(&mut self, seen: &mut Seen<'_>, confused: bool) {
        if !confused {
            self.terminate_connection(seen);
            return;
        }
        let about = About::connection(&seen.conn.id, 0);
        let user = self.session_user(seen);
        let _ = self.notice_of_user(seen, Note::LoginForbiddenButConfused, about, user, |words, conn, out| {
            put(out, format_args!("not terminating "));
            words.full_id_string(out, conn);
            None
        });
    }

    pub(super) fn session_user(&self, seen: &mut Seen<'_>) -> Option<Text> {
        session(seen.conn).and_then(|session| session.user.as_deref()).map(|user| self.text(user))
    }
}
