//! Schedulers subscribe, and say of their frameworks what is new.

use super::describe;
use crate::effect::Effect;
use crate::event::{Delivery, SchedulerKind, StreamObject, Subscription, WriteOutcome};
use crate::ids::{Connection, ObjectKey, WriteId};
use crate::master::Master;
use crate::record::FrameworkSpecRecord;
use crate::state::Write;
use crate::timers::Timer;
use proffer_mesos_api::v1::scheduler::{Event as V1Event, OfferConstraints, call, event};
use proffer_mesos_api::v1::{FrameworkId, FrameworkInfo};
use proffer_mesos_api::validation::framework;
use proffer_resources::Role;
use std::collections::BTreeSet;

/// Seconds between two heartbeats (Mesos: `DEFAULT_HEARTBEAT_INTERVAL`).
const HEARTBEAT_SECONDS: f64 = 15.0;

/// Somebody who waits until the object of a framework is written.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// That write.
    write: WriteId,
    /// The framework's ID in the Mesos API.
    framework_id: String,
    /// The roles in which it wants no offers.
    suppressed: BTreeSet<Role>,
    /// Who waits.
    who: Who,
}

#[derive(Debug)]
enum Who {
    /// A scheduler, to be subscribed by this stream.
    Subscriber(Connection),
    /// The asker of an `UPDATE_FRAMEWORK`.
    Updater(u64),
}

impl Master {
    /// A scheduler wants to subscribe.
    pub(crate) fn subscribe(&mut self, subscription: Subscription) {
        let connection = subscription.connection;
        if let Err(error) = self.admit(subscription) {
            self.push(Effect::CloseStream { connection, error: Some(error) });
        }
    }

    /// A framework says what is new of it, without subscribing again.
    pub(crate) fn update_framework(&mut self, connection: Connection, asked: u64, update: call::UpdateFramework) {
        if let Err(error) = self.change_framework(connection, asked, update) {
            self.push(Effect::AnswerUpdate { asked, answer: Err(error) });
        }
    }

    /// The spec of a framework that is served over a stream was written, or cannot be.
    pub(crate) fn framework_written(&mut self, key: &ObjectKey, write: WriteId, outcome: WriteOutcome) {
        // A later subscription waits for a later write.
        if self.streams.waiting.get(key).is_none_or(|waiting| waiting.write != write) {
            return;
        }
        let Some(waiting) = self.streams.waiting.remove(key) else { return };
        let written = match outcome {
            WriteOutcome::Done => Ok(()),
            WriteOutcome::Gone => Err("its namespace or its Framework object is gone".to_owned()),
            WriteOutcome::Conflict => Err("its Framework object was changed by somebody else meanwhile".to_owned()),
            WriteOutcome::Refused(why) => Err(why),
        };
        let refused = |why| format!("The framework cannot be recorded: {why}");
        match (waiting.who, written) {
            (Who::Subscriber(connection), Ok(())) => {
                self.attach(key, connection, &waiting.framework_id, &waiting.suppressed);
            }
            (Who::Subscriber(connection), Err(why)) => {
                self.push(Effect::CloseStream { connection, error: Some(refused(why)) });
            }
            (Who::Updater(asked), Ok(())) => {
                self.suppress_only(key, &waiting.suppressed);
                self.push(Effect::AnswerUpdate { asked, answer: Ok(()) });
            }
            (Who::Updater(asked), Err(why)) => {
                self.push(Effect::AnswerUpdate { asked, answer: Err(refused(why)) });
            }
        }
    }

    /// A stream ended on which a scheduler waits to be subscribed.
    pub(crate) fn give_up_waiting(&mut self, connection: Connection) {
        self.streams
            .waiting
            .retain(|_, waiting| !matches!(waiting.who, Who::Subscriber(waiter) if waiter == connection));
    }

    /// What a framework that is served over a stream said of itself, as its object has it.
    pub(crate) fn stream_object(&self, key: &ObjectKey) -> Option<&StreamObject> {
        self.frameworks.get(key)?.object.as_ref()?.stream.as_deref()
    }

