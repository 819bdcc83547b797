//! Reservations and volumes of one agent: checked here, carried out by the master, on what is free or offered.

use super::{Endpoint, Operator, bad, list};
use crate::agent_link::Standing;
use crate::auth::{Action, Object};
use crate::http::answer::text;
use crate::http::view::{AgentView, ByRole, Membership, reserved_by_agent};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use proffer_crds::Reservation;
use proffer_master::resources::{from_v1, to_v1};
use proffer_master::{AgentName, Event, OperationBody, OperatorProblem};
use proffer_mesos_api::v1::master::Call;
use proffer_mesos_api::v1::master::call::Type;
use proffer_mesos_api::v1::offer::Operation;
use proffer_mesos_api::v1::offer::operation::{
    Create, Destroy, GrowVolume, Reserve, ShrinkVolume, Type as OperationType, Unreserve,
};
use proffer_mesos_api::v1::{AgentId, Resource as V1Resource};
use proffer_mesos_api::validation::{Invalid, operation as check, resource};
use proffer_resources::{Amount, Resource, ResourceBag};

/// An operation and the agent that it is for.
type Asked = (String, Operation);

impl Operator {
    /// POST of `/reserve` and its relatives: a form with `slaveId` and a list of resources in JSON.
    pub(super) async fn post_operation(&self, endpoint: Endpoint, body: &[u8]) -> Result<Response, Response> {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        // Of a name that is there twice, the last counts.
        let field = |name: &str| form.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let missing = |name: &str| format!("Missing '{name}' query parameter in the request body");
        let listed = |name: &str| -> Result<Vec<V1Resource>, String> {
            let given = field(name).ok_or_else(|| missing(name))?;
            let verb = if endpoint == Endpoint::Reserve { "Error parsing" } else { "Error in parsing" };
            list(given.as_bytes()).map_err(|why| format!("{verb} '{name}' query parameter in the request body: {why}"))
        };
        let operation = match endpoint {
            Endpoint::Reserve => listed("resources").and_then(|resources| {
                let source = if field("source").is_some() { listed("source")? } else { Vec::new() };
                Ok(reserve(source, resources))
            }),
            Endpoint::Unreserve => listed("resources").map(unreserve),
            Endpoint::CreateVolumes => listed("volumes").map(create),
            _ => listed("volumes").map(destroy),
        };
        let agent = field("slaveId").ok_or_else(|| bad(missing("slaveId")))?.to_owned();
        let operation = operation.map_err(bad)?;
        self.carry_out((agent, operation)).await
    }

    /// `RESERVE_RESOURCES` and its relatives.
    pub(super) async fn operation(&self, call: Call) -> Result<Response, Response> {
        let asked = asked(call).ok_or_else(|| bad("Failed to validate master::Call: its body is not there"))?;
        self.carry_out(asked).await
    }

