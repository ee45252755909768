//! Ligand: a self-hosted element backend. See ARCHITECTURE.md for the floors and the path that a request takes.

pub mod catalog;
pub mod cli;
pub mod config;
pub mod http;
pub mod hub;
pub mod jobs;
pub mod kernel;
pub mod outbound;
pub mod protocol;
pub mod sandbox;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod vault;
