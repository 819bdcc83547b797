//! What users do: they create tasks, delete some, and a framework answers its offers.

use crate::happening::{Happening, LeaderId};
use crate::simulation::Simulation;
use proffer_master::{
    Command, Event, FrameworkObject, ObjectKey, OfferId, OfferReply, PortRequest, SchedulerKind, Strategy, TaskId,
    TaskObject, TaskRequest,
};
use proffer_resources::{Amount, Resources};
use std::time::Duration;

const NAMESPACE: &str = "sim";

impl Simulation {
    pub(crate) fn create_frameworks(&mut self) {
        let strategy = if self.random.in_thousand(500) { Strategy::BinPack } else { Strategy::Spread };
        for (name, scheduler) in [("batch", SchedulerKind::BuiltIn(strategy)), ("offers", SchedulerKind::OfferObjects)]
        {
            let key = ObjectKey::new(NAMESPACE, name);
            let object = FrameworkObject {
                key: key.clone(),
                uid: format!("framework-{name}"),
                generation: 1,
                scheduler: Ok(scheduler),
                roles: vec!["*".to_owned()],
                offer_timeout: None,
                history_limit: 1000,
            };
            self.api.frameworks.insert(key, object);
        }
    }

    /// Creates a few tasks, now and then deletes one.
    pub(crate) fn workload(&mut self) {
        for _ in 0..=self.random.below(3) {
            if self.created < self.options.tasks {
                self.create_task();
            }
        }
        if self.is_rough() && self.random.in_thousand(100) {
            let ids: Vec<TaskId> = self.api.tasks.keys().cloned().collect();
            if let Some(index) = self.random.index(ids.len()) {
                self.api.delete_task(&ids[index]);
            }
        }
        if self.is_rough() || self.created < self.options.tasks {
            self.soon(Happening::Workload, Duration::from_millis(1), Duration::from_secs(4));
        }
    }

    fn create_task(&mut self) {
        self.created += 1;
        let name = format!("task{}", self.created);
        let framework = if self.random.in_thousand(700) { "batch" } else { "offers" };
        let cpus = Amount::from_thousandths(100 * (1 + self.random.below(6)));
        let request = TaskRequest {
            command: Command { value: "true".to_owned(), shell: true, ..Command::default() },
            resources: Resources::of(cpus, Amount::from_units(32)),
            ports: if self.random.in_thousand(300) { PortRequest::Count(1) } else { PortRequest::None },
            cpu_limit: None,
            mem_limit: None,
            kill_grace: Duration::from_millis(self.random.below(3000)),
        };
        self.api.create_task(TaskObject {
            id: TaskId { uid: format!("uid-{name}"), key: ObjectKey::new(NAMESPACE, name) },
            generation: 1,
            framework: framework.to_owned(),
            request: Ok(request),
            record: None,
            deleting: false,
            finalizer: false,
            owner: None,
            created: self.now,
        });
    }

    /// The framework that takes offers accepts for what waits, and declines the rest.
    pub(crate) fn replies(&mut self) {
        let waiting: Vec<String> = self
            .api
            .tasks
            .iter()
            .filter(|(_, stored)| stored.object.framework == "offers")
            .filter(|(_, stored)| stored.object.record.as_ref().is_none_or(|record| record.state.is_none()))
            .map(|(id, _)| id.key.name.clone())
            .collect();
        let offers: Vec<OfferId> = self.api.offers.keys().cloned().collect();
        for offer in offers {
            if !self.random.in_thousand(600) {
                continue;
            }
            let Some(terms) = self.api.offers.remove(&offer) else { continue };
            let refuse = Some(Duration::from_millis(self.random.below(3000)));
            let reply = match self.random.index(waiting.len()) {
                Some(index) => OfferReply::Accept { launch: vec![waiting[index].clone()], refuse },
                None => OfferReply::Decline { refuse },
            };
            let Some(leader) = self.leaders.iter().position(|leader| leader.alive && leader.epoch == terms.epoch)
            else {
                continue;
            };
            let event = Box::new(Event::OfferReplied { offer, reply });
            let told = Happening::Told(LeaderId(leader), event, (0, 0));
            self.soon(told, Duration::from_micros(200), Duration::from_millis(20));
        }
        self.soon(Happening::Replies, Duration::from_millis(50), Duration::from_secs(1));
    }
}
