//! Operations on resources: reserve and unreserve them, create, destroy, grow and shrink volumes, launch tasks.
//!
//! A framework's come with the acceptance of offers, an operator's by themselves. Each changes what Reservation objects ask
//! for, and counts once that is written; the next operation of the same acceptance waits for that.
//!
//! ```text
//! acceptance.rs  offers are accepted: one operation after the other, on what is left of them; the rest is declined
//! asked.rs       operations that name amounts only: which resources of the offers they mean
//! conversion.rs  what an operation makes of what
//! objects.rs     which Reservation objects it changes, and how
//! feedback.rs    what became of an operation that its framework named
//! operator.rs    operations of operators, on what is free or offered
//! ```

mod acceptance;
mod asked;
mod conversion;
mod feedback;
mod objects;
mod operator;

pub(crate) use acceptance::Acceptance;
pub use acceptance::Pool;
pub use asked::Asked;
pub use feedback::{OperationState, OperationUpdate};
pub(crate) use operator::OperatorTask;

use proffer_mesos_api::v1::TaskInfo;
use proffer_mesos_api::v1::offer::operation::LaunchGroup;
use proffer_resources::{Amount, Resource, ResourceBag};

/// One operation of an ACCEPT (Mesos: `Offer.Operation`).
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The name by which its framework wants to hear what becomes of it.
    pub id: Option<String>,
    /// What it does; or what is wrong with it, in Mesos' words.
    pub body: Result<Body, String>,
}

/// What an operation does. Resources are as agents have them: not marked as given to a role.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Launch tasks.
    Launch(LaunchBody),
    /// Reserve: each resource with all of its reservations, of which the last is new.
    Reserve {
        /// What is reserved otherwise so far (Mesos 1.9: `Reserve.source`). Empty: what lies below the new reservations.
        source: ResourceBag,
        /// The resources as they are to be reserved.
        resources: ResourceBag,
    },
    /// Something of which the offers' own resources say the rest.
    Asked(Asked),
    /// Take the last reservation off.
    Unreserve(ResourceBag),
    /// Make persistent volumes of reserved disk.
    Create(ResourceBag),
    /// Make disk of persistent volumes, whose data goes.
    Destroy(ResourceBag),
    /// Something that resource providers do (Mesos: `CREATE_DISK`, `DESTROY_DISK`). No agent here has one, so no offer has
    /// what it needs.
    OfProvider {
        /// Mesos' name of it.
        name: &'static str,
        /// The disk that it would work on.
        source: ResourceBag,
    },
    /// Make a volume larger.
    GrowVolume {
        /// The volume.
        volume: Resource,
        /// The disk that it gets.
        addition: Resource,
    },
    /// Make a volume smaller.
    ShrinkVolume {
        /// The volume.
        volume: Resource,
        /// By how many MiB.
        subtract: Amount,
    },
}

/// Which tasks to launch.
#[derive(Clone, Debug, PartialEq)]
pub enum LaunchBody {
    /// Tasks that have objects, by name.
    Objects(Vec<String>),
    /// Tasks that have none yet.
    Infos(Vec<TaskInfo>),
    /// Tasks that have none yet: all of them or none.
    Group(Box<LaunchGroup>),
}

impl Operation {
    /// An operation of which no word is wanted.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { id: None, body: Ok(body) }
    }

    /// Launches tasks that have objects.
    #[must_use]
    pub fn launch(names: Vec<String>) -> Self {
        Self::new(Body::Launch(LaunchBody::Objects(names)))
    }
}

impl Body {
    /// Mesos' name of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Launch(LaunchBody::Group(_)) => "LAUNCH_GROUP",
            Self::Launch(_) => "LAUNCH",
            Self::Reserve { .. } => "RESERVE",
            Self::Asked(asked) => asked.name(),
            Self::OfProvider { name, .. } => name,
            Self::Unreserve(_) => "UNRESERVE",
            Self::Create(_) => "CREATE",
            Self::Destroy(_) => "DESTROY",
            Self::GrowVolume { .. } => "GROW_VOLUME",
            Self::ShrinkVolume { .. } => "SHRINK_VOLUME",
        }
    }
}
