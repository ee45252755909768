//! The rooms of `src/service`: one uses what lies below it, by import and by call. Every use case is a method of `Services`, so
//! imports alone would show no circle.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::sources;

/// From the ground up. `mod.rs`, which names the parts of all rooms, is none of them.
const ROOMS: &[&str] = &[
    "actor",
    "process",
    "ground",
    "audit",
    "keys",
    "elements",
    "organization",
    "work",
    "people",
    "instance",
    "links",
    "notices",
    "grants",
    "credentials",
    "unstored",
    "refresh",
    "authorize",
    "lifecycle",
    "connect",
    "calls",
    "callback",
    "change_feed",
];

/// What cannot import the use cases, so that its methods are called by nobody there.
const ABOVE: &[&str] = &["sandbox", "http", "cli", "jobs"];

struct Source {
    path: PathBuf,
    /// Below `src`, without `.rs` and without a last `mod`.
    module: Vec<String>,
    /// Without comments and tests.
    text: String,
}

fn read() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let source = |path: PathBuf| {
        let below = path.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<_> = below.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let text = text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
        Source { path, module, text }
    };
    paths.into_iter().map(source).collect()
}

impl Source {
    /// None: it is no use case.
    fn room(&self) -> Option<&str> {
        match self.module.as_slice() {
            [service, room, ..] if service == "service" => Some(room),
            _ => None,
        }
    }

    /// The modules below `service` that it names.
    fn named(&self) -> Vec<String> {
        let absolute = self.text.split("crate::service::").skip(1).map(str::to_owned);
        let mut named: Vec<_> = absolute.map(|rest| identifier(&rest)).collect();
        // `super::` as often as it takes to be in `service`.
        let up = "super::".repeat(self.module.len() - 1);
        for (at, _) in self.text.match_indices(&up) {
            let (before, rest) = (&self.text[..at], &self.text[at + up.len()..]);
            if !before.ends_with("super::") && !rest.starts_with("super::") {
                named.push(identifier(rest));
            }
        }
        named
    }

    /// The methods with a receiver that are declared inside or outside of `impl Services`, as far as others see them.
    fn methods(&self, of_services: bool) -> Vec<String> {
        let mut inside = false;
        let mut found = Vec::new();
        let lines: Vec<_> = self.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            match *line {
                "impl Services {" => inside = true,
                "}" => inside = false,
                _ => {}
            }
            let Some((before, rest)) = line.split_once("fn ") else { continue };
            let (name, head) = (identifier(rest), lines[number..].iter().take(4).copied().collect::<String>());
            let has_receiver = head.split(')').next().is_some_and(|parameters| {
                parameters.split(['(', ',', ' ', '&']).any(|part| part.trim_end_matches(':') == "self")
            });
            let is_seen = before.contains("pub") || !of_services;
            if inside == of_services && is_seen && has_receiver && !before.contains('"') {
                found.push(name);
            }
        }
        found
    }

    fn calls(&self) -> Vec<String> {
        let calls = self.text.split('.').skip(1);
        calls
            .filter_map(|rest| {
                let name = identifier(rest);
                let behind = &rest[name.len()..];
                (behind.starts_with('(') || behind.starts_with("::<")).then_some(name)
            })
            .collect()
    }
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn height(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

#[test]
fn rooms_use_what_lies_below_them() {
    let sources = read();
    let mut complaints = Vec::new();
    let mut homes = BTreeMap::new();
    for (source, room) in sources.iter().filter_map(|source| Some((source, source.room()?))) {
        if height(room).is_none() {
            complaints.push(format!("{}: {room} is no room", source.path.display()));
        }
        homes.extend(source.methods(true).into_iter().map(|name| (name, room)));
    }
    for source in sources.iter().filter(|source| !ABOVE.contains(&source.module[0].as_str())) {
        for name in source.methods(false) {
            if let Some(room) = homes.get(&name) {
                let path = source.path.display();
                complaints.push(format!(
                    "{path}: {name} is a use case of {room}, too: a call of it tells nobody where it goes"
                ));
            }
        }
    }
    for (source, own) in sources.iter().filter_map(|source| Some((source, height(source.room()?)?))) {
        let named = source.named().into_iter().filter_map(|name| Some((height(&name)?, name)));
        let called =
            source.calls().into_iter().filter_map(|name| Some((height(homes.get(&name)?)?, format!(".{name}()"))));
        for (height, name) in named.chain(called).filter(|(height, _)| *height > own) {
            complaints.push(format!("{}: {name} lies above, in {}", source.path.display(), ROOMS[height]));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_room_is_there() {
    let sources = read();
    for room in ROOMS {
        assert!(sources.iter().any(|source| source.room() == Some(room)), "{room} is gone");
    }
}
