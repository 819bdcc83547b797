//! What users do: they create, delete and replace tasks, delete frameworks and make them again, deactivate agents.

use crate::api_server::{Object, StoredAgent, StoredTask, Subject};
use crate::happening::Happening;
use crate::plan::Act;
use crate::random::Random;
use crate::scheduler::NAMESPACE;
use crate::simulation::Simulation;
use proffer_master::{Command, ObjectKey, TaskId, TaskObject, TaskRequest};
use proffer_resources::{Amount, Resources};
use std::time::Duration;

impl Simulation {
    /// A user does something.
    pub(crate) fn act_as_user(&mut self, act: Act, number: usize, random: &mut Random) {
        match act {
            Act::Create => self.create_task(ObjectKey::new(NAMESPACE, format!("task{number}")), random),
            Act::Delete => {
                if let Some(id) = self.some_task(random) {
                    self.api.delete_task(&id);
                }
            }
            Act::Replace => {
                if let Some(id) = self.some_task(random) {
                    self.api.delete_task(&id);
                    self.agenda.at(self.now, Happening::Recreate(id.key, random.next()));
                }
            }
            Act::Refound => {
                let index = random.index(self.schedulers.len()).unwrap_or(0);
                self.api.remove(&Subject::Framework(self.schedulers[index].framework.clone()));
                let again = self.now.after(random.between(Duration::from_millis(10), Duration::from_secs(10)));
                self.agenda.at(again, Happening::Refounded(index));
            }
            Act::Deactivate => {
                let index = random.index(self.nodes.len()).unwrap_or(0);
                let subject = Subject::Agent(self.nodes[index].name.clone());
                self.set_deactivated(&subject, true);
                let again = self.now.after(random.between(Duration::from_secs(1), Duration::from_secs(15)));
                self.agenda.at(again, Happening::Relents(subject));
            }
        }
    }

    /// Makes another task of a name as soon as the object before is gone.
    pub(crate) fn recreate(&mut self, key: ObjectKey, seed: u64) {
        if self.api.get(&Subject::Task(key.clone())).is_none() {
            self.create_task(key, &mut Random::new(seed));
        } else if self.is_rough() {
            self.agenda.at(self.now.after(Duration::from_millis(300)), Happening::Recreate(key, seed));
        }
    }

    /// A foreign finalizer is taken off, or an agent activated.
    pub(crate) fn relent(&mut self, subject: &Subject) {
        let held = self.api.get(subject).and_then(|version| version.task()).map(|stored| stored.object.id.clone());
        match held {
            Some(task) => drop(self.api.change_task(&task, |stored| stored.foreign_finalizer = false)),
            None => self.set_deactivated(subject, false),
        }
    }

    fn set_deactivated(&mut self, subject: &Subject, deactivated: bool) {
        let stored = self.api.get(subject).map(|version| version.object.clone());
        if let Some(Object::Agent(stored)) = stored {
            self.api.put(Object::Agent(StoredAgent { deactivated, ..stored }));
        }
    }

    fn some_task(&self, random: &mut Random) -> Option<TaskId> {
        let ids: Vec<TaskId> = self.api.tasks().map(|stored| stored.object.id.clone()).collect();
        random.one_of(&ids)
    }

    fn create_task(&mut self, key: ObjectKey, random: &mut Random) {
        let usable: Vec<String> = self
            .schedulers
            .iter()
            .filter(|scheduler| scheduler.launches())
            .map(|scheduler| scheduler.framework.name.clone())
            .collect();
        // Half of all are for the built-in scheduler.
        let framework = if random.in_thousand(500) { usable.first().cloned() } else { random.one_of(&usable) };
        let cpus = Amount::from_thousandths(100 * (1 + random.below(12)));
        let request = TaskRequest {
            command: Command { value: "true".to_owned(), shell: true, ..Command::default() },
            role: None,
            resources: Resources::of(cpus, Amount::from_units(32)),
            ports: Self::ports(random),
            volumes: Vec::new(),
            cpu_limit: None,
            mem_limit: None,
            kill_grace: Duration::from_millis(random.below(3000)),
        };
        let (poison, held) = (random.in_thousand(self.plan.rates.poison), random.in_thousand(self.plan.rates.poison));
        let request = if poison { Err("resources.cpu: \"many\" is no quantity".to_owned()) } else { Ok(request) };
        self.created += 1;
        let object = TaskObject {
            id: TaskId { uid: format!("{}-{}", key.name, self.created), key: key.clone() },
            generation: 1,
            framework: framework.unwrap_or_default(),
            request,
            record: None,
            deleting: false,
            finalizer: false,
            owner: None,
            created: self.now,
            stream: None,
        };
        self.follows(|| format!("a user creates {} for {}", object.id.uid, object.framework));
        self.api.put(Object::Task(StoredTask { object, version: 0, foreign_finalizer: held }));
        if held {
            let until = self.now.after(random.between(Duration::from_secs(5), Duration::from_secs(40)));
            self.agenda.at(until, Happening::Relents(Subject::Task(key)));
        }
    }
}
