//! The programs that clusters are made of, built from Go modules that pin them.
//!
//! Go builds are reproducible, so a build is kept for ever under a hash of all that goes into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::command::{command, run};
use crate::paths;
use crate::steps::Steps;

/// The Kubernetes release that `tools/kubernetes/go.mod` pins.
pub const KUBERNETES_VERSION: &str = "v1.34.4";

/// What the multi-call binary of `tools/kubernetes` can be called as.
const KUBERNETES_PROGRAMS: [&str; 7] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"];

/// A Go module below `e2e/tools` and how to build its program.
struct Tool {
    /// The program.
    name: &'static str,
    /// The module's directory below `e2e/tools`.
    module: &'static str,
    package: &'static str,
    linker_flags: &'static str,
    /// Whether it needs a C compiler, and so cannot be static.
    cgo: bool,
}

const KUBERNETES: Tool = Tool {
    name: "kubernetes",
    module: "kubernetes",
    cgo: false,
    package: ".",
    linker_flags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 -X k8s.io/component-base/version.gitMajor=1 \
                   -X k8s.io/component-base/version.gitMinor=34 -X k8s.io/client-go/pkg/version.gitVersion=v1.34.4",
};
const HELM: Tool = Tool {
    name: "helm",
    module: "helm",
    cgo: false,
    package: "helm.sh/helm/v3/cmd/helm",
    // Without the Kubernetes version Helm renders and checks templates as for 1.20.
    linker_flags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0 \
                   -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34 \
                   -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=34",
};
const COREDNS: Tool = Tool { name: "coredns", module: "coredns", package: ".", linker_flags: "-s -w", cgo: false };
const PAUSE: Tool = Tool { name: "pause", module: "pause", package: ".", linker_flags: "-s -w", cgo: false };
/// A scheduler that runs one command.
const MSH: Tool = Tool {
    name: "msh",
    module: "mesos-go",
    package: "github.com/mesos/mesos-go/api/v1/cmd/msh",
    linker_flags: "-s -w",
    cgo: true,
};
/// A program that prints what the master's event stream tells.
const MWATCH: Tool = Tool {
    name: "mwatch",
    module: "mesos-go",
    package: "github.com/mesos/mesos-go/api/v1/cmd/mwatch",
    linker_flags: "-s -w",
    cgo: false,
};

/// Directories and programs of built tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The directory that holds every Kubernetes program and etcd under its own name.
    pub kubernetes: PathBuf,
    /// Helm's command.
    pub helm: PathBuf,
    /// The cluster's DNS server.
    pub coredns: PathBuf,
    /// PID 1 of nodes and of pods' sandboxes.
    pub pause: PathBuf,
}

impl Tools {
    /// All tools, built where the cache does not have them: about ten minutes of two processors the first time.
    pub fn ensure(steps: &Steps) -> Result<Self> {
        let go = GoVersion::find()?;
        let kubernetes = build(&KUBERNETES, &go, steps)?;
        link_programs(&kubernetes)?;
        Ok(Self {
            kubernetes: directory_of(&kubernetes)?,
            helm: build(&HELM, &go, steps)?,
            coredns: build(&COREDNS, &go, steps)?,
            pause: build(&PAUSE, &go, steps)?,
        })
    }

    /// Helm alone, for what needs no cluster.
    pub fn ensure_helm(steps: &Steps) -> Result<PathBuf> {
        build(&HELM, &GoVersion::find()?, steps)
    }

    /// `msh`, a scheduler of mesos-go that runs one command.
    pub fn ensure_msh(steps: &Steps) -> Result<PathBuf> {
        build(&MSH, &GoVersion::find()?, steps)
    }

    /// `mwatch`, which prints what the master's event stream tells.
    pub fn ensure_mwatch(steps: &Steps) -> Result<PathBuf> {
        build(&MWATCH, &GoVersion::find()?, steps)
    }

    /// The program of this name out of the Kubernetes binary, for example `kubectl`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.kubernetes.join(name)
    }
}

/// `go env GOVERSION`: part of a build's identity, since another compiler makes another binary.
struct GoVersion(String);

impl GoVersion {
    fn find() -> Result<Self> {
        let version = run(&mut command("go", ["env", "GOVERSION"])).context(
            "the cluster's programs are built with Go, and `go` does not run: install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH",
        )?;
        Ok(Self(version.trim().to_owned()))
    }
}

fn build(tool: &Tool, go: &GoVersion, steps: &Steps) -> Result<PathBuf> {
    let source = paths::workspace()?.join("e2e/tools").join(tool.module);
    let directory = paths::cache()?.join("tools").join(format!("{}-{}", tool.name, identity(tool, &source, go)?));
    let binary = directory.join(tool.name);
    if binary.exists() {
        return Ok(binary);
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    // Built beside and moved into place, so that an interrupted build is never taken for a finished one.
    let unfinished = directory.join(format!("{}.{}", tool.name, std::process::id()));
    steps.step(&format!("go build {}", tool.name), || {
        let mut go = command("go", ["build", "-trimpath", "-buildvcs=false", "-ldflags", tool.linker_flags, "-o"]);
        run(go
            .arg(&unfinished)
            .arg(tool.package)
            .current_dir(&source)
            .env("CGO_ENABLED", if tool.cgo { "1" } else { "0" })
            .env_remove("GOFLAGS"))
    })?;
    fs::rename(&unfinished, &binary).with_context(|| format!("cannot move {} into place", unfinished.display()))?;
    forget_old_builds(tool, &directory);
    Ok(binary)
}

fn identity(tool: &Tool, source: &Path, go: &GoVersion) -> Result<String> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // The length in front: two files must not be able to pass for one.
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    for file in ["go.mod", "go.sum", "main.go"] {
        let path = source.join(file);
        // Helm's module has no main.go of its own, and pause needs no go.sum.
        part(&if path.exists() {
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?
        } else {
            vec![]
        });
    }
    for text in [tool.package, tool.linker_flags, &go.0] {
        part(text.as_bytes());
    }
    Ok(hash.finalize().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// Builds of other versions are deleted when nobody touched them for a month: they are 60 to 140 MB each.
fn forget_old_builds(tool: &Tool, keep: &Path) {
    let Some(siblings) = keep.parent().and_then(|parent| fs::read_dir(parent).ok()) else { return };
    let month = Duration::from_hours(720);
    for sibling in siblings.flatten() {
        let name = sibling.file_name();
        let same_tool = name.to_string_lossy().rsplit_once('-').is_some_and(|(prefix, _)| prefix == tool.name);
        let age = sibling
            .metadata()
            .and_then(|metadata| metadata.modified())
            .map(|time| SystemTime::now().duration_since(time));
        if same_tool && sibling.path() != keep && matches!(age, Ok(Ok(age)) if age > month) {
            // Someone may use it after all: then it stays until the next time.
            fs::remove_dir_all(sibling.path()).ok();
        }
    }
}

fn link_programs(binary: &Path) -> Result<()> {
    let directory = directory_of(binary)?;
    for program in KUBERNETES_PROGRAMS {
        let link = directory.join(program);
        if link.exists() {
            continue;
        }
        match std::os::unix::fs::symlink("kubernetes", &link) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.with_context(|| format!("cannot make the link {}", link.display()))?,
        }
    }
    Ok(())
}

fn directory_of(binary: &Path) -> Result<PathBuf> {
    match binary.parent() {
        Some(directory) => Ok(directory.to_owned()),
        None => bail!("{} has no directory", binary.display()),
    }
}
