//! Writes Mesos' enums under their Mesos names, so that a checkpoint can be read by people and by later versions.

use proffer_mesos_api::{Reason, TaskState};
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;

/// For `#[serde(with)]` on a [`TaskState`].
pub(crate) mod state {
    use super::{Cow, Deserialize, Deserializer, Serializer, TaskState};
    use serde::de::Error as _;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(crate) fn serialize<S: Serializer>(state: &TaskState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(state.as_mesos())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TaskState, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// For `#[serde(with)]` on an optional [`Reason`].
pub(crate) mod reason {
    use super::{Cow, Deserialize, Deserializer, Reason, Serializer};
    use serde::de::Error as _;

    #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(crate) fn serialize<S: Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
        match reason {
            Some(reason) => serializer.serialize_some(reason.as_mesos()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Reason>, D::Error> {
        Option::<Cow<'_, str>>::deserialize(deserializer)?
            .map(|name| name.parse().map_err(D::Error::custom))
            .transpose()
    }
}

/// For `#[serde(with)]` on resources: thousandths and inclusive ranges, as on the agent link.
pub(crate) mod resources {
    use super::{Deserialize, Deserializer, Serializer};
    use proffer_resources::{Amount, Resources};
    use serde::Serialize;

    #[derive(Serialize, Deserialize)]
    struct Form {
        cpus: u64,
        mem: u64,
        disk: u64,
        ports: Vec<(u64, u64)>,
    }

    pub(crate) fn serialize<S: Serializer>(resources: &Resources, serializer: S) -> Result<S::Ok, S::Error> {
        Form {
            cpus: resources.cpus.thousandths(),
            mem: resources.mem.thousandths(),
            disk: resources.disk.thousandths(),
            ports: resources.ports.as_pairs().to_vec(),
        }
        .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Resources, D::Error> {
        let Form { cpus, mem, disk, ports } = Form::deserialize(deserializer)?;
        Ok(Resources {
            cpus: Amount::from_thousandths(cpus),
            mem: Amount::from_thousandths(mem),
            disk: Amount::from_thousandths(disk),
            ports: ports.into_iter().collect(),
        })
    }
}

/// For `#[serde(with)]` on an optional amount: thousandths.
pub(crate) mod amount {
    use super::{Deserialize, Deserializer, Serializer};
    use proffer_resources::Amount;
    use serde::Serialize;

    #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(crate) fn serialize<S: Serializer>(amount: &Option<Amount>, serializer: S) -> Result<S::Ok, S::Error> {
        amount.map(Amount::thousandths).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Amount>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Amount::from_thousandths))
    }
}
