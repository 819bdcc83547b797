//! Progress of long work, one line a step, on standard error so that standard output stays for results.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;

/// Prints steps as they start and end; clones share the clock and the terminal.
#[derive(Clone)]
pub struct Steps {
    shared: Arc<Shared>,
}

struct Shared {
    start: Instant,
    quiet: bool,
    /// What is written now on the terminal's last line without an end of line.
    open: Mutex<Option<String>>,
}

impl Steps {
    /// Steps on standard error; the clock in front of each line starts now.
    #[must_use]
    pub fn on_stderr() -> Self {
        Self::new(false)
    }

    /// Steps that nobody sees.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(true)
    }

    fn new(quiet: bool) -> Self {
        Self { shared: Arc::new(Shared { start: Instant::now(), quiet, open: Mutex::new(None) }) }
    }

    /// Does one step: a line when it ends, with the seconds it took; on a terminal also while it runs.
    pub fn step<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.open(what);
        let begun = Instant::now();
        let result = work();
        let took = begun.elapsed().as_secs_f32();
        match &result {
            Ok(_) => self.line(&format!("{what} ({took:.1} s)")),
            Err(_) => self.line(&format!("{what}: failed after {took:.1} s")),
        }
        result
    }

    /// A line of news that is not a step.
    pub fn note(&self, text: &str) {
        self.line(text);
    }

    fn open(&self, what: &str) {
        if self.shared.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{} {what} …", self.clock());
        // Steps of several threads share one line: the newest is shown. A terminal that went away is nobody's error.
        write!(std::io::stderr(), "\r\x1b[2K{text}").ok();
        *open = Some(text);
    }

    fn line(&self, text: &str) {
        if self.shared.quiet {
            return;
        }
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = if open.take().is_some() { "\r\x1b[2K" } else { "" };
        writeln!(std::io::stderr(), "{erase}{} {text}", self.clock()).ok();
    }

    fn clock(&self) -> String {
        format!("[{:>6.1} s]", self.shared.start.elapsed().as_secs_f32())
    }
}
