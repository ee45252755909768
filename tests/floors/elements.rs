//! One way to an element: by its owner (`src/service/elements/of_owner.rs`). Whoever looked into the catalogue itself would find
//! what every organization has, and not what one has of its own.

use std::fs;
use std::path::{Path, PathBuf};

use super::sources;

/// Those who load it, and put it behind that way.
const LOADERS: &[&str] = &[
    "cli/mod.rs",
    "cli/restore.rs",
    "cli/sandbox_vendor.rs",
    "cli/serve.rs",
    "cli/try_reply.rs",
    "service/elements/of_owner.rs",
    "service/elements/view.rs",
];

/// Ways around it, and who may have them all the same.
const WAYS: &[(&str, &[&str])] = &[
    ("Catalog", LOADERS),
    (".catalog", LOADERS),
    (".shelf", &["service/elements/of_owner.rs"]),
    ("CredentialNames::of", &["service/elements/of_owner.rs"]),
    ("ElementTexts::of", &["service/elements/of_owner.rs"]),
];

/// Whether a text has a name, and not only as a part of another one.
fn names(text: &str, name: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let begun = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(name).any(|(at, found)| {
        let (before, rest) = (&text[..at], &text[at + found.len()..]);
        !goes_on(rest) && (name.starts_with('.') || !begun(before))
    })
}

#[test]
fn elements_are_found_by_their_owner_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths: Vec<PathBuf> = Vec::new();
    sources(&root, &mut paths);
    let mut complaints = Vec::new();
    let mut used = 0;
    for path in paths {
        let below = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if below.starts_with("catalog/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        used += text.matches(".element_of(").count() + text.matches(".element_by_id(").count();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for (way, homes) in WAYS {
                // A crate's own tests may load a catalogue of theirs.
                if names(code, way) && !homes.contains(&below.as_str()) && !below.contains("/tests") {
                    complaints.push(format!("src/{below}:{}: {way}: ask `element_of` or `elements_of`", number + 1));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(used > 30, "only {used} uses were found: are elements found in another way?");
}
