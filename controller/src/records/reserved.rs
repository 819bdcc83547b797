//! What a Reservation reserves as the master's resources, and back: nothing is lost on the way.

use proffer_crds::{
    QuantityText, RefinedReservation, ReservationLabel, ReservationSpec, ReservedResources, ReservedVolume,
};
use proffer_resources::quantity::{self, QuantityError};
use proffer_resources::{
    Amount, DiskInfo, Labels, Persistence, Ranges, Reservation, ReservationKind, Resource, ResourceBag, ResourceName,
    Role, Value, Volume, VolumeMode,
};
use std::collections::{BTreeMap, BTreeSet};

/// All that a Reservation asks for, each with the whole stack of its reservations; or what is wrong with it, for a person.
pub fn wanted(spec: &ReservationSpec) -> Result<ResourceBag, String> {
    let own = Reservation {
        kind: ReservationKind::Dynamic,
        role: role("role", &spec.role)?,
        principal: spec.principal.clone(),
        labels: labels(&spec.labels),
    };
    let mut stack = spec.refines.iter().map(refined).collect::<Result<Vec<_>, _>>()?;
    stack.push(own);
    let mut bag = ResourceBag::new();
    for resource in amounts(spec.resources.as_ref())?.into_iter().chain(volumes(&spec.volumes)?) {
        let resource = stack.iter().fold(resource, |resource, one| resource.reserved(one.clone()));
        resource.validate().map_err(|problem| problem.to_string())?;
        bag.add_one(resource);
    }
    if bag.is_empty() {
        return Err(
            "nothing is reserved: write resources: {cpu: 1, memory: 512Mi}, or volumes: [{id: data, size: 1Gi}]"
                .to_owned(),
        );
    }
    Ok(bag)
}

/// The spec that asks for `bag` on `agent`; or what of it cannot be written in a Reservation.
pub fn spec(agent: &str, bag: &ResourceBag) -> Result<ReservationSpec, String> {
    let mut resources = bag.iter();
    let first = resources.next().ok_or_else(|| "nothing is reserved".to_owned())?;
    if let Some(other) = resources.find(|other| other.reservations() != first.reservations()) {
        return Err(format!("{first} and {other} are not reserved alike: they go into two Reservations"));
    }
    let [below @ .., own] = first.reservations() else { return Err(format!("{first} is not reserved")) };
    let (mut amounts, mut volumes) = (ReservedResources::default(), Vec::new());
    for resource in bag.iter() {
        if own.kind == ReservationKind::Static || resource.revocable || resource.provider.is_some() {
            return Err(format!("{resource} is not an agent's own to reserve for as long as one likes"));
        }
        match resource.disk.as_deref() {
            None => put_amount(&mut amounts, resource)?,
            Some(disk) => volumes.push(volume(resource, disk)?),
        }
    }
    Ok(ReservationSpec {
        agent: agent.to_owned(),
        role: own.role.to_string(),
        refines: below.iter().map(refinement).collect(),
        principal: own.principal.clone(),
        labels: written_labels(&own.labels),
        resources: Some(amounts).filter(|amounts| *amounts != ReservedResources::default()),
        volumes,
    })
}

fn role(field: &str, text: &str) -> Result<Role, String> {
    Role::new(text).map_err(|error| format!("{field}: {error}"))
}

fn refined(below: &RefinedReservation) -> Result<Reservation, String> {
    Ok(Reservation {
        kind: if below.by_agent { ReservationKind::Static } else { ReservationKind::Dynamic },
        role: role("refines", &below.role)?,
        principal: below.principal.clone(),
        labels: labels(&below.labels),
    })
}

fn refinement(below: &Reservation) -> RefinedReservation {
    RefinedReservation {
        role: below.role.to_string(),
        principal: below.principal.clone(),
        labels: written_labels(&below.labels),
        by_agent: below.kind == ReservationKind::Static,
    }
}

fn labels(written: &[ReservationLabel]) -> Labels {
    Labels(written.iter().map(|label| (label.key.clone(), label.value.clone())).collect())
}

fn written_labels(labels: &Labels) -> Vec<ReservationLabel> {
    labels.0.iter().map(|(key, value)| ReservationLabel { key: key.clone(), value: value.clone() }).collect()
}

type Parse = fn(&str) -> Result<Amount, QuantityError>;

