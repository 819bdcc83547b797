//! The election on a thread of its own: however busy the rest of the process is, the Lease is renewed.

use super::decide::Timings;
use super::elector::{Elector, Term};
use super::identity::Identity;
use kube::Client;
use proffer_master::Epoch;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::{oneshot, watch};

/// A connection to the API server that is made on the election's own thread.
pub type Connect = Pin<Box<dyn Future<Output = anyhow::Result<Client>> + Send>>;

/// What the election is about.
pub struct Candidacy {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// This process.
    pub me: Identity,
    /// The election's times.
    pub timings: Timings,
    /// The highest epoch that any object shows.
    pub floor: Box<dyn Fn() -> Epoch + Send>,
}

/// An election under way.
pub struct Election {
    begin: Option<oneshot::Sender<()>>,
    won: Option<oneshot::Receiver<anyhow::Result<Term>>>,
    release: Option<oneshot::Sender<Option<Epoch>>>,
    released: oneshot::Receiver<()>,
}

impl Election {
    /// Starts the thread, which waits for [`Election::campaign`]. The second value follows who holds the Lease.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn start(candidacy: Candidacy, connect: Connect) -> anyhow::Result<(Self, watch::Receiver<Option<Identity>>)> {
        let (begin, on_begin) = oneshot::channel();
        let (on_won, won) = oneshot::channel();
        let (release, on_release) = oneshot::channel();
        let (on_released, released) = oneshot::channel();
        let (holder, follow) = watch::channel(None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("election".to_owned()).spawn(move || {
            let take_part = take_part(candidacy, connect, holder, on_begin, on_won, on_release);
            runtime.block_on(take_part);
            // Nobody waits for it but a process that is about to end.
            let _ = on_released.send(());
        })?;
        Ok((Self { begin: Some(begin), won: Some(won), release: Some(release), released }, follow))
    }

    /// Takes part from now on, and waits until the Lease is ours. Asked again, it never answers.
    pub async fn campaign(&mut self) -> anyhow::Result<Term> {
        if let Some(begin) = self.begin.take() {
            let _ = begin.send(());
        }
        match self.won.take() {
            Some(won) => won.await?,
            None => std::future::pending().await,
        }
    }

    /// Gives the Lease back if it is ours, so that the next leader need not wait, and takes no part any more. The next
    /// epoch is above `above` too.
    pub async fn release(mut self, above: Option<Epoch>) {
        if let Some(release) = self.release.take() {
            let _ = release.send(above);
        }
        let _ = self.released.await;
    }
}

async fn take_part(
    candidacy: Candidacy,
    connect: Connect,
    holder: watch::Sender<Option<Identity>>,
    on_begin: oneshot::Receiver<()>,
    on_won: oneshot::Sender<anyhow::Result<Term>>,
    mut on_release: oneshot::Receiver<Option<Epoch>>,
) {
    let Candidacy { namespace, lease, me, timings, floor } = candidacy;
    let client = match connect.await {
        Ok(client) => client,
        Err(error) => return drop(on_won.send(Err(error))),
    };
    let mut elector = Elector::new(client, &namespace, &lease, me, timings, holder);
    let term = tokio::select! {
        _ = &mut on_release => return,
        term = async {
            if on_begin.await.is_err() {
                std::future::pending::<()>().await;
            }
            elector.campaign(floor).await
        } => term,
    };
    let _ = on_won.send(Ok(term.clone()));
    let above = tokio::select! {
        above = &mut on_release => above.ok().flatten(),
        never = elector.keep(&term) => match never {},
    };
    elector.release(&term, above).await;
}
