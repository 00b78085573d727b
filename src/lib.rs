//! `remote`: AI agents on machines that are not your laptop. The rooms and which may import which are in
//! ARCHITECTURE.md; tests/layers.rs holds them to it.

pub mod aws;
pub mod cli;
pub mod client;
pub mod config;
pub mod cost;
pub mod error;
pub mod host;
pub mod model;
pub mod mux;
pub mod notice;
pub mod proto;
pub mod provision;
pub mod repo;
pub mod secret;
pub mod ssh;
pub mod tui;
pub mod workspace;
