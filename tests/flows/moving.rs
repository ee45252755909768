//! Connections that move: `ligand import`, from Nango, and from one server to another by way of a file that the `age` command knows.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::imports::{key_line, text_of, token_line};
use crate::support::caller::Caller;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::part::{Signal, missing};
use crate::support::program::Ended;
use crate::support::{Database, on_both};

/// One line of what a command said of lines.
fn told(ended: &Ended) -> Vec<Value> {
    ended.output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn statuses(ended: &Ended) -> Vec<String> {
    told(ended).iter().map(|answer| answer["status"].as_str().expect("a status").to_owned()).collect()
}

async fn count(caller: &Caller) -> i64 {
    caller.get("/instances/count").await.ok()["totalInstances"].as_i64().expect("a count")
}

/// Runs a program of Debian's package `age` in a directory. None: it is not there.
fn age(directory: &Path, program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let Ok(output) = Command::new(program).args(arguments).current_dir(directory).output() else {
        missing("no age");
        return None;
    };
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

on_both!(an_export_moves_to_an_empty_server_by_way_of_age, in |database| {
    runtime().block_on(moved(database));
});

async fn moved(database: Database) {
    let from = Fleet::start(database, 1).await;
    let to = Fleet::start(Database::sqlite(), 1).await;
    let directory = from.ligand.path("");
    if age(&directory, "age-keygen", &["-o", "key.txt"]).is_none() {
        return;
    }
    let recipient = age(&directory, "age-keygen", &["-y", "key.txt"]).expect("age is there");
    let recipient = String::from_utf8(recipient).expect("a text").trim().to_owned();

    let caller = &from.callers[0];
    let by_code = caller.create_with_code(from.sandbox(), "By a code").await;
    caller.create_with_key("By a key").await;
    let tokens = json!({
        "access_token": "THE-ACCESS-TOKEN", "refresh_token": "THE-REFRESH-TOKEN", "refresh_time": "2026-03-01T11:50:00Z",
        "expires_at": "2026-03-01T12:20:00.5Z", "expires_in": 1800, "refresh_token_expires_at": "2099-06-01T00:00:00Z",
    });
    let mut whole = token_line("whole", &tokens);
    whole["tags"] = json!(["moved", "eu"]);
    whole["externalId"] = "customer-7".into();
    whole["disabled"] = true.into();
    whole["configuration"]["an.own.key"] = "an own value".into();
    whole["vendorValues"] = json!({ "portalId": "62515" });
    whole["vendorAccount"] = json!({ "id": "62515", "name": "acme.example.com" });
    whole["grantedScopes"] = json!(["contacts", "oauth"]);
    whole["failingSince"] = "2026-02-28T12:00:00Z".into();
    whole["refusedRefreshes"] = 3.into();
    whole["lastRefusal"] = "HubSpot refused the refresh token.".into();
    let mut gone = token_line("gone", &json!({ "access_token": "at" }));
    gone["invalidReason"] = "The vendor has withdrawn the grant.".into();
    fs::write(from.ligand.path("lines"), text_of(&[whole.clone(), gone])).expect("the file is written");
    let imported = from.ligand.run(&["import", "lines"]);
    assert_eq!(statuses(&imported), ["created", "created"], "{imported:?}");
    fs::remove_file(from.ligand.path("lines")).expect("the file goes");

    from.ligand.run(&["export", "--recipient", "age1nobody"]).fails("a recipient begins with age1");
    let export = ["export", "--recipient", &recipient, "--output", "all.age"];
    let exported = from.ligand.run(&export);
    exported.succeeds();
    assert!(exported.errors.contains("4 instances are in the file"), "{exported:?}");
    from.ligand.run(&export).fails("it exists, and is not written over");
    let file = from.ligand.path("all.age");
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    for name in from.ligand.files() {
        let bytes = fs::read(from.ligand.path(&name)).expect("a file");
        for secret in ["THE-REFRESH-TOKEN", "THE-ACCESS-TOKEN"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{name} has {secret}");
        }
    }
    let path = "/audit-logs?action=instances.exported";
    until("the row is chained", async || caller.get(path).await.ok()[0].is_object()).await;
    let rows = caller.get(path).await.ok();
    assert_eq!((&rows[0]["actor"], &rows[0]["entity_kind"]), (&json!("operator"), &json!("organization")));

    // Opened by age itself.
    let lines = age(&directory, "age", &["-d", "-i", "key.txt", "all.age"]).expect("age is there");
    let text = String::from_utf8(lines).expect("a text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 4);
    let same = lines.iter().find(|line| line["importId"] == "whole").expect("the line").clone();
    for member in [
        "name",
        "element",
        "tags",
        "externalId",
        "disabled",
        "vendorValues",
        "vendorAccount",
        "grantedScopes",
        "refusedRefreshes",
        "lastRefusal",
    ] {
        assert_eq!(same[member], whole[member], "{member}");
    }
    for member in ["access_token", "refresh_token", "expires_in"] {
        assert_eq!(same["providerData"][member], whole["providerData"][member], "{member}");
    }
    assert_eq!(same["providerData"]["expires_at"], "2026-03-01T12:20:00.500000Z");
    assert_eq!(same["providerData"]["refresh_token_expires_at"], "2099-06-01T00:00:00.000000Z");
    assert_eq!(same["failingSince"], "2026-02-28T12:00:00.000000Z");
    assert_eq!(same["configuration"]["oauth.api.secret"], "sandbox-secret");
    assert_eq!(same["configuration"]["an.own.key"], "an own value");
    assert!(same["configuration"]["oauth.user.token"].is_null(), "{same}");

    // Into the empty server, beside it as it runs.
    let key = from.ligand.path("key.txt").display().to_string();
    let all = file.display().to_string();
    to.ligand.run(&["import", &all]).fails("--identity");
    age(&directory, "age-keygen", &["-o", "other.txt"]);
    let other = from.ligand.path("other.txt").display().to_string();
    to.ligand.run(&["import", &all, "--identity", &other]).fails("none of the keys opens it");
    let mut altered = fs::read(&file).expect("the file");
    *altered.last_mut().expect("a byte") ^= 1;
    fs::write(to.ligand.path("altered.age"), altered).expect("the file is written");
    to.ligand.run(&["import", "altered.age", "--identity", &key]).fails("it was altered, or is cut off");
    assert_eq!(count(&to.callers[0]).await, 0);
    let dry = to.ligand.run(&["import", &all, "--identity", &key, "--dry-run"]);
    assert_eq!((statuses(&dry), count(&to.callers[0]).await), (vec!["checked".to_owned(); 4], 0), "{dry:?}");
    let moved = to.ligand.run(&["import", &all, "--identity", &key]);
    moved.succeeds();
    assert_eq!(statuses(&moved), ["created"; 4], "{moved:?}");
    let again = to.ligand.run(&["import", &all, "--identity", &key]);
    assert_eq!((statuses(&again), count(&to.callers[0]).await), (vec!["found".to_owned(); 4], 4));
    let listed = to.callers[0].get("/instances").await.ok();
    let by_name =
        |name: &str| listed.as_array().expect("a list").iter().find(|it| it["name"] == name).expect("it").clone();
    assert_eq!((&by_name("gone")["valid"], &by_name("whole")["disabled"]), (&json!(false), &json!(true)));
    let code = by_name("By a code");
    for member in ["expiresAt", "lastRefreshAt", "vendorAccount", "grantedScopes", "tags", "valid"] {
        assert_eq!(code[member], by_code[member], "{member}");
    }
    assert_eq!((from.token_calls(), to.token_calls()), (1, 0), "nothing but the code was ever sent");

    // What leaves there again is the same.
    let exported = to.ligand.run(&["export", "--recipient", &recipient, "--output", "back.age"]);
    exported.succeeds();
    let back = to.ligand.path("back.age").display().to_string();
    let back = age(&directory, "age", &["-d", "-i", "key.txt", &back]).expect("age is there");
    assert_eq!(String::from_utf8(back).expect("a text"), text);

    // And what age encrypted comes in.
    let more: Vec<Value> = (0..1000).map(key_line).collect();
    fs::write(from.ligand.path("more"), text_of(&more)).expect("the file is written");
    age(&directory, "age", &["-r", &recipient, "-o", "more.age", "more"]);
    age(&directory, "age", &["-a", "-r", &recipient, "-o", "armored.age", "more"]);
    let (more, armored) = (from.ligand.path("more.age"), from.ligand.path("armored.age"));
    to.ligand.run(&["import", armored.to_str().expect("a path"), "--identity", &key]).fails("without --armor");
    let arguments = ["import", more.to_str().expect("a path"), "--identity", &key];
    to.ligand.run_within(Duration::from_secs(120), &arguments).succeeds();
    assert_eq!(count(&to.callers[0]).await, 1004);
}

on_both!(an_import_that_was_killed_is_repeated_and_makes_each_once, in |database| {
    runtime().block_on(killed(database));
});

async fn killed(database: Database) {
    let fleet = Fleet::start(database, 1).await;
    let mut lines: Vec<String> = (0..5000).map(|number| format!("{}\n", key_line(number))).collect();
    for number in (0..5000).step_by(250) {
        lines[number] = format!("{{\"importId\":\"old:{number}\",\n");
    }
    fs::write(fleet.ligand.path("lines"), lines.concat()).expect("the file is written");
    let mut import = fleet.ligand.begin(&["import", "lines"]);
    let import = tokio::task::spawn_blocking(move || {
        import.wait_for("\"line\":500,", Duration::from_secs(60));
        import.stop(Signal::Kill);
        import.log()
    });
    let log = import.await.expect("no panic");
    assert!(!log.contains("\"line\":5000,"), "it was at its end");
    let before = count(&fleet.callers[0]).await;
    assert!((400..4980).contains(&before), "{before}");
    let ended = fleet.ligand.run_within(Duration::from_secs(180), &["import", "lines"]);
    ended.fails("20 lines failed");
    let answers = told(&ended);
    let by_status = |status: &str| answers.iter().filter(|answer| answer["status"] == status).count();
    assert_eq!((answers.len(), by_status("failed")), (5000, 20));
    assert_eq!(i64::try_from(by_status("found")), Ok(before), "each that was stored");
    let ids: BTreeSet<i64> = answers.iter().filter_map(|answer| answer["id"].as_i64()).collect();
    assert_eq!((ids.len(), count(&fleet.callers[0]).await), (4980, 4980));
    assert_eq!(fleet.token_calls(), 0);
}

on_both!(connections_of_nango_come_in, in |database| {
    runtime().block_on(from_nango(database));
});

/// As `GET /connection/{id}` answers (npm @nangohq/types, `ApiPublicConnectionFull`).
fn connection(id: &str, credentials: Value) -> Value {
    json!({
        "id": 17, "connection_id": id, "provider_config_key": "hubspot-prod", "provider": "hubspot", "errors": [],
        "end_user": null, "tags": {}, "metadata": null, "connection_config": {}, "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z", "last_fetched_at": null, "webhook_url_override": null, "credentials": credentials,
    })
}

async fn from_nango(database: Database) {
    let fleet = Fleet::start(database, 1).await;
    let caller = &fleet.callers[0];
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let mut whole = connection(
        "acme",
        json!({
            "type": "OAUTH2", "access_token": "at-1", "refresh_token": "rt-1", "expires_at": "2026-03-01T12:20:00.000Z",
            "raw": { "access_token": "at-1", "refresh_token": "rt-1", "expires_in": 1800, "hub_id": 62515, "scope": "contacts oauth" },
        }),
    );
    whole["end_user"] = json!({ "id": "customer-7", "display_name": "Acme Ltd", "email": null, "tags": {} });
    whole["tags"] = json!({ "plan": "gold" });
    whole["metadata"] = json!({ "region": "eu", "limits": { "daily": 5 } });
    whole["connection_config"] = json!({ "portalId": "62515", "other": "x" });
    let short = connection(
        "brief",
        json!({ "type": "OAUTH2", "access_token": "at-2", "expires_at": "2026-03-01T12:20:00.000Z", "raw": {} }),
    );
    let own = connection(
        "own-app",
        json!({
            "type": "OAUTH2", "access_token": "at-3", "refresh_token": "rt-3", "raw": {},
            "config_override": { "client_id": "their-client", "client_secret": "their-secret" },
        }),
    );
    let key = connection("keyed", json!({ "type": "API_KEY", "apiKey": "3a9990ff-bf17-40b1-9ce1-e1702e36ab51" }));
    let mut basic = connection("basic", json!({ "type": "BASIC", "username": "the-key", "password": "" }));
    basic["provider_config_key"] = "freshdesk".into();
    basic["connection_config"] = json!({ "subdomain": "acme" });
    let bad = connection(
        "later",
        json!({ "type": "OAUTH2", "access_token": "s3cret", "refresh_token": "r", "expires_at": "later", "raw": {} }),
    );
    let other = connection(
        "odd",
        json!({ "type": "OAUTH1", "oauth_token": "s3cret", "oauth_token_secret": "s3cret", "raw": {} }),
    );
    let mut unmapped = connection("elsewhere", json!({ "type": "API_KEY", "apiKey": "s3cret" }));
    unmapped["provider_config_key"] = "slack".into();
    let lines = [whole, short, own, key, basic, bad, other, unmapped, json!({ "connections": [] })];
    fs::write(fleet.ligand.path("lines"), text_of(&lines)).expect("the file is written");
    let import = ["import", "nango", "lines", "--map", "hubspot-prod=hubspotcrm", "--map", "freshdesk=freshdesk"];

    let dry = fleet.ligand.run(&[&import[..], &["--dry-run"]].concat());
    dry.fails("4 lines failed");
    assert_eq!(count(caller).await, 0);
    let ended = fleet.ligand.run(&import);
    ended.fails("4 lines failed");
    let answers = told(&ended);
    let codes: Vec<_> =
        answers.iter().map(|it| it["code"].as_str().or(it["status"].as_str()).expect("a text")).collect();
    assert_eq!(
        codes,
        [
            "created",
            "created",
            "created",
            "created",
            "created",
            "bad_configuration",
            "bad_authentication_type",
            "missing_element",
            "bad_body"
        ],
        "{answers:?}"
    );
    assert!(
        ended.errors.contains("1 without a refresh token") && ended.errors.contains("nango:hubspot-prod:brief"),
        "{ended:?}"
    );
    assert!(!ended.output.contains("s3cret") && !ended.errors.contains("s3cret"), "{ended:?}");
    let mut shown = Vec::new();
    for answer in &answers[..5] {
        shown.push(caller.get(&format!("/instances/{}", answer["id"])).await.ok());
    }
    let whole = &shown[0];
    assert_eq!(
        (&whole["name"], &whole["externalId"], &whole["tags"]),
        (&json!("Acme Ltd"), &json!("customer-7"), &json!(["plan:gold"]))
    );
    assert_eq!((&whole["expiresAt"], &whole["vendorAccount"]["id"]), (&json!("2026-03-01T12:20:00Z"), &json!("62515")));
    assert_eq!(whole["grantedScopes"], json!(["contacts", "oauth"]));
    let configuration = &whole["configuration"];
    assert_eq!(
        (&configuration["metadata.region"], &configuration["metadata.limits"]),
        (&json!("eu"), &json!("{\"daily\":5}"))
    );
    assert_eq!(configuration["connection_config.other"], "x");
    assert_eq!(shown[2]["configuration"]["oauth.api.secret"], "********");
    assert_eq!((&shown[3]["externalId"], &shown[3]["name"]), (&json!("keyed"), &json!("keyed")));
    assert_eq!(shown[4]["configuration"]["subdomain"], "acme");
    assert_eq!(fleet.token_calls(), 0, "no vendor is asked");
    let again = told(&fleet.ligand.run(&import));
    assert_eq!(again.iter().filter(|answer| answer["status"] == "found").count(), 5);
    fleet.ligand.run(&["import", "nango", "lines", "--map", "hubspot-prod=nothing"]).fails("nothing");
    fleet.ligand.run(&["import", "lines", "--map", "a=b"]).fails("--map is for");
}
