//! A file of an element that leads elsewhere leads nothing there that was stored before.

use chrono::TimeDelta;
use ligand::service::elements::of_owner::ANYBODY;
use ligand::store::secret_places;
use serde_json::{Value, json};

use super::console::person::Person;
use super::host_change::Hosts;
use super::shares::connect;
use super::told_hosts::rewrite_credential;
use crate::support::server::run_with;
use crate::support::{TestServer, on_both};

const REFUSED: &str = "secret_needed_for_new_host";
const APP: &str = "/elements/desk/app";

/// Everything but the authorization leads to the other host, whatever an instance says.
fn moved(text: String) -> String {
    let here = text.split("baseUrl = \"http://{desk}").nth(1).expect("the base URL").split('"').next().expect("a port");
    let (before, after) = (format!("http://{{desk}}{here}"), format!("http://127.0.0.2{here}"));
    let text = text.replace(&before, &after);
    // The variable is still of use.
    text.replacen(&format!("{after}/authorize"), &format!("{before}/authorize"), 1)
}

/// What `moved` did undone.
fn moved_back(text: String) -> String {
    let text = text.replace("http://127.0.0.2:", "http://{desk}:");
    assert!(!text.contains("http://127.0.0.2"));
    text
}

fn by_app(host: &str) -> Value {
    json!({
        "element": { "key": "desk" }, "name": "By the app",
        "configuration": { "desk": host, "oauth.callback.url": "https://app.example/callback" },
        "providerData": { "code": "a-code" },
    })
}

async fn call(server: &TestServer, instance: &Value) -> crate::support::Reply {
    let token = instance["token"].as_str().expect("a token");
    crate::support::caller::read(server.caller().with_element(token).request_at_root("GET", "/vendor/me")).await
}

/// What the other host was sent of what was stored before.
fn leaked(hosts: &Hosts) -> usize {
    let old = ["refresh-", "old-", "APP-SECRET", "client_secret=secret", "KEY"];
    let requests = hosts.other.requests();
    requests.iter().filter(|request| old.iter().any(|old| request.whole().contains(old))).count()
}

on_both!(nothing_stored_goes_where_a_changed_file_leads, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |before| async move {
        let caller = before.caller();
        let app = json!({ "clientId": "app", "clientSecret": "APP-SECRET", "hosts": ["127.0.0.1"] });
        caller.put(APP, &app).await.ok();
        let own = connect(&caller, "127.0.0.1", 0).await;
        let another = connect(&caller, "127.0.0.1", 1).await;
        let with_app = caller.post("/instances", &by_app("127.0.0.1")).await.ok();
        let key = json!({
            "element": { "key": "desk" }, "name": "With a key",
            "configuration": { "authentication.type": "apiKey", "desk": "127.0.0.1", "desk.key": "KEY" },
        });
        let with_key = caller.post("/instances", &key).await.ok();
        assert_eq!(call(&before, &own).await.status, 200);
        // The file says that the vendor is elsewhere.
        let server = before.start_beside(hosts.setup_with(moved)).await;
        let caller = server.caller();
        for instance in [&own, &with_app, &with_key] {
            let refused = call(&server, instance).await;
            let said = refused.fails(409, REFUSED);
            assert!(said.contains("ligand elements trust desk"), "{said}");
            assert_eq!(refused.header("elements-error"), Some(REFUSED));
        }
        server.advance(TimeDelta::hours(1));
        let path = |instance: &Value| format!("/instances/{}", instance["id"]);
        caller.get(&format!("{}?refresh=true", path(&own))).await.fails(409, REFUSED);
        for instance in [&own, &with_app] {
            let code = json!({ "providerData": { "code": "a-code" } });
            caller.patch(&path(instance), &code).await.fails(409, REFUSED);
        }
        server.services.refresh_due().await.expect("the job runs");
        caller.put(&format!("{}?reAuthenticate=true", path(&with_key)), &json!({ "name": "Again" })).await.fails(409, REFUSED);
        // Its name is nobody's secret.
        assert_eq!(caller.patch(&path(&own), &json!({ "name": "Renamed" })).await.ok()["name"], "Renamed");
        caller.post("/instances", &by_app("127.0.0.1")).await.fails(409, REFUSED);
        caller.post("/connect/links", &json!({ "elements": ["desk"] })).await.fails(409, REFUSED);
        caller.put(APP, &json!({ "clientId": "app" })).await.fails(409, REFUSED);
        assert_eq!(caller.delete(&path(&another)).await.status, 200);
        server.services.revoke_due_grants().await.expect("the job runs");
        assert!(hosts.other.requests().is_empty(), "{:?}", hosts.other.requests());
        // The file from before still leads where it led.
        before.services.follow_changes(&mut Default::default()).await;
        before.caller().get(&format!("{}?refresh=true", path(&own))).await.ok();
        // Who brings everything goes on.
        let all = json!({
            "configuration": { "oauth.api.secret": "another" }, "providerData": { "code": "b-code" },
        });
        caller.patch(&path(&own), &all).await.ok();
        assert_eq!(call(&server, &own).await.status, 200);
        caller.patch(&path(&with_key), &json!({ "configuration": { "desk.key": "NEW" } })).await.ok();
        assert_eq!(call(&server, &with_key).await.status, 200);
        let app = json!({ "clientId": "app", "clientSecret": "NEW-SECRET" });
        caller.put(APP, &app).await.ok();
        let mut anew = by_app("127.0.0.1");
        anew["providerData"]["code"] = "c-code".into();
        caller.post("/instances", &anew).await.ok();
        call(&server, &with_app).await.fails(409, REFUSED);
        assert_eq!(leaked(&hosts), 0, "{:?}", hosts.other.requests());
    });
});

