//! Files under way, one for each recorded connection, and the budgets that all of them share.

use std::collections::HashMap;

use crate::config::RecordSettings;
use crate::record::Uid;

/// What was recorded, for the summary.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Written {
    /// Files of packets that were begun.
    pub files: u64,
    /// Packets in them.
    pub packets: u64,
    /// Lines of transcripts.
    pub lines: u64,
    /// Bytes of them all, about.
    pub bytes: u64,
    /// Packets and lines left out because a budget was used up.
    pub over_budget: u64,
    /// Packets and lines that could not be written.
    pub failed: u64,
}

/// Files of one kind that are under way.
#[derive(Debug)]
pub(super) struct Open<F> {
    files: HashMap<Uid, Slot<F>>,
}

#[derive(Debug)]
struct Slot<F> {
    file: F,
    room: u64,
}

impl<F> Default for Open<F> {
    fn default() -> Self {
        Open { files: HashMap::new() }
    }
}

impl<F> Open<F> {
    /// The file of a connection, if the budgets have so many bytes more for it, and whether it was begun for them. What finds no room is
    /// counted.
    pub fn admit(
        &mut self,
        uid: Uid,
        size: u64,
        (settings, written): (&RecordSettings, &mut Written),
        begin: impl FnOnce(&mut Written) -> F,
    ) -> Option<(&mut F, bool)> {
        let first = !self.files.contains_key(&uid);
        let over = written.bytes.saturating_add(size) > settings.total_bytes;
        if over || first && self.files.len() >= settings.connections {
            written.over_budget += 1;
            return None;
        }
        let fresh = || Slot { file: begin(written), room: settings.connection_bytes };
        let slot = self.files.entry(uid).or_insert_with(fresh);
        let Some(room) = slot.room.checked_sub(size) else {
            written.over_budget += 1;
            return None;
        };
        slot.room = room;
        Some((&mut slot.file, first))
    }

    /// There will be no more of this connection.
    pub fn end(&mut self, uid: Uid) {
        self.files.remove(&uid);
    }

    /// Every file under way.
    pub fn all(&mut self) -> impl Iterator<Item = &mut F> {
        self.files.values_mut().map(|slot| &mut slot.file)
    }
}
