//! Floor 2: how vendors speak, without I/O. Requests are built and replies are read as plain values, so that every
//! vendor rule is tested without a network.

pub mod account;
pub mod answer;
pub mod api_key;
pub mod claims;
pub mod content;
pub mod credential;
pub mod destination;
pub mod end_to_end;
pub mod fault;
pub mod instance_token;
pub mod oauth2;
pub mod pasted;
pub mod path;
pub mod placement;
pub mod request;
pub mod signs;
pub mod standard_webhooks;
pub mod variables;
pub mod verification;
pub mod words;

pub use credential::Credential;
pub use fault::VendorFault;
pub use request::{VendorReply, VendorRequest};
