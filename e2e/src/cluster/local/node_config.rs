//! The configuration files of a node's programs, as the node sees them below `/opt/kubernetes/config`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::identity::Identity;
use super::images::PAUSE;
use super::pki::{Authority, Use};

/// Where a node finds the directory that [`write()`] fills.
pub(super) const DIRECTORY: &str = "/opt/kubernetes/config";
/// containerd's socket on a node.
pub(super) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// Writes every configuration file of node `number` into `directory`.
pub(super) fn write(directory: &Path, identity: &Identity, authority: &Authority, number: u8) -> Result<()> {
    let name = super::node::name(number);
    let address = identity.node_address(number);
    let user = format!("system:node:{name}");
    authority.kubeconfig(&directory.join("kubelet.kubeconfig"), &user, Some("system:nodes"))?;
    authority.kubeconfig(&directory.join("kube-proxy.kubeconfig"), "system:kube-proxy", None)?;
    let (certificate, key) = authority.issue(&user, Some("system:nodes"), Use::Server, &[&name], &[address.into()])?;
    let files = [
        ("ca.crt", authority.certificate()),
        ("kubelet.crt", certificate),
        ("kubelet.key", key),
        ("kubelet.json", kubelet(identity, number).to_string()),
        ("kube-proxy.json", kube_proxy(identity, number).to_string()),
        ("containerd.toml", CONTAINERD.replace("SANDBOX_IMAGE", PAUSE)),
        ("cni/10-proffer.conflist", network_plugins(identity, number).to_string()),
        // No name server of the host: pods know the cluster's names only, on every machine the same.
        ("resolv.conf", String::new()),
    ];
    for (file, text) in files {
        let path = directory.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn kubelet(identity: &Identity, number: u8) -> Value {
    let here = |file: &str| format!("{DIRECTORY}/{file}");
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": identity.node_address(number).to_string(),
        "healthzBindAddress": "127.0.0.1",
        "tlsCertFile": here("kubelet.crt"),
        "tlsPrivateKeyFile": here("kubelet.key"),
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": here("ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "cgroupDriver": "cgroupfs",
        // Also on hosts that still mount cgroups of version 1.
        "failCgroupV1": false,
        "failSwapOn": false,
        // Needs no CAP_SYS_RESOURCE, which containers that run this harness often lack.
        "oomScoreAdj": 0,
        "clusterDomain": "cluster.local",
        "clusterDNS": [identity.dns_address().to_string()],
        "resolvConf": here("resolv.conf"),
        "volumePluginDir": "/var/lib/kubelet/plugins-exec",
        "makeIPTablesUtilChains": false,
        // A node that lost power is noticed within the controller manager's grace period of 12 s.
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 8,
        // Images are imported, never pulled: none may be thrown away.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        // Tests kill containers many times in a row; minutes of back-off would be all that they measure.
        "featureGates": { "KubeletCrashLoopBackOffMax": true },
        "crashLoopBackOff": { "maxContainerRestartPeriod": "1s" },
    })
}

fn kube_proxy(identity: &Identity, number: u8) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": { "kubeconfig": format!("{DIRECTORY}/kube-proxy.kubeconfig") },
        "clusterCIDR": identity.pods_range(),
        "hostnameOverride": super::node::name(number),
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [format!("{}/32", identity.node_address(number))],
        // A table of the whole host; a test cluster leaves it alone.
        "conntrack": { "maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    })
}

fn network_plugins(identity: &Identity, number: u8) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "proffer",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    // Which addresses are taken is forgotten at power-off, as the pods are.
                    "dataDir": "/run/cni",
                    "ranges": [[{ "subnet": identity.pod_range(number) }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

const CONTAINERD: &str = r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "SANDBOX_IMAGE"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/opt/kubernetes/config/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#;
