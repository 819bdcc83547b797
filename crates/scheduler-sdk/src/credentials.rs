//! Who a scheduler says it is.

use std::fmt;
use std::path::PathBuf;

/// How a scheduler proves who it is.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// With a bearer token in a file, such as a `ServiceAccount`'s. The file is read again while the driver runs, since
    /// tokens are replaced before they expire.
    BearerFile(PathBuf),
    /// With a bearer token that stays the same.
    Bearer(String),
    /// With a principal and its secret (Mesos: `basic_http`).
    Basic {
        /// The principal; without a colon.
        principal: String,
        /// Its secret.
        secret: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::BearerFile(path) => f.debug_tuple("BearerFile").field(path).finish(),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
            Self::Basic { principal, .. } => {
                f.debug_struct("Basic").field("principal", principal).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for credentials in [
            Credentials::Bearer("hidden".into()),
            Credentials::Basic { principal: "me".into(), secret: "hidden".into() },
        ] {
            assert!(!format!("{credentials:?}").contains("hidden"));
        }
    }
}
