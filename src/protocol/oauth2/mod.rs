//! OAuth 2.0 as vendors speak it (RFC 6749, 7636, 7009, 9700).

pub mod authorize;
pub mod client;
pub mod code;
pub mod expired;
pub mod granted;
pub mod introspection;
pub mod issuer;
pub mod lifetime;
pub mod pkce;
pub mod redirect;
pub mod refusal;
pub mod reply;
pub mod token;

#[cfg(test)]
mod tests;
