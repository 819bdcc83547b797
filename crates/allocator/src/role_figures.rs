//! What roles hold, for people: figures that are sums over a role and all below it.

use crate::{Allocator, Name, Weight};
use proffer_resources::{Quantities, Role};
use std::collections::{BTreeMap, BTreeSet};

/// What a role and all below it have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFigures<F> {
    /// What tasks hold.
    pub allocated: Quantities,
    /// What is in live offers.
    pub offered: Quantities,
    /// The frameworks that want offers in the role or below, or hold something there.
    pub frameworks: BTreeSet<F>,
}

impl<F> Default for RoleFigures<F> {
    fn default() -> Self {
        Self { allocated: Quantities::default(), offered: Quantities::default(), frameworks: BTreeSet::new() }
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// The figures of every role in which a framework is known, and of those above. Goes through all frameworks and live
    /// offers, so not for every event.
    #[must_use]
    pub fn role_figures(&self) -> BTreeMap<Role, RoleFigures<F>> {
        let mut figures: BTreeMap<Role, RoleFigures<F>> = BTreeMap::new();
        let above = |role: &Role| std::iter::successors(Some(role.clone()), Role::parent);
        for client in self.clients.iter().flatten() {
            let Some(framework) = self.frameworks[client.framework as usize].as_ref() else { continue };
            for role in above(&client.role) {
                let figures = figures.entry(role).or_default();
                figures.frameworks.insert(framework.name.clone());
                figures.allocated.add(&client.claim);
            }
        }
        for offer in self.offers.values() {
            let Some(client) = self.clients[offer.client as usize].as_ref() else { continue };
            let offered = offer.left.quantities();
            for role in above(&client.role) {
                let figures = figures.entry(role).or_default();
                figures.allocated.subtract(&offered);
                figures.offered.add(&offered);
            }
        }
        figures
    }

    /// The weight of a role.
    #[must_use]
    pub fn role_weight(&self, role: &Role) -> Weight {
        self.roles.find(role).map(|node| self.roles.nodes[node as usize].weight).unwrap_or_default()
    }

    /// The live offers to frameworks in a role and below.
    pub fn offers_in<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = u64> + 'a {
        let within = |of: &Role| std::iter::successors(Some(of.clone()), Role::parent).any(|above| above == *role);
        self.offers
            .iter()
            .filter(move |(_, offer)| self.clients[offer.client as usize].as_ref().is_some_and(|it| within(&it.role)))
            .map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameworkInfo, Settings, Time, Turn};

    #[test]
    fn a_role_has_what_those_below_it_have() {
        let mut books = Allocator::<&str, &str>::new(Settings::default());
        let role = |text: &str| Role::new(text).unwrap();
        let bag = |text: &str| text.parse::<proffer_resources::ResourceBag>().unwrap();
        for (name, path) in [("ads", "eng/ads"), ("web", "eng/web")] {
            books.set_framework(&name, FrameworkInfo { roles: [role(path)].into(), ..FrameworkInfo::default() });
        }
        books.set_agent(&"node1", bag("cpus:4;mem:400"), true);
        books.allocate(&"node1", &"ads", &role("eng/ads"), &bag("cpus:1;mem:100"));
        books.begin_run(Time(0));
        let offered = matches!(books.next_turn(), Some(Turn::Offer(offer)) if offer.framework == "web");
        assert!(offered, "who has least comes first");
        let figures = books.role_figures();
        let eng = &figures[&role("eng")];
        assert_eq!(eng.frameworks, BTreeSet::from(["ads", "web"]));
        assert_eq!(
            (eng.allocated.to_string(), eng.offered.to_string()),
            ("cpus:1;mem:100".into(), "cpus:3;mem:300".into())
        );
        assert!(figures[&role("eng/ads")].offered.is_empty());
        assert_eq!(books.offers_in(&role("eng")).count(), 1);
        assert_eq!(books.offers_in(&role("eng/ads")).count(), 0);
    }
}
