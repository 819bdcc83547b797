//! Amounts in offers and tasks.

use crate::v1;

/// So many of a resource, such as 0.5 of `cpus` or 64 (MiB) of `mem`. Where they come from, the master fills in.
#[must_use]
pub fn scalar(name: &str, amount: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value: amount }),
        ..Default::default()
    }
}

/// How many thousandths of a scalar are free for any use: neither reserved, nor revocable, nor a volume.
///
/// Thousandths, since Mesos counts no finer and fractions do not compare well.
#[must_use]
pub fn free_thousandths(resources: &[v1::Resource], name: &str) -> i64 {
    resources
        .iter()
        .filter(|resource| {
            resource.name == name
                && resource.reservations.is_empty()
                && resource.reservation.is_none()
                && resource.revocable.is_none()
                && resource.disk.is_none()
        })
        .filter_map(|resource| resource.scalar.as_ref())
        .map(|scalar| thousandths(scalar.value))
        .fold(0, i64::saturating_add)
}

/// An amount in thousandths, rounded as Mesos does.
#[must_use]
pub fn thousandths(amount: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "a cast of a double saturates")]
    let rounded = (amount * 1000.0).round() as i64;
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_free_for_any_use() {
        let mut reserved = scalar("cpus", 8.0);
        reserved.reservations.push(v1::resource::ReservationInfo::default());
        let mut revocable = scalar("cpus", 16.0);
        revocable.revocable = Some(v1::resource::RevocableInfo {});
        let offered = [scalar("cpus", 0.1), scalar("mem", 64.0), scalar("cpus", 0.2), reserved, revocable];
        assert_eq!(free_thousandths(&offered, "cpus"), thousandths(0.3));
        assert_eq!(free_thousandths(&offered, "mem"), 64_000);
        assert_eq!(free_thousandths(&offered, "gpus"), 0);
    }
}