fn amounts(written: Option<&ReservedResources>) -> Result<Vec<Resource>, String> {
    let Some(written) = written else { return Ok(Vec::new()) };
    let scalar = |field: &str, name: ResourceName, text: &QuantityText, parse: Parse| {
        let amount = parse(&text.0).map_err(|error| format!("resources.{field}: {error}"))?;
        if amount.is_zero() {
            return Err(format!("resources.{field} is 0: write how much, or leave it out"));
        }
        Ok(Resource::scalar(name, amount))
    };
    let usual: [(&str, ResourceName, &Option<QuantityText>, Parse); 3] = [
        ("cpu", ResourceName::Cpus, &written.cpu, quantity::parse_cpu),
        ("memory", ResourceName::Mem, &written.memory, quantity::parse_bytes_as_mib),
        ("disk", ResourceName::Disk, &written.disk, quantity::parse_bytes_as_mib),
    ];
    let mut all = Vec::new();
    for (field, name, text, parse) in usual {
        if let Some(text) = text {
            all.push(scalar(field, name, text, parse)?);
        }
    }
    if let Some(gpus) = written.gpus {
        let count = u64::try_from(gpus).ok().filter(|count| *count > 0);
        let count = count.ok_or_else(|| format!("resources.gpus is {gpus}: write a number of GPUs from 1 on"))?;
        all.push(Resource::scalar(ResourceName::Gpus, Amount::from_units(count)));
    }
    if let Some(ports) = &written.ports {
        let ranges: Ranges = ports.parse().map_err(|error| format!("resources.ports: {error}"))?;
        let known = |&(first, last): &(u64, u64)| first > 0 && u16::try_from(last).is_ok();
        if ranges.is_empty() || !ranges.as_pairs().iter().all(known) {
            return Err(format!("resources.ports is {ports}: write ports from 1 to 65535, such as '[31000-31005]'"));
        }
        all.push(Resource::ports(ranges));
    }
    for (name, text) in &written.custom {
        let known = match name.as_str() {
            "cpus" => Some("cpu"),
            "mem" => Some("memory"),
            "disk" | "gpus" | "ports" => Some(name.as_str()),
            _ => None,
        };
        if let Some(field) = known {
            return Err(format!("resources.custom has {name}, which has a field of its own: write resources.{field}"));
        }
        all.push(scalar(&format!("custom.{name}"), name.as_str().into(), text, quantity::parse_cpu)?);
    }
    Ok(all)
}

fn put_amount(amounts: &mut ReservedResources, resource: &Resource) -> Result<(), String> {
    let amount = match (&resource.name, &resource.value) {
        (ResourceName::Ports, Value::Ranges(ports)) => {
            amounts.ports = Some(ports.to_string());
            return Ok(());
        }
        (_, Value::Scalar(amount)) => *amount,
        _ => return Err(format!("{resource} is neither an amount nor ports")),
    };
    match &resource.name {
        ResourceName::Cpus => amounts.cpu = Some(quantity::format_cpu(amount).into()),
        ResourceName::Mem => amounts.memory = Some(quantity::format_mib(amount).into()),
        ResourceName::Disk => amounts.disk = Some(quantity::format_mib(amount).into()),
        ResourceName::Gpus => amounts.gpus = i32::try_from(amount.thousandths() / 1000).ok(),
        other => {
            let custom: &mut BTreeMap<String, QuantityText> = &mut amounts.custom;
            custom.insert(other.to_string(), quantity::format_cpu(amount).into());
        }
    }
    Ok(())
}

fn volumes(written: &[ReservedVolume]) -> Result<Vec<Resource>, String> {
    let mut ids = BTreeSet::new();
    let volume = |volume: &ReservedVolume| {
        let id = volume.id.as_str();
        if !ids.insert(id.to_owned()) {
            return Err(format!("volumes has {id:?} twice: write each once"));
        }
        let size = quantity::parse_bytes_as_mib(&volume.size.0).map_err(|error| format!("volume {id:?}: {error}"))?;
        if size < Amount::from_units(1) {
            return Err(format!("volume {id:?}: a volume has at least 1Mi: write size: 1Mi or more"));
        }
        let container_path = volume.container_path.clone().unwrap_or_else(|| id.to_owned());
        path(&container_path).map_err(|problem| format!("volume {id:?}: {problem}"))?;
        let mode = if volume.read_only { VolumeMode::ReadOnly } else { VolumeMode::ReadWrite };
        let disk = DiskInfo {
            persistence: Some(Persistence { id: id.to_owned(), principal: volume.principal.clone() }),
            volume: Some(Volume { mode, container_path, host_path: None }),
            source: None,
        };
        let resource = Resource::scalar(ResourceName::Disk, size).on_disk(disk);
        Ok(if volume.shared { resource.as_shared() } else { resource })
    };
    written.iter().map(volume).collect()
}

/// Whether a task can find a volume at this path.
pub(crate) fn path(path: &str) -> Result<(), String> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.contains('\0');
    let kept = matches!(path.split('/').next(), Some("stdout" | "stderr"));
    if path.len() > 1024 || kept || !path.split('/').all(plain) {
        let shown: String = path.chars().take(80).collect();
        return Err(format!("{shown:?} is no path below the sandbox: write one without . and .., such as data"));
    }
    Ok(())
}

