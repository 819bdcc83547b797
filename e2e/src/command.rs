//! Running programs, with errors that say what was run and what it answered.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// How much of a program's error output goes into an error: the end says what went wrong.
const ERROR_TAIL: usize = 4000;

/// Starts a command line: `command("ip", ["link", "show"])`.
pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Starts a command line of Cargo's, as if it were typed: without what the Cargo that runs this program has set for it.
///
/// Some build scripts ask to run again when such a variable changes, and everything above them is then built again.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut cargo = command("cargo", arguments);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|start| text.starts_with(start)) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs a command to its end and returns its standard output; anything but exit code 0 is an error with its error output.
pub fn run(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    check(command, &output)?;
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote bytes that are not UTF-8", line(command)))
}

/// Like [`run`], with `input` on the command's standard input.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let mut stdin = child.stdin.take().context("a piped standard input is there")?;
    let output = std::thread::scope(|scope| {
        // A thread of its own: a program that answers before it has read everything would block us for ever.
        // A write error only means that the program ended early; its exit status tells why.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output()
    });
    let output = output.with_context(|| format!("cannot wait for `{}`", line(command)))?;
    check(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command runs and exits with 0; for asking, where "no" is an ordinary answer.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it.
#[must_use]
pub fn line(command: &Command) -> String {
    let quoted = |word: &OsStr| {
        let word = word.to_string_lossy();
        if word.is_empty() || word.contains([' ', '\'', '"', '$', '\n', '{', '|', '>', '<', '*']) {
            format!("'{}'", word.replace('\'', r"'\''"))
        } else {
            word.into_owned()
        }
    };
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// The last `limit` bytes of a text, cut at a line's start.
#[must_use]
pub fn tail(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut start = text.len() - limit;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let cut = &text[start..];
    cut.find('\n').map_or(cut, |newline| &cut[newline + 1..])
}

fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", line(command)))
}

fn check(command: &Command, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let said = if stderr.trim().is_empty() { stdout } else { stderr };
    bail!("`{}` ended with {}: {}", line(command), output.status, tail(said.trim(), ERROR_TAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_the_command_its_status_and_what_it_said() {
        let error = run(&mut command("sh", ["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c 'echo no such thing >&2; exit 3'` ended with exit status: 3: no such thing"
        );
    }

    #[test]
    fn input_reaches_the_command() {
        assert_eq!(run_with_input(&mut command("cat", [""; 0]), b"hello").unwrap(), "hello");
    }

    #[test]
    fn a_tail_starts_at_a_line() {
        assert_eq!(tail("first line\nsecond\nthird\n", 10), "third\n");
        assert_eq!(tail("short", 10), "short");
    }
}
