//! OAuth 2.0 servers that nobody here wrote, each set up by a file of `tests/parts/judges`. One process of each serves all tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use super::browser::PUBLIC;
use super::caller::CALLBACK;
use super::interpreters::{node_with, python_with};
use super::part::{Part, Signal, missing};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/judges");

pub struct Judge {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    _part: Part,
}

/// PyPI `oauthlib`, or `None` (and a printed skip) where it is missing, as all of these.
pub fn oauthlib() -> Option<&'static Judge> {
    static SERVER: LazyLock<Option<Judge>> = LazyLock::new(|| Judge::of_python("oauthlib", "of_oauthlib.py"));
    told(&SERVER)
}

/// PyPI `Authlib`.
pub fn authlib() -> Option<&'static Judge> {
    static SERVER: LazyLock<Option<Judge>> =
        LazyLock::new(|| Judge::of_python("authlib.integrations.flask_oauth2", "of_authlib.py"));
    told(&SERVER)
}

/// npm `@node-oauth/oauth2-server`.
pub fn node_oauth() -> Option<&'static Judge> {
    static SERVER: LazyLock<Option<Judge>> =
        LazyLock::new(|| Judge::of_node("@node-oauth/oauth2-server", "node-oauth.mjs"));
    told(&SERVER)
}

/// npm `oauth2-mock-server`.
pub fn mock() -> Option<&'static Judge> {
    static SERVER: LazyLock<Option<Judge>> = LazyLock::new(|| Judge::of_node("oauth2-mock-server", "mock.mjs"));
    told(&SERVER)
}

fn told(server: &'static LazyLock<Option<Judge>>) -> Option<&'static Judge> {
    if server.is_none() {
        missing("no Node 20 or no Python with the packages of tests/parts/judges: run make test");
    }
    server.as_ref()
}

impl Judge {
    fn of_node(package: &str, script: &str) -> Option<Self> {
        let node = node_with(&Path::new(DIRECTORY).join("node_modules").join(package))?;
        Some(Self::start(node, script))
    }

    fn of_python(module: &str, script: &str) -> Option<Self> {
        Some(Self::start(python_with(module)?, script))
    }

    fn start(interpreter: PathBuf, script: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("ligand-judge-").tempdir().expect("a directory");
        let mut command = Part::command(interpreter, directory.path(), Signal::Kill);
        let redirect_uris = format!("{PUBLIC}/connector/callback {CALLBACK}");
        command.arg(OsStr::new(script)).current_dir(DIRECTORY).env("REDIRECT_URIS", redirect_uris);
        // Both libraries want https, but for this.
        command.envs([("OAUTHLIB_INSECURE_TRANSPORT", "1"), ("AUTHLIB_INSECURE_TRANSPORT", "1")]);
        let mut part = Part::start(&mut command, directory);
        let url = part.wait_for("ready ", Duration::from_secs(60));
        Self { url, _part: part }
    }
}
