//! Sensitive user names: one rule for every protocol with a login, in which case does not count.

use crate::config::PolicySets;

/// How sensitive a user name is; each degree includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sensitivity {
    /// A name like any other.
    Ordinary,
    /// Reported when the login succeeds: the manual's `hot_ids`.
    Hot,
    /// Reported even when it fails: `always_hot_ids`.
    AlwaysHot,
    /// The connection is terminated: `forbidden_ids`, `forbidden_id_patterns`.
    Forbidden,
}

impl Sensitivity {
    /// How sensitive this name is. The sets are united here, at use, so that what a user adds to one counts in those that include it.
    pub fn of(sets: &PolicySets, user: &[u8]) -> Self {
        if sets.forbidden_ids.contains(user) || sets.forbidden_id_patterns.is_match(user) {
            Sensitivity::Forbidden
        } else if sets.always_hot_ids.contains(user) {
            Sensitivity::AlwaysHot
        } else if sets.hot_ids.contains(user) {
            Sensitivity::Hot
        } else {
            Sensitivity::Ordinary
        }
    }

    /// Whether this name is forbidden to whoever gives no password: `forbidden_ids_if_no_password`.
    pub fn needs_password(sets: &PolicySets, user: &[u8]) -> bool {
        sets.forbidden_ids_if_no_password.contains(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn sensitivity(sets: &PolicySets, user: &str) -> Sensitivity {
        Sensitivity::of(sets, user.as_bytes())
    }

    #[test]
    fn names_are_judged_whatever_their_case() {
        let settings = Settings::default();
        let sets = settings.sets();
        for user in ["rewt", "REWT", "ezsetup", "OutOfBox", "youareowned", "Y0uar3own3d", "yourown"] {
            assert_eq!(sensitivity(sets, user), Sensitivity::Forbidden, "{user}");
        }
        assert_eq!(sensitivity(sets, "demos"), Sensitivity::AlwaysHot);
        assert_eq!(sensitivity(sets, "Root"), Sensitivity::Hot);
        for user in ["", "smith", "rewt2", "my rewt", "xyouareowned"] {
            assert_eq!(sensitivity(sets, user), Sensitivity::Ordinary, "{user}");
        }
        assert!(Sensitivity::needs_password(sets, b"LP") && !Sensitivity::needs_password(sets, b"root"));
    }

    #[test]
    fn who_is_added_to_one_set_is_in_those_that_include_it() {
        let settings = Settings::load(None, &["policy.add.forbidden_ids = ['mallory']".to_owned()]).unwrap();
        assert!(sensitivity(settings.sets(), "Mallory") >= Sensitivity::Hot);
    }
}