    /// Checks, authorizes, and asks the master; answers when it is durable. Mesos answers when it told the agent, with the
    /// same status.
    async fn carry_out(&self, (id, operation): Asked) -> Result<Response, Response> {
        let no_agent = || bad("No agent found with specified ID");
        let entry = self.agent(&id).ok_or_else(no_agent)?;
        let agent = AgentView::new(&entry, ByRole::default(), ByRole::default())
            .filter(|agent| agent.membership == Membership::Registered)
            .ok_or_else(no_agent)?;
        let reservations = self.master.registry.all::<Reservation>();
        let reserved = reserved_by_agent(&reservations).remove(agent.name).unwrap_or_default();
        let kind = operation.r#type();
        let invalid = |why: String| {
            let on = match kind {
                OperationType::Unreserve | OperationType::Destroy => String::new(),
                _ => format!(" on agent {id} at {} ({})", agent.pid(), agent.name),
            };
            bad(format!("Invalid {} operation{on}: {why}", kind.as_str_name()))
        };
        let body = read(operation, self.caller.principal(), &reserved).map_err(|wrong| match wrong {
            Wrong::Resources(why) => bad(why.to_string()),
            Wrong::Operation(why) => invalid(why),
        })?;
        for action in actions(&body) {
            self.may(action, Object::CLUSTER).await?;
        }
        let inbox = match &*self.master.standing.borrow() {
            Standing::Leader { inbox, .. } => inbox.clone(),
            Standing::Standby => return Err(text(StatusCode::SERVICE_UNAVAILABLE, "No leader elected")),
        };
        let ended = || text(StatusCode::SERVICE_UNAVAILABLE, "The master ended");
        let (id, answered) = self.master.operators.ask();
        let event = Event::OperatorOperation {
            id,
            agent: AgentName(agent.name.to_owned()),
            principal: self.caller.principal().map(ToOwned::to_owned),
            operation: body,
        };
        if inbox.schedulers.send(event).await.is_err() {
            self.master.operators.answer(id, Ok(()));
            return Err(ended());
        }
        match answered.await {
            Ok(Ok(())) => Ok(StatusCode::ACCEPTED.into_response()),
            Ok(Err(OperatorProblem::Invalid(why))) => Err(invalid(why)),
            Ok(Err(OperatorProblem::Conflict(why))) => Err(text(StatusCode::CONFLICT, why)),
            Err(_) => Err(ended()),
        }
    }
}

/// What is wrong with an operation, by where Mesos finds it.
enum Wrong {
    /// Its resources.
    Resources(Invalid),
    /// What it would do with them.
    Operation(String),
}

fn asked(call: Call) -> Option<Asked> {
    let id = |id: Option<AgentId>| id.map(|id| id.value).unwrap_or_default();
    Some(match call.r#type() {
        Type::ReserveResources => {
            let body = call.reserve_resources?;
            (body.agent_id.value, reserve(body.source, body.resources))
        }
        Type::UnreserveResources => {
            let body = call.unreserve_resources?;
            (body.agent_id.value, unreserve(body.resources))
        }
        Type::CreateVolumes => {
            let body = call.create_volumes?;
            (body.agent_id.value, create(body.volumes))
        }
        Type::DestroyVolumes => {
            let body = call.destroy_volumes?;
            (body.agent_id.value, destroy(body.volumes))
        }
        Type::GrowVolume => {
            let body = call.grow_volume?;
            let grow_volume = Some(Box::new(GrowVolume { volume: body.volume, addition: body.addition }));
            (id(body.agent_id), Operation { grow_volume, ..of_type(OperationType::GrowVolume) })
        }
        Type::ShrinkVolume => {
            let body = call.shrink_volume?;
            let shrink_volume = Some(Box::new(ShrinkVolume { volume: body.volume, subtract: body.subtract }));
            (id(body.agent_id), Operation { shrink_volume, ..of_type(OperationType::ShrinkVolume) })
        }
        _ => return None,
    })
}