fn volume(resource: &Resource, disk: &DiskInfo) -> Result<ReservedVolume, String> {
    let (Some(persistence), Some(volume), None) = (&disk.persistence, &disk.volume, &disk.source) else {
        return Err(format!("{resource} is a disk of its own kind, which a Reservation cannot say"));
    };
    Ok(ReservedVolume {
        id: persistence.id.clone(),
        size: quantity::format_mib(resource.amount()).into(),
        container_path: Some(volume.container_path.clone()).filter(|path| *path != persistence.id),
        shared: resource.shared,
        read_only: volume.mode == VolumeMode::ReadOnly,
        principal: persistence.principal.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(yaml: &str) -> ReservationSpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    const EVERYTHING: &str = r"
agent: node1
role: eng/db
refines: [{role: eng, principal: ops, labels: [{key: cost}]}]
principal: dba
labels: [{key: team, value: storage}, {key: team}]
resources: {cpu: 1500m, memory: 512Mi, disk: 2048Mi, gpus: 1, ports: '[31000-31005,31010-31010]', custom: {slots: '4'}}
volumes:
- {id: data, size: 1024Mi}
- {id: logs, size: 64Mi, containerPath: var/log, shared: true, readOnly: true, principal: dba}
";

    #[test]
    fn everything_survives_the_way_to_the_master_and_back() {
        let wanted = wanted(&parse(EVERYTHING)).unwrap();
        assert_eq!(spec("node1", &wanted), Ok(parse(EVERYTHING)));
        assert!(wanted.iter().all(|resource| resource.reservations().len() == 2));
        assert_eq!(
            wanted.quantities().to_string(),
            "cpus:1.5;mem:512;disk:3136;gpus:1;slots:4",
            "volumes are disk, beside the disk that is asked for"
        );
        let by_json = ResourceBag::from_json(&wanted.to_json()).unwrap();
        assert_eq!(by_json, wanted, "as the status keeps it");
    }

    #[test]
    fn what_cannot_be_reserved_is_told_with_what_to_write() {
        for (change, expected) in [
            ("role: '*'", "reserves nothing"),
            ("role: eng/", "begins or ends with /"),
            ("role: ops", "cannot refine one for eng"),
            ("resources: {cpu: 0}", "resources.cpu is 0: write how much"),
            ("resources: {memory: lots}", "resources.memory: \"lots\" is not a quantity"),
            ("resources: {ports: '[0-5]'}", "write ports from 1 to 65535"),
            ("resources: {ports: 31000}", "resources.ports"),
            ("resources: {gpus: 0}", "resources.gpus is 0"),
            ("resources: {custom: {mem: 5}}", "write resources.memory"),
            ("volumes: [{id: a, size: 1Gi}, {id: a, size: 1Gi}]", "volumes has \"a\" twice"),
            ("volumes: [{id: a/b, size: 1Gi}]", "cannot be named \"a/b\""),
            ("volumes: [{id: a, size: 1Ki}]", "at least 1Mi"),
            (
                "volumes: [{id: a, size: 1Gi, containerPath: ../b}]",
                "volume \"a\": \"../b\" is no path below the sandbox",
            ),
            ("volumes: [{id: a, size: 1Gi, containerPath: /etc}]", "is no path below the sandbox"),
        ] {
            let mut value: serde_yaml::Value = serde_yaml::from_str(EVERYTHING).unwrap();
            let change: serde_yaml::Value =
                serde_yaml::from_str(&change.replace("ports: 31000", "ports: '31000'")).unwrap();
            for (key, changed) in change.as_mapping().unwrap() {
                value[key] = changed.clone();
            }
            let problem = wanted(&serde_yaml::from_value(value).unwrap()).unwrap_err();
            assert!(problem.contains(expected), "{change:?}: {problem}");
        }
        assert!(wanted(&parse("{agent: node1, role: eng}")).unwrap_err().contains("nothing is reserved"));
    }

    #[test]
    fn what_no_reservation_can_say_is_refused() {
        let reserved = |role: &str| Reservation::dynamic(Role::new(role).unwrap(), None);
        let cpus = || Resource::scalar("cpus", Amount::from_units(1));
        for (bag, expected) in [
            (vec![], "nothing is reserved"),
            (vec![cpus()], "is not reserved"),
            (vec![cpus().reserved(reserved("eng")), cpus().reserved(reserved("ops"))], "two Reservations"),
            (vec![cpus().reserved(Reservation::fixed(Role::new("eng").unwrap()))], "is not an agent's own"),
        ] {
            let problem = spec("node1", &bag.into_iter().collect()).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn amounts_survive(cpu in 0u64..1_000_000, mem in 0u64..1_000_000_000, size in 1000u64..1_000_000_000, shared: bool) {
            let eng = Reservation::dynamic(Role::new("eng").unwrap(), None);
            let volume = Resource::scalar("disk", Amount::from_thousandths(size)).on_disk(DiskInfo {
                persistence: Some(Persistence { id: "v".to_owned(), principal: None }),
                volume: Some(Volume { mode: VolumeMode::ReadWrite, container_path: "v".to_owned(), host_path: None }),
                source: None,
            });
            let volume = if shared { volume.as_shared() } else { volume };
            let bag: ResourceBag = [
                Resource::scalar("cpus", Amount::from_thousandths(cpu)).reserved(eng.clone()),
                Resource::scalar("mem", Amount::from_thousandths(mem)).reserved(eng.clone()),
                volume.reserved(eng),
            ]
            .into_iter()
            .collect();
            prop_assert_eq!(wanted(&spec("node1", &bag).unwrap()), Ok(bag));
        }
    }
}
