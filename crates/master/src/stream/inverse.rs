//! Inverse offers to frameworks that are served over a stream.

use super::offers::refuse_time;
use crate::event::OfferReply;
use crate::ids::{AgentName, ObjectKey, OfferId};
use crate::master::Master;
use proffer_allocator::{DEFAULT_REFUSE, Unavailability};
use proffer_mesos_api::v1;
use proffer_mesos_api::v1::scheduler::{Event as V1Event, event};
use proffer_mesos_api::v1::{DurationInfo, Filters, TimeInfo};
use std::time::Duration;

impl Master {
    /// Asks a framework to leave an agent. `false` if nobody is connected who could be asked.
    pub(crate) fn inverse_offer_over_stream(
        &mut self,
        id: &OfferId,
        framework: &ObjectKey,
        agent: &AgentName,
        unavailability: Unavailability,
    ) -> bool {
        let Some(connection) = self.connection_of(framework) else { return false };
        let Some(framework_id) = self.stream_object(framework).map(|stream| stream.framework_id.clone()) else {
            return false;
        };
        let offer = v1::InverseOffer {
            id: v1::OfferId { value: id.0.name.clone() },
            framework_id: v1::FrameworkId { value: framework_id },
            agent_id: self.agents.get(agent).and_then(|known| known.id.clone()).map(|value| v1::AgentId { value }),
            unavailability: to_v1(unavailability),
            ..v1::InverseOffer::default()
        };
        self.notify(
            connection,
            V1Event {
                r#type: Some(event::Type::InverseOffers.into()),
                inverse_offers: Some(event::InverseOffers { inverse_offers: vec![offer] }),
                ..V1Event::default()
            },
        );
        true
    }

    /// Tells that an inverse offer is not there any more.
    pub(crate) fn rescind_inverse_over_stream(&mut self, id: &OfferId, framework: &ObjectKey) {
        let Some(connection) = self.connection_of(framework) else { return };
        let inverse_offer_id = v1::OfferId { value: id.0.name.clone() };
        self.notify(
            connection,
            V1Event {
                r#type: Some(event::Type::RescindInverseOffer.into()),
                rescind_inverse_offer: Some(event::RescindInverseOffer { inverse_offer_id }),
                ..V1Event::default()
            },
        );
    }

    /// A framework answers inverse offers. Those that are not its own, or ended, are passed over as in Mesos; so is the
    /// question for as long as the filter says, 5 s if it says nothing.
    pub(crate) fn answer_inverse_offers(
        &mut self,
        key: &ObjectKey,
        offers: &[v1::OfferId],
        filters: Option<&Filters>,
        accepts: bool,
    ) {
        let refuse = Some(refuse_time(filters).unwrap_or(DEFAULT_REFUSE));
        for name in offers {
            let id = OfferId(ObjectKey::new(key.namespace.clone(), name.value.clone()));
            if !self.is_inverse_offer_of(&id, key) {
                continue;
            }
            let reply = if accepts {
                OfferReply::Accept { operations: Vec::new(), refuse }
            } else {
                OfferReply::Decline { refuse }
            };
            self.inverse_offer_replied(&id, &reply);
        }
    }
}

/// A window in Mesos' form.
pub(crate) fn to_v1(unavailability: Unavailability) -> v1::Unavailability {
    let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    v1::Unavailability {
        start: TimeInfo { nanoseconds: unavailability.start.0.saturating_mul(1000) },
        duration: unavailability.duration.map(|duration| DurationInfo { nanoseconds: nanoseconds(duration) }),
    }
}