on_both!(the_operator_says_that_it_is_the_same_vendor, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |before| async move {
        let own = connect(&before.caller(), "127.0.0.1", 0).await;
        let server = before.start_beside(hosts.setup_with(moved)).await;
        call(&server, &own).await.fails(409, REFUSED);
        let element = server.services.element_of(ANYBODY, "desk").expect("the element");
        server.services.trust_element(&element).await.expect("it is written");
        server.services.follow_changes(&mut Default::default()).await;
        assert_eq!(call(&server, &own).await.status, 200);
        assert_eq!(hosts.other.requests().len(), 1);
        let noted = server.services.store.read(secret_places::list).await.expect("the database answers");
        assert_eq!(noted.iter().filter(|place| place.element_id == 10021).count(), 2);
        // Also after the next start.
        let server = server.start_beside(hosts.setup()).await;
        assert_eq!(call(&server, &own).await.status, 200);
    });
});

// Secrets that say nothing of themselves were given for the first file, whatever the clock of a later replica says.
on_both!(no_clock_makes_a_later_file_the_first, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |before| async move {
        let own = connect(&before.caller(), "127.0.0.1", 0).await;
        rewrite_credential(&before, &own, |document| document["givenFor"] = Value::Null).await;
        before.advance(TimeDelta::hours(-1));
        let server = before.start_beside(hosts.setup_with(moved)).await;
        call(&server, &own).await.fails(409, REFUSED);
        assert!(hosts.other.requests().is_empty());
        assert_eq!(call(&server.start_beside(hosts.setup_with(moved_back)).await, &own).await.status, 200);
    });
});

