//! How vendors are reached, for the server and for commands that speak with vendors themselves.

use clap::Args;
use ipnet::IpNet;
use url::Url;

use super::secret_source::{SecretFile, Unrepeated};
use crate::kernel::secret::Secret;

/// How vendors are reached.
#[derive(Args, Clone)]
pub struct Outbound {
    /// Inner networks that vendors may be reached in (CIDR, comma separated)
    #[arg(long, env = "LIGAND_OUTBOUND_ALLOW", value_delimiter = ',', value_name = "CIDR")]
    pub outbound_allow: Vec<IpNet>,
    /// The proxy for calls to vendors, by CONNECT; the environment's proxy settings are not used
    #[arg(long, env = "LIGAND_OUTBOUND_PROXY", hide_env_values = true, value_name = "URL", value_parser = Unrepeated(proxy_url))]
    outbound_proxy: Option<Secret>,
    /// A file with that URL, for one with a password; `-` for standard input
    #[arg(long, env = "LIGAND_OUTBOUND_PROXY_FILE", value_name = "FILE", value_parser = proxy_url_in, conflicts_with = "outbound_proxy")]
    outbound_proxy_file: Option<Secret>,
}

impl Outbound {
    pub fn proxy(&self) -> Option<&Secret> {
        self.outbound_proxy.as_ref().or(self.outbound_proxy_file.as_ref())
    }
}

fn proxy_url(text: &str) -> Result<Secret, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Secret::new(text)),
        _ => Err("LIGAND_OUTBOUND_PROXY must be http://HOST:PORT or https://HOST:PORT".to_owned()),
    }
}

fn proxy_url_in(path: &str) -> Result<Secret, String> {
    proxy_url(SecretFile::read(path)?.content.expose())
}
