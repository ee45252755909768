//! What a process holds: memories, leases, counters, signs of life.

pub mod budget;
pub mod flight;
pub(in crate::service) mod leases;
pub mod limiter;
pub(in crate::service) mod liveness;
pub mod memory;
pub mod metrics;
pub mod standstill;
pub mod traffic;
