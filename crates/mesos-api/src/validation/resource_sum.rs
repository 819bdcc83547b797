//! Adds resources up, as far as checks need it: same kind, same place, same reservation.

use std::collections::BTreeSet;

use super::resource::fixed;
use crate::v1::Resource;
use crate::v1::value::Type;

/// What one kind of resource comes to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Amount {
    /// In thousandths.
    scalar: i128,
    /// Apart from each other and in order.
    ranges: Vec<(u64, u64)>,
    items: BTreeSet<String>,
}

/// Resources added up: each kind once, without its value, and how much there is of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum(Vec<(Resource, Amount)>);

impl Sum {
    /// Adds up resources.
    pub(super) fn of<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Self {
        let mut sum = Self::default();
        for resource in resources {
            sum.add(resource);
        }
        sum
    }

    fn add(&mut self, resource: &Resource) {
        let mut kind = resource.clone();
        (kind.scalar, kind.ranges, kind.set) = (None, None, None);
        let mut amount = Amount::default();
        match resource.r#type() {
            Type::Scalar => {
                amount.scalar = resource.scalar.as_ref().map_or(0, |scalar| i128::from(fixed(scalar.value)));
            }
            Type::Ranges => amount.ranges = ranges(resource),
            Type::Set => amount.items = resource.set.iter().flat_map(|set| set.item.iter().cloned()).collect(),
            Type::Text => {}
        }
        match self.0.iter_mut().find(|(found, _)| *found == kind) {
            // Several uses of a shared volume are one volume.
            Some(_) if kind.shared.is_some() => {}
            Some((_, held)) => {
                held.scalar += amount.scalar;
                held.ranges = merged(std::mem::take(&mut held.ranges), amount.ranges);
                held.items.append(&mut amount.items);
            }
            None => self.0.push((kind, amount)),
        }
    }

    /// How many kinds there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How much there is of ranges and sets, over all kinds.
    fn count(&self) -> u128 {
        self.0
            .iter()
            .map(|(_, amount)| {
                let in_ranges: u128 = amount.ranges.iter().map(|(begin, end)| u128::from(end - begin) + 1).sum();
                in_ranges + amount.items.len() as u128
            })
            .sum()
    }
}

impl PartialEq for Sum {
    /// The order of kinds does not count.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.0.iter().all(|entry| other.0.contains(entry))
    }
}

/// Whether a range or an item is in more than one of these (Mesos: `detectOverlappingSetAndRangeResources`).
pub(super) fn overlap(parts: &[&[Resource]]) -> bool {
    let apart: u128 = parts.iter().map(|part| Sum::of(*part).count()).sum();
    Sum::of(parts.iter().copied().flatten()).count() != apart
}

fn ranges(resource: &Resource) -> Vec<(u64, u64)> {
    let all = resource.ranges.iter().flat_map(|ranges| &ranges.range);
    merged(Vec::new(), all.filter(|range| range.begin <= range.end).map(|range| (range.begin, range.end)).collect())
}

fn merged(mut all: Vec<(u64, u64)>, mut more: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    all.append(&mut more);
    all.sort_unstable();
    let mut result: Vec<(u64, u64)> = Vec::with_capacity(all.len());
    for (begin, end) in all {
        match result.last_mut() {
            Some(last) if begin <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => result.push((begin, end)),
        }
    }
    result
}
