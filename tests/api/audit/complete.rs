//! Whatever changes something leaves a row, or stands here with the reason why it does not: every operation of the API's
//! document and every form of the console. What is new and stands in no table fails here.

use std::collections::{BTreeMap, BTreeSet};

use ligand::http::openapi;
use ligand::sandbox::Consent;
use serde_json::{Value, json};

use super::actions_of;
use crate::api::console::person::Person;
use crate::api::imports;
use crate::api::users::draft;
use crate::support::browser::{APP, Browser, confirm};
use crate::support::caller::with_key;
use crate::support::server::PASSWORD;
use crate::support::{Caller, Reply, TestServer, on_both};

/// Operations that change nothing of what is audited.
const NOT_AUDITED: &[(&str, &str)] = &[
    ("sign_in", "a program may do so dozens of times a minute; the log has a line of each"),
    ("create_oauth_url", "an address, and with PKCE a verifier of an hour"),
    ("retry_delivery", "a notice is sent again: what it tells of has its own row"),
    ("create_resource", "a call to the vendor"),
    ("replace_resource", "a call to the vendor"),
    ("delete_resource", "a call to the vendor"),
    ("update_resource", "a call to the vendor"),
    ("create_nested_resource", "a call to the vendor"),
    ("create_child_resource", "a call to the vendor"),
    ("replace_child_resource", "a call to the vendor"),
    ("delete_child_resource", "a call to the vendor"),
    ("update_child_resource", "a call to the vendor"),
];

/// Forms that change nothing of what is audited, by page and by what `do` says.
const FORMS_NOT_AUDITED: &[(&str, &str, &str)] = &[
    ("deliveries", "retry", "as `retry_delivery`"),
    ("instance_actions", "refresh", "a new token of the same grant, as a call would get it"),
];

/// A page's file, what `do` says, the address, further fields, and what the rows say.
type Sent<'a> = (&'a str, &'a str, String, Vec<(&'a str, String)>, &'a [&'a str]);

fn operations() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(openapi::text()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let changing = paths.values().flat_map(|item| item.as_object().expect("methods"));
    let changing = changing.filter(|(method, operation)| *method != "get" && operation["operationId"].is_string());
    changing.map(|(_, operation)| operation["operationId"].as_str().expect("an id").to_owned()).collect()
}

/// The forms of the console: the words that its pages act upon.
fn forms() -> BTreeSet<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/pages/console");
    let mut forms = BTreeSet::new();
    for entry in std::fs::read_dir(directory).expect("the pages") {
        let path = entry.expect("a page").path();
        let page = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for line in text.lines().filter(|line| line.contains("Some(\"")) {
            let acts = line.contains("\") =>") || line.contains("get(\"do\") ");
            let word = line.split_once("Some(\"").and_then(|(_, rest)| rest.split_once('"')).map(|(word, _)| word);
            let word = word.expect("a word").to_owned();
            if acts && !word.contains('.') {
                forms.insert((page.clone(), word));
            }
        }
    }
    assert!(forms.len() > 20, "{forms:?}");
    forms
}

/// Calls one by one, each with what its row is to say.
struct Played<'a> {
    server: &'a TestServer,
    seen: BTreeSet<String>,
}

impl Played<'_> {
    async fn leaves(&mut self, operation: &str, reply: Reply, actions: &[&str]) -> Reply {
        assert_eq!(reply.status, 200, "{operation}: {reply:?}");
        let id = reply.header("elements-request-id").expect("an id").to_owned();
        assert_eq!(actions_of(self.server, &id).await, actions, "{operation}");
        assert!(self.seen.insert(operation.to_owned()), "{operation} twice");
        reply
    }
}

async fn bearer(server: &TestServer) -> Caller {
    let body = json!({ "username": "admin@example.com", "password": PASSWORD });
    let token = server.anonymous().post("/authentication", &body).await.ok()["token"].clone();
    server.anonymous().with(&format!("Bearer {}", token.as_str().expect("a token")))
}

