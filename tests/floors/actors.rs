//! What changes something is told who acts, not whose rows are meant: an owner that somebody names beside the actor could be
//! another one.

use std::fs;
use std::path::Path;

use super::sources;

/// The way to the database that writes.
const WRITES: &[&str] = &[".write_for(", ".write(", "self.commit(", "self.commit_until_decided("];

/// Use cases of the command line, which has no caller: they are the operator's, whoever the rows belong to.
const OF_THE_OPERATOR: &[&str] = &["create_user"];

/// The methods of a file that other floors call, each with its parameters and its body.
fn use_cases(text: &str) -> Vec<(&str, &str, &str)> {
    let begins = text.match_indices("\n    pub async fn ").map(|(at, before)| at + before.len());
    begins
        .map(|at| {
            let rest = &text[at..];
            let name = rest.split(['(', '<']).next().unwrap();
            let whole = rest.split("\n    }\n").next().unwrap();
            let (signature, body) = whole.split_once(" {\n").unwrap_or((whole, ""));
            (name, signature, body)
        })
        .collect()
}

#[test]
fn a_use_case_that_writes_takes_who_acts_and_no_bare_owner() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let (mut complaints, mut seen) = (Vec::new(), 0);
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (name, signature, body) in use_cases(&text) {
            let parameters = signature.split("->").next().unwrap();
            let acts = parameters.contains("&Actor");
            let names_owner = ["Owner", "&Principal"].iter().any(|of| parameters.contains(of));
            seen += usize::from(acts);
            let at = path.display();
            if acts && names_owner {
                complaints.push(format!("{at}: {name} takes an owner beside the actor"));
            }
            let writes = WRITES.iter().any(|way| body.contains(way));
            if names_owner && writes && !OF_THE_OPERATOR.contains(&name) {
                complaints.push(format!("{at}: {name} writes, and is not told who acts"));
            }
        }
    }
    assert!(seen > 30, "the use cases are found: {seen}");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
