//! The bytes of a transfer, told by its data connection, and its record, made by the reply on the control connection: whichever comes
//! first waits for the other.

use super::expected::ExpectedData;
use super::place::Place;
use crate::record::FtpRecord;
use crate::time::Timestamp;

/// Records of transfers, until they are written.
#[derive(Default, Debug)]
pub(super) struct Rows {
    kept: Vec<Option<FtpRecord>>,
    free: Vec<Row>,
}

/// Where one of them is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row(usize);

impl Rows {
    fn keep(&mut self, record: FtpRecord) -> Row {
        let row = self.free.pop().unwrap_or(Row(self.kept.len()));
        match self.kept.get_mut(row.0) {
            Some(place) => *place = Some(record),
            None => self.kept.push(Some(record)),
        }
        row
    }

    fn take(&mut self, row: Row) -> Option<FtpRecord> {
        self.free.push(row);
        self.kept.get_mut(row.0)?.take()
    }

    fn get_mut(&mut self, row: Row) -> Option<&mut FtpRecord> {
        self.kept.get_mut(row.0)?.as_mut()
    }
}

impl ExpectedData {
    /// Nothing more will come on a data connection, which has carried so many bytes, if that is known.
    pub fn finish_data(&mut self, now: Timestamp, place: Place, bytes: Option<u64>) {
        let Some(known) = self.places.get_mut(&place) else { return };
        match known.row.take() {
            Some((_, row)) => {
                if let Some(record) = self.rows.get_mut(row) {
                    record.file_size = bytes.or(record.file_size);
                }
                self.released.push((now, row));
            }
            None => known.transferred = bytes,
        }
    }

    /// Keeps the record of a transfer until its data connection has ended, or `until`.
    pub fn wait(&mut self, now: Timestamp, place: Place, until: Timestamp, record: FtpRecord) {
        let row = self.rows.keep(record);
        let Some(known) = self.places.get_mut(&place) else {
            self.released.push((now, row));
            return;
        };
        self.released.extend(known.row.replace((until, row)).map(|(_, earlier)| (now, earlier)));
        self.due = Timestamp::ZERO;
        self.waiting.push_back((until, place));
    }

    /// The records that wait no longer.
    pub fn released(&mut self) -> impl Iterator<Item = (Timestamp, FtpRecord)> + use<'_> {
        let rows = &mut self.rows;
        self.released.drain(..).filter_map(|(since, row)| Some((since, rows.take(row)?)))
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
