//! The options that say which cluster a command is for.

use clap::{Args, ValueEnum};
use proffer_e2e::cluster::{Options, Source};

/// The name of the cluster that people use where they name none.
pub(crate) const DEFAULT_NAME: &str = "proffer";

/// How many nodes a cluster has where nobody says.
const DEFAULT_NODES: u8 = 3;

/// Which cluster.
#[derive(Args, Clone)]
pub(crate) struct ClusterOptions {
    /// Where the cluster comes from; by default kind if Docker and kind work, else local on Linux as root
    #[arg(long, value_enum)]
    cluster: Option<SourceName>,

    /// The cluster's name; clusters of different names live side by side
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
}

/// The names of [`Source`]s on the command line.
#[derive(ValueEnum, Clone, Copy)]
pub(crate) enum SourceName {
    /// The current kubeconfig's cluster
    Existing,
    /// kind, in Docker
    Kind,
    /// Started here from packages; Linux, as root
    Local,
}

impl ClusterOptions {
    /// The options in the harness' terms.
    pub(crate) fn options(&self) -> Options {
        Options { name: self.name.clone(), source: source(self.cluster), nodes: DEFAULT_NODES }
    }

    /// The options as a person would type them, where they are not the defaults.
    pub(crate) fn as_typed(&self) -> String {
        let source = source(self.cluster).map(|source| format!(" --cluster {source}"));
        let name = (self.name != DEFAULT_NAME).then(|| format!(" --name {}", self.name));
        [source, name].into_iter().flatten().collect()
    }

    /// The same with another number of nodes.
    pub(crate) fn with_nodes(&self, nodes: u8) -> Options {
        Options { nodes, ..self.options() }
    }
}

/// The options of a cluster for tests.
pub(crate) fn for_tests(name: &str, cluster: Option<SourceName>) -> Options {
    Options { name: name.to_owned(), source: source(cluster), nodes: DEFAULT_NODES }
}

fn source(name: Option<SourceName>) -> Option<Source> {
    name.map(|name| match name {
        SourceName::Existing => Source::Existing,
        SourceName::Kind => Source::Kind,
        SourceName::Local => Source::Local,
    })
}
