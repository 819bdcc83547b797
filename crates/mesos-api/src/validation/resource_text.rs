//! Resources as Mesos' error texts show them: `cpus(allocated: dev)(reservations: [(DYNAMIC,dev)]):0.5`.

use std::fmt;

use crate::v1::resource::disk_info::source::Type as SourceType;
use crate::v1::resource::{DiskInfo, ReservationInfo};
use crate::v1::value::{Range, Type};
use crate::v1::{Labels, Resource, Volume, volume};

/// A resource's text.
pub(super) struct Text<'a>(pub(super) &'a Resource);

/// The text of several resources.
pub(super) fn list(resources: &[Resource]) -> String {
    if resources.is_empty() {
        return "{}".to_owned();
    }
    resources.iter().map(|resource| Text(resource).to_string()).collect::<Vec<_>>().join("; ")
}

/// An amount in thousandths, without zeros at the end.
pub(super) fn thousandths(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, rest) = (amount.unsigned_abs() / 1000, amount.unsigned_abs() % 1000);
    let text = format!("{sign}{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.0;
        f.write_str(&resource.name)?;
        if let Some(allocation) = &resource.allocation_info {
            write!(f, "(allocated: {})", allocation.role())?;
        }
        if !resource.reservations.is_empty() {
            let all: Vec<String> = resource.reservations.iter().map(reservation).collect();
            write!(f, "(reservations: [{}])", all.join(","))?;
        }
        if let Some(info) = &resource.disk {
            write!(f, "[{}]", disk(info))?;
        }
        if resource.revocable.is_some() {
            f.write_str("{REV}")?;
        }
        if resource.shared.is_some() {
            f.write_str("<SHARED>")?;
        }
        f.write_str(":")?;
        match resource.r#type() {
            Type::Scalar => {
                let value = resource.scalar.as_ref().map_or(0.0, |scalar| scalar.value);
                f.write_str(&thousandths(super::resource::fixed(value)))
            }
            Type::Ranges => {
                let span = |range: &Range| format!("{}-{}", range.begin, range.end);
                let all: Vec<String> = resource.ranges.iter().flat_map(|ranges| &ranges.range).map(span).collect();
                write!(f, "[{}]", all.join(", "))
            }
            Type::Set => {
                let all: Vec<&str> = resource.set.iter().flat_map(|set| &set.item).map(String::as_str).collect();
                write!(f, "{{{}}}", all.join(", "))
            }
            Type::Text => Ok(()),
        }
    }
}

fn reservation(reservation: &ReservationInfo) -> String {
    let mut text = format!("({},{}", reservation.r#type().as_str_name(), reservation.role());
    if let Some(principal) = &reservation.principal {
        text.push(',');
        text.push_str(principal);
    }
    if let Some(found) = &reservation.labels {
        text.push(',');
        text.push_str(&labels(found));
    }
    text.push(')');
    text
}

/// Labels as Mesos prints them.
pub(super) fn labels(labels: &Labels) -> String {
    let all: Vec<String> = labels
        .labels
        .iter()
        .map(|label| match &label.value {
            Some(value) => format!("{}: {value}", label.key),
            None => label.key.clone(),
        })
        .collect();
    format!("{{{}}}", all.join(", "))
}

fn disk(disk: &DiskInfo) -> String {
    let mut text = String::new();
    if let Some(source) = &disk.source {
        text.push_str(source.r#type().as_str_name());
        if source.id.is_some() || source.profile.is_some() {
            text.extend(["(", source.vendor(), ",", source.id(), ",", source.profile(), ")"]);
        } else {
            let root = match source.r#type() {
                SourceType::Mount => source.mount.as_ref().and_then(|mount| mount.root.as_ref()),
                SourceType::Path => source.path.as_ref().and_then(|path| path.root.as_ref()),
                SourceType::Block | SourceType::Raw | SourceType::Unknown => None,
            };
            text.extend(root.map(|root| format!(":{root}")));
        }
    }
    if let Some(persistence) = &disk.persistence {
        if disk.source.is_some() {
            text.push(',');
        }
        text.push_str(&persistence.id);
    }
    text.extend(disk.volume.as_ref().map(|found| format!(":{}", volume_text(found))));
    text
}

fn volume_text(volume: &Volume) -> String {
    match &volume.host_path {
        Some(host) => {
            let mode = match volume.mode() {
                volume::Mode::Rw => "rw",
                volume::Mode::Ro => "ro",
            };
            format!("{host}:{}:{mode}", volume.container_path)
        }
        None => volume.container_path.clone(),
    }
}
