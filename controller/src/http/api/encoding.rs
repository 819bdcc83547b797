//! The two encodings of a call and its answer.

use axum::http::HeaderValue;
use proffer_mesos_api::json::{self, ArrayWriter, ObjectWriter};
use proffer_mesos_api::v1::master::{Call, Response as Reply, response};
use proffer_mesos_api::{Described, decode, encode};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// The encoding of this media type, which must be written exactly so.
    pub(super) fn named(media_type: &[u8]) -> Option<Self> {
        [Self::Json, Self::Protobuf].into_iter().find(|encoding| encoding.media_type().as_bytes() == media_type)
    }

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// The encoding that an `Accept` header wants: JSON if it may be, and without a header.
    pub(super) fn wanted(accept: Option<&HeaderValue>) -> Option<Self> {
        let Some(accept) = accept else { return Some(Self::Json) };
        let accept = accept.to_str().ok()?;
        let accepts = |encoding: &Self| {
            accept.split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let wanted = parts.next().unwrap_or_default();
                // A quality of zero is a refusal.
                let refused = parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse() == Ok(0.0_f64));
                !refused && (wanted == "*/*" || wanted == "application/*" || wanted == encoding.media_type())
            })
        };
        [Self::Json, Self::Protobuf].into_iter().find(accepts)
    }

    /// Reads a call; why not is in Mesos' words.
    pub(super) fn decode(self, body: &[u8]) -> Result<Call, String> {
        match self {
            Self::Protobuf => decode(body).map_err(|_| "Failed to parse body into Call protobuf".to_owned()),
            Self::Json => json::decode(body).map_err(|error| match error {
                json::Error::Syntax(_) => format!("Failed to parse body into JSON: {error}"),
                _ => format!("Failed to convert JSON into Call protobuf: {error}"),
            }),
        }
    }

    /// Writes an answer.
    pub(super) fn encode(self, reply: &Reply) -> Vec<u8> {
        match self {
            Self::Protobuf => encode(reply),
            Self::Json => as_json(reply).into_bytes(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_preferred_where_it_is_accepted() {
        for (accept, wanted) in [
            ("application/json", Some(Encoding::Json)),
            ("application/x-protobuf", Some(Encoding::Protobuf)),
            ("application/x-protobuf, application/json", Some(Encoding::Json)),
            ("application/json;q=0, application/x-protobuf", Some(Encoding::Protobuf)),
            ("*/*", Some(Encoding::Json)),
            ("text/plain", None),
        ] {
            assert_eq!(Encoding::wanted(Some(&HeaderValue::from_static(accept))), wanted, "{accept}");
        }
        assert_eq!(Encoding::wanted(None), Some(Encoding::Json));
    }
}
