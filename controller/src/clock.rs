//! The two clocks of the shell: one for people and records, one for deadlines.

use proffer_master::Time;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment on the clock that counts from boot, also while the machine sleeps. Deadlines are kept by it: it cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Boot(Duration);

impl Boot {
    /// The moment it is now.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        Self(Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    /// The moment `micros` microseconds after boot.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }

    /// Microseconds since boot.
    #[must_use]
    pub fn micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long after `earlier` this is; nothing if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The master's clock: the wall clock at start plus what the boot clock counted since, so that it never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_micros: i64,
    boot: Boot,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall_micros: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX), boot: Boot::now() }
    }

    /// The time it is now.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.wall_micros).after(Boot::now().since(self.boot))
    }
}

/// A time as objects have it: RFC 3339 with microseconds.
#[must_use]
pub fn to_text(time: Time) -> String {
    k8s_openapi::jiff::Timestamp::from_microsecond(time.0).map(|stamp| format!("{stamp:.6}")).unwrap_or_default()
}

/// Reads what [`to_text`] wrote.
#[must_use]
pub fn from_text(text: &str) -> Option<Time> {
    text.parse::<k8s_openapi::jiff::Timestamp>().ok().map(|stamp| Time(stamp.as_microsecond()))
}

/// When an object was created.
#[must_use]
pub fn from_kubernetes(time: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>) -> Time {
    time.map_or(Time(0), |time| Time(time.0.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_to_the_microsecond() {
        let time = Time(1_795_362_000_123_456);
        assert_eq!(to_text(time), "2026-11-22T15:40:00.123456Z");
        assert_eq!(from_text(&to_text(time)), Some(time));
        assert_eq!(from_text("yesterday"), None);
    }
}
