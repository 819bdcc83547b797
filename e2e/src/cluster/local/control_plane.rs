//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, on the host's side of the bridge.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cluster::processes::Processes;
use crate::command::command;
use crate::deadline::wait_every;
use crate::kubectl::Kubectl;
use crate::tools::Tools;

use super::cgroups::Group;
use super::identity::{Identity, Port};
use super::pki::{Authority, Use, create_token_key};

/// What runs, in the order of starting.
pub(super) const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

const READY_LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// The control plane of a local cluster.
#[derive(Debug, Clone)]
pub(super) struct ControlPlane {
    identity: Identity,
    processes: Processes,
    group: Group,
    programs: PathBuf,
}

impl ControlPlane {
    /// The control plane of a cluster, run from these tools.
    pub(super) fn new(identity: &Identity, tools: &Tools) -> Result<Self> {
        Ok(Self {
            identity: identity.clone(),
            processes: Processes::new(&identity.state()),
            group: Group::new(format!("{}/control-plane", identity.cgroup()))?,
            programs: tools.kubernetes.clone(),
        })
    }

    /// Makes the certificates of everybody and returns the authority, which also certifies the nodes.
    pub(super) fn create_certificates(&self) -> Result<Authority> {
        let pki = self.pki();
        let authority = Authority::create(&pki, "ca", &self.identity)?;
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
        ];
        let addresses =
            [self.identity.host_address().into(), self.identity.api_service_address().into(), [127, 0, 0, 1].into()];
        authority.certify("apiserver", "kube-apiserver", None, Use::Server, &names, &addresses)?;
        let masters = Some("system:masters");
        authority.certify("apiserver-kubelet-client", "kube-apiserver", masters, Use::Client, &[], &[])?;
        // Aggregated API servers believe what this second authority's client says about users.
        let front = Authority::create(&pki, "front-proxy-ca", &self.identity)?;
        front.certify("front-proxy-client", "front-proxy-client", None, Use::Client, &[], &[])?;
        create_token_key(&pki)?;
        let state = self.identity.state();
        authority.kubeconfig(&state.join("kubeconfig"), "admin", masters)?;
        for user in ["kube-controller-manager", "kube-scheduler"] {
            authority.kubeconfig(&state.join(format!("{user}.kubeconfig")), &format!("system:{user}"), None)?;
        }
        Ok(authority)
    }

    /// Starts everything and waits until the API server serves and the default service account is there.
    pub(super) fn start(&self, kubectl: &Kubectl) -> Result<()> {
        self.launch("etcd", self.etcd())?;
        self.launch("kube-apiserver", self.api_server())?;
        self.wait("kube-apiserver", "the API server to be ready", || kubectl.raw("/readyz").map(drop))?;
        self.launch("kube-controller-manager", self.controller_manager())?;
        self.launch("kube-scheduler", self.scheduler())?;
        self.wait("kube-controller-manager", "the default service account", || {
            kubectl.run(["--namespace=default", "get", "serviceaccount", "default"]).map(drop)
        })
    }

    /// The first program that does not run, if any.
    pub(super) fn first_dead(&self) -> Option<&'static str> {
        PROGRAMS.into_iter().find(|program| !self.processes.is_alive(program))
    }

    fn wait(&self, program: &str, what: &str, mut probe: impl FnMut() -> Result<()>) -> Result<()> {
        let waited = wait_every(POLL, what, READY_LIMIT, || {
            // A program that is gone will not become ready: say so now, not when the time is over.
            match self.first_dead().filter(|dead| self.processes.recorded(dead).is_some()) {
                Some(dead) => Ok(Some(Err(anyhow::anyhow!("{dead} ended; {}", self.processes.log_tail(dead))))),
                None => probe().map(|()| Some(Ok(()))),
            }
        });
        waited.and_then(|result| result).with_context(|| self.processes.log_tail(program))
    }

    fn launch(&self, name: &str, arguments: Vec<String>) -> Result<()> {
        let mut program: Command = command(self.programs.join(name), arguments);
        // Its garbage is a sixth of the API server's work; memory for it is there wherever three nodes fit.
        program.env("GOGC", "300");
        self.group.create()?;
        self.processes.start(name, &program, &self.group.join_script()).map(drop)
    }

    fn etcd(&self) -> Vec<String> {
        let clients = format!("http://127.0.0.1:{}", self.identity.port(Port::Etcd));
        let peers = format!("http://127.0.0.1:{}", self.identity.port(Port::EtcdPeer));
        let mut arguments = vec![
            "--name=proffer".into(),
            format!("--data-dir={}", self.identity.state().join("etcd").display()),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=proffer={peers}"),
            "--log-level=warn".into(),
        ];
        // A test cluster's data need not survive a crash of the host; PROFFER_E2E_ETCD_FSYNC=1 is for benchmarks.
        if std::env::var("PROFFER_E2E_ETCD_FSYNC").as_deref() != Ok("1") {
            arguments.push("--unsafe-no-fsync".into());
        }
        arguments
    }

    fn api_server(&self) -> Vec<String> {
        let pki = |file: &str| self.pki().join(file).display().to_string();
        let address = self.identity.host_address();
        vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.identity.port(Port::Etcd)),
            format!("--bind-address={address}"),
            format!("--advertise-address={address}"),
            "--secure-port=6443".into(),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--kubelet-client-certificate={}", pki("apiserver-kubelet-client.crt")),
            format!("--kubelet-client-key={}", pki("apiserver-kubelet-client.key")),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            // The host has no kube-proxy: webhooks and aggregated APIs are called at their pods' addresses.
            "--enable-aggregator-routing=true".into(),
            "--authorization-mode=Node,RBAC".into(),
            "--enable-admission-plugins=NodeRestriction".into(),
            "--allow-privileged=true".into(),
            format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
            "--requestheader-allowed-names=front-proxy-client".into(),
            "--requestheader-username-headers=X-Remote-User".into(),
            "--requestheader-group-headers=X-Remote-Group".into(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
            format!("--proxy-client-cert-file={}", pki("front-proxy-client.crt")),
            format!("--proxy-client-key-file={}", pki("front-proxy-client.key")),
            format!("--service-cluster-ip-range={}", self.identity.services_range()),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            format!("--service-account-key-file={}", pki("sa.pub")),
            format!("--service-account-signing-key-file={}", pki("sa.key")),
        ]
    }

    fn controller_manager(&self) -> Vec<String> {
        let pki = |file: &str| self.pki().join(file).display().to_string();
        let mut arguments = self.component("kube-controller-manager", Port::ControllerManager);
        arguments.extend([
            "--use-service-account-credentials=true".into(),
            format!("--service-account-private-key-file={}", pki("sa.key")),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--cluster-signing-cert-file={}", pki("ca.crt")),
            format!("--cluster-signing-key-file={}", pki("ca.key")),
            // A node that lost power is NotReady within a test's patience.
            "--node-monitor-period=1s".into(),
            "--node-monitor-grace-period=12s".into(),
        ]);
        arguments
    }

    fn scheduler(&self) -> Vec<String> {
        self.component("kube-scheduler", Port::Scheduler)
    }

    fn component(&self, name: &str, port: Port) -> Vec<String> {
        let kubeconfig = self.identity.state().join(format!("{name}.kubeconfig"));
        let kubeconfig = kubeconfig.display();
        vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", self.identity.port(port)),
            "--leader-elect=false".into(),
            // The defaults are for clusters that share an API server; here they would be what tests wait for.
            "--kube-api-qps=300".into(),
            "--kube-api-burst=500".into(),
        ]
    }

    fn pki(&self) -> PathBuf {
        self.identity.state().join("pki")
    }
}
