//! Writes to Agent objects, which are made at the first registration.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::records;
use crate::registry::{Entry, Guarded};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use proffer_crds::Agent;
use proffer_master::{AgentRecord, ObjectKey, WriteOutcome};

impl Executor {
    /// Writes an agent's status, and makes its object first if there is none.
    pub(super) async fn agent_status(&self, record: &AgentRecord) -> WriteOutcome {
        let api: Api<Guarded<Agent>> = Api::all(self.client.clone());
        let name = record.agent.0.as_str();
        let key = ObjectKey::new("", name);
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            let failure = match self.registry.get::<Agent>(&key) {
                None => match self.make_agent(&api, name).await {
                    Ok(()) => continue,
                    Err(failure) => failure,
                },
                Some(entry) => {
                    let Ok(known) = entry.value() else {
                        return WriteOutcome::Refused("the object does not have an Agent's form".to_owned());
                    };
                    let before = known.status.as_ref();
                    if before.and_then(|status| status.master_epoch) > records::epoch_number(self.guard.epoch()) {
                        return WriteOutcome::Conflict;
                    }
                    let wanted = records::agent::status(record, known.metadata.generation, before, Timestamp::now());
                    if before == Some(&wanted) {
                        return WriteOutcome::Done;
                    }
                    let object = Guarded(Ok(Agent { status: Some(wanted), ..known.clone() }));
                    match request(api.replace_status(name, &PostParams::default(), &object)).await {
                        Ok(written) => {
                            self.registry.absorb(Entry::new(written));
                            return WriteOutcome::Done;
                        }
                        Err(failure) => failure,
                    }
                }
            };
            match failure {
                Failure::Conflict | Failure::AlreadyExists | Failure::NotFound => {
                    match self.look::<Agent>("", name, &mut backoff).await {
                        Ok(Some(())) => {}
                        // The watch tells that it is gone; with its node, it does not come back by itself.
                        Ok(None) => return WriteOutcome::Gone,
                        Err(why) => return WriteOutcome::Refused(why),
                    }
                }
                Failure::Again(why) => {
                    if let Err(why) = backoff.wait("agent status", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Failure::Refused(why) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Makes the object of an agent, owned by its node, so that it goes with it.
    async fn make_agent(&self, api: &Api<Guarded<Agent>>, name: &str) -> Result<(), Failure> {
        let uid = match self.registry.get::<Node>(&ObjectKey::new("", name)) {
            Some(node) => node.meta().uid.clone(),
            None => {
                request(Api::<Node>::all(self.client.clone()).get_opt(name)).await?.and_then(|node| node.metadata.uid)
            }
        };
        // An agent whose node is gone goes with it.
        let uid = uid.ok_or(Failure::NotFound)?;
        let object = Guarded(Ok(records::agent::object(name, &uid)));
        let made = request(api.create(&PostParams::default(), &object)).await?;
        self.registry.observe(Entry::new(made));
        Ok(())
    }
}