// Nobody takes an instance for good of which nothing goes to its vendor.
on_both!(what_is_held_says_so_and_what_to_do, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |before| async move {
        let own = connect(&before.caller(), "127.0.0.1", 0).await;
        let path = format!("/instances/{}", own["id"]);
        let server = before.start_beside(hosts.setup_with(moved)).await;
        let caller = server.caller();
        let listed = caller.get("/instances").await.ok();
        let changed = caller.patch(&path, &json!({ "name": "Renamed" })).await.ok();
        for shown in [&caller.get(&path).await.ok(), &listed[0], &changed] {
            assert_eq!(shown["valid"], false, "{shown}");
            let reason = shown["invalidReason"].as_str().expect("a reason");
            assert!(reason.contains("send the secrets anew") && reason.contains("ligand elements trust desk"), "{reason}");
        }
        let mut console = Person::admin(&server).await;
        for page in ["/console", &format!("/console{path}")] {
            let page = console.shown(page).await;
            assert!(page.contains("invalid") && page.contains("ligand elements trust desk"), "{page}");
        }
        let valid = console.shown("/console?state=valid").await;
        assert!(!valid.contains("Renamed"), "{valid}");
        // Where the file is the one from before, nothing is held; nor after the operator's word.
        assert_eq!(before.caller().get(&path).await.ok()["valid"], true);
        let element = server.services.element_of(ANYBODY, "desk").expect("the element");
        server.services.trust_element(&element).await.expect("it is written");
        server.services.follow_changes(&mut Default::default()).await;
        let shown = caller.get(&path).await.ok();
        assert_eq!((&shown["valid"], &shown["invalidReason"]), (&json!(true), &Value::Null));
    });
});

on_both!(texts_paths_and_hosts_that_may_be_named_are_no_change, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |before| async move {
        let own = connect(&before.caller(), "127.0.0.1", 0).await;
        let server = before.start_beside(hosts.setup_with(|text| {
            let text = text.replace("Connects to Desk.", "Connects to a Desk.").replace("/token\"", "/v2/token\"");
            text.replace("\"127.0.0.2\"]", "\"127.0.0.2\", \"127.0.0.3\"]")
        }));
        assert_eq!(call(&server.await, &own).await.status, 200);
    });
});

/// An input that is a secret, or is none.
fn with_note(text: String, secret: bool) -> String {
    let (entry, _) = text.split_once("\n# A note\n").unwrap_or((&text, ""));
    let kind = if secret { "PASSWORD" } else { "TEXTFIELD_128" };
    format!(
        "{entry}\n# A note\n\n[[configuration]]\nkey = \"desk.note\"\nname = \"Note\"\ndescription = \"A note.\"\ntype = \"{kind}\"\n"
    )
}

on_both!(what_was_stored_as_a_secret_stays_masked, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup_with(|text| with_note(text, true)), |before| async move {
        let own = connect(&before.caller(), "127.0.0.1", 0).await;
        let path = format!("/instances/{}", own["id"]);
        let note = |text: &str| json!({ "configuration": { "desk.note": text, "other": "plain" } });
        before.caller().patch(&path, &note("HIDDEN")).await.ok();
        let server = before.start_beside(hosts.setup_with(|text| with_note(text, false))).await;
        let caller = server.caller();
        let shown = async || {
            let whole = caller.get(&path).await;
            let (list, entries) = (caller.get("/instances?hydrate=true").await, caller.get(&format!("{path}/configuration")).await);
            for reply in [&whole, &list, &entries] {
                assert!(!reply.text.contains("HIDDEN"), "{}", reply.text);
            }
            whole.ok()["configuration"]["desk.note"].clone()
        };
        assert_eq!(shown().await, "********");
        // What is shown may be sent back, and other things may change.
        caller.patch(&path, &note("********")).await.ok();
        caller.patch(&path, &json!({ "name": "Renamed" })).await.ok();
        assert_eq!(shown().await, "********");
        let all = json!({ "configuration": { "desk": "127.0.0.2", "oauth.api.secret": "new" }, "providerData": { "code": "d-code" } });
        let said = caller.patch(&path, &all).await.fails(409, REFUSED);
        assert!(said.contains("desk.note"), "{said}");
        // A new value is what the file says now.
        caller.patch(&path, &note("visible")).await.ok();
        assert_eq!(shown().await, "visible");
        before.services.follow_changes(&mut Default::default()).await;
        assert_eq!(before.caller().get(&path).await.ok()["configuration"]["desk.note"], "********");
    });
});
