//! The Debian packages that a local cluster and the image builds need.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{command, run};
use crate::steps::Steps;

/// A Debian package and a program (or file) of it that shows that it is there.
struct Package {
    name: &'static str,
    shows: &'static [&'static str],
}

/// What nodes are made of.
const CLUSTER: &[Package] = &[
    Package { name: "containerd", shows: &["/usr/bin/containerd"] },
    Package { name: "runc", shows: &["/usr/sbin/runc", "/usr/bin/runc"] },
    Package { name: "containernetworking-plugins", shows: &["/usr/lib/cni/bridge"] },
    Package { name: "iptables", shows: &["/usr/sbin/iptables"] },
    Package { name: "conntrack", shows: &["/usr/sbin/conntrack"] },
    Package { name: "busybox-static", shows: &["/bin/busybox", "/usr/bin/busybox"] },
    Package { name: "iproute2", shows: &["/usr/sbin/ip", "/sbin/ip", "/bin/ip"] },
    Package { name: "kmod", shows: &["/usr/sbin/modprobe", "/sbin/modprobe"] },
];

/// What images are built with.
const IMAGES: &[Package] = &[
    Package { name: "buildah", shows: &["/usr/bin/buildah"] },
    Package { name: "busybox-static", shows: &["/bin/busybox", "/usr/bin/busybox"] },
];

/// Makes sure that everything a local cluster needs is installed.
pub fn ensure_for_cluster(steps: &Steps) -> Result<()> {
    ensure(CLUSTER, steps)
}

/// Makes sure that everything the image builds need is installed.
pub fn ensure_for_images(steps: &Steps) -> Result<()> {
    ensure(IMAGES, steps)
}

fn ensure(packages: &[Package], steps: &Steps) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --no-install-recommends --no-remove -y {}", missing.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "missing on this machine: {}. It has no apt-get: install the packages of these names from your distribution",
            missing.join(", ")
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing on this machine: {}. Type: sudo {install}", missing.join(", "));
    }
    steps.step(&format!("packages: {install}"), || {
        let mut apt = command("sh", ["-c", &install]);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        if run(&mut apt).is_ok() {
            return Ok(());
        }
        // A machine that has never asked for its package lists, or whose lists are old.
        run(command("apt-get", ["update"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
        run(&mut apt)?;
        Ok(())
    })
}

impl Package {
    fn is_there(&self) -> bool {
        self.shows.iter().any(|file| Path::new(file).exists())
    }
}
