//! The floors of ARCHITECTURE.md: a module imports only lower floors and its own folder, and each foreign library lives
//! where it belongs.

mod actors;
mod elements;
mod references;
mod rooms;
mod trails;

use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: &[(&str, u8)] = &[
    ("kernel", 0),
    ("catalog", 1),
    ("vault", 1),
    ("protocol", 2),
    ("hub", 3),
    ("store", 3),
    ("outbound", 3),
    ("service", 4),
    ("jobs", 5),
    ("http", 5),
    ("sandbox", 5),
    ("config", 5),
    ("telemetry", 5),
    ("tls", 5),
    ("cli", 6),
];

/// Where a library may be named.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("diesel::", &["store"]),
    ("reqwest::", &["outbound"]),
    ("actix_web::", &["http", "sandbox", "cli"]),
    ("zxcvbn::", &["vault"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The log names the line that met a failure. A function that is passed on by its name is called from inside the standard
/// library, and then that is the place: a closure is not.
#[test]
fn the_place_of_a_failure_is_a_line_of_ours() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    let mut complaints = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let mut ways = ["map_err(", "or_else("]
                .iter()
                .flat_map(|way| ["ApiError::", "Into::", "From::"].map(|of| [*way, of].concat()));
            let by_name = |way: String| {
                let rests = line.match_indices(&way).map(|(at, _)| &line[at + way.len()..]);
                rests
                    .map(|rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
                    .any(|rest| rest.starts_with(')'))
            };
            if ways.any(by_name) {
                complaints.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(complaints.is_empty(), "write a closure:\n{}", complaints.join("\n"));
}

#[test]
fn modules_import_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let mut complaints = Vec::new();
    for path in paths {
        let below = path.strip_prefix(&root).unwrap().with_extension("");
        let own = below.iter().next().unwrap().to_str().unwrap().to_owned();
        if matches!(own.as_str(), "main" | "lib") {
            continue;
        }
        let own_floor = floor(&own).unwrap_or_else(|| panic!("{own} has no floor"));
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let at = format!("{}:{}", path.display(), number + 1);
            for imported in line.split("crate::").skip(1) {
                let module: String = imported.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(floor) = floor(&module) else { continue };
                let may = floor < own_floor || module == own;
                if !may {
                    complaints.push(format!("{at}: {own} (floor {own_floor}) imports {module} (floor {floor})"));
                }
                if module == "sandbox" && !matches!(own.as_str(), "sandbox" | "cli") {
                    complaints.push(format!("{at}: {own} imports the sandbox"));
                }
                if own == "sandbox" && !matches!(module.as_str(), "sandbox" | "kernel") {
                    complaints.push(format!("{at}: the sandbox imports {module}"));
                }
            }
            for (library, homes) in LIBRARIES {
                if line.contains(library) && !homes.contains(&own.as_str()) {
                    complaints.push(format!("{at}: {own} uses {library}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Endpoints answer programs and pages answer people: what both need is beside them in `http`.
#[test]
fn endpoints_and_pages_do_not_know_each_other() {
    for (own, other) in [("api", "http::pages"), ("pages", "http::api")] {
        let mut paths = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http").join(own), &mut paths);
        assert!(!paths.is_empty(), "there is no src/http/{own}");
        let knows = |path: &&PathBuf| fs::read_to_string(path).unwrap().contains(other);
        let knowing: Vec<_> = paths.iter().filter(knows).collect();
        assert!(knowing.is_empty(), "{other} is named in {knowing:?}");
    }
}

/// Whoever takes a body takes it by `http/body.rs`, where it has a limit, a time and its share of memory.
#[test]
fn bodies_are_read_by_our_own_readers_alone() {
    const FRAMEWORKS: &[&str] = &[
        "web::Payload",
        "web::Form",
        "web::Either",
        "web::BytesMut",
        ": web::Bytes",
        ": Bytes,",
        ": web::Json",
        "web::Json(",
        "Multipart",
        ": String)",
        ": String,",
        "payload: Payload",
        "Payload::into_inner",
        ".into_inner()",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let mut complaints = Vec::new();
    for path in paths.iter().filter(|path| !path.ends_with("http/body.rs")) {
        let text = fs::read_to_string(path).unwrap();
        // The parameters of functions: between the name of one and the brace of its body.
        for function in text.split("async fn ").skip(1) {
            let signature = function.split(" {\n").next().unwrap_or_default();
            let parameters = signature.split(" -> ").next().unwrap_or_default();
            let of_a_route = parameters.contains("HttpRequest") || text.contains("utoipa::path");
            for extractor in FRAMEWORKS.iter().filter(|extractor| of_a_route && parameters.contains(**extractor)) {
                complaints.push(format!("{}: {extractor} in fn {parameters}", path.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Named for a feature that another crate of the tree is built with.
const FOR_A_FEATURE: &[&str] = &["libsqlite3-sys", "openssl-sys", "pq-sys"];

#[test]
fn every_dependency_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let named = manifest["dependencies"].as_table().unwrap().keys();
    let is_used = |name: &str| {
        let name = name.replace('-', "_");
        [format!("{name}::"), format!("use {name};")].iter().any(|way| text.contains(way.as_str()))
    };
    let unused: Vec<_> = named.filter(|name| !is_used(name) && !FOR_A_FEATURE.contains(&name.as_str())).collect();
    assert!(unused.is_empty(), "nothing in src names {unused:?}: drop it, or move it to what only tests use");
}

/// With listed components rustup downloads where it would use what is there.
#[test]
fn the_toolchain_is_a_channel_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let kept: toml::Table = read("rust-toolchain.toml").parse().unwrap();
    let members: Vec<&str> = kept["toolchain"].as_table().unwrap().keys().map(String::as_str).collect();
    assert_eq!((kept.len(), members), (1, vec!["channel"]));
    // What compiles it at least stands in two texts, too.
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let oldest = manifest["package"]["rust-version"].as_str().unwrap();
    for text in ["README.md", "CONTRIBUTING.md"] {
        assert!(read(text).contains(&format!("without rustup {oldest} or later")), "{text}");
    }
}
