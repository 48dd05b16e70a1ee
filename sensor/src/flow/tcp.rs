//! TCP: what each segment means for its connection. Numbers first, then states, then bytes, then closing.

mod closing;
mod listener;
mod predicted;
mod side;
mod states;

pub(super) use closing::TcpTimer;
use listener::Listener;
use side::{Rare, Side};

use super::key::Direction;
use super::subject::{Shared, Subject};
use super::{Conn, EndpointState};
use crate::analyzers::Step;
use crate::capture::Bypassed;
use crate::event::Verdict;
use crate::packet::{Flags, Segment};
use crate::respond::Sent;
use crate::time::Timestamp;

/// A jump of sequence numbers that nobody believes of a SYN or RST.
const TOO_LARGE_JUMP: i64 = 1 << 20;
/// The manual's `tcp_storm_thresh` and `tcp_storm_interarrival_thresh`.
const STORM: (u32, u64) = (1000, 1_000_000_000);

/// What TCP remembers of a connection.
#[derive(Debug)]
pub(super) struct Tcp {
    orig: Side,
    resp: Side,
    /// When the originator's SYN is given up.
    attempt: Timestamp,
    partial_close: Timestamp,
    reset: Timestamp,
    /// Everything that will be said about its end has been said.
    finished: bool,
    /// Its end is complete: the state is kept a little for what comes late.
    closed: bool,
    /// It was picked up in the middle.
    partial: bool,
    /// Something unusual was said about it.
    odd: bool,
    /// It is on nobody's port: the capture filter may let its SYN, FIN and RST through, and nothing else.
    sparse: bool,
    /// Both sides are established, and nothing about them is out of the ordinary: what comes next can be predicted.
    smooth: bool,
}

/// What the state machine concludes from one segment.
#[derive(Clone, Copy, Default)]
struct Close {
    /// The sender closes.
    closes: bool,
    /// That is to be told as an event.
    tells: bool,
}

impl Tcp {
    /// Bytes that it takes at most, without what its streams keep back.
    pub const BYTES: usize = size_of::<Tcp>() + 2 * size_of::<Rare>();

    /// The state of a connection of which nothing has been seen.
    pub fn new(watched: bool) -> Self {
        Tcp {
            orig: Side::default(),
            resp: Side::default(),
            attempt: Timestamp::NEVER,
            partial_close: Timestamp::NEVER,
            reset: Timestamp::NEVER,
            finished: false,
            closed: false,
            partial: false,
            odd: false,
            sparse: !watched,
            smooth: false,
        }
    }

    /// Whether both sides have agreed.
    pub fn is_established(&self, conn: &Conn) -> bool {
        conn.orig.state == EndpointState::Established && conn.resp.state == EndpointState::Established
    }

    /// Whether its end has not been seen.
    pub fn is_open(&self) -> bool {
        !(self.finished || self.orig.did_close && self.resp.did_close)
    }

    /// Bytes on the heap that its streams keep back.
    #[inline]
    pub fn held(&self) -> usize {
        self.orig.stream.held() + self.resp.stream.held()
    }

    /// What the originator and the responder have sent.
    pub fn sent(&self) -> [Sent; 2] {
        [self.orig.sent(&self.resp.window), self.resp.sent(&self.orig.window)]
    }

    /// Gives back what is needed while the connection is there.
    pub fn rest(&mut self) {
        self.orig.rare.give_back();
        self.resp.rare.give_back();
    }

