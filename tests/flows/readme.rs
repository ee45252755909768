//! What README.md and CONTRIBUTING.md tell people to type is typed here: verbatim but for ports and secrets. The word
//! behind a block's language says what it is: `story` and `refused` are calls, `operator`, `restore` and `element` are commands, and
//! `reply` and `output` are what the block before them must have given.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::part::{Part, Signal, missing};

const LIGAND: &str = env!("CARGO_BIN_EXE_ligand");
const PASSWORD: &str = "correct horse battery";
/// Members whose values differ from run to run.
const VOLATILE: [&str; 10] = [
    "redirectUrl",
    "url",
    "id",
    "vid",
    "token",
    "createdDate",
    "expiresAt",
    "requestId",
    "userSecret",
    "organizationSecret",
];

/// A fenced block: what stands behind the fence, and the text inside.
struct Block {
    info: String,
    text: String,
    line: usize,
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the file is there")
}

fn blocks(file: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in read(file).lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new(), line: number + 1 }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// A shell in a directory of its own, with the variables that a reader has exported so far.
struct Shell {
    directory: TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Shell {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ligand-readme-").tempdir().expect("a directory");
        // Makes every call that is refused fail, without a word of it in the README.
        std::fs::write(directory.path().join(".curlrc"), "fail\nshow-error\nnoproxy = \"*\"\n").expect("a file");
        Self { directory, variables: BTreeMap::new() }
    }

    /// `strict`: a call that is refused is a failure.
    fn run(&self, text: &str, strict: bool) -> Output {
        let programs = Path::new(LIGAND).parent().expect("a directory");
        let path = std::env::join_paths(
            [PathBuf::from(programs)]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").expect("a PATH"))),
        );
        let mut shell = Command::new("sh");
        shell.args(["-e", "-u", "-c", text]).current_dir(self.directory.path()).env_clear();
        shell.env("PATH", path.expect("a PATH")).envs(&self.variables);
        if strict {
            shell.env("CURL_HOME", self.directory.path());
        } else {
            shell.env("CURL_HOME", "/nonexistent");
        }
        shell.output().expect("sh can be started")
    }
}

/// The server as the README starts it, on free ports.
struct Sandboxed {
    ports: [(&'static str, String); 2],
    _part: Part,
}

impl Sandboxed {
    fn start(shell: &mut Shell, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("ligand-readme-server-").tempdir().expect("a directory");
        let (listen, vendor) = two_free_ports();
        let mut command = Part::command(LIGAND, directory.path(), Signal::Kill);
        command.args(["serve", "--sandbox"]).args(arguments).current_dir(shell.directory.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LIGAND_")) {
            command.env_remove(name);
        }
        command.env_remove("DATABASE_URL").env("LIGAND_ADMIN_PASSWORD", PASSWORD);
        command.env("LIGAND_LISTEN", format!("127.0.0.1:{listen}"));
        command.env("LIGAND_SANDBOX_LISTEN", format!("127.0.0.1:{vendor}"));
        command.env("LIGAND_DATA_DIR", directory.path().join("data"));
        let mut part = Part::start(&mut command, directory);
        for name in ["LIGAND_USER", "LIGAND_ORGANIZATION"] {
            let value = part.wait_for(&format!("export {name}="), Duration::from_secs(60));
            shell.variables.insert(name, value.trim_matches('\'').to_owned());
        }
        shell.variables.insert("PASSWORD", PASSWORD.to_owned());
        Self { ports: [("8080", listen.to_string()), ("8081", vendor.to_string())], _part: part }
    }

    fn here(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (shown, port)| text.replace(shown, port))
    }
}

fn two_free_ports() -> (u16, u16) {
    let sockets = [0, 0].map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let [first, second] = sockets.map(|socket| socket.local_addr().expect("an address").port());
    (first, second)
}

fn curl_is_there() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        missing("no curl");
    }
    found
}

/// What a reader takes from a reply into the shell.
fn remember(shell: &mut Shell, printed: &str, reply: &Value) {
    if let Some((_, code)) = printed.split_once("?code=") {
        let code = code.split('&').next().expect("a first part");
        shell.variables.insert("CODE", code.to_owned());
    }
    if let (Some(token), Some(_)) = (reply["token"].as_str(), reply.get("username")) {
        shell.variables.insert("TOKEN", token.to_owned());
    }
    if let (Some(id), Some(_)) = (reply["id"].as_i64(), reply.get("elementId")) {
        shell.variables.insert("INSTANCE_ID", id.to_string());
        if let Some(token) = reply["token"].as_str() {
            shell.variables.insert("INSTANCE_TOKEN", token.to_owned());
        }
    }
}

/// Whether a reply has everything that the shortened one shows.
#[track_caller]
fn assert_shows(shown: &Value, reply: &Value, at: &str) {
    match (shown, reply) {
        (Value::Object(shown), Value::Object(reply)) => {
            for (name, value) in shown {
                let member = reply.get(name).unwrap_or_else(|| panic!("{at}: no member {name} in {reply:?}"));
                if VOLATILE.contains(&name.as_str()) && !value.is_object() {
                    assert_eq!(std::mem::discriminant(value), std::mem::discriminant(member), "{at}/{name}");
                } else {
                    assert_shows(value, member, &format!("{at}/{name}"));
                }
            }
        }
        _ => assert_eq!(shown, reply, "{at}"),
    }
}

