//! TLS towards vendors: the system's certificates, read once for everything that sends.

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;

pub fn client_config() -> Result<ClientConfig, rustls::Error> {
    ClientConfig::with_platform_verifier()
}
