//! Floor 3: all SQL. Nothing above knows diesel; nothing here knows HTTP or vendors.

pub mod address;
pub mod changes;
mod connection;
pub mod data_keys;
mod fault;
pub mod grants;
pub mod idempotency;
mod ids;
pub mod instances;
mod lanes;
pub mod leases;
pub mod links;
mod migrate;
pub mod notices;
pub mod organization_settings;
pub mod partner_apps;
pub mod principals;
pub mod refreshes;
pub mod revocations;
mod schema;
pub mod sealed;
pub mod sessions;
pub mod time;
pub mod usage;
pub mod webhooks;
mod writability;

pub use address::{Address, Pooler};
pub use connection::AnyConn;
pub use fault::StoreFault;
pub use lanes::Store;
pub use writability::{Probe, Writability};