fn of_type(kind: OperationType) -> Operation {
    Operation { r#type: Some(kind.into()), ..Operation::default() }
}

fn reserve(source: Vec<V1Resource>, resources: Vec<V1Resource>) -> Operation {
    Operation { reserve: Some(Reserve { source, resources }), ..of_type(OperationType::Reserve) }
}

fn unreserve(resources: Vec<V1Resource>) -> Operation {
    Operation { unreserve: Some(Unreserve { resources }), ..of_type(OperationType::Unreserve) }
}

fn create(volumes: Vec<V1Resource>) -> Operation {
    Operation { create: Some(Create { volumes }), ..of_type(OperationType::Create) }
}

fn destroy(volumes: Vec<V1Resource>) -> Operation {
    Operation { destroy: Some(Destroy { volumes }), ..of_type(OperationType::Destroy) }
}

/// The rights that an operation needs.
fn actions(body: &OperationBody) -> Vec<Action> {
    match body {
        OperationBody::Reserve { source, .. } if source.is_empty() => vec![Action::ReserveResources],
        OperationBody::Reserve { .. } => vec![Action::ReserveResources, Action::UnreserveResources],
        OperationBody::Unreserve(_) => vec![Action::UnreserveResources],
        OperationBody::Create(_) => vec![Action::CreateVolumes],
        OperationBody::Destroy(_) => vec![Action::DestroyVolumes],
        OperationBody::GrowVolume { .. } | OperationBody::ShrinkVolume { .. } => vec![Action::ResizeVolumes],
        // Only frameworks do these, and `read` makes none of them.
        OperationBody::Launch(_) | OperationBody::Asked(_) | OperationBody::OfProvider { .. } => vec![Action::RunTasks],
    }
}

/// Checks an operation as Mesos does, in its order and words; `reserved` is what its agent keeps for roles.
fn read(mut asked: Operation, principal: Option<&str>, reserved: &ResourceBag) -> Result<OperationBody, Wrong> {
    // Only frameworks may not say what is reserved otherwise so far.
    let mut source = asked.reserve.as_mut().map(|reserve| std::mem::take(&mut reserve.source)).unwrap_or_default();
    check::validate_and_upgrade(&mut asked).map_err(Wrong::Resources)?;
    resource::validate_each(&source).map_err(Wrong::Resources)?;
    source.iter_mut().for_each(resource::upgrade);
    if let Some(reserve) = &mut asked.reserve {
        reserve.source = source;
    }
    body(asked, principal, reserved).map_err(Wrong::Operation)
}

fn body(asked: Operation, principal: Option<&str>, reserved: &ResourceBag) -> Result<OperationBody, String> {
    let text = |invalid: Invalid| invalid.to_string();
    let kind = asked.r#type();
    match asked {
        Operation { reserve: Some(reserve), .. } if kind == OperationType::Reserve => {
            check::reserve(&reserve, principal, None).map_err(text)?;
            Ok(OperationBody::Reserve { source: from_v1(&reserve.source)?, resources: from_v1(&reserve.resources)? })
        }
        Operation { unreserve: Some(unreserve), .. } if kind == OperationType::Unreserve => {
            check::unreserve(&unreserve).map_err(text)?;
            Ok(OperationBody::Unreserve(from_v1(&unreserve.resources)?))
        }
        Operation { create: Some(create), .. } if kind == OperationType::Create => {
            check::create(&create, &to_v1(reserved, None, true), principal, None).map_err(text)?;
            Ok(OperationBody::Create(from_v1(&create.volumes)?))
        }
        Operation { destroy: Some(destroy), .. } if kind == OperationType::Destroy => {
            check::destroy(&destroy).map_err(text)?;
            let volumes = from_v1(&destroy.volumes)?;
            if !reserved.contains(&volumes) {
                return Err("Persistent volumes not found".to_owned());
            }
            Ok(OperationBody::Destroy(volumes))
        }
        Operation { grow_volume: Some(grow), .. } if kind == OperationType::GrowVolume => {
            check::grow_volume(&grow).map_err(text)?;
            Ok(OperationBody::GrowVolume { volume: one(&grow.volume)?, addition: one(&grow.addition)? })
        }
        Operation { shrink_volume: Some(shrink), .. } if kind == OperationType::ShrinkVolume => {
            check::shrink_volume(&shrink).map_err(text)?;
            let amount = Amount::from_float(shrink.subtract.value);
            let subtract = amount.ok_or_else(|| format!("{} is no amount", shrink.subtract.value))?;
            Ok(OperationBody::ShrinkVolume { volume: one(&shrink.volume)?, subtract })
        }
        _ => Err(format!("Unknown operation {}", kind.as_str_name())),
    }
}

fn one(resource: &V1Resource) -> Result<Resource, String> {
    let bag: ResourceBag = from_v1(std::slice::from_ref(resource))?;
    bag.iter().next().cloned().ok_or_else(|| format!("resource {:?} is empty", resource.name))
}
