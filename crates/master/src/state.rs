//! What the master knows, one file a kind.

mod agent;
mod framework;
mod group;
mod offer;
mod reservation;
mod stream;
mod task;
mod waiting;
mod write;

pub(crate) use agent::{Agent, AgentObject, Liveness, Stray};
pub(crate) use framework::Framework;
pub(crate) use group::{Executor, ExecutorKey, Group, Member};
pub(crate) use offer::{Offer, OfferPhase};
pub(crate) use reservation::{Reservation, VolumeId, volume_id};
pub(crate) use stream::{Pending, Stream, StreamTask};
pub(crate) use task::{KillCause, Over, Phase, Placed, Task};
pub(crate) use waiting::{Turn, Waiting, Want};
pub(crate) use write::Write;
