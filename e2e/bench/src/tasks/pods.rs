//! The same command as one-shot Pods.

use super::Options;
use crate::launch::{ensure_namespace, watch};
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The label of the Pods.
const LABEL: &str = "proffer.dev/bench";
/// How many are created at a time.
const AT_A_TIME: usize = 16;

/// Creates the Pods and waits until the last has succeeded; says how long that took.
pub(crate) async fn run(client: &Client, options: &Options) -> Result<Duration> {
    ensure_namespace(client, &options.namespace).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &options.namespace);
    let mine = ListParams::default().labels(&format!("{LABEL}=one-shot"));
    remove(&pods, &mine, options).await?;
    let mut versions = watch(pods.clone());
    let started = Instant::now();
    stream::iter(0..options.pods)
        .map(|number| create(&pods, options, number))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>()
        .await?;
    let finish = async {
        let mut ended = BTreeMap::new();
        while ended.len() < options.pods {
            let Some((at, pod)) = versions.recv().await else { bail!("the watch ended") };
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
            match phase {
                "Succeeded" => drop(ended.entry(pod.name_any()).or_insert(at)),
                "Failed" => bail!("pod {} failed", pod.name_any()),
                _ => {}
            }
        }
        Ok(ended.into_values().max().unwrap_or(started))
    };
    let last = tokio::time::timeout(Duration::from_secs(options.limit), finish)
        .await
        .with_context(|| format!("the pods have not ended within {} s", options.limit))??;
    remove(&pods, &mine, options).await?;
    Ok(last - started)
}

async fn create(pods: &Api<Pod>, options: &Options, number: usize) -> Result<()> {
    let name = format!("one-shot-{number}");
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some([(LABEL.to_owned(), "one-shot".to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![Container {
                name: "command".to_owned(),
                image: Some(options.pod_image.clone()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                command: Some(options.pod_command.clone()),
                ..Container::default()
            }],
            automount_service_account_token: Some(false),
            restart_policy: Some("Never".to_owned()),
            termination_grace_period_seconds: Some(0),
            ..PodSpec::default()
        }),
        ..Pod::default()
    };
    pods.create(&PostParams::default(), &pod).await.map(drop).with_context(|| format!("creating pod {name}"))
}

/// Removes the Pods of this and of earlier runs.
async fn remove(pods: &Api<Pod>, mine: &ListParams, options: &Options) -> Result<()> {
    pods.delete_collection(&DeleteParams::default().grace_period(0), mine).await.context("deleting pods")?;
    let gone = async {
        while !pods.list_metadata(mine).await.context("listing pods")?.items.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(options.limit), gone).await.context("the pods do not go away")?
}
