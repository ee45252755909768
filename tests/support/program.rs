//! The built program, run as an operator runs it: with a directory of its own, and nothing of the test's environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::caller::{Caller, Reply};
use super::part::{Part, Signal};
use super::server::PASSWORD;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ligand");
const LIMIT: Duration = Duration::from_secs(30);
pub const ADMIN: &str = "admin@example.com";

pub struct Ligand {
    program: PathBuf,
    directory: Arc<TempDir>,
    environment: BTreeMap<String, String>,
}

/// A command that came to its end.
#[derive(Debug)]
pub struct Ended {
    pub success: bool,
    pub output: String,
    pub errors: String,
}

impl Ended {
    #[track_caller]
    pub fn succeeds(&self) -> &str {
        assert!(self.success, "{self:?}");
        &self.output
    }

    /// One line that says why, without a panic.
    #[track_caller]
    pub fn fails(&self, reason: &str) {
        assert!(!self.success && self.errors.contains(reason), "no {reason:?}: {self:?}");
        assert!(!self.errors.contains("panicked"), "{self:?}");
    }
}

impl Ligand {
    /// With SQLite in its own directory, where also relative paths lead.
    pub fn new() -> Self {
        Self::of(Path::new(PROGRAM))
    }

    /// The same of another build of the program.
    pub fn of(program: &Path) -> Self {
        // For the callers: the program does so itself.
        ligand::tls::install();
        let directory = tempfile::Builder::new().prefix("ligand-program-").tempdir().expect("a directory");
        Self { program: program.to_owned(), directory: Arc::new(directory), environment: BTreeMap::new() }
    }

    /// Another build with the same settings, in a directory of its own.
    pub fn like(&self, program: &Path) -> Self {
        Self { environment: self.environment.clone(), ..Self::of(program) }
    }

    /// An empty value means: not set.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a first administrator whose password the test knows.
    pub fn with_admin(self) -> Self {
        self.set("LIGAND_ADMIN_EMAIL", ADMIN).set("LIGAND_ADMIN_PASSWORD", PASSWORD)
    }

