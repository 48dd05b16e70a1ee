//! Loss in front of the sensor, as TCP tells it: what a receiver acknowledges was on the wire, whether the sensor has seen it or not.
//!
//! No counter of a NIC or a kernel knows of what a switch did not copy. The fields and the names of the notices are Zeek's.

use std::sync::Arc;
use std::time::Duration;

use super::notice::{About, Note, Notices};
use super::words::put;
use crate::config::Settings;
use crate::record::{CaptureLossRecord, Record};
use crate::time::Timestamp;

/// What Zeek's `peer` says: the name of the node, and here there is one.
pub const PEER: &str = "portreeve";
/// So many connections of which only one side was seen are no accident, if they are also the most.
const ONE_SIDED: u64 = 10;

/// What was counted in a time.
#[derive(Clone, Copy, Default, Debug)]
pub struct Evidence {
    /// Frames of watched services.
    pub frames: u64,
    /// Acknowledgements of data.
    pub acks: u64,
    /// Those of them that covered bytes which were not seen.
    pub gaps: u64,
    /// TCP connections that ended, with both sides seen.
    pub two_sided: u64,
    /// Those of which only one side was seen, though the other must have been there.
    pub one_sided: u64,
}

/// Judges how much is lost.
#[derive(Debug)]
pub struct CaptureLoss {
    notices: Notices,
    too_much: f64,
}

impl CaptureLoss {
    /// Nothing judged yet.
    pub fn new(settings: &Settings) -> Self {
        CaptureLoss {
            notices: Notices::new(settings, Arc::default()),
            too_much: settings.health.too_much_loss_percent as f64,
        }
    }

    /// Judges the time of length `over` that ends `at`: a line, and what a person should hear of.
    pub fn judge(&mut self, at: Timestamp, over: Duration, seen: Evidence, raised: &mut Vec<Record>) {
        let Evidence { acks, gaps, one_sided, two_sided, .. } = seen;
        let percent_lost = if acks == 0 { 0.0 } else { gaps as f64 * 100.0 / acks as f64 };
        let (ts, ts_delta, peer) = (at, over, PEER);
        raised.push(CaptureLossRecord { ts, ts_delta, peer, gaps, acks, percent_lost }.into());
        if acks > 0 && percent_lost >= self.too_much {
            let what = format_args!(
                "the sensor was not shown {percent_lost:.1}% of what was acknowledged ({gaps} gaps, {acks} acknowledgements): is the mirror port \
                 overloaded?"
            );
            self.tell(at, Note::Too_Much_Loss, what, raised);
        }
        if one_sided >= ONE_SIDED && one_sided > two_sided {
            let all = one_sided.saturating_add(two_sided);
            let what = format_args!(
                "of {one_sided} of {all} connections only one direction was seen: does the mirror port copy both?"
            );
            self.tell(at, Note::One_Direction_Only, what, raised);
        }
    }

    /// Says that nothing at all has come for so long, if that is so.
    pub fn judge_silence(&mut self, at: Timestamp, over: Duration, seen: Evidence, raised: &mut Vec<Record>) {
        if seen.frames == 0 {
            let seconds = over.as_secs();
            let what = format_args!("no packet of a watched service for {seconds} s: is the mirror port connected?");
            self.tell(at, Note::Too_Little_Traffic, what, raised);
        }
    }

    fn tell(&mut self, at: Timestamp, note: Note, what: std::fmt::Arguments<'_>, raised: &mut Vec<Record>) {
        let notice = self.notices.due(at, note, About::default(), None, |out| put(out, what));
        raised.extend(notice.map(Record::Notice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Duration = Duration::from_secs(900);

    /// The loss that is written, and the notices.
    fn judged(seen: Evidence) -> (f64, Vec<&'static str>) {
        let (mut raised, at) = (Vec::new(), Timestamp::from_parts(9000, 0));
        let mut loss = CaptureLoss::new(&Settings::default());
        loss.judge(at, OVER, seen, &mut raised);
        loss.judge_silence(at, OVER, seen, &mut raised);
        let Some(Record::CaptureLoss(line)) = raised.first() else { panic!("no line: {raised:?}") };
        assert_eq!((line.gaps, line.acks, line.ts_delta), (seen.gaps, seen.acks, OVER));
        let notices = raised.iter().filter_map(|record| match record {
            Record::Notice(notice) => Some(notice.note),
            _ => None,
        });
        (line.percent_lost, notices.collect())
    }

    #[test]
    fn a_tenth_lost_is_too_much() {
        let seen = Evidence { frames: 1, acks: 1000, gaps: 99, ..Evidence::default() };
        assert_eq!(judged(seen), (9.9, vec![]));
        assert_eq!(judged(Evidence { gaps: 100, ..seen }), (10.0, vec!["CaptureLoss::Too_Much_Loss"]));
        assert_eq!(judged(Evidence { acks: 0, gaps: 0, ..seen }), (0.0, vec![]));
    }

    #[test]
    fn one_direction_only_is_told_if_it_is_the_rule() {
        let seen = Evidence { frames: 1, one_sided: 10, two_sided: 9, ..Evidence::default() };
        assert_eq!(judged(seen).1, ["CaptureLoss::One_Direction_Only"]);
        assert!(judged(Evidence { two_sided: 10, ..seen }).1.is_empty(), "some routes are asymmetric");
        assert!(judged(Evidence { one_sided: 9, two_sided: 0, ..seen }).1.is_empty());
    }

    #[test]
    fn silence_is_told() {
        assert_eq!(judged(Evidence::default()).1, ["CaptureLoss::Too_Little_Traffic"]);
    }

    #[test]
    fn it_is_told_once_in_a_while() {
        let mut loss = CaptureLoss::new(&Settings::default());
        let seen = Evidence { frames: 9, acks: 9, gaps: 9, ..Evidence::default() };
        let mut raised = Vec::new();
        for quarter in 0..5 {
            loss.judge(Timestamp::from_parts(9000 + quarter * 900, 0), OVER, seen, &mut raised);
        }
        let notices = raised.iter().filter(|record| matches!(record, Record::Notice(_))).count();
        assert_eq!((raised.len(), notices), (7, 2), "five lines; the notice again after an hour");
    }
}