on_both!(every_operation_that_changes_something_leaves_its_row, |server| async move {
    let admin = server.caller();
    let mut played = Played { server: &server, seen: BTreeSet::new() };
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    let path = "/elements/hubspotcrm/app";
    played.leaves("save_partner_app", admin.put(path, &app).await, &["app.saved"]).await;
    played.leaves("delete_partner_app", admin.delete(path).await, &["app.deleted"]).await;

    let made = admin.post("/instances", &with_key("One")).await;
    let one = played.leaves("create_instance", made, &["instance.created"]).await.json();
    let made = admin.post("/elements/hubspotcrm/instances", &with_key("Two")).await;
    let two = played.leaves("create_element_instance", made, &["instance.created"]).await.json();
    let line = imports::text_of(&[imports::key_line(1)]);
    let imported = imports::sent(&admin, "", line).await;
    played.leaves("import_instances", imported, &["instance.created"]).await;
    let (one_path, named) = (format!("/instances/{}", one["id"]), json!({ "name": "New" }));
    let two_path = format!("/elements/hubspotcrm/instances/{}", two["id"]);
    played.leaves("update_instance", admin.patch(&one_path, &named).await, &["instance.changed"]).await;
    played.leaves("replace_instance", admin.put(&one_path, &named).await, &["instance.changed"]).await;
    played.leaves("replace_element_instance", admin.put(&two_path, &named).await, &["instance.changed"]).await;
    let enabled = format!("{one_path}/enabled");
    played.leaves("disable_instance", admin.delete(&enabled).await, &["instance.disabled"]).await;
    played.leaves("enable_instance", admin.put(&enabled, &json!({})).await, &["instance.enabled"]).await;
    let entries = admin.get(&format!("{one_path}/configuration")).await.ok();
    let entry = entries.as_array().expect("a list").iter().find(|entry| entry["key"] == "filter.response.nulls");
    let entry = entry.expect("an entry").clone();
    let value = json!({ "key": entry["key"], "propertyValue": "false" });
    let changed = admin.patch(&format!("{one_path}/configuration/{}", entry["id"]), &value).await;
    played.leaves("update_instance_configuration", changed, &["instance.changed"]).await;
    let own = admin.with_element(one["token"].as_str().expect("a token"));
    played.leaves("update_own_instance", own.patch("/instances", &named).await, &["instance.changed"]).await;
    played.leaves("replace_own_instance", own.put("/instances", &named).await, &["instance.changed"]).await;
    let changed = own.patch(&format!("/instances/configuration/{}", entry["id"]), &value).await;
    played.leaves("update_own_instance_configuration", changed, &["instance.changed"]).await;
    played.leaves("disable_own_instance", own.delete("/instances/enabled").await, &["instance.disabled"]).await;
    played.leaves("enable_own_instance", own.put("/instances/enabled", &json!({})).await, &["instance.enabled"]).await;
    played.leaves("delete_own_instance", own.delete("/instances").await, &["instance.deleted"]).await;
    let three = admin.create_with_key("Three").await;
    let three_path = format!("/instances/{}", three["id"]);
    let reset = admin.post(&format!("{three_path}/token-reset"), &json!({})).await;
    played.leaves("reset_instance_token", reset, &["instance.tokenReset"]).await;
    played.leaves("delete_instance", admin.delete(&three_path).await, &["instance.deleted"]).await;
    played.leaves("delete_element_instance", admin.delete(&two_path).await, &["instance.deleted"]).await;

    admin.put(path, &app).await.ok();
    let made = admin.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await;
    let link = played.leaves("create_link", made, &["link.created"]).await.json();
    let revoked = admin.delete(&format!("/connect/links/{}", link["id"])).await;
    played.leaves("revoke_link", revoked, &["link.revoked"]).await;

    admin.patch("/organizations/me", &json!({ "allowedOrigins": [APP] })).await.ok();
    server.sandbox().set(|switches| switches.consent = Consent::Grant);
    let body = json!({ "elements": ["hubspotcrm"], "redirectUrl": APP });
    let made = admin.post("/connect/links", &body).await.ok();
    let back = Browser::new(&server).connect(&made).await;
    let confirmed = confirm(&admin, &made, &back).await;
    played.leaves("confirm_link", confirmed, &["instance.created", "link.authorised"]).await;

    let hook = "/notifications/webhook";
    let set = admin.put(hook, &json!({ "url": "https://receiver.example/hook" })).await;
    let set = played.leaves("set_webhook", set, &["webhook.set"]).await.json();
    let added = admin.post(&format!("{hook}/secrets"), &json!({})).await;
    played.leaves("create_webhook_secret", added, &["webhook.secretAdded"]).await;
    let removed = admin.delete(&format!("{hook}/secrets/{}", set["secrets"][0]["id"])).await;
    played.leaves("delete_webhook_secret", removed, &["webhook.secretRemoved"]).await;
    played.leaves("delete_webhook", admin.delete(hook).await, &["webhook.removed"]).await;

    let made = admin.post("/users", &draft("sam@example.com")).await;
    let user = played.leaves("create_user", made, &["user.created"]).await.json();
    let user = format!("/users/{}", user["id"]);
    let put_out = json!({ "active": false, "firstName": "Sam" });
    let changed = admin.patch(&user, &put_out).await;
    played.leaves("update_user", changed, &["user.changed", "user.disabled"]).await;
    let role = format!("{user}/roles/org-admin");
    played.leaves("grant_user_role", admin.put(&role, &json!({})).await, &["user.roleGranted"]).await;
    played.leaves("revoke_user_role", admin.delete(&role).await, &["user.roleRevoked"]).await;
    played.leaves("delete_user", admin.delete(&user).await, &["user.removed"]).await;

    let origins = json!({ "allowedOrigins": ["https://app.example"] });
    let changed = admin.patch("/organizations/me", &origins).await;
    played.leaves("update_organization", changed, &["organization.changed"]).await;
    let other = bearer(&server).await;
    let sessions = other.get("/authentication/sessions").await.ok();
    let ended = other.delete(&format!("/authentication/sessions/{}", sessions[0]["id"].as_str().expect("an id"))).await;
    played.leaves("end_session", ended, &["session.ended"]).await;
    let session = bearer(&server).await;
    let same = json!({ "password": "Another-Horse-77", "currentPassword": PASSWORD });
    let set = session.post("/authentication/passwords", &same).await;
    played.leaves("set_password", set, &["user.passwordSet"]).await;
    let reset = admin.post("/authentication/organization-secret-reset?endSessions=false", &json!({})).await;
    let secret = played.leaves("reset_organization_secret", reset, &["organization.secretReset"]).await.json();
    let header = admin.authorization.as_deref().expect("a header").split_once(", ").expect("two parts").0.to_owned();
    let admin = admin.with(&format!("{header}, Organization {}", secret["secret"].as_str().expect("a secret")));
    // Last: the rows below are looked for with the old one.
    let reset = admin.post("/authentication/user-secret-reset?endSessions=false", &json!({})).await;
    played.leaves("reset_user_secret", reset, &["user.secretReset"]).await;

    let excepted = NOT_AUDITED.iter().map(|(operation, _)| (*operation).to_owned());
    let known: BTreeSet<String> = played.seen.iter().cloned().chain(excepted).collect();
    assert_eq!(known, operations(), "say what row a new operation leaves, or why it leaves none");
});

