//! Clusters to measure on.

use proffer_allocator::{Allocator, FrameworkInfo, Settings};
use proffer_resources::{ResourceBag, Role};

/// The books, with names as long as real ones.
pub(crate) type Books = Allocator<String, String>;

/// Name of an agent.
pub(crate) fn agent(number: usize) -> String {
    format!("node-{number:06}.cluster.example")
}

/// Name of a framework.
pub(crate) fn framework(number: usize) -> String {
    format!("namespace/framework-{number:05}")
}

/// A role by number.
pub(crate) fn role(number: usize) -> Role {
    named(&format!("role-{number}"))
}

/// A role by name; `*` if it cannot be one, which the names here never are.
pub(crate) fn named(name: &str) -> Role {
    Role::new(name).unwrap_or_else(|_| Role::any())
}

/// Resources by their text form; nothing if that is wrong, which the texts here never are.
pub(crate) fn bag(text: &str) -> ResourceBag {
    text.parse().unwrap_or_default()
}

/// What Mesos' benchmarks give an agent.
pub(crate) const AGENT: &str = "cpus:24;mem:4096;disk:4096;ports:[31000-32000]";

/// Usable agents and frameworks, each framework in one of so many roles.
pub(crate) fn cluster(agents: usize, each: &str, frameworks: usize, roles: usize) -> Books {
    let mut books = Books::new(Settings { seed: Some(1), ..Settings::default() });
    for number in 0..frameworks {
        subscribe(&mut books, &framework(number), &role(number % roles));
    }
    let total = bag(each);
    for number in 0..agents {
        books.set_agent(&agent(number), total.clone(), true);
    }
    books
}

/// A framework subscribes in a role.
pub(crate) fn subscribe(books: &mut Books, name: &str, role: &Role) {
    let info = FrameworkInfo { roles: [role.clone()].into(), ..FrameworkInfo::default() };
    books.set_framework(&name.to_owned(), info);
}
