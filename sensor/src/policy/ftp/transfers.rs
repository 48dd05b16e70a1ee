//! The bytes of a transfer, told by its data connection, and its record, made by the reply on the control connection: whichever comes
//! first waits for the other.

use super::expected::{ExpectedData, Place};
use crate::record::FtpRecord;
use crate::time::Timestamp;

impl ExpectedData {
    /// Nothing more will come on a data connection, which has carried so many bytes, if that is known.
    pub fn finish_data(&mut self, now: Timestamp, place: Place, bytes: Option<u64>) {
        let Some(known) = self.places.get_mut(&place) else { return };
        match known.row.take() {
            Some((_, mut row)) => {
                row.file_size = bytes.or(row.file_size);
                self.released.push((now, row));
            }
            None => known.transferred = bytes,
        }
    }

    /// Keeps the record of a transfer until its data connection has ended, or `until`.
    pub fn wait(&mut self, now: Timestamp, place: Place, until: Timestamp, row: Box<FtpRecord>) {
        let Some(known) = self.places.get_mut(&place) else {
            self.released.push((now, row));
            return;
        };
        self.released.extend(known.row.replace((until, row)).map(|(_, earlier)| (now, earlier)));
        self.waiting.push_back((until, place));
    }

    /// The records that wait no longer.
    pub fn released(&mut self) -> impl Iterator<Item = (Timestamp, Box<FtpRecord>)> + use<'_> {
        self.released.drain(..)
    }

    /// Whether a data connection of this place has been seen, or may still come.
    pub fn may_finish(&self, place: Place) -> bool {
        self.places.get(&place).is_some_and(|known| known.open > 0 || !known.used)
    }

    /// Gives up waiting for data connections that do not end.
    pub fn give_up_waiting(&mut self, now: Timestamp) {
        while let Some(&(until, place)) = self.waiting.front()
            && (until <= now || self.waiting.len() > self.most.in_all)
        {
            self.waiting.pop_front();
            if let Some(known) = self.places.get_mut(&place)
                && let Some((at, row)) = known.row.take_if(|(at, _)| *at <= until)
            {
                self.released.push((at.min(now), row));
            }
        }
    }
}
