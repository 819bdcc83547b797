//! Container images made without a registry.

pub mod archive;