on_both!(an_operation_that_is_refused_leaves_no_row, |server| async move {
    let admin = server.caller();
    let made = admin.create_with_key("One").await;
    let refused = [
        admin.patch(&format!("/instances/{}", made["id"]), &json!({ "name": "" })).await,
        admin.delete("/instances/1").await,
        admin.delete("/elements/hubspotcrm/app").await,
        admin.delete("/users/admin@example.com").await,
        admin.put("/users/admin@example.com/roles/org-admin", &json!({})).await,
        admin.post("/users", &draft("admin@example.com")).await,
        server.colleague().await.patch("/organizations/me", &json!({ "vendorBearer": false })).await,
    ];
    for reply in refused {
        assert!(reply.status >= 400, "{reply:?}");
        let id = reply.header("elements-request-id").expect("an id");
        assert_eq!(actions_of(&server, id).await, [""; 0], "{reply:?}");
    }
    // Nor does what changes nothing.
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    admin.put("/elements/hubspotcrm/app", &app).await.ok();
    let link = admin.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
    let path = format!("/connect/links/{}", link["id"]);
    admin.delete(&path).await.ok();
    let again = admin.delete(&path).await;
    assert_eq!(actions_of(&server, again.header("elements-request-id").expect("an id")).await, [""; 0]);
});

