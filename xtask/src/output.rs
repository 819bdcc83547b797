//! Results for people or for programs.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

/// How a result is printed on standard output; progress goes to standard error in both cases.
#[derive(Args, Clone, Copy)]
pub(crate) struct Output {
    /// How the result is printed
    #[arg(long = "output", short = 'o', value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Output {
    /// Whether a program reads the result.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints a result in the form that was asked for.
    pub(crate) fn print(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<()> {
        use std::io::Write as _;
        let result = if self.is_json() { format!("{:#}\n", json()) } else { text() };
        std::io::stdout().write_all(result.as_bytes()).context("cannot write to standard output")
    }
}
