//! An organization: its settings, and what it may keep and ask for.

pub mod large_bodies;
pub mod limits;
pub mod profile;
pub mod rooms;
