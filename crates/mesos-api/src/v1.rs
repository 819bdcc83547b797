//! The messages of Mesos' v1 API, as `proto/` declares them.
//!
//! Required fields are plain values: [`crate::decode`] and [`crate::json::decode`] refuse a message that lacks one.

#![allow(missing_docs, reason = "fields are documented where proto/ has more to say than their names")]
#![allow(clippy::all, clippy::pedantic, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/mesos.v1.rs"));

/// Answers to inverse offers.
pub mod allocator {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.allocator.rs"));
}

/// Planned maintenance.
pub mod maintenance {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.maintenance.rs"));
}

/// Quota of roles.
pub mod quota {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.quota.rs"));
}

/// The scheduler API.
pub mod scheduler {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.scheduler.rs"));
}

/// The executor API.
pub mod executor {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.executor.rs"));
}

/// The operator API of a master.
pub mod master {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.master.rs"));
}

/// The operator API of an agent.
pub mod agent {
    include!(concat!(env!("OUT_DIR"), "/mesos.v1.agent.rs"));
}
