//! Floor 3: the only HTTP client. Guards, sends, times.

pub mod guard;
mod send;

pub use guard::Guard;
pub use send::Sender;

#[cfg(test)]
mod tests;
