//! What a failed request means, and how long to wait before the next try.

use std::time::Duration;

/// First wait.
const FIRST: Duration = Duration::from_millis(50);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(5);
/// A refusal for lack of rights is tried again so often: rights may come a moment after the controller.
const FORBIDDEN_TRIES: u32 = 5;
/// An answer that does not come in this time will not come.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What a failed request means.
#[derive(Debug)]
pub(super) enum Failure {
    /// The object is not there.
    NotFound,
    /// Something by this name is there already.
    AlreadyExists,
    /// The resource version is not the newest.
    Conflict,
    /// The API server will not have it.
    Refused(String),
    /// It may work later: the API server is busy, away, or gave no answer. It may also have worked.
    Again(String),
}

/// Sends a request, within a time.
pub(super) async fn request<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 => Failure::NotFound,
            409 if status.is_already_exists() => Failure::AlreadyExists,
            409 => Failure::Conflict,
            408 | 410 | 425 | 429 | 500..=599 => Failure::Again(status.to_string()),
            // No permission yet, or a credential that is being renewed.
            401 | 403 => Failure::Again(status.to_string()).or_refused(&status),
            _ => Failure::Refused(status.message.clone()),
        }),
        // What we sent cannot be said to the API server at all.
        Ok(Err(error @ (kube::Error::BuildRequest(_) | kube::Error::SerdeError(_)))) => {
            Err(Failure::Refused(error.to_string()))
        }
        Ok(Err(error)) => Err(Failure::Again(error.to_string())),
        Err(_) => Err(Failure::Again(format!("no answer within {REQUEST_TIMEOUT:?}"))),
    }
}

impl Failure {
    /// A namespace that is being deleted takes nothing new: trying again does not help.
    fn or_refused(self, status: &kube::core::Status) -> Self {
        let terminating = status
            .details
            .iter()
            .flat_map(|details| &details.causes)
            .any(|cause| cause.reason == "NamespaceTerminating");
        if terminating { Self::Refused(status.message.clone()) } else { self }
    }
}

/// Counts the tries of one operation.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Waits before the next try, longer each time, with some chance in it. Gives up only on a lack of rights.
    pub(super) async fn wait(&mut self, what: &str, why: &str) -> Result<(), String> {
        self.tries += 1;
        if why.contains("orbidden") && self.tries > FORBIDDEN_TRIES {
            return Err(why.to_owned());
        }
        if self.tries.is_power_of_two() {
            tracing::warn!(what, why, tries = self.tries, "a write failed: will try again");
        }
        let full = FIRST.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        let thousandth = u32::try_from(uuid::Uuid::new_v4().as_u128() % 500).unwrap_or(0);
        tokio::time::sleep(full / 2 + full * thousandth / 1000).await;
        Ok(())
    }
}
