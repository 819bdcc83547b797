//! The scheduler API over real sockets: a whole leader, an API server in memory, and an agent that the test speaks for.

mod checks;
mod life;
mod operators;
mod world;
