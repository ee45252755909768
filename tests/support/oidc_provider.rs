//! A certified OAuth 2.0 server that nobody here wrote: npm `oidc-provider`, set up by `tests/parts/oidc-provider/server.mjs`.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use super::interpreters::node_with;
use super::part::{Part, Signal, missing};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/oidc-provider");

pub struct OidcProvider {
    /// Where it listens and what it calls itself: `http://127.0.0.1:PORT`.
    pub issuer: String,
    _part: Part,
}

/// The server of this test process, or `None` (and a printed skip) where Node or the package is missing.
pub fn oidc_provider() -> Option<&'static OidcProvider> {
    static SERVER: LazyLock<Option<OidcProvider>> = LazyLock::new(|| OidcProvider::start(&[]));
    if SERVER.is_none() {
        missing("no Node 20 or no node_modules: run make test");
    }
    SERVER.as_ref()
}

impl OidcProvider {
    /// A server of one's own, for tests that move its clock or need other lifetimes (`CODE_SECONDS`, `ACCESS_TOKEN_SECONDS`,
    /// `REFRESH_TOKEN_SECONDS`).
    pub fn start(environment: &[(&str, &str)]) -> Option<Self> {
        let node = node_with(&Path::new(DIRECTORY).join("node_modules/oidc-provider"))?;
        let directory = tempfile::Builder::new().prefix("ligand-oidc-provider-").tempdir().expect("a directory");
        let mut command = Part::command(node, directory.path(), Signal::Kill);
        command.arg("server.mjs").current_dir(DIRECTORY).envs(environment.iter().copied());
        let mut part = Part::start(&mut command, directory);
        let issuer = part.wait_for("ready ", Duration::from_secs(30));
        Some(Self { issuer, _part: part })
    }
}
