//! Logs, how much of them there is, and what a panic does.

use crate::args::{LogFormat, RunArguments};
use anyhow::Context;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What a higher level shows more of.
const OURS: [&str; 3] = ["proffer_controller", "proffer_master", "proffer_allocator"];

/// Starts to write logs to stderr. A panic from now on is logged and ends the process: half a controller is none.
pub fn start(arguments: &RunArguments) -> anyhow::Result<Levels> {
    let filter = EnvFilter::try_new(&arguments.log).with_context(|| {
        format!("--log {:?} is no filter: write info, or info,proffer_controller=debug", arguments.log)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Setting the filter fails only when the subscriber is gone, which lives as long as the process.
    let levels = match arguments.log_format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Levels::new(&arguments.log, move |filter| drop(handle.reload(filter)))
        }
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Levels::new(&arguments.log, move |filter| drop(handle.reload(filter)))
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!(%panic, %backtrace, "panic: this is a bug in Proffer, please report it");
        std::process::abort();
    }));
    Ok(levels)
}

/// How much is logged, as glog counts it: 0 what `--log` says, 1 also what is for debugging, from 2 on everything.
#[derive(Clone)]
pub struct Levels(Arc<Inner>);

struct Inner {
    filter: String,
    original: u32,
    apply: Box<dyn Fn(EnvFilter) + Send + Sync>,
    set: Mutex<Set>,
}

/// The level that was set last.
#[derive(Clone, Copy)]
struct Set {
    level: u32,
    /// How often one was set: what was set later is not taken back by an earlier one's end.
    times: u64,
}

impl Levels {
    /// Levels above the filter of `--log`. A level is set by `apply`.
    #[must_use]
    pub fn new(filter: &str, apply: impl Fn(EnvFilter) + Send + Sync + 'static) -> Self {
        let original = match EnvFilter::try_new(filter).ok().and_then(|filter| filter.max_level_hint()) {
            Some(LevelFilter::TRACE) => 2,
            Some(LevelFilter::DEBUG) => 1,
            _ => 0,
        };
        let set = Mutex::new(Set { level: original, times: 0 });
        Self(Arc::new(Inner { filter: filter.to_owned(), original, apply: Box::new(apply), set }))
    }

    /// The level without anybody's doing.
    #[must_use]
    pub fn original(&self) -> u32 {
        self.0.original
    }

    /// The level now.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.0.lock().level
    }

    /// Sets the level, until `duration` has gone by or another one is set. Needs a tokio runtime.
    pub fn set(&self, level: u32, duration: Duration) {
        let times = self.apply(level);
        if level == self.0.original {
            return;
        }
        let levels = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            if levels.0.lock().times == times {
                levels.apply(levels.0.original);
            }
        });
    }

    fn apply(&self, level: u32) -> u64 {
        let mut set = self.0.lock();
        *set = Set { level, times: set.times + 1 };
        let more = match level {
            _ if level <= self.0.original => None,
            1 => Some("debug"),
            _ => Some("trace"),
        };
        let filter = more.into_iter().fold(self.0.filter.clone(), |filter, more| {
            OURS.iter().fold(filter, |filter, ours| format!("{filter},{ours}={more}"))
        });
        match EnvFilter::try_new(&filter) {
            Ok(filter) => (self.0.apply)(filter),
            Err(error) => tracing::error!(filter, %error, "the logs' filter cannot be changed"),
        }
        set.times
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Levels").field("filter", &self.0.filter).field("level", &self.level()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(filter: &str) -> (Levels, Arc<Mutex<Vec<String>>>) {
        let applied = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&applied);
        (Levels::new(filter, move |filter| log.lock().unwrap().push(filter.to_string())), applied)
    }

    #[tokio::test]
    async fn a_level_holds_for_its_duration() {
        let (levels, applied) = levels("info");
        levels.set(1, Duration::from_millis(20));
        assert_eq!((levels.original(), levels.level()), (0, 1));
        assert!(applied.lock().unwrap()[0].contains("proffer_controller=debug"), "{applied:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(levels.level(), 0);
        assert_eq!(applied.lock().unwrap()[1..], ["info"]);
    }

    #[tokio::test]
    async fn what_was_set_later_is_not_taken_back_by_an_earlier_end() {
        let (levels, _) = levels("info");
        levels.set(1, Duration::from_millis(20));
        levels.set(2, Duration::from_hours(1));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(levels.level(), 2);
    }

    #[tokio::test]
    async fn what_is_logged_already_is_the_original_level() {
        for (filter, level) in [("warn", 0), ("info", 0), ("debug", 1), ("info,proffer_master=trace", 2)] {
            assert_eq!(levels(filter).0.original(), level, "{filter}");
        }
    }
}
