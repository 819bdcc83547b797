//! The chart rendered with values that change what it says, and what must then be there.

use std::path::Path;

use anyhow::{Result, ensure};
use proffer_e2e::command::{command, run};

/// Values, and lines that the rendering has, or with a `!` before them has not.
const RENDERINGS: [(&[&str], &[&str]); 5] = [
    (
        &[],
        &[
            "name: proffer-framework",
            "name: proffer-operator",
            "appProtocol: http",
            "!appProtocol: https",
            "!scheme: HTTPS",
            "!name: proffer-http-tls",
            "!resources: [secrets]",
            "!- name: PROFFER_HTTP_CREDENTIALS_SECRET",
            "!- name: PROFFER_RATE_LIMITS",
        ],
    ),
    (
        &["--set=http.credentialsSecret=principals"],
        &["resources: [secrets]", "resourceNames: [principals]", "- name: PROFFER_HTTP_CREDENTIALS_SECRET"],
    ),
    (
        &["--set=http.tls.enabled=true", "--set=monitoring.enabled=true"],
        &[
            "name: proffer-http-tls",
            "mountPath: /etc/proffer/http-tls",
            "scheme: HTTPS",
            "scheme: https",
            "appProtocol: https",
            "- --url=https://proffer.proffer-system.svc.cluster.local:5050/healthz",
            "!kind: Certificate",
        ],
    ),
    (
        &[
            "--set=http.tls.enabled=true",
            "--set=http.tls.issuerRef.name=ca",
            "--set=http.tls.issuerRef.kind=ClusterIssuer",
        ],
        &["kind: Certificate", "secretName: proffer-http-tls", "- proffer.proffer-system.svc", "kind: ClusterIssuer"],
    ),
    (
        &[
            "--set=http.tls.enabled=true",
            "--set=http.tls.existingSecret=mine",
            "--set=http.rateLimits.aggregate_default_qps=5",
        ],
        &[
            "secretName: mine",
            "!name: proffer-http-tls",
            "- name: PROFFER_RATE_LIMITS",
            r#"value: "{\"aggregate_default_qps\":5}""#,
        ],
    ),
];

/// Values that the chart's schema refuses.
const REFUSED: [&str; 3] =
    ["http.rateLimits.limit=1", "http.rateLimits.aggregate_default_qps=0", "http.credentialsSecret=Not_A_Name"];

/// Renders the chart in every way.
pub(super) fn check(helm: &Path, chart: &Path) -> Result<()> {
    let template = |values: &[&str]| {
        let mut template = command(helm, ["template", "proffer"]);
        template.arg(chart).args(["--namespace=proffer-system", "--kube-version=1.34.0"]).args(values);
        run(&mut template)
    };
    for (values, lines) in RENDERINGS {
        let rendered = template(values)?;
        for line in lines {
            let (line, wanted) = line.strip_prefix('!').map_or((*line, true), |line| (line, false));
            let there = rendered.lines().any(|one| one.trim() == line);
            ensure!(
                there == wanted,
                "with {values:?} the chart {} the line {line:?}",
                if there { "has" } else { "lacks" }
            );
        }
    }
    for value in REFUSED {
        ensure!(template(&["--set", value]).is_err(), "the chart takes {value}");
    }
    Ok(())
}
