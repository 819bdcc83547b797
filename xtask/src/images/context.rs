//! Build contexts: a directory for each image with exactly the files that its Dockerfile copies.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use proffer_e2e::command::{command, run};

use super::Image;
use super::binaries::Binaries;

/// Makes an image's context anew in `<directory>/<image>` and returns where it is.
pub(super) fn stage(image: Image, binaries: &Binaries, directory: &Path) -> Result<PathBuf> {
    let context = directory.join(image.name());
    if context.exists() {
        fs::remove_dir_all(&context).with_context(|| format!("cannot remove {}", context.display()))?;
    }
    fs::create_dir_all(&context).with_context(|| format!("cannot make {}", context.display()))?;
    match image {
        Image::Controller => copy(&binaries.controller, &context.join("proffer-controller"))?,
        Image::Slot => copy(&binaries.init, &context.join("proffer-init"))?,
        Image::Agent => {
            copy(&binaries.agent, &context.join("proffer-agent"))?;
            copy(&binaries.init, &context.join("proffer-init"))?;
            userland(&context.join("userland"))?;
        }
    }
    Ok(context)
}

/// The file tree that a task without an image has as its root: busybox under every name it knows, users and groups.
fn userland(root: &Path) -> Result<()> {
    for directory in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var"] {
        let path = root.join(directory);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))
        .context("cannot open /tmp to all users")?;
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| path.exists());
    let Some(busybox) = busybox else { bail!("there is no /bin/busybox; type: apt-get install -y busybox-static") };
    copy(busybox, &root.join("bin/busybox"))?;
    for applet in run(&mut command(busybox, ["--list"]))?.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).with_context(|| format!("cannot link {applet}"))?;
    }
    // Scripts say `#!/usr/bin/env`.
    symlink("../bin", root.join("usr/bin")).context("cannot link /usr/bin")?;
    write(&root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")?;
    write(&root.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot protect {}", to.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
