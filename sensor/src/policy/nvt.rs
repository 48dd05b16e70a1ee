//! The terminal's events, which Telnet and FTP have in common, each handled under the manual's own name.

use super::words::put;
use super::{Policy, Seen};
use crate::event::NvtEvent;
use crate::event::nvt::Negotiation;
use crate::flow::Annotation;

impl Policy {
    pub(super) fn nvt_event(&mut self, seen: &mut Seen<'_>, event: &NvtEvent<'_>) {
        match *event {
            NvtEvent::InconsistentOption(about) => self.inconsistent_option(seen, about),
            NvtEvent::BadOption { about, why } => self.bad_option(seen, about, why),
            NvtEvent::BadOptionTermination(about) => self.bad_option_termination(seen, about),
            NvtEvent::ActivatingEncryption { both, .. } => self.activating_encryption(seen, both),
            NvtEvent::AuthenticationAccepted { name } => self.authentication_accepted(seen, name),
            NvtEvent::AuthenticationRejected { name } => self.authentication_rejected(seen, name),
            NvtEvent::ExcessiveLine { .. } => self.excessive_line(seen),
        }
    }

    fn inconsistent_option(&mut self, seen: &mut Seen<'_>, about: Negotiation) {
        self.option_weird(seen, "telnet_inconsistent_option", about, "");
    }

    fn bad_option(&mut self, seen: &mut Seen<'_>, about: Negotiation, why: &str) {
        self.option_weird(seen, "telnet_bad_option", about, why);
    }

    fn bad_option_termination(&mut self, seen: &mut Seen<'_>, about: Negotiation) {
        self.option_weird(seen, "telnet_bad_option_termination", about, "");
    }

    /// The manual writes these three into the weird file, and says nothing more of them.
    fn option_weird(&mut self, seen: &mut Seen<'_>, name: &'static str, about: Negotiation, why: &str) {
        let mut addl = std::mem::take(&mut self.scratch);
        addl.clear();
        let side = if about.direction.is_orig() { "orig" } else { "resp" };
        put(&mut addl, format_args!("{side} {} {}", about.command_name(), about.option));
        if !why.is_empty() {
            put(&mut addl, format_args!(" {why}"));
        }
        self.conn_weird(seen, name, &addl);
        self.scratch = addl;
    }

    fn authentication_accepted(&mut self, seen: &mut Seen<'_>, name: &[u8]) {
        self.annotate_name(seen, b"auth/", name);
    }

    fn authentication_rejected(&mut self, seen: &mut Seen<'_>, name: &[u8]) {
        self.annotate_name(seen, b"auth-failed/", name);
    }

    fn annotate_name(&mut self, seen: &mut Seen<'_>, what: &[u8], name: &[u8]) {
        let name = if name.is_empty() { b"<empty>" } else { name };
        let text = self.text_of(&[what, name]);
        self.append_addl(seen.conn, Annotation::Text(text));
    }
}
