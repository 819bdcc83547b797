//! The Lease object and what of it the election looks at.

use super::decide::Timings;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use proffer_master::Epoch;
use std::time::Duration;

/// What a Lease says. Two equal records mean that nobody renewed in between.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaseRecord {
    /// Who holds it; `None` if it was given back.
    pub holder: Option<String>,
    /// How long a holder that does not renew keeps it.
    pub duration: Option<Duration>,
    /// How often it changed hands: the epoch.
    pub transitions: Epoch,
    /// When the holder last renewed, by the holder's clock. Only ever compared for equality.
    pub renewed: Option<Timestamp>,
}

impl From<&Lease> for LeaseRecord {
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        Self {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: spec
                .lease_duration_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|&seconds| seconds > 0)
                .map(Duration::from_secs),
            transitions: Epoch(spec.lease_transitions.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)),
            renewed: spec.renew_time.map(|time| time.0),
        }
    }
}

/// Annotation with the time at which the count of epochs was last set beyond what an agent had obeyed.
const RAISED: &str = "proffer.dev/epoch-raised-at";

/// When the count of epochs was last set beyond what an agent had obeyed.
pub(super) fn raised(lease: &Lease) -> Option<Timestamp> {
    lease.metadata.annotations.as_ref()?.get(RAISED)?.parse().ok()
}

/// Notes that the count of epochs was set beyond what an agent had obeyed.
pub(super) fn set_raised(lease: &mut Lease, now: Timestamp) {
    lease.metadata.annotations.get_or_insert_default().insert(RAISED.to_owned(), now.to_string());
}

/// The Lease as `holder` writes it; without a holder it is given back.
pub(super) fn write(
    base: Option<Lease>,
    name: &str,
    namespace: &str,
    holder: Option<&str>,
    epoch: Epoch,
    timings: Timings,
    now: Timestamp,
) -> Lease {
    let mut lease = base.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..Default::default()
        },
        spec: None,
    });
    lease.metadata.managed_fields = None;
    let known = lease.spec.take().unwrap_or_default();
    let same_holder = known.holder_identity.as_deref() == holder;
    let seconds = if holder.is_some() { timings.lease_duration.as_secs_f64().ceil() } else { 1.0 };
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(holder.unwrap_or_default().to_owned()),
        #[expect(clippy::cast_possible_truncation, reason = "durations of leases are checked to be at most an hour")]
        lease_duration_seconds: Some(seconds as i32),
        acquire_time: if same_holder { known.acquire_time } else { Some(MicroTime(now)) },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(i32::try_from(epoch.0).unwrap_or(i32::MAX)),
        ..known
    });
    lease
}
