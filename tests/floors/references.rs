//! What is cited of `docs/api.md` is there, and nothing cites a document that the repository lacks.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/api.md";

/// Directories that are built, installed, or data of a server.
const NOT_OURS: &[&str] =
    &[".git", ".tools", ".venv", "__pycache__", "generated", "ligand-data", "node_modules", "target"];

/// What a line of a comment begins with.
const MARKS: [char; 4] = ['/', '!', '#', '*'];

struct Text {
    /// Below the repository.
    path: PathBuf,
    /// In one line, without the marks of comments: what is cited may stand on two.
    text: String,
}

fn texts() -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(root, root, &mut found);
    found
}

/// Other tests make and remove files meanwhile: what is gone is passed over.
fn collect(root: &Path, directory: &Path, found: &mut Vec<Text>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !NOT_OURS.iter().any(|other| name == *other) {
            collect(root, &path, found);
        }
        if kind.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            let lines = text.lines().map(|line| line.trim().trim_start_matches(MARKS).trim_start());
            let text = lines.collect::<Vec<_>>().join(" ");
            found.push(Text { path: path.strip_prefix(root).unwrap().to_owned(), text });
        }
    }
}

/// Whether a text begins with one of these, and goes on with something else.
fn begins_with(text: &str, wanted: &[String]) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '-');
    wanted.iter().any(|wanted| text.strip_prefix(wanted.as_str()).is_some_and(|rest| !goes_on(rest)))
}

#[test]
fn every_heading_of_the_api_page_that_is_cited_is_there() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let headings: Vec<String> = page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    let anchors: Vec<String> = headings.iter().map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let (mut cited, mut complaints) = (0, Vec::new());
    for Text { path, text } in texts() {
        let mut places = Vec::new();
        for behind in text.split(PAGE).skip(1) {
            match (behind.strip_prefix(", "), behind.strip_prefix('#')) {
                (Some(heading), _) if heading.starts_with(char::is_uppercase) => places.push((heading, &headings)),
                (_, Some(anchor)) => places.push((anchor, &anchors)),
                _ => {}
            }
        }
        if path == Path::new(PAGE) {
            places.extend(text.split("](#").skip(1).map(|anchor| (anchor, &anchors)));
        }
        cited += places.len();
        let missing = places.iter().filter(|(place, known)| !begins_with(place, known));
        complaints.extend(missing.map(|(place, _)| {
            let shown: String = place.chars().take(40).collect();
            format!("{}: {PAGE} has no `{shown}`", path.display())
        }));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(cited > 50, "only {cited} places were found: are they cited in another way?");
}

/// By number, of a text that only its writers had.
#[test]
fn no_text_cites_a_document_that_is_not_here() {
    let cites = |text: &str| {
        text.to_lowercase().split("contract").skip(1).any(|behind| {
            let behind = behind.trim_start_matches([',', ' ', '(']);
            behind.strip_prefix("section ").unwrap_or(behind).starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let complaints: Vec<_> = texts().into_iter().filter(|it| cites(&it.text)).map(|it| it.path).collect();
    assert!(complaints.is_empty(), "cite {PAGE} by its headings instead: {complaints:?}");
}

/// Of the newest endpoint CONTRIBUTING.md lists the files that have its id, so that whoever makes the next one misses none.
#[test]
fn every_place_of_an_endpoint_is_told() {
    let told = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CONTRIBUTING.md")).unwrap();
    let sentence =
        told.split("The newest one, `").nth(1).and_then(|text| text.split(';').next()).expect("the sentence");
    let mut quoted = sentence.split('`').step_by(2);
    let id = quoted.next().unwrap();
    let mut places: Vec<PathBuf> = quoted_paths(sentence);
    places.sort();
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    let names_it = |text: &str| {
        let around = text.match_indices(id).map(|(at, _)| (&text[..at], &text[at + id.len()..]));
        around.into_iter().any(|(before, after)| !before.ends_with(goes_on) && !after.starts_with(goes_on))
    };
    let mut found: Vec<PathBuf> = texts().into_iter().filter(|it| names_it(&it.text)).map(|it| it.path).collect();
    found.retain(|path| path != Path::new("CONTRIBUTING.md"));
    found.sort();
    assert_eq!(found, places, "{id} stands in the first, and the page lists the second");
    assert!(places.len() <= 5, "an endpoint should need no more than five places");
}

/// What stands between backticks and has a slash.
fn quoted_paths(text: &str) -> Vec<PathBuf> {
    text.split('`').filter(|part| part.contains('/') && !part.contains(' ')).map(PathBuf::from).collect()
}
