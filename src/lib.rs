//! Ligand: a self-hosted element backend. See ARCHITECTURE.md for the floors and the path that a request takes.

pub mod catalog;
pub mod kernel;
pub mod sandbox;
