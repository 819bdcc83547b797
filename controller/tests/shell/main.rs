//! The controller's shell against an in-memory API server and real sockets.

mod api_server;
mod election;
mod files;
mod link;
mod watching;
mod writing;
