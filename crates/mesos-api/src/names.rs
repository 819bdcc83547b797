//! Enums whose names are Mesos' own.

use std::fmt;

/// A name that stands for nothing in Mesos' v1 API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(pub(crate) String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no name of Mesos' v1 API", self.0)
    }
}

impl std::error::Error for UnknownName {}

/// Declares an enum with Mesos' name and the camel-case name that objects in Kubernetes use.
macro_rules! mesos_names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $mesos:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Mesos' name.
            #[must_use]
            pub const fn as_mesos(self) -> &'static str {
                match self { $(Self::$variant => $mesos,)+ }
            }

            /// The name in Kubernetes objects: camel case, no prefix.
            #[must_use]
            pub const fn as_camel(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::UnknownName;

            /// Reads either spelling.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .find(|value| value.as_mesos() == text || value.as_camel() == text)
                    .copied()
                    .ok_or_else(|| crate::UnknownName(text.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_camel())
            }
        }
    };
}
pub(crate) use mesos_names;
