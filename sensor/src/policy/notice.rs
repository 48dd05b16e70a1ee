//! Notices: their kinds, what is done with each, and how often. Words are put together only for a notice that is written.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use crate::config::{NoticeAction, Settings};
use crate::record::{ConnId, NoticeRecord};
use crate::stats::WorkerStats;
use crate::text::Text;
use crate::time::Timestamp;

/// One row of the table of kinds.
struct Kind {
    name: &'static str,
    /// Seconds for which the same thing is not written again; `None`: as the settings say of all kinds.
    suppress: Option<u64>,
    /// How many of this kind are written in such an interval, whatever they are about; `None`: any number.
    storm: Option<u32>,
    /// Whether it is given once whichever worker comes first: only the collector knows which one that is.
    once: bool,
}

const fn kind(name: &'static str) -> Kind {
    Kind { name, suppress: None, storm: None, once: false }
}

const DAY: Option<u64> = Some(86_400);
/// Loss in front of the sensor touches every connection: a few notices tell it.
const LOSS: Option<u32> = Some(20);

macro_rules! notes {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $value:expr),* };)+) => {
        /// A kind of notice.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[expect(non_camel_case_types, reason = "the manual's names")]
        pub enum Note { $($(#[$doc])* $name),+ }

        impl Note {
            /// Every kind.
            pub const ALL: &'static [Note] = &[$(Note::$name),+];

            const fn kind(self) -> Kind {
                match self { $(Note::$name => Kind { $($field: $value,)* ..kind(stringify!($name)) }),+ }
            }
        }
    };
}

notes! {
    /// A connection became hot.
    SensitiveConnection {};
    /// A portmapper call that the sets do not allow.
    SensitivePortmapperAccess {};
    /// Somebody registered or unregistered a service on another host.
    PortmapperRemoteSet {};
    /// A UDP portmapper that sends somebody much more than it is sent: used to flood a victim.
    PortmapperReflection {};
    /// A portmapper answered with more services than its table holds: forged, or broken.
    PortmapperFlood {};
    /// A login by, or as, somebody of interest; or something that was typed, shown or sent during one.
    SensitiveLogin {};
    /// Somebody forbidden would be cut off, if the dialogue were understood.
    LoginForbiddenButConfused {};
    /// What was sent for a password is the name of a sensitive user.
    SensitiveUsernameInPassword {};
    /// A password crossed the network in the clear, and was accepted.
    PasswordExposed { suppress: DAY, once: true };
    /// The users at both ends of an Rsh session have different names.
    DifferentRSH_Usernames {};
    /// An Rsh session that somebody types into.
    InteractiveRSH {};
    /// Something that means trouble was sent through Rsh.
    SensitiveRSH_Input {};
    /// Something that means trouble came back through Rsh.
    SensitiveRSH_Output {};
    /// An Rsh server refused a user.
    FailedRSH_Authentication {};
    /// A connection is reset at both ends.
    TerminatingConnection {};
    /// A connection would have been, but that is switched off, or it is to be left alone.
    TerminatingConnectionIgnored {};
    /// Somebody from outside claims to be root.
    RemoteRootCredential { suppress: DAY };
    /// RPC calls to a port that this client never asked a portmapper for.
    UnannouncedRPCCall { suppress: DAY };
    /// NULL calls to many programs or with impossible versions: somebody looks for services.
    RPCSweep {};
    /// A host connected to an FTP data port that was meant for another.
    FTP_UnexpectedConn {};
    /// A file name of FTP that is too long to be one.
    FTP_ExcessiveFilename {};
    /// A data connection is to go to a privileged port.
    FTP_PrivPort {};
    /// A PORT argument or PASV reply that is malformed.
    FTP_BadPort {};
    /// A sensitive user, file or command.
    FTP_Sensitive {};
    /// A long SITE EXEC: an attack on wu-ftpd.
    FTP_SiteExecAttack {};
    /// A data connection is to go to a third host.
    FTP_Bounce {};
    /// A source has tried many accounts or passwords.
    PasswordGuessing {};
    /// After that, somebody from there logged in.
    SuccessfulPasswordGuessing {};
    /// Many sources have tried accounts of one server.
    DistributedPasswordGuessing {};
    /// One account has been tried with many passwords, from several sources.
    AccountGuessing {};
    /// One account and password was tried on many servers, or one password on many accounts.
    PasswordSpraying {};
    /// A source has contacted many hosts.
    AddressScan {};
    /// A source has contacted many ports of one host.
    PortScan {};
    /// A source has contacted several ports below 1024.
    LowPortTrolling {};
    /// A source has contacted so many hosts that it should be shut out.
    ShutdownThresh {};
    /// A source has contacted addresses that nobody has reason to.
    Landmine {};
    /// Replies to what was never asked: somebody floods their sender with forged sources.
    BackscatterSeen {};
    /// A source has asked the portmappers of many hosts.
    PortmapperSweep {};
    /// An SSH connection with a version or an algorithm that is too old.
    SSH_WeakAlgorithm { suppress: DAY, once: true };
    /// The sensor is not shown much of what crosses the network.
    Too_Much_Loss { name: "CaptureLoss::Too_Much_Loss" };
    /// Of most connections, the sensor is shown one direction only.
    One_Direction_Only { name: "CaptureLoss::One_Direction_Only", suppress: DAY };
    /// The sensor is shown nothing at all.
    Too_Little_Traffic { name: "CaptureLoss::Too_Little_Traffic", suppress: DAY };
    /// A weird whose action asks for it.
    WeirdActivity { suppress: Some(0) };
    /// A retransmission carried other bytes.
    RetransmissionInconsistency { storm: LOSS };
    /// Data was acknowledged that the sensor never saw.
    AckAboveHole { storm: LOSS };
    /// Data is missing.
    ContentGap { storm: LOSS };
}

impl Note {
    /// Whether it says enough of a connection to have its packets recorded; that packets are missing is no reason to keep the others.
    pub const fn is_worth_packets(self) -> bool {
        !matches!(self, Note::ContentGap | Note::AckAboveHole)
    }

    /// Whether it is given once whichever worker comes first.
    pub const fn is_once(self) -> bool {
        self.kind().once
    }

    /// Its name in logs and settings.
    pub const fn name(self) -> &'static str {
        self.kind().name
    }
}

/// What a notice is about: the same kind about the same thing is suppressed for a while.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct About {
    /// One host, usually the client.
    pub src: Option<IpAddr>,
    /// Another, usually the server.
    pub dst: Option<IpAddr>,
    /// What tells several things between them apart.
    pub detail: (u64, u64),
}