on_both!(every_form_of_the_console_leaves_its_row, |server| async move {
    server.caller().patch("/organizations/me", &json!({ "allowedOrigins": ["https://app.example"] })).await.ok();
    let mut seen = BTreeSet::new();
    let mut person = Person::admin(&server).await;
    let caller = server.caller();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let instance = caller.create_with_key("One").await;
    let at = format!("/console/instances/{}", instance["id"]);
    let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
    let link = format!("/console/links/{}", link["id"]);
    let sam = caller.post("/users", &draft("sam@example.com")).await.ok();
    let sam = format!("/console/people/{}", sam["id"]);
    let mut sent: Vec<Sent> = Vec::new();
    let field = |name: &'static str, value: &str| (name, value.to_owned());
    let (app, organization, me) = ("/console/elements/hubspotcrm", "/console/organization", "/console/me");
    let secret = field("clientSecret", "sandbox-secret");
    let fields = vec![field("clientId", "sandbox-client"), secret, field("none", "true")];
    sent.push(("element", "save-app", app.to_owned(), fields, &["app.saved"]));
    sent.push(("element", "connect", app.to_owned(), vec![], &["link.created"]));
    let name = vec![field("name", "New")];
    sent.push(("instance_actions", "save", at.clone(), name, &["instance.changed"]));
    sent.push(("instance_actions", "disable", at.clone(), vec![], &["instance.disabled"]));
    sent.push(("instance_actions", "enable", at.clone(), vec![], &["instance.enabled"]));
    sent.push(("instance_actions", "renew", at.clone(), vec![], &["link.created"]));
    sent.push(("links", "revoke", link, vec![], &["link.revoked"]));
    sent.push(("organization", "save", organization.to_owned(), vec![], &["organization.changed"]));
    let url = vec![field("url", "https://receiver.example/hook")];
    sent.push(("webhook", "set-webhook", organization.to_owned(), url, &["webhook.set"]));
    sent.push(("webhook", "add-secret", organization.to_owned(), vec![], &["webhook.secretAdded"]));
    sent.push(("element", "remove-app", app.to_owned(), vec![], &["app.deleted"]));
    sent.push(("people", "disable", sam.clone(), vec![], &["user.disabled"]));
    sent.push(("people", "enable", sam.clone(), vec![], &["user.enabled"]));
    sent.push(("people", "promote", sam.clone(), vec![], &["user.roleGranted"]));
    sent.push(("people", "demote", sam.clone(), vec![], &["user.roleRevoked"]));
    sent.push(("people", "reset-password", sam.clone(), vec![], &["user.passwordSet"]));
    sent.push(("me", "end-others", me.to_owned(), vec![], &["user.sessionsEnded"]));
    sent.push(("me", "reset-organization-secret", me.to_owned(), vec![], &["organization.secretReset"]));
    sent.push(("me", "reset-user-secret", me.to_owned(), vec![], &["user.secretReset"]));
    for (page, act, path, fields, actions) in sent {
        person.shown(&path).await;
        let mut all = vec![("do", act)];
        all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        let reply = person.send(&path, &all).await;
        assert!(matches!(reply.status, 200 | 303), "{page}, {act}: {reply:?}");
        let id = reply.header("elements-request-id").expect("an id");
        assert_eq!(actions_of(&server, id).await, actions, "{page}, {act}");
        seen.insert((page.to_owned(), act.to_owned()));
    }
    let other = bearer(&server).await;
    let sessions = other.get("/authentication/sessions").await.ok();
    let current = sessions.as_array().expect("a list").iter().find(|session| session["current"] == true);
    let session = current.expect("a session")["id"].as_str().expect("an id").to_owned();
    let hook = other.get("/notifications/webhook").await.ok();
    let secret = hook["secrets"][0]["id"].to_string();
    for (page, path, act, fields, actions) in [
        ("instance", format!("{at}/delete"), "delete", vec![], vec!["instance.deleted"]),
        ("people", format!("{sam}/remove"), "remove", vec![], vec!["user.removed"]),
        ("new_link", "/console/links/new".to_owned(), "make", vec![("name", "Any")], vec!["link.created"]),
        (
            "webhook",
            organization.to_owned(),
            "remove-secret",
            vec![("id", secret.as_str())],
            vec!["webhook.secretRemoved"],
        ),
        ("webhook", organization.to_owned(), "remove-webhook", vec![], vec!["webhook.removed"]),
        ("me", me.to_owned(), "end-session", vec![("session", session.as_str())], vec!["session.ended"]),
        (
            "me",
            me.to_owned(),
            "set-password",
            vec![("current", PASSWORD), ("new", "another horse battery")],
            vec!["user.passwordSet"],
        ),
    ] {
        person.shown(&path).await;
        let reply = person.send(&path, &[vec![("do", act)], fields].concat()).await;
        assert!(matches!(reply.status, 200 | 303), "{page}, {act}: {reply:?}");
        let id = reply.header("elements-request-id").expect("an id");
        assert_eq!(actions_of(&server, id).await, actions, "{page}, {act}");
        seen.insert((page.to_owned(), act.to_owned()));
    }
    // Signing in and out have forms without a word.
    person.shown("/console").await;
    let left = person.send("/console/sign-out", &[]).await;
    let id = left.header("elements-request-id").expect("an id");
    assert_eq!(actions_of(&server, id).await, ["session.ended"]);
    person.get("/console/sign-in").await;
    let credentials = [("email", "admin@example.com"), ("password", "another horse battery")];
    let signed_in = person.send("/console/sign-in", &credentials).await;
    assert_eq!(signed_in.status, 303, "{signed_in:?}");
    assert_eq!(actions_of(&server, signed_in.header("elements-request-id").expect("an id")).await, ["session.begun"]);

    let excepted: BTreeMap<_, _> = FORMS_NOT_AUDITED.iter().map(|(page, act, why)| ((*page, *act), *why)).collect();
    let missing: Vec<_> = forms()
        .into_iter()
        .filter(|(page, act)| !seen.contains(&(page.clone(), act.clone())))
        .filter(|(page, act)| !excepted.contains_key(&(page.as_str(), act.as_str())))
        .collect();
    assert!(missing.is_empty(), "say what row a new form leaves, or why it leaves none: {missing:?}");
});
