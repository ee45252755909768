//! The shipped elements, loading from a directory, and each complaint.

mod directory;
mod refused_authentication;
mod refused_identity;
mod refused_resources;
mod shipped;

use tempfile::TempDir;

use super::load::check;

const CLOSEIO: &str = include_str!("../../../elements/closeio.toml");
const HUBSPOTCRM: &str = include_str!("../../../elements/hubspotcrm.toml");
const FRESHDESK: &str = include_str!("../../../elements/freshdesk.toml");
const JIRA: &str = include_str!("../../../elements/jira.toml");
const PIPEDRIVE: &str = include_str!("../../../elements/pipedrive.toml");
const SFDC: &str = include_str!("../../../elements/sfdc.toml");

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// What a directory with these files is refused for, as shown, without the directory's own path.
fn complaints(files: &[(&str, &str)]) -> Vec<String> {
    let directory = directory(files);
    let prefix = format!("{}/", directory.path().display());
    let complaints = check(Some(directory.path())).unwrap_err();
    complaints.iter().map(|complaint| complaint.to_string().replace(&prefix, "")).collect()
}

/// Asserts that a shipped file with one text exchanged is refused with one complaint. The line is that of the text that
/// came in, or of `line_of` where the complaint is about another one.
#[track_caller]
fn refused_at(text: &str, from: &str, to: &str, line_of: &str, reason: &str) {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let line = text.lines().position(|line| line.contains(line_of)).unwrap() + 1;
    assert_eq!(complaints(&[("a.toml", &text)]), [format!("a.toml:{line}: {reason}")], "{from} -> {to}");
}

#[track_caller]
fn refused(text: &str, from: &str, to: &str, reason: &str) {
    refused_at(text, from, to, to.lines().next().unwrap(), reason);
}