    /// One segment that was not predicted.
    pub fn on_segment(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
    ) {
        self.smooth = false;
        let flags = segment.flags();
        if (flags.fin || flags.rst) && subject.conn.verdict.has(Verdict::SKIP) {
            // It ends with the connection's state: what comes after the last FIN is counted as well.
            let kept_out = subject.look_at_bypass(shared);
            self.account(subject, kept_out);
        }
        self.note_partial(dir, flags);
        let occupied = occupied(segment);
        self.begin_side(subject, shared, dir, segment);
        let mut seq = self.side(dir).relative(segment.seq);
        if segment.payload_len > 0 && seq > self.side(dir).last && subject.is_bypassed(shared).is_some() {
            // Nothing should come up, and here is something beyond what was kept out: the bypass has given way, and begins anew.
            let kept_out = subject.look_at_bypass(shared);
            self.account(subject, kept_out);
            seq = self.side(dir).relative(segment.seq);
        }
        if seq < 0 && !flags.rst {
            self.weird(subject, shared, "TCP_seq_underflow_or_misorder");
        }
        self.note_history(subject, dir, seq, segment);
        self.update_window(subject, shared, dir, segment);
        if !(self.orig.did_close && self.resp.did_close) {
            subject.conn.last = subject.conn.last.max(shared.now);
        }
        if flags.syn {
            self.on_syn(subject, shared, dir, segment);
        }
        self.count_storms(subject, shared, dir, segment, seq + occupied);
        let ack = if flags.ack { self.on_ack_number(subject, shared, dir, segment) } else { None };
        let advance = self.update_last(subject, dir, seq + occupied, segment);
        self.side_mut(dir).last_time = shared.now;
        let close = self.update_state(subject, shared, dir, segment, advance);
        self.update_sizes(subject); // before delivery: whoever is told of bytes is to see them counted
        if let Some(ack) = ack {
            self.acknowledge(subject, shared, dir.reverse(), ack);
        }
        if seq >= 0 && !flags.rst && segment.payload_len > 0 {
            let first = seq.unsigned_abs() + u64::from(flags.syn);
            self.receive(subject, shared, dir, first, segment);
        }
        self.check_end(subject, shared, dir);
        self.check_end(subject, shared, dir.reverse());
        if close.closes {
            self.side_closes(subject, shared, dir, close.tells);
        }
        self.smooth = self.is_smooth(&subject.conn);
    }

    /// Counts what a bypass kept out into the sizes.
    pub fn account(&mut self, subject: &mut Subject, kept_out: Bypassed) {
        for (side, payload) in [&mut self.orig, &mut self.resp].into_iter().zip(kept_out.payload) {
            side.account(payload);
        }
        self.smooth = false;
        self.update_sizes(subject);
    }

    #[inline]
    fn side(&self, dir: Direction) -> &Side {
        match dir {
            Direction::FromOrig => &self.orig,
            Direction::FromResp => &self.resp,
        }
    }

    #[inline]
    fn side_mut(&mut self, dir: Direction) -> &mut Side {
        match dir {
            Direction::FromOrig => &mut self.orig,
            Direction::FromResp => &mut self.resp,
        }
    }

    /// The sender's side, and the other one.
    #[inline]
    fn sides_mut(&mut self, dir: Direction) -> (&mut Side, &mut Side) {
        match dir {
            Direction::FromOrig => (&mut self.orig, &mut self.resp),
            Direction::FromResp => (&mut self.resp, &mut self.orig),
        }
    }

    fn weird(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, name: &'static str) {
        self.odd = true;
        subject.weird(shared, name);
    }

    /// A connection is partial unless it begins with a SYN.
    fn note_partial(&mut self, dir: Direction, flags: Flags) {
        let first = !self.side(dir).seen;
        match dir {
            Direction::FromOrig if first => self.partial = !flags.syn || flags.ack,
            Direction::FromResp if first && !self.partial => self.partial = !flags.syn,
            _ => {}
        }
        self.side_mut(dir).seen = true;
    }

