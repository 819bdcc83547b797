//! What a driver is started with.

use crate::{Credentials, MasterUrl, v1};
use std::path::PathBuf;
use std::time::Duration;
use v1::scheduler::OfferConstraints;

/// What a driver is started with. Made by [`Settings::new`]; fields may be changed then.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to look for the leading master, at least one. Any of them may name the leader, wherever that is.
    pub masters: Vec<MasterUrl>,
    /// What the framework says about itself. With an ID, the driver takes that framework over; without, the master
    /// gives one, which [`crate::Event::Subscribed`] tells: keep it where the next process finds it.
    pub framework: v1::FrameworkInfo,
    /// Roles that want no offers at first. Calls of SUPPRESS and REVIVE change what is sent when subscribing again.
    pub suppressed_roles: Vec<String>,
    /// Which agents' offers the framework wants.
    pub offer_constraints: Option<OfferConstraints>,
    /// Tasks that the framework knows of from before, with their agents if known: reconciled explicitly once subscribed.
    pub known_tasks: Vec<(v1::TaskId, Option<v1::AgentId>)>,
    /// How messages are written; protobuf unless changed.
    pub encoding: Encoding,
    /// How the scheduler proves who it is; not at all unless changed.
    pub credentials: Credentials,
    /// Whom to trust over https; the system's roots unless changed.
    pub tls: Tls,
    /// Who acknowledges updates; the driver unless changed.
    pub acknowledgement: Acknowledgement,
    /// Whether to ask for the state of the known tasks and then of all, each time the framework has subscribed with an
    /// ID; true unless changed.
    pub reconcile: bool,
    /// The pauses between tries to subscribe.
    pub back_off: BackOff,
    /// After how many heartbeats that did not come the stream is taken for dead, from 1; 3 unless changed.
    pub missed_heartbeats: u32,
    /// How long an answer may take: of a connection, a SUBSCRIBE, or a call; 30 s unless changed.
    pub answer_timeout: Duration,
    /// After how long without a subscription the driver ends; never unless changed.
    ///
    /// `failover_timeout` is no such limit: the master counts it, and may itself have been away meanwhile, so the
    /// driver goes on trying with its ID, and ends when the master says that the framework is removed.
    pub patience: Option<Duration>,
    /// How many events may wait for the scheduler, from 1; 1,024 unless changed. When as many wait, the driver stops
    /// reading, and the master in the end disconnects a scheduler that is too slow.
    pub queue: usize,
    /// The largest event, in bytes; 64 MiB unless changed. One that is larger ends the stream.
    pub max_event_bytes: usize,
}

impl Settings {
    /// The defaults, for this framework with these masters.
    pub fn new(masters: impl IntoIterator<Item = MasterUrl>, framework: v1::FrameworkInfo) -> Self {
        Self {
            masters: masters.into_iter().collect(),
            framework,
            suppressed_roles: Vec::new(),
            offer_constraints: None,
            known_tasks: Vec::new(),
            encoding: Encoding::default(),
            credentials: Credentials::default(),
            tls: Tls::default(),
            acknowledgement: Acknowledgement::default(),
            reconcile: true,
            back_off: BackOff::default(),
            missed_heartbeats: 3,
            answer_timeout: Duration::from_secs(30),
            patience: None,
            queue: 1024,
            max_event_bytes: 64 << 20,
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    #[default]
    Protobuf,
    /// `application/json`, for people who read along.
    Json,
}

impl Encoding {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// Whom to trust over https.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM of the certificate authorities to trust instead of the system's; read for each connection, so that it may be
    /// replaced.
    pub ca_file: Option<PathBuf>,
}

/// Who acknowledges updates. One that is not acknowledged comes again, after 10 s and then ever later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The driver, when the scheduler asks for the event after the update: then it is done with it.
    #[default]
    Automatic,
    /// The scheduler, by [`crate::Scheduler::acknowledge`] and
    /// [`crate::Scheduler::acknowledge_operation_status`].
    ByHand,
}

/// Pauses between tries, doubled from round to round of the masters. Each is shortened at random, by up to half, so that
/// many schedulers do not come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The first pause; 100 ms unless changed.
    pub min: Duration,
    /// The longest pause; 10 s unless changed.
    pub max: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(10) }
    }
}