    /// For the programs that are started from now on.
    pub fn change(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Every file below its directory, as relative paths.
    pub fn files(&self) -> Vec<String> {
        fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(root, &path, found);
                } else {
                    found.push(path.strip_prefix(root).expect("it is below").display().to_string());
                }
            }
        }
        let mut found = Vec::new();
        walk(self.directory.path(), self.directory.path(), &mut found);
        found.sort();
        found
    }

    /// Runs a command to its end; one that does not end is killed and fails.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_within(LIMIT, arguments)
    }

    /// `SIGKILL` ends it after `limit`.
    pub fn run_within(&self, limit: Duration, arguments: &[&str]) -> Ended {
        self.run_reading(Stdio::null(), limit, arguments)
    }

    /// With a file of its directory as standard input.
    pub fn run_with_input(&self, file: &str, arguments: &[&str]) -> Ended {
        let input = fs::File::open(self.path(file)).expect("the input");
        self.run_reading(input.into(), LIMIT, arguments)
    }

    fn run_reading(&self, input: Stdio, limit: Duration, arguments: &[&str]) -> Ended {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", &format!("{:.3}", limit.as_secs_f64())]).arg(&self.program).args(arguments);
        self.surround(&mut command).env("LIGAND_LISTEN", free_address()).env("LIGAND_SANDBOX_LISTEN", free_address());
        let output = command.stdin(input).output().expect("timeout can be started");
        Ended {
            success: output.status.success(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts the server on free ports and waits until it is ready.
    pub fn serve(&self, arguments: &[&str]) -> Serving {
        let mut server = self.start(arguments);
        server.wait_until_ready();
        server
    }

    /// Starts the server on free ports.
    pub fn start(&self, arguments: &[&str]) -> Serving {
        let (listen, sandbox) = (free_address(), free_address());
        let logs = tempfile::Builder::new().prefix("ligand-log-").tempdir().expect("a directory");
        let mut command = Part::command(&self.program, logs.path(), Signal::Kill);
        command.arg("serve").args(arguments);
        self.surround(&mut command).env("LIGAND_LISTEN", &listen).env("LIGAND_SANDBOX_LISTEN", &sandbox);
        let part = Part::start(&mut command, logs);
        Serving {
            url: format!("http://{listen}"),
            vendor: format!("http://{sandbox}"),
            part,
            _directory: Arc::clone(&self.directory),
        }
    }

    /// Starts the server with its standard error on the pipe `unread`, which it holds open itself and nobody reads.
    pub fn serve_unread(&self, arguments: &[&str]) -> Serving {
        self.serve_within(r#"mkfifo unread; exec "$@" 2<>unread"#, arguments)
    }

    pub fn serve_ignoring_hangups(&self, arguments: &[&str]) -> Serving {
        self.serve_within(r#"trap "" HUP; exec "$@""#, arguments)
    }

    /// Starts the server from a line of shell, and waits until it answers.
    pub fn serve_within(&self, surroundings: &str, arguments: &[&str]) -> Serving {
        let (listen, sandbox) = (free_address(), free_address());
        let logs = tempfile::Builder::new().prefix("ligand-log-").tempdir().expect("a directory");
        let mut command = Part::command("sh", logs.path(), Signal::Kill);
        command.args(["-c", surroundings, "sh", PROGRAM, "serve"]).args(arguments);
        self.surround(&mut command).env("LIGAND_LISTEN", &listen).env("LIGAND_SANDBOX_LISTEN", &sandbox);
        let part = Part::start(&mut command, logs);
        let server = Serving {
            url: format!("http://{listen}"),
            vendor: format!("http://{sandbox}"),
            part,
            _directory: Arc::clone(&self.directory),
        };
        let deadline = Instant::now() + LIMIT;
        while server.readiness() != Some(200) {
            assert!(Instant::now() < deadline, "it does not get ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Starts a command that the test watches, and may kill.
    pub fn begin(&self, arguments: &[&str]) -> Part {
        let logs = tempfile::Builder::new().prefix("ligand-log-").tempdir().expect("a directory");
        let mut command = Part::command(&self.program, logs.path(), Signal::Kill);
        Part::start(self.surround(command.args(arguments)), logs)
    }

    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().filter(|(_, value)| !value.is_empty()));
        command.current_dir(self.directory.path())
    }
}

/// A running server. It is killed when this goes.
pub struct Serving {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The sandbox, with `--sandbox`.
    pub vendor: String,
    part: Part,
    /// Until it has ended: also where the test keeps no `Ligand`.
    _directory: Arc<TempDir>,
}

impl Serving {
    /// Ends the server and gives its exit status.
    pub fn stop(mut self, signal: Signal) -> (i32, String) {
        let status = self.part.stop(signal);
        (status, self.part.log())
    }

    /// Ends the server, which can be started again at its address.
    pub fn stop_in_place(&mut self, signal: Signal) -> i32 {
        self.part.stop(signal)
    }

    pub fn start_again(&mut self) {
        self.part.start_again();
        self.wait_until_ready();
    }

    /// Sends a signal without waiting for the end.
    pub fn send(&mut self, signal: Signal) {
        self.part.send(signal);
    }

    pub fn wait_until_ready(&mut self) {
        self.part.wait_for("ready listen=", LIMIT);
    }

    /// The status of `/health/ready`, asked over a connection of its own; nothing when that is refused.
    pub fn readiness(&self) -> Option<u16> {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).ok()?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        reply.split(' ').nth(1)?.parse().ok()
    }

    pub fn pid(&self) -> u32 {
        self.part.pid()
    }

    /// Bytes that it holds in memory.
    pub fn resident(&self) -> u64 {
        self.part.resident()
    }

    #[allow(dead_code, reason = "for `benches/compare`, which shares this")]
    pub fn processor_ticks(&self) -> u64 {
        self.part.processor_ticks()
    }

    pub fn log(&self) -> String {
        self.part.log()
    }

    /// A caller with the secrets that a password gives access to.
    pub async fn sign_in(&self, email: &str, password: &str) -> Caller {
        let anonymous = Caller::anonymous(&self.url);
        let session = self.try_to_sign_in(email, password).await.ok();
        let bearer = anonymous.with(&format!("Bearer {}", session["token"].as_str().expect("a token")));
        let secrets = bearer.get("/authentication/secrets").await.ok();
        let (user, organization) = (&secrets["userSecret"], &secrets["organizationSecret"]);
        let text = |value: &serde_json::Value| value.as_str().expect("a secret").to_owned();
        anonymous.with(&format!("User {}, Organization {}", text(user), text(organization)))
    }

    pub async fn try_to_sign_in(&self, email: &str, password: &str) -> Reply {
        let body = serde_json::json!({ "username": email, "password": password });
        Caller::anonymous(&self.url).post("/authentication", &body).await
    }
}

/// With a first administrator whose password the test knows.
pub fn with_admin() -> Ligand {
    Ligand::new().with_admin()
}

/// Below the range that the system takes ports of outgoing connections from, so that a restart finds it free again.
pub fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 12_000).expect("a small number");
    (0..12_000)
        .map(|_| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000)
        .map(|port| format!("127.0.0.1:{port}"))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}
