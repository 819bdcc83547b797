//! The count of epochs is in the Lease. Who deletes the Lease, as an uninstallation of the whole namespace does, has it
//! begin anew, below what agents remember on their nodes.

use k8s_openapi::jiff::Timestamp;
use proffer_master::Epoch;
use std::time::Duration;
use tokio::sync::watch;

/// The count is set anew at most once in this time: a node that lies about its epoch must not end one leader after the
/// other.
const AT_MOST_EVERY: Duration = Duration::from_mins(10);

/// No count is set beyond this: the Lease has 31 bits for it, and half of them are left to honest elections.
const HIGHEST: Epoch = Epoch(1 << 30);

/// Waits until an agent is known to have obeyed a later epoch than `ours`, and it is time to do something about it.
/// `raised` is when that was last done. Gives that epoch.
///
/// Whether `ours` is indeed the leader is for the Lease to say: who acts on this writes it on the condition that nobody
/// else has.
pub async fn count_lost(mut outrun: watch::Receiver<Epoch>, ours: Epoch, raised: Option<Timestamp>) -> Epoch {
    tokio::time::sleep(rest(raised, Timestamp::now())).await;
    let lost = outrun.wait_for(|&epoch| epoch > ours && epoch <= HIGHEST).await.map(|epoch| *epoch);
    match lost {
        Ok(epoch) => epoch,
        // Who would tell has ended, and so will all else.
        Err(_) => std::future::pending().await,
    }
}

fn rest(raised: Option<Timestamp>, now: Timestamp) -> Duration {
    // A time in the future is a clock that was wrong: wait, but no longer than always.
    let passed =
        raised.map_or(AT_MOST_EVERY, |raised| Duration::try_from(now.duration_since(raised)).unwrap_or_default());
    AT_MOST_EVERY.saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_set_at_most_every_ten_minutes() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (raised, waits) in
            [(None, 0), (Some(at(1000)), 600), (Some(at(700)), 300), (Some(at(0)), 0), (Some(at(2000)), 600)]
        {
            assert_eq!(rest(raised, at(1000)), Duration::from_secs(waits), "{raised:?}");
        }
    }

    #[tokio::test]
    async fn an_absurd_epoch_does_not_count() {
        let (outrun, follow) = watch::channel(Epoch(1));
        let waiting = tokio::spawn(count_lost(follow, Epoch(1), None));
        outrun.send_replace(Epoch(u64::MAX));
        outrun.send_replace(Epoch(23));
        assert_eq!(waiting.await.unwrap(), Epoch(23));
    }
}
