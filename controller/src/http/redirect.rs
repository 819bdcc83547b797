//! The way to the leader, as Mesos' standbys tell it.

use super::Master;
use super::answer::text;
use crate::agent_link::Standing;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use proffer_master::Epoch;

impl Master {
    /// Whether this process holds the Lease.
    pub(super) fn is_holder(&self) -> bool {
        self.holder.borrow().as_ref() == Some(&self.me)
    }
}

/// Goes on in the leader only; any other process answers where the leader is.
#[expect(clippy::result_large_err, reason = "the answer is sent, not passed on")]
pub(super) fn leader_only(master: &Master, uri: &Uri) -> Result<Epoch, Response> {
    if let Standing::Leader { guard, .. } = &*master.standing.borrow() {
        return Ok(guard.epoch());
    }
    if master.is_holder() {
        return Err(text(StatusCode::SERVICE_UNAVAILABLE, "Master has not finished recovery"));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Err(to_leader(master, path))
}

/// `/redirect`: the leader's address, whoever is asked.
pub(super) async fn redirect(State(master): State<Master>) -> Response {
    to_leader(&master, "")
}

fn to_leader(master: &Master, path: &str) -> Response {
    match &*master.holder.borrow() {
        Some(leader) => {
            let location = format!("//{}{path}", leader.at(master.port));
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
        }
        None => text(StatusCode::SERVICE_UNAVAILABLE, "No leader elected"),
    }
}
