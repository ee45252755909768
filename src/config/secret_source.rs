//! Where secrets among the settings come from: a variable or a file, and for the key ring also a command. Not the command
//! line, which every user of the machine can see and shells remember.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use clap::ArgMatches;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use zeroize::Zeroizing;

use crate::kernel::secret::Secret;

/// Longest secret, in bytes: the largest key ring is a few hundred.
const LONGEST: u64 = 64 * 1024;
/// A key service far away that does not answer must not hold up a start without a word.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that are secrets, and settings that are URLs and may hold a password: the id of the argument, and its variable.
const SECRETS: [(&str, &str); 3] = [
    ("master_key", "LIGAND_MASTER_KEY"),
    ("admin_password", "LIGAND_ADMIN_PASSWORD"),
    ("password", "LIGAND_USER_PASSWORD"),
];
const URLS: [(&str, &str); 2] = [("database_url", "DATABASE_URL"), ("outbound_proxy", "LIGAND_OUTBOUND_PROXY")];

/// The content of a file that a setting names; `-` is standard input.
#[derive(Debug, Clone)]
pub struct SecretFile {
    pub path: PathBuf,
    /// Without the line's end.
    pub content: Secret,
    /// Whether users beside the owner and the group may read it.
    pub open_to_all: bool,
}

impl SecretFile {
    /// A value parser: the file is read together with the settings, so that one that cannot be is refused like a bad value.
    pub fn read(path: &str) -> Result<Self, String> {
        let failed = |error: io::Error| error.to_string();
        if path == "-" {
            let content = secret_in(io::stdin().lock()).map_err(failed)?;
            return Ok(Self { path: path.into(), content, open_to_all: false });
        }
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        Ok(Self { path: path.into(), content: secret_in(file).map_err(failed)?, open_to_all: mode & 0o007 != 0 })
    }
}

fn secret_in(from: impl Read) -> io::Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    let length = from.take(LONGEST).read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length == LONGEST) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long for a secret"));
    }
    let trimmed = Secret::new(text.trim());
    if trimmed.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(trimmed)
}

/// Reads a value that may hold a password: a refusal says what is wrong without repeating it.
#[derive(Clone)]
pub struct Unrepeated<T>(pub fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Unrepeated<T> {
    type Value = T;

    fn parse_ref(&self, command: &clap::Command, _: Option<&clap::Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let Self(parse) = self;
        let refused = |reason| clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n")).with_cmd(command);
        parse(&value.to_string_lossy()).map_err(refused)
    }
}

/// What a command line of the operator's shell prints: any key service by its own program.
///
/// # Errors
/// One sentence, without what was printed. What the command says on standard error goes to ours.
pub fn printed_by(command: &str) -> Result<Secret, String> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = shell.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
    let output = child.stdout.take().ok_or("it has no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(secret_in(output)));
    let Ok(printed) = receiver.recv_timeout(PATIENCE) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it did not end within {} s", PATIENCE.as_secs()));
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("it failed ({status})"));
    }
    printed.map_err(|error| format!("what it printed is no key ring: {error}"))
}

/// Refuses secrets on the command line, in the words for whoever typed it. Where a variable is set the line is not used.
pub fn refuse_on_command_line(matches: &ArgMatches) -> Result<(), String> {
    let typed = |id: &str| {
        let known = matches.try_contains_id(id).unwrap_or_default();
        (known && matches.value_source(id) == Some(ValueSource::CommandLine)).then(|| matches.get_raw(id))?
    };
    for (id, variable) in SECRETS {
        if typed(id).is_some() {
            return Err(refusal(id, variable, ""));
        }
    }
    for (id, variable) in URLS {
        if typed(id).is_some_and(|mut values| values.any(|value| has_password(&value.to_string_lossy()))) {
            return Err(refusal(id, variable, " with a password"));
        }
    }
    matches.subcommand().map_or(Ok(()), |(_, below)| refuse_on_command_line(below))
}

fn refusal(id: &str, variable: &str, which: &str) -> String {
    let flag = id.replace('_', "-");
    format!(
        "--{flag}{which} is not taken from the command line, which other users of this machine can see: set {variable}, or name \
         a file (`-` is standard input) with --{flag}-file"
    )
}

/// A password before the host, or among the parameters (libpq's `password`, `sslpassword`).
fn has_password(url: &str) -> bool {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = before.split_once("://").map_or(before, |(_, rest)| rest);
    let in_front = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    in_front || query.split('&').any(|pair| pair.split('=').next().is_some_and(|name| name.ends_with("password")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_found() {
        for url in
            ["postgres://a:b@c/d", "postgres://a:b@c:1,d:2/e", "postgres://c/d?x=y&password=b", "http://a:@proxy:1"]
        {
            assert!(has_password(url), "{url}");
        }
        for url in
            ["postgres://a@c:5432/d", "postgres:///d?host=/run:1", "sqlite:a:b.db", "http://proxy:3128", "ligand.db"]
        {
            assert!(!has_password(url), "{url}");
        }
    }

    #[test]
    fn what_a_command_prints_is_the_secret_and_a_failure_is_told_without_it() {
        assert_eq!(printed_by("echo ' k:abc '").unwrap().expose(), "k:abc");
        for (command, reason) in [("echo s3cret; exit 3", "exit status: 3"), ("true", "empty"), ("yes", "too long")] {
            let refused = printed_by(command).unwrap_err();
            assert!(!refused.contains("s3cret") && (refused.contains(reason) || command == "yes"), "{refused}");
        }
    }
}
