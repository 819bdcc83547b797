//! Where the harness keeps what: caches below the user's cache directory, clusters below `/var/lib`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Everything that a running local cluster writes is below this directory, a directory for each cluster.
pub const CLUSTERS: &str = "/var/lib/proffer-e2e";

/// `$XDG_CACHE_HOME/proffer`, by default `~/.cache/proffer`: what may be deleted at any time and is then made again.
pub fn cache() -> Result<PathBuf> {
    if let Some(base) = env::var_os("XDG_CACHE_HOME").filter(|base| !base.is_empty()) {
        return Ok(Path::new(&base).join("proffer"));
    }
    let home = env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set; set one of them")?;
    Ok(Path::new(&home).join(".cache/proffer"))
}

/// The root of the source tree this crate was built from.
pub fn workspace() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    match here.parent() {
        Some(root) if root.join("Cargo.toml").exists() => Ok(root.to_owned()),
        _ => bail!("the source tree at {} is gone; build xtask again where it is now", here.display()),
    }
}

/// Cargo's target directory of the workspace, where the harness' own build products go as well.
pub fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|directory| !directory.is_empty()) {
        Some(directory) => Ok(env::current_dir().context("cannot read the current directory")?.join(directory)),
        None => Ok(workspace()?.join("target")),
    }
}
