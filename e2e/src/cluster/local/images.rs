//! The images of a local cluster: those that every cluster needs, and those that tests load.
//!
//! The cluster keeps a copy of each archive, so that a node that was off when an image came gets it when it boots.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::command::{command, run};
use crate::images::archive::{Entry, Image};
use crate::paths;
use crate::tools::Tools;

use super::node::Node;

/// The image of every pod's sandbox.
pub const PAUSE: &str = "proffer.dev/e2e/pause:1";
/// An image with a shell and small programs, for test pods.
pub const BUSYBOX: &str = "proffer.dev/e2e/busybox:1";
/// The DNS server.
pub const COREDNS: &str = "proffer.dev/e2e/coredns:1";

/// What a cluster knows about its images, kept in `images/index.json` of its state directory.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    /// The archive of each image reference.
    archives: BTreeMap<String, PathBuf>,
    /// Second names: the new reference and what it stands for.
    tags: BTreeMap<String, String>,
}

/// The images of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Images {
    directory: PathBuf,
}

impl Images {
    /// The images of the cluster with this state directory.
    pub(super) fn new(state: &Path) -> Self {
        Self { directory: state.join("images") }
    }

    /// Takes an archive over, in place of an earlier one of the same reference.
    pub(super) fn add(&self, reference: &str, archive: &Path) -> Result<()> {
        fs::create_dir_all(&self.directory).with_context(|| format!("cannot make {}", self.directory.display()))?;
        let metadata =
            fs::metadata(archive).with_context(|| format!("there is no image archive {}", archive.display()))?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        // Size and time are the archive's version: a node imports it again only when they are others.
        let name = format!("{}-{}-{modified}.tar", reference.replace(['/', ':'], "_"), metadata.len());
        let kept = self.directory.join(name);
        let mut index = self.index()?;
        if index.archives.get(reference) == Some(&kept) && kept.exists() {
            return Ok(());
        }
        fs::copy(archive, &kept).with_context(|| format!("cannot copy {} to {}", archive.display(), kept.display()))?;
        if let Some(old) = index.archives.insert(reference.to_owned(), kept.clone()).filter(|old| *old != kept) {
            fs::remove_file(old).ok();
        }
        index.tags.remove(reference);
        self.write(&index)
    }

    /// Gives an image a second name.
    pub(super) fn tag(&self, reference: &str, second: &str) -> Result<()> {
        let mut index = self.index()?;
        index.tags.insert(second.to_owned(), reference.to_owned());
        self.write(&index)
    }

    /// Imports and tags on a node whatever it does not have yet.
    pub(super) fn bring_to(&self, node: &Node) -> Result<()> {
        let index = self.index()?;
        let seen = node.host_path(Path::new("/var/lib/containerd/imported"))?;
        fs::create_dir_all(&seen).with_context(|| format!("cannot make {}", seen.display()))?;
        for archive in index.archives.values() {
            let mark = archive.file_name().map(|name| seen.join(name)).context("an archive has a file name")?;
            if !mark.exists() {
                node.import_image(archive)?;
                fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
            }
        }
        for (second, reference) in &index.tags {
            run(&mut node.ctr(&["images", "tag", "--force", reference, second])?)?;
        }
        Ok(())
    }

    fn index(&self) -> Result<Index> {
        let path = self.directory.join("index.json");
        if !path.exists() {
            return Ok(Index::default());
        }
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    fn write(&self, index: &Index) -> Result<()> {
        let path = self.directory.join("index.json");
        fs::write(&path, serde_json::to_vec_pretty(index)?).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Archives of the images that every cluster needs, with their references; made once per version of the tools.
pub(super) fn basic_images(tools: &Tools) -> Result<Vec<(&'static str, PathBuf)>> {
    let images = [
        (
            PAUSE,
            Image {
                reference: PAUSE.into(),
                entries: vec![Entry::Program(tools.pause.clone(), "pause".into())],
                entrypoint: vec!["/pause".into()],
            },
        ),
        (
            COREDNS,
            Image {
                reference: COREDNS.into(),
                entries: vec![Entry::Program(tools.coredns.clone(), "coredns".into())],
                entrypoint: vec!["/coredns".into()],
            },
        ),
        (BUSYBOX, busybox()?),
    ];
    let mut archives = vec![];
    for (reference, image) in images {
        let archive = basic_archive(reference, &image)?;
        if !archive.exists() {
            image.write(&archive)?;
        }
        archives.push((reference, archive));
    }
    Ok(archives)
}

/// The cache's name for the archive: by the program inside, which has its version's hash in its path or a time.
fn basic_archive(reference: &str, image: &Image) -> Result<PathBuf> {
    let mut name = reference.rsplit('/').next().unwrap_or(reference).replace(':', "-");
    for entry in &image.entries {
        if let Entry::Program(source, _) = entry {
            let metadata = fs::metadata(source).with_context(|| format!("cannot read {}", source.display()))?;
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            write!(name, "-{}-{modified}", metadata.len()).context("cannot write into a text")?;
        }
    }
    Ok(paths::cache()?.join("images").join(format!("{name}.tar")))
}

fn busybox() -> Result<Image> {
    let program = PathBuf::from("/bin/busybox");
    let applets = run(&mut command(&program, ["--list"])).context("busybox-static is not installed")?;
    let mut entries: Vec<Entry> = ["bin", "dev", "etc", "proc", "root", "sys", "var"]
        .iter()
        .map(|directory| Entry::Directory((*directory).into(), 0o755))
        .collect();
    entries.push(Entry::Directory("tmp".into(), 0o1777));
    entries.push(Entry::Program(program, "bin/busybox".into()));
    let links = applets.lines().filter(|applet| *applet != "busybox");
    entries.extend(links.map(|applet| Entry::Link(format!("bin/{applet}"), "busybox".into())));
    let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
    entries.push(Entry::Text("etc/passwd".into(), users.into()));
    entries.push(Entry::Text("etc/group".into(), "root:x:0:\nnobody:x:65534:\n".into()));
    Ok(Image { reference: BUSYBOX.into(), entries, entrypoint: vec![] })
}
