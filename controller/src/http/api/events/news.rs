//! What a change of an object means in Mesos' events.

use super::super::super::about::seconds;
use super::super::super::authorize::Sight;
use super::super::super::encoding::Encoding;
use super::super::super::stream::Record;
use super::super::super::view::{AgentView, ByRole, FrameworkView, Membership, TaskView, namespace};
use super::super::messages;
use crate::clock::Clock;
use crate::registry::{Entry, Followed, Registry, Turned};
use proffer_crds::{Agent, Framework, Task};
use proffer_master::ObjectKey;
use proffer_mesos_api::v1;
use proffer_mesos_api::v1::master::{Event, event};
use std::cell::OnceCell;
use std::sync::Arc;

/// An event, and who may hear of it.
pub(super) struct News {
    about: About,
    event: Box<Event>,
    json: OnceCell<Record>,
    protobuf: OnceCell<Record>,
}

enum About {
    Agent,
    /// A framework in this namespace.
    Framework(String),
    /// A task in this namespace.
    Task(String),
}

impl News {
    /// What a change means; nothing if Mesos has no event for it.
    pub(super) fn of(change: &Followed, registry: &Registry) -> Option<Self> {
        let (about, event) = match change {
            Followed::Framework(turned) => of_framework(turned)?,
            Followed::Task(turned) => of_task(turned, registry)?,
            Followed::Agent(turned) => (About::Agent, of_agent(turned)?),
            Followed::Everything(..) => return None,
        };
        Some(Self { about, event: Box::new(event), json: OnceCell::new(), protobuf: OnceCell::new() })
    }

    /// Whether who sees this much may hear of it.
    pub(super) fn may_be_seen(&self, sight: &Sight) -> bool {
        match &self.about {
            About::Agent => sight.agents,
            About::Framework(namespace) => sight.frameworks.contains(namespace),
            // As in the answers: tasks are told with their frameworks.
            About::Task(namespace) => sight.frameworks.contains(namespace) && sight.tasks.contains(namespace),
        }
    }

    /// The event in this encoding.
    pub(super) fn record(&self, encoding: Encoding) -> Record {
        let written = match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        };
        written.get_or_init(|| Record::new(&encoding.encode(&*self.event))).clone()
    }
}

fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Event::default() }
}

fn of_framework(turned: &Turned<Framework>) -> Option<(About, Event)> {
    let view = |entry: &Option<Arc<Entry<Framework>>>| {
        let view = FrameworkView::new(entry.as_deref()?).filter(|view| !view.completed)?;
        Some((view.key().0.to_owned(), messages::framework(&view)))
    };
    let (before, now) = (view(&turned.before), view(&turned.now));
    let (namespace, told) = match (before, now) {
        (None, None) => return None,
        (None, Some((namespace, framework))) => {
            let added = Some(event::FrameworkAdded { framework });
            (namespace, Event { framework_added: added, ..event(event::Type::FrameworkAdded) })
        }
        (Some((_, before)), Some((namespace, framework))) => {
            if before == framework {
                return None;
            }
            let updated = Some(event::FrameworkUpdated { framework });
            (namespace, Event { framework_updated: updated, ..event(event::Type::FrameworkUpdated) })
        }
        (Some((namespace, before)), None) => {
            let removed = Some(event::FrameworkRemoved { framework_info: before.framework_info });
            (namespace, Event { framework_removed: removed, ..event(event::Type::FrameworkRemoved) })
        }
    };
    Some((About::Framework(namespace), told))
}

fn of_task(turned: &Turned<Task>, registry: &Registry) -> Option<(About, Event)> {
    let entry = turned.now.as_deref()?;
    let now = view_of_task(entry)?;
    let before = turned.before.as_deref().and_then(view_of_task).map(|before| before.state);
    if before == Some(now.state) {
        return None;
    }
    let namespace = namespace(entry.meta());
    let key = ObjectKey::new(namespace, &now.object.spec.framework_ref.name);
    // A task that was accepted has a framework; one whose framework is gone is told no more, as in the answers.
    let framework = registry.get::<Framework>(&key)?;
    let framework = FrameworkView::new(&framework)?;
    let told = if before.is_some() {
        let updated = event::TaskUpdated {
            framework_id: messages::framework_id(framework.id),
            status: messages::newest_status(&now, seconds(Clock::start().now())),
            state: v1::TaskState::from(now.state).into(),
        };
        Event { task_updated: Some(updated), ..event(event::Type::TaskUpdated) }
    } else {
        let added = event::TaskAdded { task: messages::task(&framework, &now) };
        Event { task_added: Some(added), ..event(event::Type::TaskAdded) }
    };
    Some((About::Task(namespace.to_owned()), told))
}

fn view_of_task(entry: &Entry<Task>) -> Option<TaskView<'_>> {
    TaskView::new(entry.meta(), entry.value().ok()?)
}

/// An agent comes with what it has. What tasks hold of it is in their own events.
fn of_agent(turned: &Turned<Agent>) -> Option<Event> {
    let registered = |entry: &Option<Arc<Entry<Agent>>>| {
        let view = AgentView::new(entry.as_deref()?, ByRole::default(), ByRole::default())?;
        (view.membership == Membership::Registered).then(|| messages::agent(&view))
    };
    match (registered(&turned.before), registered(&turned.now)) {
        (None, Some(agent)) => {
            let added = Some(event::AgentAdded { agent });
            Some(Event { agent_added: added, ..event(event::Type::AgentAdded) })
        }
        (Some(before), None) => {
            let removed = Some(event::AgentRemoved { agent_id: before.agent_info.id? });
            Some(Event { agent_removed: removed, ..event(event::Type::AgentRemoved) })
        }
        _ => None,
    }
}
