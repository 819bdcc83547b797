//! An answer in either encoding.

use super::super::encoding::Encoding;
use proffer_mesos_api::Described;
use proffer_mesos_api::json::{self, ArrayWriter, ObjectWriter};
use proffer_mesos_api::v1::master::{Response as Reply, response};

/// Writes an answer.
pub(super) fn written(reply: &Reply, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => encoding.encode(reply),
        Encoding::Json => as_json(reply).into_bytes(),
    }
}

/// JSON as Mesos has it: lists of the large answers are there even when they are empty.
fn as_json(reply: &Reply) -> String {
    let large = reply.get_state.is_some()
        || reply.get_tasks.is_some()
        || reply.get_executors.is_some()
        || reply.get_frameworks.is_some()
        || reply.get_agents.is_some();
    if !large {
        return json::encode(reply);
    }
    let mut body = String::new();
    json::object(&mut body, |out| {
        out.string("type", reply.r#type().as_str_name());
        if let Some(state) = &reply.get_state {
            out.object("get_state", |out| {
                of_parts(
                    out,
                    state.get_tasks.as_ref(),
                    state.get_executors.as_ref(),
                    state.get_frameworks.as_ref(),
                    state.get_agents.as_ref(),
                );
            });
        }
        of_parts(
            out,
            reply.get_tasks.as_ref(),
            reply.get_executors.as_ref(),
            reply.get_frameworks.as_ref(),
            reply.get_agents.as_ref(),
        );
    });
    body
}

fn of_parts(
    out: &mut ObjectWriter<'_>,
    tasks: Option<&response::GetTasks>,
    executors: Option<&response::GetExecutors>,
    frameworks: Option<&response::GetFrameworks>,
    agents: Option<&response::GetAgents>,
) {
    if let Some(tasks) = tasks {
        out.object("get_tasks", |out| {
            out.array("tasks", |out| list(out, &tasks.tasks));
            out.array("unreachable_tasks", |out| list(out, &tasks.unreachable_tasks));
            out.array("completed_tasks", |out| list(out, &tasks.completed_tasks));
        });
    }
    if let Some(executors) = executors {
        out.object("get_executors", |out| out.array("executors", |out| list(out, &executors.executors)));
    }
    if let Some(frameworks) = frameworks {
        out.object("get_frameworks", |out| {
            out.array("frameworks", |out| list(out, &frameworks.frameworks));
            out.array("completed_frameworks", |out| list(out, &frameworks.completed_frameworks));
        });
    }
    if let Some(agents) = agents {
        out.object("get_agents", |out| {
            out.array("agents", |out| list(out, &agents.agents));
            out.array("recovered_agents", |out| list(out, &agents.recovered_agents));
        });
    }
}

fn list<M: Described>(out: &mut ArrayWriter<'_>, messages: &[M]) {
    for message in messages {
        json::write(message, out.value());
    }
}
