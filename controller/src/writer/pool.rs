//! Runs operations, a bounded number at once.

use super::execute::Executor;
use super::queue::{Op, Queue};
use super::window::Window;
use crate::clock::Boot;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Starts the pool in `tasks`, with which it ends. What is sent to it gets written as soon as its turn comes: at most
/// `at_once` at a time, fewer while the API server is slow.
#[must_use]
pub fn start(executor: Executor, at_once: usize, tasks: &mut JoinSet<()>) -> mpsc::UnboundedSender<Op> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tasks.spawn(run(Arc::new(executor), at_once.max(1), receiver));
    sender
}

async fn run(executor: Arc<Executor>, at_once: usize, mut ops: mpsc::UnboundedReceiver<Op>) {
    let mut queue = Queue::default();
    let mut window = Window::new(at_once);
    let mut running = JoinSet::new();
    loop {
        while let Ok(op) = ops.try_recv() {
            queue.push(op, Boot::now());
        }
        while running.len() < window.size() {
            let began = Boot::now();
            let Some((subject, op)) = queue.pop(began) else { break };
            let executor = Arc::clone(&executor);
            running.spawn(async move {
                executor.execute(op).await;
                (subject, began)
            });
        }
        executor.metrics().writes_wait(queue.len(), window.size());
        let due = queue.next_due().map(|due| due.since(Boot::now()));
        tokio::select! {
            op = ops.recv() => match op {
                Some(op) => queue.push(op, Boot::now()),
                None => return,
            },
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() && running.len() < window.size() => {}
            Some(done) = running.join_next() => {
                // A panic aborts the process, so the only other way to end is to be done.
                if let Ok((subject, began)) = done {
                    let now = Boot::now();
                    window.ended(began, now);
                    queue.done(subject, now);
                }
            }
        }
    }
}
