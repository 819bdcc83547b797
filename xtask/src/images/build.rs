//! From a build context to an archive, with buildah where it is, else with Docker.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use proffer_e2e::command::{command, run, succeeds};
use proffer_e2e::paths;
use proffer_e2e::steps::Steps;

use super::{Built, Image};

/// Builds an image's archive, unless the one that is there has the same content and tag.
pub(super) fn archive(image: Image, tag: &str, context: &Path, directory: &Path, steps: &Steps) -> Result<Built> {
    let dockerfile = paths::workspace()?.join(image.dockerfile());
    let built = Built {
        image,
        reference: image.reference(tag),
        archive: directory.join(format!("{}-{tag}.tar", image.name())),
        fingerprint: fingerprint(context, &dockerfile)?,
    };
    let mark = directory.join(format!("{}-{tag}.fingerprint", image.name()));
    if built.archive.exists() && fs::read_to_string(&mark).is_ok_and(|old| old == built.fingerprint) {
        return Ok(built);
    }
    steps.step(&format!("image {}", built.reference), || {
        let unfinished = directory.join(format!("{}-{tag}.unfinished", image.name()));
        fs::remove_file(&unfinished).ok();
        if succeeds(&mut command("buildah", ["--version"])) {
            with_buildah(&built.reference, context, &dockerfile, &unfinished, directory)?;
        } else {
            with_docker(&built.reference, context, &dockerfile, &unfinished)?;
        }
        fs::rename(&unfinished, &built.archive)
            .with_context(|| format!("cannot move {} into place", unfinished.display()))
    })?;
    fs::write(&mark, &built.fingerprint).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(built)
}

/// An image's archive as it is.
pub(super) fn as_built(image: Image, tag: &str, directory: &Path) -> Result<Built> {
    let reference = image.reference(tag);
    let mark = directory.join(format!("{}-{tag}.fingerprint", image.name()));
    let fingerprint = fs::read_to_string(&mark)
        .with_context(|| format!("{reference} has not been built; type: cargo xtask images --tag {tag}"))?;
    Ok(Built { image, reference, archive: directory.join(format!("{}-{tag}.tar", image.name())), fingerprint })
}

/// The context's files by content, mode and link target, and the Dockerfile.
fn fingerprint(context: &Path, dockerfile: &Path) -> Result<String> {
    let script =
        "find . -type f -print0 | sort -z | xargs -0 sha256sum && find . -printf '%p %m %l\\n' | sort && cat \"$1\"";
    let script = format!("{{ {script}; }} | sha256sum | cut -c 1-16");
    run(command("sh", ["-ec", &script, "sh"]).arg(dockerfile).current_dir(context)).map(|text| text.trim().to_owned())
}

fn with_buildah(reference: &str, context: &Path, dockerfile: &Path, archive: &Path, directory: &Path) -> Result<()> {
    // Storage of our own: the machine's is not ours to fill, and vfs works on every file system.
    let buildah = || {
        let mut buildah = command("buildah", ["--storage-driver=vfs", "--root"]);
        buildah.arg(directory.join("storage")).arg("--runroot").arg(directory.join("storage-run"));
        buildah
    };
    // chroot: a build without RUN needs no isolation, and containers have no rights for more.
    let options =
        ["build", "--isolation=chroot", "--timestamp=0", "--layers=false", "--quiet", "--tag", reference, "--file"];
    run(buildah().args(options).arg(dockerfile).arg(context))?;
    run(buildah().args(["push", "--quiet", reference]).arg(format!("oci-archive:{}:{reference}", archive.display())))?;
    run(buildah().args(["rmi", "--force", reference])).map(drop)
}

fn with_docker(reference: &str, context: &Path, dockerfile: &Path, archive: &Path) -> Result<()> {
    run(command("docker", ["build", "--tag", reference, "--file"]).arg(dockerfile).arg(context))?;
    run(command("docker", ["save", "--output"]).arg(archive).arg(reference)).map(drop)
}
