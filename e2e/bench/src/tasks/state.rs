//! Reads of `/state`, and calls while it is read.

use super::framework::Framework;
use crate::samples::{Figures, Samples};
use anyhow::{Context, Result};
use proffer_scheduler_sdk::MasterUrl;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What reads of `/state` take, and what they do to others.
#[derive(Debug, Serialize)]
pub(crate) struct Reads {
    /// Size of the answer.
    pub(crate) bytes: usize,
    /// A read.
    pub(crate) read: Figures,
    /// A call of a scheduler while another connection reads without a pause.
    pub(crate) call: Figures,
}

/// Reads `/state`, and then makes as many calls while it is read in a loop.
pub(super) async fn measure(
    framework: &mut Framework,
    master: &MasterUrl,
    token_file: Option<&Path>,
    count: usize,
) -> Result<Reads> {
    let token = token_file.map(std::fs::read_to_string).transpose().context("reading the token")?;
    let reader = Reader { url: format!("{master}/state"), token };
    let (reader, bytes, read) = tokio::task::spawn_blocking(move || {
        let (mut samples, mut bytes) = (Samples::default(), 0);
        for _ in 0..count {
            let started = Instant::now();
            bytes = reader.read()?;
            samples.add(started.elapsed());
        }
        Ok::<_, anyhow::Error>((reader, bytes, samples.figures()))
    })
    .await??;
    let enough = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&enough);
    let loops = tokio::task::spawn_blocking(move || {
        while !over.load(Ordering::Relaxed) {
            reader.read()?;
        }
        Ok::<_, anyhow::Error>(())
    });
    let mut samples = Samples::default();
    for _ in 0..count.max(1) * 4 {
        samples.add(framework.call().await?);
    }
    enough.store(true, Ordering::Relaxed);
    loops.await??;
    Ok(Reads { bytes, read, call: samples.figures() })
}

struct Reader {
    url: String,
    token: Option<String>,
}

impl Reader {
    /// Reads all of it and says how much that was.
    fn read(&self) -> Result<usize> {
        let mut request = ureq::get(&self.url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {}", token.trim()));
        }
        let mut answer = request.call().with_context(|| format!("GET {}", self.url))?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec();
        Ok(body.with_context(|| format!("the answer to GET {} broke off", self.url))?.len())
    }
}
