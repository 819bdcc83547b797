//! Offer objects to the master's events: what a framework replied.

use super::shelf::{Entry, object_key};
use proffer_crds::{
    Filters, Offer, OfferOperation, OfferPhase, OfferReply as ObjectReply, QuantityText, ReservedAmounts,
};
use proffer_master::{Asked, Event, LaunchBody, OfferId, OfferReply, Operation, OperationBody};
use proffer_resources::{Amount, Quantities, ResourceName, quantity};
use std::time::Duration;

/// Longest filter, a year, as the schema says it.
const LONGEST_FILTER_SECONDS: f64 = 31_536_000.0;

/// What an Offer object that is there tells the master: its reply, if it has one that nobody dealt with.
pub(super) fn applied(entry: &Entry<Offer>) -> Option<Event> {
    let offer = entry.value().ok()?;
    let phase = offer.status.as_ref().and_then(|status| status.phase);
    if !matches!(phase, None | Some(OfferPhase::Outstanding)) {
        return None;
    }
    let reply = offer.spec.reply.as_ref()?;
    Some(Event::OfferReplied { offer: OfferId(object_key(entry)), reply: parse(reply) })
}

/// What an Offer object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Offer>) -> Event {
    Event::OfferDeleted(OfferId(object_key(entry)))
}

/// Reads a reply. One that both accepts and declines, which the schema refuses, is read as a decline: it takes nothing.
fn parse(reply: &ObjectReply) -> OfferReply {
    match (&reply.accept, &reply.decline) {
        (Some(accept), None) => OfferReply::Accept {
            operations: accept.operations.iter().map(operation).collect(),
            refuse: refuse(accept.filters.as_ref()),
        },
        (_, decline) => {
            OfferReply::Decline { refuse: refuse(decline.as_ref().and_then(|decline| decline.filters.as_ref())) }
        }
    }
}

/// Reads an operation. One that is not exactly one thing, which the schema refuses, is told to be nothing.
fn operation(read: &OfferOperation) -> Operation {
    let OfferOperation { launch, reserve, unreserve, create, destroy } = read;
    let body = match (launch, reserve, unreserve, create, destroy) {
        (Some(launch), None, None, None, None) => Ok(OperationBody::Launch(LaunchBody::Objects(launch.tasks.clone()))),
        (None, Some(amounts), None, None, None) => quantities(amounts).map(Asked::Reserve).map(OperationBody::Asked),
        (None, None, Some(amounts), None, None) => quantities(amounts).map(Asked::Unreserve).map(OperationBody::Asked),
        (None, None, None, Some(volume), None) => size("create.size", &volume.size)
            .map(|size| OperationBody::Asked(Asked::Create { id: volume.id.clone(), size })),
        (None, None, None, None, Some(volume)) => Ok(OperationBody::Asked(Asked::Destroy { id: volume.id.clone() })),
        _ => Err("an operation is one of launch, reserve, unreserve, create and destroy: write one of them".to_owned()),
    };
    Operation { id: None, body }
}

fn quantities(amounts: &ReservedAmounts) -> Result<Quantities, String> {
    let cpus = amounts.cpu.as_ref().map(|cpu| quantity::parse_cpu(&cpu.0).map_err(|error| format!("cpu: {error}")));
    let cpus = cpus.transpose()?.unwrap_or_default();
    let mem = amounts.memory.as_ref().map(|memory| size("memory", memory)).transpose()?.unwrap_or_default();
    let disk = amounts.disk.as_ref().map(|disk| size("disk", disk)).transpose()?.unwrap_or_default();
    Ok(Quantities::of(cpus, mem).with(&ResourceName::Disk, disk))
}

fn size(field: &str, text: &QuantityText) -> Result<Amount, String> {
    quantity::parse_bytes_as_mib(&text.0).map_err(|error| format!("{field}: {error}"))
}

fn refuse(filters: Option<&Filters>) -> Option<Duration> {
    let seconds = filters?.refuse_seconds?;
    let seconds = if seconds.is_nan() { 0.0 } else { seconds.clamp(0.0, LONGEST_FILTER_SECONDS) };
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(reply: Option<Value>, phase: Option<&str>) -> Option<Event> {
        let mut object = json!({
            "apiVersion": "proffer.dev/v1alpha1",
            "kind": "Offer",
            "metadata": {"name": "o1", "namespace": "default", "uid": "u1", "resourceVersion": "5"},
            "spec": {"terms": {
                "framework": "hello", "role": "*", "expiresAt": "2026-11-22T15:40:00Z", "masterEpoch": 3,
                "agent": {"name": "node1", "id": "a1"},
                "resources": {"cpu": "1", "memory": "64Mi", "disk": "0Mi", "ports": "[]"},
            }},
        });
        if let Some(reply) = reply {
            object["spec"]["reply"] = reply;
        }
        if let Some(phase) = phase {
            object["status"] = json!({"phase": phase});
        }
        applied(&Entry::new(serde_json::from_value(object).unwrap()))
    }

    fn replied(reply: OfferReply) -> Event {
        Event::OfferReplied { offer: OfferId(proffer_master::ObjectKey::new("default", "o1")), reply }
    }

    #[test]
    fn replies_are_read() {
        let seconds = Duration::from_secs;
        for (reply, expected) in [
            (json!({"decline": {}}), OfferReply::Decline { refuse: None }),
            (json!({"decline": {"filters": {"refuseSeconds": 0}}}), OfferReply::Decline { refuse: Some(seconds(0)) }),
            (
                json!({"decline": {"filters": {"refuseSeconds": -5.5}}}),
                OfferReply::Decline { refuse: Some(seconds(0)) },
            ),
            (
                json!({"decline": {"filters": {"refuseSeconds": 1e300}}}),
                OfferReply::Decline { refuse: Some(seconds(31_536_000)) },
            ),
            (
                json!({"accept": {"operations": [{"launch": {"tasks": ["a", "b"]}}, {"launch": {"tasks": ["c"]}}], "filters": {"refuseSeconds": 2.5}}}),
                OfferReply::Accept {
                    operations: vec![
                        Operation::launch(vec!["a".to_owned(), "b".to_owned()]),
                        Operation::launch(vec!["c".to_owned()]),
                    ],
                    refuse: Some(Duration::from_millis(2500)),
                },
            ),
            (
                json!({"accept": {"operations": [{"reserve": {"cpu": "500m"}}, {"create": {"id": "v", "size": "1Gi"}}, {}]}}),
                OfferReply::Accept {
                    operations: vec![
                        Operation::new(OperationBody::Asked(Asked::Reserve(Quantities::of(
                            Amount::from_thousandths(500),
                            Amount::ZERO,
                        )))),
                        Operation::new(OperationBody::Asked(Asked::Create {
                            id: "v".to_owned(),
                            size: Amount::from_units(1024),
                        })),
                        Operation {
                            id: None,
                            body: Err("an operation is one of launch, reserve, unreserve, create and destroy: write one of them"
                                .to_owned()),
                        },
                    ],
                    refuse: None,
                },
            ),
            (json!({}), OfferReply::Decline { refuse: None }),
        ] {
            assert_eq!(event(Some(reply.clone()), Some("Outstanding")), Some(replied(expected)), "{reply}");
        }
    }

    #[test]
    fn no_reply_and_a_reply_that_was_dealt_with_say_nothing() {
        assert_eq!(event(None, Some("Outstanding")), None);
        assert_eq!(event(Some(json!({"decline": {}})), Some("Declined")), None);
    }
}
