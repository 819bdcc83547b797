//! A benchmark program.

use crate::figure::Figure;
use crate::report::Report;
use std::process::ExitCode;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The sizes of which figures are told.
    Full,
    /// Small ones, in seconds: do the benchmarks still work?
    Quick,
}

impl Size {
    /// Those of some sizes, numbers of agents and frameworks, that are to be measured.
    #[must_use]
    pub fn of(self, sizes: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let measured = |(agents, frameworks): &(usize, usize)| self == Self::Full || agents * frameworks <= 1_000_000;
        sizes.iter().copied().filter(measured).collect()
    }

    /// One number or the other.
    #[must_use]
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// A benchmark: measures, and tells its figures.
pub type Scenario = fn(Size) -> Vec<Figure>;

/// Runs those benchmarks whose name begins with one that the command line names, or all; prints a table, and writes a JSON
/// file if asked. Code 2 if a figure is above what it should be, 1 if anything else went wrong.
#[must_use]
pub fn run(program: &str, scenarios: &[(&'static str, Scenario)], arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(wanted) = Wanted::read(arguments) else {
        eprintln!("usage: {program} [--quick] [--json FILE] [NAME ...]");
        return ExitCode::FAILURE;
    };
    let mut report = Report::default();
    for (name, scenario) in scenarios {
        if wanted.names.is_empty() || wanted.names.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            eprintln!("{program}: {name} ...");
            report.add(name, scenario(wanted.size));
        }
    }
    if report.is_empty() {
        let names: Vec<&str> = scenarios.iter().map(|(name, _)| *name).collect();
        eprintln!("{program}: nothing of that name; there are {}", names.join(", "));
    }
    print!("{report}");
    if let Some(path) = wanted.json
        && let Err(error) = std::fs::write(&path, format!("{:#}\n", report.to_json(program)))
    {
        eprintln!("{program}: cannot write {path}: {error}");
        return ExitCode::FAILURE;
    }
    if report.misses() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    size: Size,
    json: Option<String>,
    names: Vec<String>,
}

impl Wanted {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut wanted = Self { size: Size::Full, json: None, names: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // What `cargo bench` itself adds.
                "--bench" => {}
                "--quick" => wanted.size = Size::Quick,
                "--json" => wanted.json = Some(arguments.next()?),
                option if option.starts_with('-') => return None,
                name => wanted.names.push(name.to_owned()),
            }
        }
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let read = |line: &str| Wanted::read(line.split_whitespace().map(str::to_owned));
        let all = Wanted { size: Size::Full, json: None, names: Vec::new() };
        assert_eq!(read("--bench"), Some(all));
        let some = Wanted { size: Size::Quick, json: Some("a.json".to_owned()), names: vec!["add".to_owned()] };
        assert_eq!(read("add --quick --json a.json --bench"), Some(some));
        assert_eq!((read("--json"), read("--fast")), (None, None));
    }

    #[test]
    fn quick_runs_leave_out_the_large_sizes() {
        let sizes = [(1_000, 1), (1_000, 1_000), (50_000, 1_000)];
        assert_eq!(Size::Quick.of(&sizes), sizes[..2]);
        assert_eq!(Size::Full.of(&sizes), sizes);
    }
}