    /// Sets up the numbering with the first segment of a side, or with a SYN that has to be believed after all.
    fn begin_side(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction, segment: &Segment<'_>) {
        use EndpointState::{Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let syn = segment.flags().syn;
        let (state, size) = (subject.conn.endpoint(dir).state, subject.conn.endpoint(dir).size);
        let side = self.side(dir);
        let jumps = syn && segment.seq != side.isn;
        let settled = side.acked > 0 && side.stream.next() > 1 || side.acked > 1;
        match state {
            Inactive => self.side_mut(dir).begin(segment.seq, syn, occupied(segment)),
            SynSent | SynAckSent if jumps => {
                self.weird(subject, shared, "SYN_seq_jump");
                self.side_mut(dir).begin(segment.seq, syn, occupied(segment));
            }
            Established | Partial if syn => {
                if size > 0 {
                    self.weird(subject, shared, "SYN_inside_connection");
                }
                if jumps {
                    self.weird(subject, shared, "SYN_seq_jump");
                }
                // A host ignores a SYN inside its connection, and so do we once data has flowed: otherwise one forged SYN would hide
                // everything that follows it.
                if jumps && !settled && size == 0 {
                    self.side_mut(dir).begin(segment.seq, syn, occupied(segment));
                }
            }
            Reset if jumps && self.side(dir).previous == Inactive => {
                // Numbers came from a RST that may have been forged; a SYN is the better source.
                self.side_mut(dir).begin(segment.seq, syn, occupied(segment));
            }
            _ => {}
        }
    }

    fn note_history(&mut self, subject: &mut Subject, dir: Direction, seq: i64, segment: &Segment<'_>) {
        let Flags { syn, ack, fin, rst, .. } = segment.flags();
        let side = self.side_mut(dir);
        let end = seq + segment.payload_len as i64;
        let (letter, number) = match (syn, fin, rst) {
            (_, true, true) => (b'I', None),
            (true, true, false) | (true, false, true) => (b'Q', None),
            (true, false, false) => (if ack { b'H' } else { b'S' }, Some(seq)),
            (false, true, false) => (b'F', Some(end)),
            (false, false, true) => (b'R', Some(seq)),
            (false, false, false) if segment.payload_len > 0 => (b'D', None),
            (false, false, false) if ack => (b'A', None),
            (false, false, false) => return,
        };
        if side.notes(letter, number) {
            subject.note(dir, letter);
        }
    }

    fn update_window(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction, segment: &Segment<'_>) {
        use EndpointState::{Closed, Reset};
        let Flags { syn, fin, rst, .. } = segment.flags();
        let (own, peer) = (subject.conn.endpoint(dir).state, subject.conn.endpoint(dir.reverse()).state);
        let side = self.side_mut(dir);
        let size = u32::from(segment.window) << side.window.scale;
        if size == 0 && !rst && peer != Closed && own != Reset && side.rare.need().zero_windows.steps() {
            subject.note(dir, b'W');
        }
        if syn || fin || rst || matches!(own, Closed | Reset) {
            return;
        }
        if self.side_mut(dir).window.moves_back(segment.seq, segment.ack, size) {
            self.weird(subject, shared, "window_recision");
        }
    }

    fn on_syn(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction, segment: &Segment<'_>) {
        let odd = [
            (segment.flags().rst, "TCP_christmas"),
            (segment.flags().urg, "baroque_SYN"),
            (segment.payload_len > 0, "SYN_with_data"),
        ];
        for (_, name) in odd.into_iter().filter(|(is, _)| *is) {
            self.weird(subject, shared, name);
        }
        // RFC 7323: the shift is at most 14; without the option on both sides there is none.
        self.side_mut(dir).window.scale = segment.window_scale.unwrap_or(0).min(14);
        if segment.window_scale.is_none() && segment.flags().ack {
            self.side_mut(dir.reverse()).window.scale = 0;
        }
    }

    fn count_storms(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
        end: i64,
    ) {
        let side = self.side_mut(dir);
        let soon = shared.now.since(side.last_time).as_nanos() < u128::from(STORM.1);
        if !(segment.flags().fin || segment.flags().rst) {
            return;
        }
        let rare = side.rare.need();
        if segment.flags().fin {
            rare.fins = rare.fins.saturating_add(1);
            rare.fin_seq = end.max(1).unsigned_abs();
        }
        if segment.flags().rst {
            rare.rsts = rare.rsts.saturating_add(1);
        }
        let (fins, rsts) = (rare.fins, rare.rsts);
        if segment.flags().fin && fins >= STORM.0 && soon {
            self.weird(subject, shared, "FIN_storm");
        }
        if segment.flags().rst && rsts >= STORM.0 && soon {
            self.weird(subject, shared, "RST_storm");
        }
    }

    /// What an acknowledgement says about the numbers of the other side; `None` if it says nothing.
    fn on_ack_number(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
    ) -> Option<u64> {
        use EndpointState::{Established, Inactive, SynAckSent, SynSent};
        let Flags { syn, fin, rst, .. } = segment.flags();
        if subject.conn.endpoint(dir.reverse()).state == Inactive {
            let began = matches!(subject.conn.endpoint(dir).state, SynSent | SynAckSent | Established);
            if !syn && !fin && !rst && began && !self.odd {
                // It acknowledges data of a side of which we have seen nothing.
                self.weird(subject, shared, "possible_split_routing");
            }
            self.side_mut(dir.reverse()).begin_from_ack(segment.ack);
            return Some(1);
        }
        let peer = self.side_mut(dir.reverse());
        let ack = peer.relative_ack(segment.ack);
        if ack < 0 {
            self.weird(subject, shared, "TCP_ack_underflow_or_misorder");
            return None;
        }
        let jump = ack - peer.acked as i64;
        let broken = segment.ack == 0 && jump > TOO_LARGE_JUMP;
        if !rst && jump > 0 && !broken {
            peer.acked = ack.unsigned_abs();
        }
        (!broken).then_some(ack.unsigned_abs())
    }

    /// Moves the highest number that the side has sent; returns by how much this segment would have.
    fn update_last(&mut self, subject: &mut Subject, dir: Direction, end: i64, segment: &Segment<'_>) -> i64 {
        let Flags { syn, fin, rst, .. } = segment.flags();
        let reset = subject.conn.endpoint(dir).state == EndpointState::Reset;
        let side = self.side_mut(dir);
        let advance = end - side.last;
        if (syn || rst) && advance.saturating_sub_unsigned(side.kept_out()).abs() > TOO_LARGE_JUMP {
            return advance;
        }
        if fin && side.last == 1 && side.kept_out() == 0 {
            // Only the SYN and the FIN were seen, of a connection of any length.
            side.last = i64::from(segment.seq.wrapping_sub(side.isn)) + occupied(segment);
        } else if !reset && advance > 0 {
            side.reach(end);
        } else if !reset && segment.payload_len > 0 && side.rare.need().rexmits.steps() {
            subject.note(dir, b'T');
        }
        advance
    }

    /// Hands an acknowledgement to the stream that it is about.
    #[inline]
    fn acknowledge(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction, ack: u64) {
        let partial = self.partial;
        let filtered = self.sparse && (self.orig.is_closing() || self.resp.is_closing());
        let reported = self.smooth || self.reports_gaps(&subject.conn);
        let counted = reported && !partial && !self.sparse;
        let side = self.side_mut(dir);
        let ack = side.ack_of_data(ack);
        if partial && ack <= 2 && side.stream.next() <= ack {
            // The numbering of a connection that was picked up in the middle begins with a guess.
            return;
        }
        if counted {
            side.count_ack(ack, &shared.stats.counters);
        }
        let Some(pool) = shared.pool.take() else { return };
        if filtered && side.stream.next() == 1 {
            side.stream.end(pool); // what was filtered is not missing
        }
        side.stream.on_ack(ack, pool, &mut Listener { subject, shared, dir, reported, rare: &mut side.rare });
        shared.pool = Some(pool);
        self.forget_skipped(subject, shared);
    }

    /// Hands payload to its stream.
    #[inline]
    fn receive(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        first: u64,
        segment: &Segment<'_>,
    ) {
        let reported = self.smooth || self.reports_gaps(&subject.conn);
        if segment.payload.len() < segment.payload_len {
            self.weird(subject, shared, "truncated_tcp_payload");
        }
        // The byte numbered 0 would be the SYN's: that is a keep-alive from before the beginning.
        let before = usize::from(first == 0);
        let Some(payload) = segment.payload.get(before..) else { return };
        // RFC 6093: as everybody has it, the pointer is to the byte behind the urgent one.
        if segment.flags().urg && (1..=segment.payload_len).contains(&usize::from(segment.urgent)) {
            let at = first + u64::from(segment.urgent) - 1;
            subject.run_analyzer(shared, |analyzer, cx| {
                analyzer.on_urgent(cx, dir, at);
                Step::More
            });
        }
        let limits = &shared.settings.limits;
        let side = self.side_mut(dir);
        let Some(pool) = shared.pool.take() else { return };
        let mut listener = Listener { subject, shared, dir, reported, rare: &mut side.rare };
        side.stream.on_data(first.max(1), payload, limits, pool, &mut listener);
        shared.pool = Some(pool);
        self.forget_skipped(subject, shared);
    }

    /// Once policy skips the rest, both streams give their buffers back. (Without an analyzer, gaps are still counted.)
    #[inline]
    fn forget_skipped(&mut self, subject: &Subject, shared: &mut Shared<'_>) {
        if subject.conn.verdict.has(Verdict::SKIP) {
            self.end_streams(shared);
        }
    }

    /// Both streams give their buffers back.
    fn end_streams(&mut self, shared: &mut Shared<'_>) {
        if let Some(pool) = shared.pool.as_deref_mut() {
            self.orig.stream.end(pool);
            self.resp.stream.end(pool);
        }
    }

    /// Gaps are reported while the connection is clean: numbers in RSTs and before the beginning cannot be trusted.
    fn reports_gaps(&self, conn: &Conn) -> bool {
        let clean = |side: &Side, state| match state {
            EndpointState::Established => true,
            EndpointState::Closed => side.previous == EndpointState::Established,
            _ => false,
        };
        clean(&self.orig, conn.orig.state) && clean(&self.resp, conn.resp.state)
    }

    fn update_sizes(&self, subject: &mut Subject) {
        let conn = &mut subject.conn;
        conn.orig.size = self.orig.size(conn.orig.state, conn.resp.state);
        conn.resp.size = self.resp.size(conn.resp.state, conn.orig.state);
    }
}

/// How much of the sequence space a segment takes. The data of a RST is no part of the stream.
fn occupied(segment: &Segment<'_>) -> i64 {
    let flags = segment.flags();
    let data = if flags.rst { 0 } else { segment.payload_len as i64 };
    data + i64::from(flags.syn) + i64::from(flags.fin)
}
