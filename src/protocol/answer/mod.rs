//! What becomes of a vendor's answer on its way to the caller. A vendor speaks to who called it: not to the proxy in front of
//! this server, not about its origin, and not to callers of other instances. `docs/passthrough.md` says the same to users.

pub mod addresses;
pub mod caching;
pub mod cookies;
pub mod links;
pub mod masking;
pub mod withheld;
