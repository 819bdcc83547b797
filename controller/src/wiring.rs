//! Puts the parts together. Read [`run`] from top to bottom.

use crate::agent_link::{self, Link, Links, Standing};
use crate::args::RunArguments;
use crate::auth::{Access, Anonymous, Credentials, Rates, ReadState, Reviewer, follow_secret};
use crate::clock::Clock;
use crate::http::{self, About, Connections, Limits, Subscribers};
use crate::leader::{self, Candidacy, Election, Guard, Identity, Term};
use crate::logging::Levels;
use crate::metrics::Metrics;
use crate::operators::Operators;
use crate::registry::{Heard, Registry, Watches, fresh_list};
use crate::runner::{self, Reach, Runner};
use crate::schedulers::Schedulers;
use crate::slots::{Configured, Keeper, SLOT_LABELS, Template};
use crate::tls::Certificates;
use crate::writer::{self, Executor, Notices};
use anyhow::Context;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use proffer_crds::{Agent, AllocationRole, Framework, Maintenance, Offer, Reservation, Task};
use proffer_master::{Epoch, Event, MasterConfig};
use rustls::ServerConfig;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Label of the leader's pod, which the Service selects.
const LEADER_LABEL: &str = "proffer.dev/leader";

/// Runs until the process is told to end or its leadership is over.
pub async fn run(args: RunArguments, levels: Levels) -> anyhow::Result<()> {
    let timings = args.timings()?;
    let clock = Clock::start();
    let me = Identity::new(&args.pod_name, args.pod_ip);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), identity = %me, "the controller starts");

    let client = connect(args.kubeconfig.clone()).await?;
    let metrics = Arc::new(Metrics::new());
    let about = Arc::new(About::new(clock.now(), &args));
    let schedulers = Schedulers::default();
    let operators = Operators::default();
    let registry = Registry::new();
    let watches = start_watches(&args, &client, &registry, &metrics);
    let access = access(&args, &client)?;
    let links = Links::new(&me.to_string());
    let candidacy = Candidacy {
        namespace: args.pod_namespace.clone(),
        lease: args.lease_name.clone(),
        me: me.clone(),
        timings,
        floor: Box::new({
            let registry = Arc::clone(&registry);
            move || registry.highest_epoch()
        }),
    };
    // With a thread and a connection of its own, so that nothing else can hold up the Lease.
    let (mut election, holder) = Election::start(candidacy, Box::pin(connect(args.kubeconfig.clone())))?;
    let (standing, follow_standing) = watch::channel(Standing::Standby);

    let listener =
        TcpListener::bind(args.http_listen).await.with_context(|| format!("cannot listen on {}", args.http_listen))?;
    let router = http::router(http::Master {
        me: me.clone(),
        standing: follow_standing.clone(),
        holder: holder.clone(),
        port: args.http_listen.port(),
        watches: watches.clone(),
        registry: Arc::clone(&registry),
        links: Arc::clone(&links),
        access: Arc::new(access),
        metrics: Arc::clone(&metrics),
        about: Arc::clone(&about),
        levels,
        client: client.clone(),
        subscribers: Subscribers::default(),
        schedulers: schedulers.clone(),
        operators: operators.clone(),
    });
    let http = tokio::spawn(http::listen(router, listener, http_tls(&args)?, connections(&args)));

    let listener =
        TcpListener::bind(args.link_listen).await.with_context(|| format!("cannot listen on {}", args.link_listen))?;
    let certificates = Certificates::load(&args.tls_dir, "the agent link").context("the agent link's certificate")?;
    let link = Link {
        // With a memory and reviews of its own, so that no flood of callers holds up an agent.
        reviewer: Arc::new(Reviewer::new(client.clone())),
        account: args.agent_account(),
        standing: follow_standing,
        holder,
        port: args.link_listen.port(),
        links: Arc::clone(&links),
        metrics: Arc::clone(&metrics),
    };
    let link = tokio::spawn(agent_link::serve(link, listener, certificates));

    let template = Template::load(&args.slot_template)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut above = None;
    let work = async {
        // Only who has seen everything may lead: the epoch must be above any that an object shows.
        watches.synced().await;
        let Term { guard, raised } = election.campaign().await?;
        guard.watch()?;
        metrics.leads(guard.epoch());
        about.elected(clock.now());
        let (outrun, on_outrun) = watch::channel(guard.epoch());
        tokio::select! {
            failed = lead(&args, client.clone(), clock, &guard, &registry, &links, &metrics, &standing, outrun, template, &me, schedulers.clone(), operators.clone()) => failed,
            epoch = leader::count_lost(on_outrun, guard.epoch(), raised) => {
                above = Some(epoch);
                Err(anyhow::anyhow!(
                    "an agent has obeyed a leader of epoch {}, and this one, who holds the Lease, has epoch {}: the Lease \
                     must have been deleted. The next leader counts on from there",
                    epoch.0, guard.epoch().0,
                ))
            }
        }
    };
    let ended = tokio::select! {
        ended = work => ended,
        ended = link => Err(anyhow::anyhow!("the agent link ended: {ended:?}")),
        ended = http => Err(anyhow::anyhow!("HTTP ended: {ended:?}")),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    // With `work`, everything that decides or writes has ended; whoever is next need not wait.
    election.release(above).await;
    if ended.is_ok() {
        tracing::info!("told to end");
        std::process::exit(0);
    }
    ended
}