    fn admit(&mut self, subscription: Subscription) -> Result<(), String> {
        let Subscription { connection, namespace, principal, subscribe, new_framework_id } = subscription;
        let call::Subscribe { mut framework_info, suppressed_roles, offer_constraints } = subscribe;
        let constraints = offer_constraints.unwrap_or_default();
        let suppressed = options(&framework_info, &suppressed_roles, &constraints)?;
        let asked_id = framework_info.id.take().map(|id| id.value).filter(|id| !id.is_empty());
        let known = asked_id.as_ref().and_then(|id| self.streams.frameworks.get(id)).cloned();
        let key = match (&asked_id, known) {
            (_, Some(key)) => {
                self.may_return(&key, principal.as_deref(), &mut framework_info)?;
                Some(key)
            }
            (Some(_), None) => None,
            (None, None) => self.unclaimed(&namespace, principal.as_deref(), &framework_info.name),
        };
        let framework_id = match &key {
            Some(key) => self.stream_object(key).map(|stream| stream.framework_id.clone()),
            None => asked_id,
        };
        let framework_id = framework_id.unwrap_or(new_framework_id);
        framework_info.id = Some(FrameworkId { value: framework_id.clone() });
        let key = key.unwrap_or_else(|| {
            // One who asks twice for the same unknown ID waits for the same object.
            let same = self.streams.waiting.iter().find(|(_, waiting)| waiting.framework_id == framework_id);
            let same = same.map(|(key, _)| key.clone());
            same.unwrap_or_else(|| self.name_of_framework(&namespace, &framework_info.name, &framework_id))
        });
        if self.says_the_same(&key, &framework_info, &constraints) && !self.streams.waiting.contains_key(&key) {
            self.attach(&key, connection, &framework_id, &suppressed);
        } else {
            let who = Who::Subscriber(connection);
            self.write_framework(key, framework_info, constraints, suppressed, who);
        }
        Ok(())
    }

    fn change_framework(
        &mut self,
        connection: Connection,
        asked: u64,
        update: call::UpdateFramework,
    ) -> Result<(), String> {
        let Some(key) = self.streams.connections.get(&connection).cloned() else {
            return Err("Framework is not subscribed".to_owned());
        };
        let call::UpdateFramework { framework_info, suppressed_roles, offer_constraints } = update;
        let constraints = offer_constraints.unwrap_or_default();
        framework::validate(&framework_info)
            .map_err(|error| format!("Supplied FrameworkInfo is not valid: {error}"))?;
        let Some(stream) = self.stream_object(&key) else { return Err("Framework cannot be found".to_owned()) };
        framework::validate_update(&stream.info, &framework_info)
            .map_err(|error| format!("FrameworkInfo update is not valid: {error}"))?;
        let suppressed = options(&framework_info, &suppressed_roles, &constraints)
            .map_err(|error| format!("'UpdateFramework' call is not valid: {error}"))?;
        if self.says_the_same(&key, &framework_info, &constraints) {
            self.suppress_only(&key, &suppressed);
            self.push(Effect::AnswerUpdate { asked, answer: Ok(()) });
        } else {
            self.write_framework(key, framework_info, constraints, suppressed, Who::Updater(asked));
        }
        Ok(())
    }

    /// Whether a scheduler may subscribe (again) for a framework that is known. What cannot change stays as it was, as in
    /// Mesos.
    fn may_return(&self, key: &ObjectKey, principal: Option<&str>, info: &mut FrameworkInfo) -> Result<(), String> {
        let Some(framework) = self.frameworks.get(key) else { return Ok(()) };
        if framework.stream.completed.is_some() {
            return Err("Framework has been removed".to_owned());
        }
        let Some(stream) = self.stream_object(key) else { return Ok(()) };
        let owner = framework.object.as_ref().and_then(|object| object.principal.clone());
        if owner != info.principal || principal.is_some() && owner.as_deref() != principal {
            return Err("Changing framework's principal is not allowed.".to_owned());
        }
        if framework.stream.subscribed {
            info.user.clone_from(&stream.info.user);
            info.checkpoint = stream.info.checkpoint;
        }
        Ok(())
    }

    /// A Framework object that was made beforehand for this principal, and by which nobody ever subscribed: of the same name
    /// as the framework if there is one, else the first.
    fn unclaimed(&self, namespace: &str, principal: Option<&str>, name: &str) -> Option<ObjectKey> {
        let candidates = self.frameworks.iter().filter(|(key, framework)| {
            let object = framework.object.as_ref();
            key.namespace == namespace
                && framework.scheduler() == Some(SchedulerKind::External(Delivery::Stream))
                && !framework.stream.subscribed
                && framework.stream.completed.is_none()
                && !self.streams.waiting.contains_key(*key)
                && object.is_some_and(|object| object.principal.as_deref() == principal)
        });
        let keys: Vec<&ObjectKey> = candidates.map(|(key, _)| key).collect();
        keys.iter().find(|key| key.name == name).or(keys.first()).map(|key| (*key).clone())
    }

    fn says_the_same(&self, key: &ObjectKey, info: &FrameworkInfo, constraints: &OfferConstraints) -> bool {
        self.frameworks.get(key).is_some_and(|framework| framework.stream.subscribed)
            && self.stream_object(key).is_some_and(|stream| stream.info == *info && stream.constraints == *constraints)
    }

