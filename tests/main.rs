//! The one integration binary. `api`: through HTTP, on both databases. `store`: below it. `flows`: whole stories, real
//! parts, processes that die. `proofs`: the long ones of `make prove`, small. `browser`: what people see.

#![allow(
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and waits for real programs in real time"
)]

mod api;
mod browser;
mod floors;
mod flows;
mod proofs;
mod store;
mod support;
mod vendor;
