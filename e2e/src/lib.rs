//! Real Kubernetes clusters for tests, and the tests that run on them.
//!
//! A [`cluster::Cluster`] is one of three things behind one set of methods: a cluster that already exists (the current
//! kubeconfig), a [kind](https://kind.sigs.k8s.io) cluster in Docker, or a *local* cluster, which this crate starts
//! itself from Go modules and Debian packages: real kubelets with real containerds, each node in namespaces of its own.
//!
//! Everything here blocks: a harness waits for one thing after the other, and a thread per node is enough where it does not.

pub mod cases;
pub mod cluster;
pub mod command;
pub mod deadline;
pub mod forward;
pub mod helm;
pub mod images;
pub mod install;
pub mod kubectl;
pub mod packages;
pub mod paths;
pub mod runner;
pub mod steps;
pub mod tools;
