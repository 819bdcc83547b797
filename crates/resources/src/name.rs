//! Names of resources.

use std::fmt;
use std::sync::Arc;

/// The name of a resource. The names that every agent has cost nothing to copy or compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceName {
    /// `cpus`: cores.
    Cpus,
    /// `mem`: memory in MiB.
    Mem,
    /// `disk`: disk in MiB.
    Disk,
    /// `gpus`: whole GPUs.
    Gpus,
    /// `ports`: port numbers.
    Ports,
    /// Any other name.
    Custom(Arc<str>),
}

impl ResourceName {
    /// The name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Cpus => "cpus",
            Self::Mem => "mem",
            Self::Disk => "disk",
            Self::Gpus => "gpus",
            Self::Ports => "ports",
            Self::Custom(name) => name,
        }
    }
}

impl From<&str> for ResourceName {
    fn from(name: &str) -> Self {
        match name {
            "cpus" => Self::Cpus,
            "mem" => Self::Mem,
            "disk" => Self::Disk,
            "gpus" => Self::Gpus,
            "ports" => Self::Ports,
            other => Self::Custom(other.into()),
        }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