/// Acts as the leader. Ends only with an error.
#[expect(clippy::too_many_arguments, reason = "the one place where everything meets")]
async fn lead(
    args: &RunArguments,
    client: Client,
    clock: Clock,
    guard: &Guard,
    registry: &Arc<Registry>,
    links: &Arc<Links>,
    metrics: &Arc<Metrics>,
    standing: &watch::Sender<Standing>,
    outrun: watch::Sender<Epoch>,
    template: Template,
    me: &Identity,
    schedulers: Schedulers,
    operators: Operators,
) -> anyhow::Result<()> {
    // Everything that acts as the leader ends with this function, before the Lease is given back.
    let mut acting = JoinSet::new();
    acting.spawn(label_leader(client.clone(), args.pod_namespace.clone(), args.pod_name.clone(), guard.clone()));

    // Live lists: a watch may be behind, and a task launched by the leader before must not be launched again.
    tokio::try_join!(
        fresh_list::<Framework>(registry, &client),
        fresh_list::<Task>(registry, &client),
        fresh_list::<Agent>(registry, &client),
        fresh_list::<Reservation>(registry, &client),
        fresh_list::<Offer>(registry, &client),
        fresh_list::<AllocationRole>(registry, &client),
        fresh_list::<Maintenance>(registry, &client),
    )?;
    guard.check();

    let (inbox, outlets) = runner::inbox();
    let executor =
        Executor::new(client.clone(), Arc::clone(registry), guard.clone(), inbox.heard.clone(), Arc::clone(metrics));
    let writer = writer::start(executor, usize::from(args.write_concurrency), &mut acting);
    let notices = Notices::start(client.clone(), Arc::clone(registry), Arc::clone(metrics), &args.pod_name);
    let reach = Reach {
        guard: guard.clone(),
        links: Arc::clone(links),
        writer,
        notices,
        metrics: Arc::clone(metrics),
        outrun,
        schedulers,
        operators,
    };
    let (on_recovered, recovered) = oneshot::channel();
    let runner = Runner::new(master_config(args, guard, me), clock, reach, on_recovered);
    registry.attach(guard.epoch(), inbox.heard.clone());
    inbox.heard.send(Heard::Event(Event::Recovered)).context("the runner's queue")?;
    let (on_end, runner_ended) = oneshot::channel::<()>();
    acting.spawn(async move {
        runner.run(outlets).await;
        drop(on_end);
    });

    recovered.await.context("the runner ended before it recovered")?;
    tracing::info!(epoch = guard.epoch().0, tasks = registry.count::<Task>(), "recovered: agents may register");
    standing.send_replace(Standing::Leader { guard: guard.clone(), inbox });

    let keeper = Keeper::new(
        client,
        Arc::clone(registry),
        guard.clone(),
        Configured {
            namespace: args.pod_namespace.clone(),
            daemon_set: args.agent_daemonset.clone(),
            template,
            cpu: args.slot_cpu,
            memory: args.slot_memory,
            node_selector: args.slot_node_selector.0.clone(),
        },
    );
    tokio::select! {
        _ = runner_ended => Err(anyhow::anyhow!("the runner ended")),
        never = keeper.run() => match never {},
    }
}

