//! Who changed what: a row for each change to people, apps, instances, links, webhooks, keys and settings, in the transaction of
//! the change itself, so that there is neither without the other. A job chains the rows, and a command finds what was altered.

pub mod chain;
pub mod deed;
pub mod list;
pub mod record;
pub mod verify;

pub use deed::Deed;
pub use record::Of;
