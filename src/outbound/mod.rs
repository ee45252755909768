//! Floor 3: the only HTTP client. Guards, sends, times.

mod answer;
mod connection;
mod connections;
mod dial;
pub mod guard;
mod held_call;
mod kept;
mod line;
mod recorded;
mod retry_after;
mod send;
mod tls;
mod upload;

pub use answer::{Answer, AnswerBody, Flow};
pub use connections::{Connections, ExchangeFault, target};
pub use dial::Dialer;
pub use guard::Guard;
pub use line::Line;
pub use recorded::recorded;
pub use retry_after::{retry_after, wait_asked};
pub use send::Sender;
pub use tls::client_config;
pub use upload::{BrokenUpload, Upload};

#[cfg(test)]
mod inner_addresses;
#[cfg(test)]
mod tests;
