//! TLS towards vendors: the system's certificates, read once for everything that sends.

use std::sync::OnceLock;

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;

/// Reading the certificates takes longer than anything else at the start.
static READ: OnceLock<ClientConfig> = OnceLock::new();

pub fn client_config() -> Result<ClientConfig, rustls::Error> {
    match READ.get() {
        Some(config) => Ok(config.clone()),
        None => ClientConfig::with_platform_verifier().map(|config| READ.get_or_init(|| config).clone()),
    }
}
