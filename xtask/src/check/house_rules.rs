//! The rules of CONTRIBUTING.md that no lint knows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// No file is longer.
const MOST_LINES: usize = 800;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "misc", "manager"];

/// Checks every Rust file of the tree and says all that is wrong.
pub(super) fn check(root: &Path) -> Result<()> {
    let mut wrong = vec![];
    for file in rust_files(root)? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        wrong.extend(faults(&file, &text).into_iter().map(|fault| format!("{shown}: {fault}")));
    }
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\n")) }
}

fn faults(file: &Path, text: &str) -> Vec<String> {
    let mut faults = vec![];
    let lines = text.lines().count();
    if lines > MOST_LINES {
        faults.push(format!("{lines} lines; at most {MOST_LINES}: split it by what is inside"));
    }
    if !text.lines().any(|line| line.starts_with("//!")) {
        faults.push("no module documentation: begin with a `//!` line that says what the file is for".to_owned());
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    for part in [name, folder] {
        if EMPTY_NAMES.contains(&part.as_ref()) {
            faults.push(format!("`{part}` says nothing about what is inside; name it by its content"));
        }
    }
    faults
}

fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_purpose_is_named() {
        assert_eq!(faults(Path::new("src/offers.rs"), "//! Offers.\n"), Vec::<String>::new());
        assert_eq!(faults(Path::new("src/utils.rs"), "fn main() {}\n").len(), 2);
        assert_eq!(faults(Path::new("src/a.rs"), &"//! A.\n".repeat(MOST_LINES + 1)).len(), 1);
    }
}
