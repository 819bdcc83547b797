//! Writing an image with one layer as an archive that `ctr images import`, `docker load` and `kind load` take.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What goes into the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A program: the host's file at the image's path, executable.
    Program(PathBuf, String),
    /// A text file.
    Text(String, String),
    /// A directory with its permission bits.
    Directory(String, u32),
    /// A symbolic link: its path and where it points.
    Link(String, String),
}

/// An image to be.
#[derive(Debug, Clone)]
pub struct Image {
    /// Name and tag.
    pub reference: String,
    /// The content, in this order.
    pub entries: Vec<Entry>,
    /// What runs where a pod names no command.
    pub entrypoint: Vec<String>,
}

impl Image {
    /// Writes the archive; the same content makes the same bytes.
    pub fn write(&self, archive: &Path) -> Result<()> {
        if let Some(directory) = archive.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        // Written beside and moved into place, so that a half-written archive is never imported.
        let unfinished = archive.with_extension(format!("unfinished-{}", std::process::id()));
        self.write_to(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::rename(&unfinished, archive).with_context(|| format!("cannot move {} into place", unfinished.display()))
    }

    fn write_to(&self, path: &Path) -> Result<()> {
        let mut layer = tar::Builder::new(vec![]);
        for entry in &self.entries {
            append(&mut layer, entry)?;
        }
        let layer = layer.into_inner()?;
        let layer_digest = hex(&layer);
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": { "Entrypoint": self.entrypoint, "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
            "history": [{ "created_by": "proffer-e2e" }],
        })
        .to_string();
        let config_name = format!("{}.json", hex(config.as_bytes()));
        let layer_name = format!("{layer_digest}/layer.tar");
        let manifest =
            json!([{ "Config": config_name, "RepoTags": [self.reference], "Layers": [layer_name] }]).to_string();
        let mut archive = tar::Builder::new(File::create(path)?);
        for (name, bytes) in
            [(config_name.as_str(), config.as_bytes()), (&layer_name, &layer), ("manifest.json", manifest.as_bytes())]
        {
            append_bytes(&mut archive, name, bytes, 0o644)?;
        }
        archive.into_inner()?.sync_all()?;
        Ok(())
    }
}

/// The name that container images use for this machine's processor.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn append<W: io::Write>(tar: &mut tar::Builder<W>, entry: &Entry) -> Result<()> {
    match entry {
        Entry::Program(source, path) => {
            let mut bytes = vec![];
            let read = File::open(source).and_then(|mut file| file.read_to_end(&mut bytes));
            read.with_context(|| format!("cannot read {}", source.display()))?;
            append_bytes(tar, path, &bytes, 0o755)
        }
        Entry::Text(path, text) => append_bytes(tar, path, text.as_bytes(), 0o644),
        Entry::Directory(path, mode) => {
            let mut header = header(tar::EntryType::Directory, 0, *mode);
            Ok(tar.append_data(&mut header, path, io::empty())?)
        }
        Entry::Link(path, target) => {
            let mut header = header(tar::EntryType::Symlink, 0, 0o777);
            Ok(tar.append_link(&mut header, path, target)?)
        }
    }
}

fn append_bytes<W: io::Write>(tar: &mut tar::Builder<W>, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let mut header = header(tar::EntryType::Regular, bytes.len() as u64, mode);
    Ok(tar.append_data(&mut header, path, bytes)?)
}

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_makes_the_same_archive() {
        let directory = std::env::temp_dir().join(format!("proffer-archive-{}", std::process::id()));
        let image = Image {
            reference: "example.org/a:1".into(),
            entries: vec![Entry::Directory("tmp".into(), 0o1777), Entry::Text("etc/a".into(), "b".into())],
            entrypoint: vec!["/a".into()],
        };
        let [first, second] = ["first.tar", "second.tar"].map(|name| directory.join(name));
        image.write(&first).unwrap();
        image.write(&second).unwrap();
        assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
        fs::remove_dir_all(directory).unwrap();
    }
}