/// Runs the calls of a file against a server; how many there were.
fn run_calls(file: &str, shell: &mut Shell, server: &Sandboxed) -> usize {
    let (mut calls, mut reply) = (0, Value::Null);
    for block in blocks(file) {
        let at = format!("{file}:{}", block.line);
        match block.info.as_str() {
            "sh story" | "sh refused" => {
                let strict = block.info == "sh story";
                let output = shell.run(&server.here(&block.text), strict);
                let printed = String::from_utf8_lossy(&output.stdout).into_owned();
                let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{at}: {printed}\n{complaint}");
                reply = serde_json::from_str(&printed).unwrap_or_default();
                assert!(strict || reply.get("code").is_some(), "{at}: a refusal was expected, not {printed}");
                remember(shell, &printed, &reply);
                calls += 1;
            }
            "json reply" => {
                let shown =
                    serde_json::from_str(&server.here(&block.text)).unwrap_or_else(|fault| panic!("{at}: {fault}"));
                assert_shows(&shown, &reply, &at);
            }
            _ => {}
        }
    }
    calls
}

#[test]
fn the_story_of_the_readme_runs_as_it_is_printed() {
    if curl_is_there() {
        let mut shell = Shell::new();
        let server = Sandboxed::start(&mut shell, &[]);
        assert!(run_calls("README.md", &mut shell, &server) >= 11, "the README has lost a part of its story");
    }
}

#[test]
fn the_operators_commands_of_the_readme_run_as_they_are_printed() {
    let (shell, elsewhere) = (Shell::new(), Shell::new());
    // The commands run beside it.
    let _server = served(&shell);
    let commands: Vec<_> =
        blocks("README.md").into_iter().filter(|block| matches!(&*block.info, "sh operator" | "sh restore")).collect();
    assert!(commands.len() >= 6, "the README has lost commands");
    for block in commands {
        let shell = if block.info == "sh restore" { carried(&shell, &elsewhere) } else { &shell };
        let output = shell.run(&block.text, true);
        assert!(output.status.success(), "README.md:{}: {}", block.line, String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "README.md:{}: nothing was printed", block.line);
    }
}

/// The server as an operator starts it, in the shell's directory.
fn served(shell: &Shell) -> Part {
    let directory = tempfile::Builder::new().prefix("ligand-readme-server-").tempdir().expect("a directory");
    let mut command = Part::command(LIGAND, directory.path(), Signal::Kill);
    command.arg("serve").current_dir(shell.directory.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").expect("a PATH"));
    command.env("LIGAND_LISTEN", format!("127.0.0.1:{}", two_free_ports().0));
    let mut part = Part::start(&mut command, directory);
    part.wait_for("ready listen=", Duration::from_secs(60));
    part
}

/// Another machine, to which the backup and the key were brought.
fn carried<'a>(from: &Shell, to: &'a Shell) -> &'a Shell {
    let path = |shell: &Shell, file: &str| shell.directory.path().join(file);
    if !path(to, "ligand-data").exists() {
        std::fs::create_dir(path(to, "ligand-data")).expect("a new directory");
        for file in ["ligand-backup.db", "ligand-data/master.key"] {
            std::fs::copy(path(from, file), path(to, file)).expect("it is carried");
        }
    }
    to
}

/// The file, the commands with what they print, and the call of "Add an element in ten minutes".
#[test]
fn the_element_of_contributing_is_added_as_it_is_described() {
    let mut shell = Shell::new();
    let mut printed = String::new();
    let mut outputs = 0;
    for block in blocks("CONTRIBUTING.md") {
        match block.info.as_str() {
            "toml my-elements/acmedesk.toml" => {
                let file = shell.directory.path().join("my-elements/acmedesk.toml");
                std::fs::create_dir(file.parent().expect("a directory")).expect("a new directory");
                std::fs::write(file, block.text).expect("a file");
            }
            "sh element" | "sh element refused" => {
                let output = shell.run(&block.text, true);
                assert_eq!(output.status.success(), block.info == "sh element", "CONTRIBUTING.md:{}", block.line);
                printed =
                    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            }
            "text output" => {
                assert_eq!(printed, block.text, "CONTRIBUTING.md:{}", block.line);
                outputs += 1;
            }
            _ => {}
        }
    }
    assert_eq!(outputs, 3, "CONTRIBUTING.md shows a good check, a reply that is read, and a broken one");
    if curl_is_there() {
        let elements = shell.directory.path().join("my-elements");
        let server = Sandboxed::start(&mut shell, &["--elements-dir", elements.to_str().expect("a path")]);
        assert_eq!(run_calls("CONTRIBUTING.md", &mut shell, &server), 1);
    }
}

#[test]
fn every_setting_is_in_the_readme() {
    let help = Command::new(LIGAND).args(["serve", "--help"]).output().expect("the program starts");
    let help = String::from_utf8(help.stdout).expect("text");
    let names = help.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().expect("a name"));
    let readme = read("README.md");
    let missing: Vec<_> = names.filter(|name| !readme.contains(&format!("\n| `{name}` |"))).collect();
    assert!(missing.is_empty(), "not in the README's table: {missing:?}");
}
