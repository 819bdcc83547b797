//! Offers to frameworks that are served over a stream: told together, taken back, declined.

use super::resources::to_v1;
use crate::effect::Effect;
use crate::ids::{Connection, ObjectKey, OfferId};
use crate::master::Master;
use crate::record::{OfferEnd, OfferRecord};
use proffer_mesos_api::v1;
use proffer_mesos_api::v1::scheduler::{Event as V1Event, event};
use proffer_mesos_api::v1::{Filters, value};
use proffer_resources::{AttributeValue, Attributes};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where agents serve Mesos' agent API, as far as they do.
const AGENT_PORT: i32 = 5051;

impl Master {
    /// Puts an offer among those that are told at the end of this event.
    pub(crate) fn offer_over_stream(&mut self, record: &OfferRecord) {
        let Some(stream) = self.stream_object(&record.framework) else { return };
        let refined = self
            .frameworks
            .get(&record.framework)
            .and_then(|framework| framework.object.as_ref())
            .is_some_and(|object| object.capabilities.refinement);
        let address = v1::Address {
            hostname: Some(record.agent.agent.0.clone()),
            ip: record.agent.address.clone(),
            port: AGENT_PORT,
        };
        let offer = v1::Offer {
            id: v1::OfferId { value: record.id.0.name.clone() },
            framework_id: v1::FrameworkId { value: stream.framework_id.clone() },
            agent_id: v1::AgentId { value: record.agent.agent_id.clone() },
            hostname: record.agent.agent.0.clone(),
            url: Some(v1::Url {
                scheme: "http".to_owned(),
                address,
                path: Some("/slave(1)".to_owned()),
                ..v1::Url::default()
            }),
            resources: to_v1(&record.resources, Some(&record.role), refined),
            attributes: attributes(&record.attributes),
            unavailability: record.unavailability.map(super::inverse::to_v1),
            allocation_info: Some(v1::resource::AllocationInfo { role: Some(record.role.as_str().to_owned()) }),
            ..v1::Offer::default()
        };
        self.streams.offers.entry(record.framework.clone()).or_default().push(offer);
    }

    /// Tells the offers that were made during this event.
    pub(crate) fn send_offers(&mut self) {
        for (key, offers) in std::mem::take(&mut self.streams.offers) {
            let Some(connection) = self.connection_of(&key).filter(|_| !offers.is_empty()) else { continue };
            self.notify(
                connection,
                V1Event {
                    r#type: Some(event::Type::Offers.into()),
                    offers: Some(event::Offers { offers }),
                    ..V1Event::default()
                },
            );
        }
    }

    /// Tells that an offer is not there any more, unless the framework itself ended it. Nothing is kept of it.
    pub(crate) fn end_over_stream(&mut self, id: &OfferId, end: Option<OfferEnd>) {
        let Some(offer) = self.offers.remove(id) else { return };
        let name = &id.0.name;
        if let Some(untold) = self.streams.offers.get_mut(&offer.framework) {
            let before = untold.len();
            untold.retain(|offer| offer.id.value != *name);
            if untold.len() < before {
                return;
            }
        }
        let taken = matches!(end, Some(OfferEnd::Rescinded | OfferEnd::Expired));
        if let Some(connection) = self.connection_of(&offer.framework).filter(|_| taken) {
            self.notify(
                connection,
                V1Event {
                    r#type: Some(event::Type::Rescind.into()),
                    rescind: Some(event::Rescind { offer_id: v1::OfferId { value: name.clone() } }),
                    ..V1Event::default()
                },
            );
        }
    }

    /// Takes all offers of a framework back.
    pub(crate) fn take_offers_back(&mut self, key: &ObjectKey, why: &str) {
        self.rescind_inverse_offers(|framework, _| framework == key, why);
        for offer in self.offers_to(key) {
            self.rescind(&offer, why.to_owned());
        }
    }

    /// Takes the offers back of roles in which a framework wants none any more.
    pub(crate) fn rescind_suppressed(&mut self, key: &ObjectKey) {
        for id in self.offers_to(key) {
            let Some(offer) = self.offers.get(&id) else { continue };
            let role = offer.role.clone();
            if !self.frameworks.get(key).is_some_and(|framework| framework.roles().contains(&role)) {
                self.rescind(&id, format!("its framework has no role {role} any more"));
            }
        }
    }

    /// A framework wants nothing of some offers. Those that are not its own, or ended, are passed over as in Mesos.
    pub(crate) fn decline(&mut self, key: &ObjectKey, offers: &[v1::OfferId], filters: Option<&Filters>) {
        let refuse = refuse_time(filters);
        for name in offers {
            if let Some(id) = self.own_offer(key, &name.value) {
                self.refuse(&id, refuse);
                self.end_offer(&id, OfferEnd::Declined, "declined by the framework".to_owned());
            }
        }
    }

    /// A live offer of a framework, by its ID.
    pub(crate) fn own_offer(&self, key: &ObjectKey, name: &str) -> Option<OfferId> {
        let id = OfferId(ObjectKey::new(key.namespace.clone(), name));
        self.offers.get(&id).filter(|offer| offer.is_live() && offer.framework == *key).map(|_| id)
    }

    /// The stream by which a framework is subscribed.
    pub(crate) fn connection_of(&self, key: &ObjectKey) -> Option<Connection> {
        self.frameworks.get(key)?.stream.connection
    }

    /// Sends an event.
    pub(crate) fn notify(&mut self, connection: Connection, event: V1Event) {
        self.push(Effect::Notify { connection, event: Box::new(event) });
    }
}

/// How long what is left is refused: 5 s if nothing is said or what is said makes no sense, as in Mesos.
pub(crate) fn refuse_time(filters: Option<&Filters>) -> Option<Duration> {
    Duration::try_from_secs_f64(filters?.refuse_seconds?).ok()
}

fn attributes(attributes: &BTreeMap<String, String>) -> Vec<v1::Attribute> {
    attributes.iter().map(|(name, text)| attribute(name, text)).collect()
}

fn attribute(name: &str, text: &str) -> v1::Attribute {
    let read = format!("{name}:{text}").parse::<Attributes>().ok().filter(|read| read.0.len() == 1);
    let value = read.and_then(|mut read| read.0.pop()).map(|attribute| attribute.value);
    let attribute = v1::Attribute { name: name.to_owned(), ..v1::Attribute::default() };
    match value {
        Some(AttributeValue::Scalar(amount)) => v1::Attribute {
            r#type: value::Type::Scalar.into(),
            scalar: Some(value::Scalar { value: amount.to_float() }),
            ..attribute
        },
        Some(AttributeValue::Ranges(ranges)) => v1::Attribute {
            r#type: value::Type::Ranges.into(),
            ranges: Some(value::Ranges {
                range: ranges.as_pairs().iter().map(|&(begin, end)| value::Range { begin, end }).collect(),
            }),
            ..attribute
        },
        _ => v1::Attribute {
            r#type: value::Type::Text.into(),
            text: Some(value::Text { value: text.to_owned() }),
            ..attribute
        },
    }
}
