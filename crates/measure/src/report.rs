//! All figures of a run.

use crate::clock::{peak_mib, reset_peak};
use crate::figure::{Figure, to_float};
use serde_json::{Value, json};
use std::fmt;

/// All figures of a run, by benchmark.
#[derive(Debug, Default)]
pub struct Report(Vec<(&'static str, Vec<Figure>)>);

impl Report {
    /// Adds what a benchmark measured, with the peak of memory since the last one.
    pub fn add(&mut self, name: &'static str, mut figures: Vec<Figure>) {
        figures.push(Figure::of("peak memory", to_float(peak_mib()), "MiB"));
        self.0.push((name, figures));
        reset_peak();
    }

    /// How many figures are above what they should be.
    #[must_use]
    pub fn misses(&self) -> usize {
        self.0.iter().flat_map(|(_, figures)| figures).filter(|figure| figure.is_miss()).count()
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For a program.
    #[must_use]
    pub fn to_json(&self, program: &str) -> Value {
        let figures: Vec<Value> =
            self.0.iter().flat_map(|(name, figures)| figures.iter().map(move |figure| figure.to_json(name))).collect();
        json!({"program": program, "missed": self.misses(), "figures": figures})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figures) in &self.0 {
            writeln!(f, "{name}")?;
            for figure in figures {
                writeln!(f, "  {figure}")?;
            }
        }
        Ok(())
    }
}
