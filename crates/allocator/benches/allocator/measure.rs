//! Clocks, memory, and the report.

use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// CPU time of this thread so far. Falls back to nothing where there is no `/proc`.
pub(crate) fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}

/// The CPU time that `work` takes, and what it returns.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = cpu_time();
    let answer = work();
    (cpu_time().saturating_sub(before), answer)
}

/// Forgets the peak of memory so far, where the kernel lets us.
pub(crate) fn reset_peak() {
    // Without the right to do so, the peak is that of the whole program: an upper bound.
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        eprintln!("the peak of memory is that of the whole program");
    }
}

/// The peak of memory in MiB.
pub(crate) fn peak_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// One measured figure.
pub(crate) struct Figure {
    /// Sizes and what was done.
    pub(crate) what: String,
    /// How much it is.
    pub(crate) value: f64,
    /// In what.
    pub(crate) unit: &'static str,
    /// What it should be at most.
    pub(crate) aim: Option<f64>,
}

impl Figure {
    /// A time in milliseconds.
    pub(crate) fn ms(what: impl Into<String>, time: Duration) -> Self {
        Self { what: what.into(), value: time.as_secs_f64() * 1000.0, unit: "ms", aim: None }
    }

    /// A number of something.
    pub(crate) fn of(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, aim: None }
    }

    /// The same with what it should be at most.
    pub(crate) fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }

    fn is_miss(&self) -> bool {
        self.aim.is_some_and(|aim| self.value > aim)
    }
}

/// All figures.
#[derive(Default)]
pub(crate) struct Report(Vec<(&'static str, Vec<Figure>)>);

impl Report {
    pub(crate) fn add(&mut self, name: &'static str, mut figures: Vec<Figure>) {
        figures.push(Figure::of("peak memory", to_float(peak_mib()), "MiB"));
        self.0.push((name, figures));
        reset_peak();
    }

    /// How many figures are above what they should be.
    pub(crate) fn misses(&self) -> usize {
        self.0.iter().flat_map(|(_, figures)| figures).filter(|figure| figure.is_miss()).count()
    }

    pub(crate) fn to_json(&self) -> String {
        let all: Vec<Value> = self
            .0
            .iter()
            .flat_map(|(name, figures)| figures.iter().map(move |figure| (name, figure)))
            .map(|(name, figure)| {
                json!({"benchmark": name, "what": figure.what, "value": figure.value, "unit": figure.unit, "aim": figure.aim})
            })
            .collect();
        format!("{:#}\n", json!({"program": "allocator", "figures": all}))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figures) in &self.0 {
            writeln!(f, "{name}")?;
            for figure in figures {
                let aim =
                    figure.aim.map(|aim| format!("  (aim {aim}{})", if figure.is_miss() { ", MISSED" } else { "" }));
                writeln!(f, "  {:<64} {:>12.3} {}{}", figure.what, figure.value, figure.unit, aim.unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

/// A count as a floating-point number; exact below 2^53.
#[allow(clippy::cast_precision_loss, reason = "the doc says how exact it is")]
pub(crate) fn to_float(count: u64) -> f64 {
    count as f64
}

/// The straight line through points by least squares: its offset, its slope, and which part of the variance it explains.
pub(crate) fn line(points: &[(f64, f64)]) -> (f64, f64, f64) {
    let count = to_float(points.len() as u64);
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let covariance = mean(&|point| (point.0 - x) * (point.1 - y));
    let (var_x, var_y) = (mean(&|point| (point.0 - x).powi(2)), mean(&|point| (point.1 - y).powi(2)));
    let slope = covariance / var_x;
    (y - slope * x, slope, covariance.powi(2) / (var_x * var_y))
}
