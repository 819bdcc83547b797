//! What a call must pass before anything else looks at it, and what task descriptions and offer operations must pass
//! before the master's own state is asked.
//!
//! The rules, their order and their words are Mesos' (`src/master/validation.cpp`, `src/slave/validation.cpp`,
//! `src/common/validation.cpp`, `Resources::validate`), since clients read the words. Where a rule needs state, its
//! place is named in the function's documentation.
//!
//! Resources are checked after [`resource::upgrade`]: reservations then stand in one form only.

pub mod agent_call;
pub mod command;
pub mod container;
pub mod executor_call;
pub mod framework;
pub mod health;
pub mod ids;
pub mod master_call;
pub mod operation;
pub mod resource;
mod resource_sum;
mod resource_text;
pub mod scheduler_call;
pub mod task;
pub mod task_group;

/// Why something is refused, in Mesos' words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// The same reason with more before it.
    #[must_use]
    pub fn after(self, context: &str) -> Self {
        Self(format!("{context}{}", self.0))
    }
}

/// Nothing, or why not.
pub type Validity = Result<(), Invalid>;

fn refuse(reason: impl Into<String>) -> Validity {
    Err(Invalid(reason.into()))
}

/// Refuses with the reason unless the condition holds.
fn ensure(condition: bool, reason: impl FnOnce() -> String) -> Validity {
    if condition { Ok(()) } else { refuse(reason()) }
}

/// Refuses unless the field is there.
fn present<T>(field: Option<&T>, name: &str) -> Validity {
    ensure(field.is_some(), || format!("Expecting '{name}' to be present"))
}

/// A set of names as Mesos prints it.
fn braced<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    format!("{{ {} }}", names.into_iter().collect::<Vec<_>>().join(", "))
}