impl Hash for About {
    /// As few words as tell two of them apart: this is done for every call.
    fn hash<H: Hasher>(&self, to: &mut H) {
        let bits = |host: Option<IpAddr>| match host {
            Some(IpAddr::V4(v4)) => u128::from(v4.to_bits()) | 1 << 127,
            Some(IpAddr::V6(v6)) => v6.to_bits(),
            None => 0,
        };
        to.write_u128(bits(self.src));
        to.write_u128(bits(self.dst));
        self.detail.hash(to);
    }
}

impl About {
    /// Something between the two hosts of a connection.
    pub fn pair(id: &ConnId, detail: (u64, u64)) -> Self {
        About { src: Some(id.key.orig_h), dst: Some(id.key.resp_h), detail }
    }

    /// Something on this connection, and on no other between its hosts.
    pub fn connection(id: &ConnId, detail: u64) -> Self {
        let uid = id.uid.0;
        About::pair(id, (uid as u64 ^ (uid >> 64) as u64, detail))
    }
}

/// What a notice may tell besides its text.
#[derive(Default, Debug)]
pub struct More {
    /// A detail.
    pub sub: Option<Text>,
    /// A number: a reply's code, how many of something.
    pub n: Option<u64>,
    /// An account.
    pub user: Option<Text>,
    /// A file.
    pub filename: Option<Text>,
}

/// What is decided about a notice before a word of it exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Write it.
    Due,
    /// The same was written a while ago.
    Suppressed,
    /// The settings ignore its kind.
    Ignored,
}

/// Which notices were written lately, and what is done with each kind.
#[derive(Debug)]
pub struct Notices {
    written: Memory<(Note, About), ()>,
    kinds: Vec<State>,
    text_bytes: usize,
    /// Where those are counted that are suppressed.
    stats: Arc<WorkerStats>,
    /// Where its text is put together.
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    action: NoticeAction,
    suppress: Duration,
    storm: Option<u32>,
    /// The interval in which `in_interval` were written and `held_back` were not.
    began: Timestamp,
    in_interval: u32,
    held_back: u64,
}

