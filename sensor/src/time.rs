//! Packet time: nanoseconds since the Unix epoch, told by the source and by nobody else.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment, in nanoseconds since 1970-01-01 UTC. Good until the year 2554.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Before every capture; the value of a clock that has not started.
    pub const ZERO: Timestamp = Timestamp(0);
    /// After every capture; the deadline that never comes.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// From whole nanoseconds since the epoch.
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Timestamp(nanos)
    }

    /// From seconds and a fraction in nanoseconds, as capture files carry them.
    pub const fn from_parts(seconds: u64, nanos: u32) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as u64))
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the epoch, with the precision of a double: for people and for Zeek's JSON.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Date and time in UTC, after a `strftime` pattern. Not for hot paths.
    pub fn format_utc(self, pattern: &str) -> String {
        let nanos = i128::from(self.0);
        jiff::Timestamp::from_nanosecond(nanos)
            .map_or_else(|_| String::new(), |moment| moment.strftime(pattern).to_string())
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later (captures do step back).
    #[inline]
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    #[inline]
    fn add(self, duration: Duration) -> Timestamp {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    #[inline]
    fn sub(self, duration: Duration) -> Timestamp {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_sub(nanos))
    }
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