    fn write_framework(
        &mut self,
        key: ObjectKey,
        info: FrameworkInfo,
        constraints: OfferConstraints,
        suppressed: BTreeSet<Role>,
        who: Who,
    ) {
        let write = self.new_write();
        self.writes.insert(write, Write::Framework(key.clone()));
        let framework_id = info.id.as_ref().map(|id| id.value.clone()).unwrap_or_default();
        let uid = self.frameworks.get(&key).and_then(|framework| framework.uid().map(ToOwned::to_owned));
        let spec = FrameworkSpecRecord { key: key.clone(), uid, framework_id: framework_id.clone(), info, constraints };
        self.push(Effect::WriteFrameworkSpec { write, spec: Box::new(spec) });
        let replaced = self.streams.waiting.insert(key, Waiting { write, framework_id, suppressed, who });
        match replaced.map(|waiting| waiting.who) {
            Some(Who::Subscriber(connection)) => {
                let error = Some("Framework failed over".to_owned());
                self.push(Effect::CloseStream { connection, error });
            }
            // Its change may be there for a moment, until the later one is.
            Some(Who::Updater(asked)) => self.push(Effect::AnswerUpdate { asked, answer: Ok(()) }),
            None => {}
        }
    }

    /// A scheduler is subscribed from now on, and any that was before is not.
    fn attach(&mut self, key: &ObjectKey, connection: Connection, framework_id: &str, suppressed: &BTreeSet<Role>) {
        let Some(framework) = self.frameworks.get(key).filter(|framework| framework.object.is_some()) else {
            let error = Some("Framework has been removed".to_owned());
            self.push(Effect::CloseStream { connection, error });
            return;
        };
        if let Some(Err(problem)) = framework.object.as_ref().map(|object| &object.scheduler) {
            let error = Some(format!("The framework cannot be served: {problem}"));
            self.push(Effect::CloseStream { connection, error });
            return;
        }
        if let Some(before) = framework.stream.connection {
            self.streams.connections.remove(&before);
            let error = Some("Framework failed over".to_owned());
            self.push(Effect::CloseStream { connection: before, error });
        }
        if let Some(framework) = self.frameworks.get_mut(key) {
            // What is told of its offers from here on is for the new one, who does not know them.
            framework.stream.connection = None;
        }
        self.take_offers_back(key, "the scheduler of its framework has subscribed anew");
        let framework = self.framework_mut(key);
        framework.stream.connection = Some(connection);
        framework.stream.disconnected_at = None;
        framework.stream.subscribed = true;
        self.streams.connections.insert(connection, key.clone());
        self.timers.clear(&Timer::FailoverDue(key.clone()));
        self.suppress_only(key, suppressed);
        self.allocator.set_active(key, true);
        self.push(Effect::Subscribed { connection, framework_id: framework_id.to_owned() });
        let subscribed = event::Subscribed {
            framework_id: FrameworkId { value: framework_id.to_owned() },
            heartbeat_interval_seconds: Some(HEARTBEAT_SECONDS),
            master_info: Some(self.config.master_info.clone()),
        };
        self.push(Effect::Notify {
            connection,
            event: Box::new(V1Event {
                r#type: Some(event::Type::Subscribed.into()),
                subscribed: Some(subscribed),
                ..V1Event::default()
            }),
        });
        self.tell_pending_updates(key);
        self.changed_frameworks.insert(key.clone());
    }

    /// A framework wants no offers in exactly these of its roles. Those that it wants again are as revived.
    fn suppress_only(&mut self, key: &ObjectKey, suppressed: &BTreeSet<Role>) {
        let Some(framework) = self.frameworks.get_mut(key) else { return };
        let before = std::mem::replace(&mut framework.suppressed, suppressed.clone());
        let revived: BTreeSet<Role> = before.difference(suppressed).cloned().collect();
        self.tell_allocator(key);
        if !revived.is_empty() {
            self.allocator.revive(key, &revived);
        }
        self.rescind_suppressed(key);
    }
}

/// What a scheduler says beside who its framework is. The roles in which it wants no offers, if all is well.
fn options(
    info: &FrameworkInfo,
    suppressed: &[String],
    constraints: &OfferConstraints,
) -> Result<BTreeSet<Role>, String> {
    framework::validate(info).map_err(|error| error.to_string())?;
    framework::suppressed_roles(info, suppressed).map_err(|error| error.to_string())?;
    framework::offer_constraints_roles(info, constraints).map_err(|error| error.to_string())?;
    describe::constraints(constraints).map_err(|error| format!("Offer constraints are not valid: {error}"))?;
    suppressed.iter().map(|role| Role::new(role).map_err(|error| error.to_string())).collect()
}
