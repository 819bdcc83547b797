//! Calls, one after the other.

use super::connection::{Connection, body_of, text_of};
use super::{Client, HttpError};
use crate::session::{Attempt, Subscription};
use crate::{MasterUrl, v1};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::sync::Arc;
use tokio::sync::Mutex;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Taken: 202, or 200.
    Taken,
    /// 307 with this location.
    NotLeader(String),
    /// Any other status.
    Refused(u16, String),
    /// It did not leave.
    NotSent(HttpError),
    /// It left, and nothing more is known.
    Unanswered(HttpError),
}

/// A connection for calls. Whoever waits for it gets it in the order of asking.
#[derive(Debug)]
pub(crate) struct Lane {
    client: Arc<Client>,
    /// Taken out while a call is under way: one that is given up takes its connection with it.
    /// Of one subscription only: after a fail-over, the same name may lead to another master.
    idle: Mutex<Option<(Attempt, Connection)>>,
}

impl Lane {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client, idle: Mutex::new(None) }
    }

    /// Sends a call, after those that were asked for before. `subscription` is asked when it is this call's turn;
    /// nothing if there is none then.
    pub(crate) async fn call(
        &self,
        subscription: impl FnOnce() -> Option<Subscription>,
        mut call: v1::scheduler::Call,
    ) -> Option<(Subscription, Outcome)> {
        let mut idle = self.idle.lock().await;
        let subscription = subscription()?;
        call.framework_id = Some(subscription.framework_id.clone());
        let connection = idle.take().filter(|(attempt, _)| *attempt == subscription.attempt).map(|(_, idle)| idle);
        let limit = self.client.answer_timeout;
        let mut sent = false;
        let exchange = tokio::time::timeout(limit, self.exchange(&subscription, connection, &call, &mut sent)).await;
        let (connection, outcome) = match exchange {
            Ok(Ok(done)) => done,
            Ok(Err(error)) if sent => return Some((subscription, Outcome::Unanswered(error))),
            Ok(Err(error)) => return Some((subscription, Outcome::NotSent(error))),
            Err(_) if sent => return Some((subscription, Outcome::Unanswered(HttpError::TimedOut(limit)))),
            Err(_) => return Some((subscription, Outcome::NotSent(HttpError::TimedOut(limit)))),
        };
        *idle = Some((subscription.attempt, connection));
        Some((subscription, outcome))
    }

    /// Waits until the calls that were asked for before are through.
    pub(crate) async fn drained(&self) {
        drop(self.idle.lock().await);
    }

    async fn exchange(
        &self,
        subscription: &Subscription,
        connection: Option<Connection>,
        call: &v1::scheduler::Call,
        sent: &mut bool,
    ) -> Result<(Connection, Outcome), HttpError> {
        let request = self.client.request(&subscription.master, Some(&subscription.stream_id), call).await?;
        let (connection, answer) = self.send(&subscription.master, connection, request, sent).await?;
        let status = answer.status().as_u16();
        let location = text_of(&answer, "location").map(str::to_owned);
        if status == 401 {
            self.client.authorization.refused();
        }
        let text = body_of(answer).await;
        let outcome = match (status, location) {
            (200 | 202, _) => Outcome::Taken,
            (307, Some(location)) => Outcome::NotLeader(location),
            _ => Outcome::Refused(status, text),
        };
        Ok((connection, outcome))
    }

    /// Sends on the idle connection; should the master have closed it meanwhile, on a new one.
    async fn send(
        &self,
        master: &MasterUrl,
        connection: Option<Connection>,
        request: Request<Full<Bytes>>,
        sent: &mut bool,
    ) -> Result<(Connection, Response<Incoming>), HttpError> {
        let mut request = request;
        if let Some(mut connection) = connection
            && connection.ready().await.is_ok()
        {
            *sent = true;
            match connection.try_send_request(request).await {
                Ok(answer) => return Ok((connection, answer)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(HttpError::Connection(error.into_error())),
                },
            }
        }
        *sent = false;
        let mut connection = self.client.connect(master).await?;
        connection.ready().await.map_err(HttpError::Connection)?;
        *sent = true;
        let answer = connection.send_request(request).await.map_err(HttpError::Connection)?;
        Ok((connection, answer))
    }
}
