//! Loading from a directory.

use std::path::Path;

use serde_json::Value;

use super::{CLOSEIO, FRESHDESK, HUBSPOTCRM, PIPEDRIVE, complaints, directory};
use crate::catalog::load::{Catalog, check};
use crate::catalog::secret_places::SHIPPED;

#[test]
fn toml_and_json_say_the_same() {
    let built_in = Catalog::load(None).unwrap();
    let json: Vec<_> = built_in.iter().map(|element| serde_json::to_string_pretty(element).unwrap()).collect();
    let names: Vec<_> = built_in.keys().map(|key| format!("{key}.json")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(json.iter().map(String::as_str)).collect();
    let directory = directory(&files);
    let catalog = Catalog::load(Some(directory.path())).unwrap();
    let values = |catalog: &Catalog| catalog.iter().map(|it| serde_json::to_value(it).unwrap()).collect::<Vec<Value>>();
    assert_eq!(values(&catalog), values(&built_in));
}

#[test]
fn a_directory_adds_and_replaces() {
    let added = HUBSPOTCRM.replace("id = 168", "id = 10000").replace("key = \"hubspotcrm\"", "key = \"mycrm\"");
    let replacing = CLOSEIO.replace("id = 146", "id = 12345").replace("name = \"Close\"", "name = \"Ours\"");
    let directory =
        directory(&[("added.toml", &added), ("replacing.toml", &replacing), (".hidden.toml", "?"), ("x.md", "?")]);
    let catalog = Catalog::load(Some(directory.path())).unwrap();
    assert_eq!(check(Some(directory.path())), Ok(10));
    assert_eq!(catalog.get("10000").unwrap().key, "mycrm");
    let close = catalog.get("closeio").unwrap();
    assert_eq!((close.id, close.name.as_str()), (146, "Ours"));
    assert!(catalog.get("12345").is_none());
}

#[test]
fn ids_and_keys_clash_with_both_files_named() {
    let with = |id: &str, key: &str| {
        CLOSEIO.replace("id = 146", &format!("id = {id}")).replace("key = \"closeio\"", &format!("key = \"{key}\""))
    };
    let (a, b) = (with("10001", "a"), with("10001", "b"));
    let found = complaints(&[("a.toml", &a), ("b.toml", &b)]).join("\n");
    assert!(found.starts_with("b.toml:3: the id 10001 is taken by `a` in ") && found.ends_with("a.toml"), "{found}");
    let found = complaints(&[("a.toml", &a), ("b.toml", &with("10002", "a"))]).join("\n");
    assert!(found.starts_with("b.toml:4: the key `a` is taken by ") && found.ends_with("a.toml"), "{found}");
    for id in ["-1", "0", "9999", "100000", "146"] {
        let expected = format!("a.toml:3: the id {id} is outside 10000–99999");
        assert_eq!(complaints(&[("a.toml", &with(id, "a"))]), [expected]);
    }
    let expected = "a.toml:3: the id 43 is outside 10000–99999, and not 146, which the built-in `closeio` has";
    assert_eq!(complaints(&[("a.toml", &with("43", "closeio"))]), [expected]);
    let twice = complaints(&[("a.toml", CLOSEIO), ("b.toml", CLOSEIO)]);
    assert_eq!(twice, ["b.toml:4: the key `closeio` is taken by a.toml"]);
}

/// Earlier versions took such files without a word: a server that was upgraded goes on with them.
#[test]
fn what_has_no_effect_is_a_warning_of_an_element_that_is_served() {
    let reply = "\n[variables.team]\nreply = \"/team\"\nkept = \"plain\"\n";
    let text = FRESHDESK.replace("hub = \"helpdesk\"", "hub = \"helpdesk\"\nsignupUrl = \"closeio.example\"") + reply;
    let directory = directory(&[("a.toml", &text)]);
    let catalog = Catalog::load(Some(directory.path())).unwrap();
    let reasons: Vec<_> = catalog.warnings.iter().map(|warning| warning.reason.as_str()).collect();
    let expected = ["`signupUrl` is no address that begins with https://", "without OAuth2 there is no token reply"];
    assert_eq!(reasons, expected);
    assert!(catalog.warnings.iter().all(|warning| warning.line.is_some()));
    assert_eq!(check(Some(directory.path())).unwrap_err(), catalog.warnings, "the check refuses them");
}

#[test]
fn unreadable_files_are_named() {
    let missing = Catalog::load(Some(Path::new("/nonexistent/elements"))).unwrap_err();
    assert!(missing[0].to_string().starts_with("/nonexistent/elements: cannot be read: "), "{missing:?}");
    let directory = directory(&[]);
    std::fs::write(directory.path().join("a.toml"), b"name = \"\xff\"").unwrap();
    let complaints = Catalog::load(Some(directory.path())).unwrap_err();
    assert_eq!((complaints.len(), complaints[0].line), (1, None));
}

#[test]
fn unknown_and_broken_members_have_a_line() {
    let line = |needle: &str, text: &str| text.lines().position(|line| line.contains(needle)).unwrap() + 1;
    let misspelt = CLOSEIO.replace("defaultLifetime = 3600", "defaultLifetme = 3600");
    let found = complaints(&[("a.toml", &misspelt)]).join("\n");
    let start = format!("a.toml:{}: unknown field `defaultLifetme`, expected one of", line("Lifetme", &misspelt));
    assert!(found.starts_with(&start), "{found}");

    let misplaced = CLOSEIO.replace("password = \"\" }", "pasword = \"\" }");
    let found = complaints(&[("a.toml", &misplaced)]).join("\n");
    let start = format!("a.toml:{}: unknown field `pasword`", line("pasword", &misplaced));
    assert!(found.starts_with(&start), "{found}");

    let json = serde_json::to_string_pretty(Catalog::load(None).unwrap().get("closeio").unwrap()).unwrap();
    let misspelt = json.replace("\"rotates\": true", "\"rotate\": true");
    let found = complaints(&[("a.json", &misspelt)]).join("\n");
    let start = format!("a.json:{}: unknown field `rotate`", line("\"rotate\"", &misspelt));
    assert!(found.starts_with(&start) && !found.contains("column"), "{found}");

    for (text, reason) in
        [("id = ", "a.toml:1: "), ("id = 1\nid = 2", "a.toml:2: "), ("id = \"x\"", "a.toml:1: invalid type")]
    {
        let found = complaints(&[("a.toml", text)]);
        assert!(found.len() == 1 && found[0].starts_with(reason) && !found[0].contains('\n'), "{found:?}");
    }
    let found =
        complaints(&[("a.toml", &CLOSEIO.replace("https://api.close.com\"", "https://{x\"")), ("b.json", "{}")]);
    assert!(found[0].contains("a `{` is never closed") && found[1].starts_with("b.json:1: missing field"), "{found:?}");
}

#[test]
fn complaints_about_json_have_the_line_of_the_member() {
    let json = serde_json::to_string_pretty(Catalog::load(None).unwrap().get("closeio").unwrap()).unwrap();
    let json = json.replace("\"timeout\": 30", "\"timeout\": 301").replace("\"path\": \"/api", "\"path\": \"api");
    let line = |needle: &str| json.lines().position(|line| line.contains(needle)).unwrap() + 1;
    assert_eq!(
        complaints(&[("a.json", &json)]),
        [
            format!("a.json:{}: `timeout` is outside 1–300 seconds", line("\"timeout\"")),
            format!("a.json:{}: `api/v1/me/` does not begin with `/`", line("\"path\"")),
        ]
    );
}

#[test]
fn a_copy_that_sends_secrets_nowhere_else_is_like_the_shipped_file() {
    let places = |text: &str| {
        let catalog = Catalog::load(Some(directory(&[("a.toml", text)]).path())).unwrap();
        catalog.get("pipedrive").unwrap().secret_places.clone()
    };
    for same in [
        PIPEDRIVE.to_owned(),
        PIPEDRIVE.replace("/oauth/token\"", "/oauth/v2/token\""),
        PIPEDRIVE.replace("[\".pipedrive.com\"]", "[\".pipedrive.com\", \".pipedrive.example\"]"),
        PIPEDRIVE.replace("name = \"Pipedrive\"", "name = \"Pipe\""),
    ] {
        assert_eq!(places(&same), SHIPPED);
    }
    let mut others = std::collections::BTreeSet::new();
    for (from, to) in [
        ("https://oauth.pipedrive.com/oauth/token", "https://oauth.pipedrive.example/oauth/token"),
        ("https://oauth.pipedrive.com/oauth/authorize", "https://login.pipedrive.com/oauth/authorize"),
        ("https://oauth.pipedrive.com/oauth/revoke", "https://login.pipedrive.com/oauth/revoke"),
        ("baseUrl = \"{api_domain}\"", "baseUrl = \"https://api.pipedrive.com/{api_domain}\""),
        ("reply = \"/api_domain\"", "reply = \"/domain\""),
        ("clientAuthentication = \"basic\"", "clientAuthentication = \"query\""),
    ] {
        assert!(PIPEDRIVE.contains(from), "{from}");
        assert!(others.insert(places(&PIPEDRIVE.replace(from, to))), "{from}");
    }
    assert!(!others.contains(SHIPPED));
}
