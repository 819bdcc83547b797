//! An offer's record as an Offer object, and how an offer ended as its status.

use super::epoch_number;
use crate::clock::to_text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use proffer_crds::{
    ConditionStatus, Framework, Offer, OfferAgent, OfferPhase, OfferResources, OfferSpec, OfferStatus, OfferTerms,
    set_condition,
};
use proffer_master::{Epoch, OfferEnd, OfferRecord};
use proffer_resources::{ResourceBag, quantity};

/// The object of an offer. Its framework owns it.
#[must_use]
pub fn object(record: &OfferRecord) -> Offer {
    let flat = record.resources.to_resources();
    let mut offer = Offer::new(
        &record.id.0.name,
        OfferSpec {
            terms: OfferTerms {
                framework: record.framework.name.clone(),
                agent: OfferAgent {
                    name: record.agent.agent.0.clone(),
                    id: record.agent.agent_id.clone(),
                    address: record.agent.address.clone(),
                },
                role: record.role.to_string(),
                resources: OfferResources {
                    cpu: quantity::format_cpu(flat.cpus),
                    memory: quantity::format_mib(flat.mem),
                    disk: quantity::format_mib(flat.disk),
                    ports: flat.ports.to_string(),
                    reserved: reserved(&record.resources),
                },
                attributes: record.attributes.clone(),
                unavailability: record.unavailability.as_ref().map(super::maintenance::window),
                inverse: record.inverse,
                expires_at: to_text(record.expires_at),
                master_epoch: epoch_number(record.epoch).unwrap_or(i64::MAX),
            },
            reply: None,
        },
    );
    offer.metadata.namespace = Some(record.id.0.namespace.clone());
    offer.metadata.owner_references = Some(vec![OwnerReference {
        api_version: Framework::api_version(&()).into_owned(),
        kind: Framework::kind(&()).into_owned(),
        name: record.framework.name.clone(),
        uid: record.framework_uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
    offer
}

/// What of an offer is reserved, in Mesos' text form.
fn reserved(resources: &ResourceBag) -> String {
    let reserved = resources.filter(|resource| !resource.reservations().is_empty());
    if reserved.is_empty() { String::new() } else { reserved.to_string() }
}

/// The status of an offer that waits for a reply.
#[must_use]
pub fn outstanding(epoch: Epoch) -> OfferStatus {
    OfferStatus { phase: Some(OfferPhase::Outstanding), master_epoch: epoch_number(epoch), ..OfferStatus::default() }
}

/// The status of an offer that ended.
#[must_use]
pub fn closed(end: OfferEnd, message: &str, epoch: Epoch, before: Option<&OfferStatus>, now: Timestamp) -> OfferStatus {
    let (phase, reason) = match end {
        OfferEnd::Accepted => (OfferPhase::Accepted, "Accepted"),
        OfferEnd::Declined => (OfferPhase::Declined, "Declined"),
        OfferEnd::Rejected => (OfferPhase::Rejected, "Rejected"),
        OfferEnd::Rescinded => (OfferPhase::Rescinded, "Rescinded"),
        OfferEnd::Expired => (OfferPhase::Expired, "Expired"),
    };
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    set_condition(&mut conditions, "Complete", ConditionStatus::True, reason, message, None, now);
    OfferStatus { phase: Some(phase), message: message.to_owned(), master_epoch: epoch_number(epoch), conditions }
}
