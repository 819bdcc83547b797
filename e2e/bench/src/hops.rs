//! What the leader measured of each launch, from its `/metrics`: the same clock on both ends of each hop.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{GetParams, ListParams};
use kube::core::Request;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use std::collections::BTreeMap;

/// The hops in their order, as the controller labels them, and what they are.
const HOPS: [(&str, &str); 6] = [
    ("allocation", "allocation"),
    ("write", "API write (where it runs)"),
    ("link", "link, to the agent and back"),
    ("checkpoint", "checkpoint"),
    ("spawn", "spawn"),
    ("status", "API write (status)"),
];

/// What one hop took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Hop {
    /// What it is.
    pub(crate) name: &'static str,
    /// How often it was measured.
    pub(crate) count: u64,
    /// Its mean, in milliseconds.
    pub(crate) mean_ms: f64,
}

/// All that the leader has measured so far: how often, and the sum in seconds, by hop.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums(BTreeMap<String, (u64, f64)>);

impl Sums {
    /// Asks the leader, by way of the API server.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        let pods: Api<Pod> = Api::all(client.clone());
        let leading = ListParams::default().labels("app.kubernetes.io/component=controller,proffer.dev/leader=true");
        let leaders = pods.list(&leading).await.context("looking for the leader's pod")?;
        let leader = leaders.items.first().context("no pod has the label proffer.dev/leader=true")?;
        let namespace = leader.namespace().unwrap_or_default();
        let proxy = format!("/api/v1/namespaces/{namespace}/pods/{}:5050/proxy", leader.name_any());
        let request = Request::new(proxy).get("metrics", &GetParams::default()).context("a request for metrics")?;
        let text = client.request_text(request).await.context("reading the leader's metrics")?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut sums = Self::default();
        for line in text.lines() {
            let Some((name, rest)) = line.split_once("{hop=\"") else { continue };
            let Some((hop, value)) = rest.split_once("\"} ") else { continue };
            let (count, seconds) = sums.0.entry(hop.to_owned()).or_default();
            match name {
                "proffer_launch_seconds_count" => *count = value.trim().parse().unwrap_or_default(),
                "proffer_launch_seconds_sum" => *seconds = value.trim().parse().unwrap_or_default(),
                _ => {}
            }
        }
        sums
    }

    /// What was measured since `before`.
    pub(crate) fn since(&self, before: &Self) -> Vec<Hop> {
        HOPS.into_iter()
            .map(|(label, name)| {
                let at = |sums: &Self| sums.0.get(label).copied().unwrap_or_default();
                let ((count, seconds), (count_before, seconds_before)) = (at(self), at(before));
                let count = count.saturating_sub(count_before);
                #[expect(clippy::cast_precision_loss, reason = "thousands of launches, not quadrillions")]
                let mean_ms = if count == 0 { 0.0 } else { (seconds - seconds_before) * 1000.0 / count as f64 };
                Hop { name, count, mean_ms }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_what_came_in_between() {
        let metrics = |count, sum| {
            Sums::parse(&format!(
                "# TYPE proffer_launch_seconds histogram\nproffer_launch_seconds_sum{{hop=\"spawn\"}} {sum}\n\
                 proffer_launch_seconds_count{{hop=\"spawn\"}} {count}\n\
                 proffer_launch_seconds_bucket{{le=\"0.001\",hop=\"spawn\"}} 7\n"
            ))
        };
        let hops = metrics(12, 0.5).since(&metrics(2, 0.25));
        let spawn = hops.iter().find(|hop| hop.name == "spawn").unwrap();
        assert_eq!((spawn.count, spawn.mean_ms), (10, 25.0));
        assert_eq!(hops[0], Hop { name: "allocation", count: 0, mean_ms: 0.0 });
    }
}
