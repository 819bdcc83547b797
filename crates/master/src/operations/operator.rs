//! Operations of operators (Mesos: `RESERVE_RESOURCES`, `CREATE_VOLUMES` and so on), on what is free or offered: offers in
//! the way are rescinded.

use super::Body;
use super::conversion::Conversion;
use crate::effect::{Effect, OperatorProblem};
use crate::ids::{AgentName, WriteId};
use crate::master::Master;
use std::collections::BTreeSet;

/// An operation of an operator whose objects are being written.
#[derive(Clone, Debug)]
pub(crate) struct OperatorTask {
    /// Writes that were not answered.
    writes: BTreeSet<WriteId>,
    /// Why it cannot be done.
    failed: Option<String>,
}

impl Master {
    /// An operator asks for an operation. It is answered once it is durable.
    pub(crate) fn operator_operation(&mut self, id: u64, agent: &AgentName, principal: Option<&str>, body: &Body) {
        match self.begin_operator_operation(agent, principal, body) {
            Err(problem) => self.push(Effect::Answer { id, result: Err(problem) }),
            Ok(writes) if writes.is_empty() => self.push(Effect::Answer { id, result: Ok(()) }),
            Ok(writes) => {
                self.operator_tasks.insert(id, OperatorTask { writes, failed: None });
            }
        }
    }

    fn begin_operator_operation(
        &mut self,
        agent: &AgentName,
        principal: Option<&str>,
        body: &Body,
    ) -> Result<BTreeSet<WriteId>, OperatorProblem> {
        let conversion = Conversion::of(body, None).map_err(OperatorProblem::Invalid)?;
        let known = self.agents.get(agent).filter(|known| known.has_registered());
        let known = known.ok_or_else(|| OperatorProblem::Invalid("No agent found with specified ID".to_owned()))?;
        let total = self.total_of(known);
        let Some(rest) = total.minus(&conversion.before) else {
            let why = format!("{total} does not contain {}", conversion.before);
            return Err(OperatorProblem::Conflict(why));
        };
        self.make_room(agent, &rest.plus(&conversion.after))
            .map_err(|lacking| OperatorProblem::Conflict(format!("{lacking} of agent {agent} is held by tasks")))?;
        let objects = self.plan_objects(agent, &conversion).map_err(OperatorProblem::Conflict)?;
        Ok(self.write_objects(agent, &objects, principal, false).into_iter().collect())
    }

    /// A write for an operation of an operator ended: with why not, if it was not done.
    pub(crate) fn operator_written(&mut self, write: WriteId, failed: Option<String>) {
        let Some((id, task)) = self.operator_tasks.iter_mut().find(|(_, task)| task.writes.contains(&write)) else {
            return;
        };
        let id = *id;
        task.writes.remove(&write);
        task.failed = task.failed.take().or(failed);
        if task.writes.is_empty() {
            let result = task.failed.take().map_or(Ok(()), |why| Err(OperatorProblem::Conflict(why)));
            self.operator_tasks.remove(&id);
            self.push(Effect::Answer { id, result });
        }
    }
}
