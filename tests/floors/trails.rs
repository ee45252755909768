//! Every function of `store` that changes what the audit log tells of takes a `Trail`, so that no use case forgets its row.

use std::fs;
use std::path::Path;

/// Files whose tables are people, apps, instances, links, webhooks, keys and settings.
const AUDITED: &[&str] = &[
    "data_keys",
    "forgetting",
    "imports",
    "instances",
    "links",
    "organization_settings",
    "partner_apps",
    "principals",
    "refreshes",
    "revocation_orders",
    "secret_places",
    "sessions",
    "users",
    "webhooks",
];

/// Functions there that take none, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("data_keys::retire_before", "the end of a rotation, whose beginning has a row"),
    ("data_keys::refuse_older", "which programs may run, not who may do what"),
    ("data_keys::remove_retired", "its time was over"),
    ("forgetting::erase_answers", "kept answers; what they answered has rows"),
    ("instances::set_connected", "what the vendor says of its account, with a token"),
    ("instances::update_credential", "a renewed token; a new grant comes with `update`"),
    ("links::purge", "its time was over"),
    ("links::drop_ended", "room for others, of what came to its end"),
    ("organization_settings::find_to_change", "a lock"),
    ("principals::end_sessions", "with the change that is its reason"),
    ("principals::end_sessions_of", "with the change that is its reason"),
    ("principals::still_holds", "a lock"),
    ("refreshes::put_off", "when a token is looked at"),
    ("refreshes::hand_over", "when a token is looked at"),
    ("refreshes::note_standing", "what the vendor answered: notices tell that"),
    ("refreshes::mark_invalid", "the vendor withdrew it: notices tell that"),
    ("refreshes::recover", "the vendor gave a newer token: notices tell that"),
    ("revocation_orders::pass", "how far an order is, which has a row"),
    ("revocation_orders::finish", "how far an order is, which has a row"),
    ("revocation_orders::invalidate", "of many at once: its callers write the rows (`audit::insert_all`)"),
    ("secret_places::note", "what a loaded file says"),
    ("sessions::begin", "with the sign-in that is its reason"),
    ("sessions::forget", "with the change that is its reason"),
    ("sessions::forget_of", "with the change that is its reason"),
    ("sessions::purge", "its time was over"),
    ("users::lock", "a lock"),
    ("webhooks::insert", "a first secret that nobody has seen, without an address"),
];

/// The functions of a file that others may call, each with its text.
fn functions(text: &str) -> Vec<(String, String)> {
    let starts: Vec<usize> = text.match_indices("\npub").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parts = starts.iter().zip(ends).map(|(from, to)| &text[*from..to]);
    parts
        .filter_map(|part| {
            let (_, rest) = part.split_once("fn ")?;
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // Only where the item itself is a function.
            let is_function = part.split("fn ").next().is_some_and(|before| before.trim().lines().count() == 1);
            // Without private functions behind it.
            let text = part.split_once("\n}\n").map_or(part, |(text, _)| text);
            is_function.then(|| (name, text.to_owned()))
        })
        .collect()
}

fn writes(text: &str) -> bool {
    ["diesel::insert_into(", "diesel::update(", "diesel::delete("].iter().any(|word| text.contains(word))
}

#[test]
fn what_changes_something_that_is_audited_takes_a_trail() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let (mut complaints, mut excused) = (Vec::new(), Vec::new());
    for file in AUDITED {
        let text = fs::read_to_string(store.join(format!("{file}.rs"))).expect("a file");
        for (name, part) in functions(&text).into_iter().filter(|(_, part)| writes(part)) {
            let (head, body) = part.split_once('{').unwrap_or((&part, ""));
            let full = format!("{file}::{name}");
            let takes = head.contains("Trail") || head.contains("&[Record]");
            match (takes, WITHOUT.iter().any(|(known, _)| *known == full)) {
                (false, false) => complaints.push(format!("{full} changes something and takes no Trail")),
                (true, true) => complaints.push(format!("{full} takes a Trail: it needs no reason")),
                (false, true) => excused.push(full),
                (true, false) if !body.contains("trail") && !body.contains("records") => {
                    complaints.push(format!("{full} writes no trail"))
                }
                (true, false) => {}
            }
        }
    }
    let gone: Vec<_> = WITHOUT.iter().filter(|(known, _)| !excused.iter().any(|full| full == known)).collect();
    assert!(complaints.is_empty() && gone.is_empty(), "{complaints:#?}\nno such function: {gone:?}");
}

#[test]
fn no_other_file_changes_what_is_audited() {
    const TABLES: &[&str] = &["app_user", "connect_link", "instance", "organization", "partner_app", "webhook"];
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    for entry in fs::read_dir(store).expect("the floor") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if AUDITED.contains(&name.as_str()) {
            continue;
        }
        for table in TABLES {
            for act in ["insert_into", "update", "delete"] {
                let statement = format!("diesel::{act}({table}::table");
                assert!(!text.contains(&statement), "{name}: {statement}, without a Trail");
            }
        }
    }
}