/// A client whose failures are ours to handle: the writer, the watches and the election each retry in their own way.
async fn connect(kubeconfig: Option<PathBuf>) -> anyhow::Result<Client> {
    let mut config = if let Some(path) = kubeconfig {
        let kubeconfig = Kubeconfig::read_from(&path).with_context(|| format!("--kubeconfig {}", path.display()))?;
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
    } else if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        // By address: a static program has no business with the C library's resolver.
        Config::incluster_env().context("the pod's ServiceAccount")?
    } else {
        Config::infer().await.context("outside a cluster: give --kubeconfig FILE")?
    };
    config.connect_timeout = Some(Duration::from_secs(2));
    config.default_retry = false;
    // Kubernetes shows it as the manager of the fields that this program writes.
    let name = HeaderValue::from_static(concat!("proffer-controller/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, name));
    Client::try_from(config).context("the API server's client")
}

/// Says who calls HTTP, and follows the Secret with the principals.
fn access(args: &RunArguments, client: &Client) -> anyhow::Result<Access> {
    let credentials = match &args.http_credentials_secret {
        None => Credentials::new(ReadState::Off),
        Some(name) => {
            let credentials = Credentials::new(ReadState::Waiting);
            let (namespace, name) = (args.pod_namespace.clone(), name.clone());
            tokio::spawn(follow_secret(client.clone(), namespace, name, credentials.clone()));
            credentials
        }
    };
    let anonymous = Anonymous { loopback: args.http_anonymous_loopback, everybody: args.http_anonymous };
    let rates = Rates::parse(&args.rate_limits).context("--rate-limits")?;
    let reviewer = Arc::new(Reviewer::new(client.clone()));
    Ok(Access::new(reviewer, credentials, anonymous, &args.http_default_namespace).limited(rates))
}

/// TLS of HTTP, if it is configured; its certificate is read again when it changes.
fn http_tls(args: &RunArguments) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let Some(folder) = &args.http_tls_dir else { return Ok(None) };
    let certificates = Certificates::load(folder, "HTTP").context("HTTP's certificate")?;
    let config = certificates.server_config(b"http/1.1").context("HTTP's certificate")?;
    tokio::spawn(certificates.follow());
    Ok(Some(config))
}

fn connections(args: &RunArguments) -> Arc<Connections> {
    let connections = usize::try_from(args.http_max_connections).unwrap_or(usize::MAX);
    Connections::new(Limits { connections, ..Limits::default() })
}

fn start_watches(args: &RunArguments, client: &Client, registry: &Arc<Registry>, metrics: &Arc<Metrics>) -> Watches {
    let mut watches = Watches::new(Arc::clone(registry), Arc::clone(metrics), args.watch_timeout);
    watches.start::<Framework>(client, Api::all(client.clone()), None);
    watches.start::<Task>(client, Api::all(client.clone()), None);
    watches.start::<Offer>(client, Api::all(client.clone()), None);
    watches.start::<Agent>(client, Api::all(client.clone()), None);
    watches.start::<Reservation>(client, Api::all(client.clone()), None);
    watches.start::<AllocationRole>(client, Api::all(client.clone()), None);
    watches.start::<Maintenance>(client, Api::all(client.clone()), None);
    watches.start::<Node>(client, Api::all(client.clone()), None);
    watches.start::<Pod>(client, Api::namespaced(client.clone(), &args.pod_namespace), Some(SLOT_LABELS));
    watches
}

fn master_config(args: &RunArguments, guard: &Guard, me: &Identity) -> MasterConfig {
    MasterConfig {
        agent_ping_timeout: args.agent_ping_timeout,
        max_agent_ping_timeouts: args.max_agent_ping_timeouts,
        agent_reregister_timeout: args.agent_reregister_timeout,
        recovery_agent_removal_limit: args.recovery_agent_removal_limit,
        agent_removal_interval: args.agent_removal_rate_limit.interval,
        max_completed_frameworks: usize::try_from(args.max_completed_frameworks).unwrap_or(usize::MAX),
        offer_timeout: args.offer_timeout,
        offer_retention: args.offer_retention,
        offer_min_hold: args.offer_min_hold,
        master_info: http::master_info(me, args.http_listen.port()),
        container_seed: uuid::Uuid::new_v4().as_u64_pair().0,
        ..MasterConfig::new(guard.epoch())
    }
}

/// Labels this pod as the leader and takes the label off all others, so that the Service reaches the leader only.
async fn label_leader(client: Client, namespace: String, me: String, guard: Guard) {
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut wait = Duration::from_millis(100);
    loop {
        guard.check();
        match label_once(&pods, &me).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the leader's pod is not labelled: will try again"
                );
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

async fn label_once(pods: &Api<Pod>, me: &str) -> kube::Result<()> {
    let label = |value: Option<&str>| Patch::Merge(json!({"metadata": {"labels": {LEADER_LABEL: value}}}));
    let gone_is_fine = |result: kube::Result<Pod>| match result {
        // A process outside a cluster has no pod.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    };
    gone_is_fine(pods.patch(me, &PatchParams::default(), &label(Some("true"))).await)?;
    let selector = format!("app.kubernetes.io/component=controller,{LEADER_LABEL}");
    for pod in pods.list(&ListParams::default().labels(&selector)).await? {
        let name = pod.metadata.name.unwrap_or_default();
        if name != me {
            gone_is_fine(pods.patch(&name, &PatchParams::default(), &label(None)).await)?;
        }
    }
    Ok(())
}