impl Notices {
    /// Nothing written yet.
    pub fn new(settings: &Settings, stats: Arc<WorkerStats>) -> Self {
        let state = |note: &Note| {
            let (kind, notice) = (note.kind(), &settings.notice);
            let own = match note {
                Note::SensitivePortmapperAccess => Some(settings.portmap.report_memory_seconds),
                _ => kind.suppress,
            };
            let seconds = notice.suppress.get(kind.name).copied().or(own).unwrap_or(notice.suppress_seconds);
            State {
                action: notice.actions.get(kind.name).copied().unwrap_or_default(),
                suppress: Duration::from_secs(seconds),
                storm: kind.storm,
                began: Timestamp::ZERO,
                in_interval: 0,
                held_back: 0,
            }
        };
        Notices {
            written: Memory::new(settings.limits.notices_remembered, settings.seed),
            kinds: Note::ALL.iter().map(state).collect(),
            text_bytes: settings.limits.text_bytes,
            stats,
            scratch: Vec::new(),
        }
    }

    /// A notice that is no handler's of a connection, if it is due. `words` puts its text together.
    pub fn due(
        &mut self,
        at: Timestamp,
        note: Note,
        about: About,
        id: Option<&ConnId>,
        words: impl FnOnce(&mut Vec<u8>),
    ) -> Option<NoticeRecord> {
        if self.decide(at, note, about) != Decision::Due {
            return None;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        words(&mut scratch);
        let record = self.record(at, note, id, Text::new(&scratch, self.text_bytes));
        self.scratch = scratch;
        Some(record)
    }

    /// Whether this notice is to be written; remembers that it was, and counts it if not. Costs a lookup and no allocation.
    pub fn decide(&mut self, now: Timestamp, note: Note, about: About) -> Decision {
        let decision = self.judge(now, note, about);
        if decision == Decision::Suppressed {
            self.stats.counters.notices_suppressed.inc();
        }
        decision
    }

    fn judge(&mut self, now: Timestamp, note: Note, about: About) -> Decision {
        let Some(state) = self.kinds.get_mut(note as usize) else { return Decision::Ignored };
        if state.action == NoticeAction::Ignore {
            return Decision::Ignored;
        }
        let remembers = !state.suppress.is_zero() && !note.is_once();
        if remembers && self.written.get(now, &(note, about)).is_some() {
            state.held_back += 1;
            return Decision::Suppressed;
        }
        if now.since(state.began) >= state.suppress {
            (state.began, state.in_interval) = (now, 0);
        }
        if state.storm.is_some_and(|most| state.in_interval >= most) {
            state.held_back += 1;
            return Decision::Suppressed;
        }
        state.in_interval += 1;
        if remembers {
            self.written.put(now, (note, about), (), state.suppress);
        }
        Decision::Due
    }

    /// A record for a notice that is due. `n` says how many like it were held back since the last, where that is of interest.
    pub fn record(&mut self, now: Timestamp, note: Note, id: Option<&ConnId>, msg: Text) -> NoticeRecord {
        let state = self.kinds.get_mut(note as usize);
        let (action, suppress_for) =
            state.as_ref().map_or_else(Default::default, |state| (state.action, state.suppress));
        let held_back = state.filter(|state| state.storm.is_some()).map(|state| std::mem::take(&mut state.held_back));
        NoticeRecord {
            ts: now,
            id: id.copied(),
            proto: id.map(|id| id.key.transport),
            note: note.name(),
            msg,
            sub: None,
            src: id.map(|id| id.key.orig_h),
            dst: id.map(|id| id.key.resp_h),
            p: id.map(|id| id.key.resp_p),
            n: held_back.filter(|&held_back| held_back > 0),
            user: None,
            filename: None,
            capture_file: None,
            actions: match action {
                NoticeAction::Ignore => &[],
                NoticeAction::Log => &["log"],
                NoticeAction::Alarm => &["log", "alarm"],
            },
            suppress_for,
        }
    }

    /// Entries that had to give way before they expired.
    pub fn forgotten(&self) -> u64 {
        self.written.forgotten()
    }
}
