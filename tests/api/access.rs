//! Who may call what: every operation of the API's document and every page of the console, for anybody, a plain user and an
//! administrator. What is new and stands in no table fails here.

use std::collections::BTreeMap;

use ligand::http::openapi;
use serde_json::{Value, json};

use super::console::person::Person;
use super::users::{draft, made};
use crate::support::server::PASSWORD;
use crate::support::{Caller, Reply, TestServer, on_both};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Without credentials, too.
    Anybody,
    Users,
    /// Users, with the token of an instance.
    Tokens,
    Administrators,
}
use For::{Administrators, Anybody, Tokens, Users};

const OPERATIONS: &[(For, &[&str])] = &[
    (
        Anybody,
        &[
            "sign_in",
            "get_oauth_url",
            "create_oauth_url",
            "list_elements",
            "list_element_keys",
            "list_element_metadata",
            "get_element",
            "get_element_configuration",
            "list_authentication_types",
            "list_authentication_type_configuration",
            "get_element_metadata",
            "get_element_document",
            "get_hub_document",
        ],
    ),
    (
        Users,
        &[
            "get_secrets",
            "set_password",
            "reset_user_secret",
            "list_sessions",
            "end_session",
            "get_organization",
            "get_default_oauth_url",
            "get_partner_app",
            "list_element_instances",
            "create_element_instance",
            "get_element_instance",
            "replace_element_instance",
            "delete_element_instance",
            "list_instances",
            "create_instance",
            "import_instances",
            "count_instances",
            "get_instance",
            "replace_instance",
            "delete_instance",
            "update_instance",
            "get_instance_document",
            "enable_instance",
            "disable_instance",
            "reset_instance_token",
            "get_instance_usage",
            "list_vendor_values",
            "list_instance_configuration",
            "get_instance_configuration",
            "update_instance_configuration",
            "list_links",
            "create_link",
            "get_link",
            "confirm_link",
            "revoke_link",
            "list_deliveries",
            "get_delivery",
            "retry_delivery",
        ],
    ),
    (
        Tokens,
        &[
            "replace_own_instance",
            "delete_own_instance",
            "update_own_instance",
            "list_own_instance_configuration",
            "get_own_instance_configuration",
            "update_own_instance_configuration",
            "get_own_instance_document",
            "enable_own_instance",
            "disable_own_instance",
            "list_objects",
            "get_object_metadata",
            "get_object_document",
            "ping_vendor",
            "list_resource",
            "create_resource",
            "get_resource",
            "replace_resource",
            "create_nested_resource",
            "delete_resource",
            "update_resource",
            "get_child_resource",
            "replace_child_resource",
            "create_child_resource",
            "delete_child_resource",
            "update_child_resource",
        ],
    ),
    (
        Administrators,
        &[
            "reset_organization_secret",
            "update_organization",
            "list_audit_logs",
            "list_users",
            "create_user",
            // Of somebody else: one's own are for everybody, which `users.rs` proves.
            "get_user",
            "list_user_roles",
            "delete_user",
            "update_user",
            "grant_user_role",
            "revoke_user_role",
            "save_partner_app",
            "delete_partner_app",
            "get_webhook",
            "set_webhook",
            "delete_webhook",
            "create_webhook_secret",
            "delete_webhook_secret",
        ],
    ),
];

/// What one operation is called with: things that are there, so that nothing but the right decides.
struct Stage {
    instance: Value,
    link: Value,
    target: Value,
}

impl Stage {
    async fn set(server: &TestServer, number: usize) -> Self {
        let admin = server.caller();
        let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
        admin.put("/elements/hubspotcrm/app", &app).await.ok();
        let link = admin.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
        let (target, _) = made(server, &draft(&format!("target{number}@example.com"))).await;
        Self { instance: admin.create_with_key("Other").await, link, target }
    }

    fn address(&self, path: &str) -> String {
        path.replace("{keyOrId}", "hubspotcrm")
            .replace("{type}", "oauth2")
            .replace("{id}", &self.instance["id"].to_string())
            .replace("{configId}", "1")
            .replace("{linkId}", &self.link["id"].to_string())
            .replace("{emailOrId}", &self.target["id"].to_string())
            .replace("{roleKey}", "org-admin")
            .replace("{hub}", "crm")
            .replace("{hubKey}", "crm")
            .replace("{objectName}", "contacts")
            .replace("{objectId}", "1")
            .replace("{childObjectName}", "notes")
    }
}

/// A session of this moment.
async fn session(server: &TestServer, email: &str, password: &str) -> Caller {
    let signed_in =
        server.anonymous().post("/authentication", &json!({ "username": email, "password": password })).await;
    server.anonymous().with(&format!("Bearer {}", signed_in.ok()["token"].as_str().expect("a token")))
}

/// Refused for who asks, and for nothing else.
fn denied(reply: &Reply) -> bool {
    reply.status == 401 && reply.text.contains("_credentials")
        || reply.status == 403 && reply.text.contains("not_allowed")
}

on_both!(every_operation_is_for_whom_the_table_says, |server| async move {
    let document: Value = serde_json::from_str(openapi::text()).expect("JSON");
    let table: BTreeMap<&str, For> =
        OPERATIONS.iter().flat_map(|(whom, ids)| ids.iter().map(|id| (*id, *whom))).collect();
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("methods");
        item.iter().map(move |(method, operation)| (path, method.to_uppercase(), operation["operationId"].as_str()))
    });
    let mut operations: Vec<_> = operations.map(|(path, method, id)| (path, method, id.expect("an id"))).collect();
    // The stage is set with the secrets that these replace.
    operations.sort_by_key(|(_, _, id)| id.starts_with("reset_") && id.ends_with("_secret"));
    let unknown: Vec<_> = operations.iter().map(|(_, _, id)| *id).filter(|id| !table.contains_key(id)).collect();
    assert_eq!(unknown, [""; 0], "say in the table who may call these");
    assert_eq!(table.len(), operations.len(), "the table has what the document lacks");

    let member = "member@example.com";
    made(&server, &draft(member)).await;
    let password = draft("")["password"].as_str().expect("a text").to_owned();
    let sessions =
        async || [session(&server, member, &password).await, session(&server, "admin@example.com", PASSWORD).await];
    let mut callers = sessions().await;
    let mut stage = Stage::set(&server, 0).await;
    for (number, (path, method, id)) in operations.iter().enumerate() {
        let whom = table[id];
        let path = stage.address(path);
        let anonymous = server.anonymous().send(method, &path, &json!({})).await;
        assert_eq!(anonymous.text.contains("missing_credentials"), whom != Anybody, "{id}: {anonymous:?}");
        for (caller, is_admin) in callers.iter().zip([false, true]) {
            let without = caller.send(method, &path, &json!({})).await;
            let expected = match whom {
                Anybody | Users => false,
                Tokens => true,
                Administrators => !is_admin,
            };
            assert_eq!(denied(&without), expected, "{id}, {is_admin}: {without:?}");
            let with = caller.with_element(stage.instance["token"].as_str().expect("a token"));
            if whom == Tokens {
                let reply = with.send(method, &path, &json!({})).await;
                assert!(!denied(&reply), "{id}, {is_admin}: {reply:?}");
            }
            if method == "DELETE" || id.ends_with("token") {
                stage = Stage::set(&server, 2 * number + 1 + usize::from(is_admin)).await;
            }
        }
        // These end sessions.
        if id.starts_with("reset_") || *id == "set_password" {
            callers = sessions().await;
        }
    }
});

/// Pages by their path below `/console`, as `src/http/pages/console/mod.rs` names them.
const PAGES: &[(For, &[&str])] = &[
    (Anybody, &["/assets/{file}", "/sign-in"]),
    (
        Users,
        &[
            "",
            "/connected",
            "/instances/{id}",
            "/instances/{id}/delete",
            "/elements",
            // Its app is for administrators: `settings.rs` proves that.
            "/elements/{key}",
            "/links",
            "/links/new",
            "/links/{id}",
            "/deliveries",
            "/me",
            "/sign-out",
        ],
    ),
    (Administrators, &["/audit", "/organization", "/people", "/people/new", "/people/{id}", "/people/{id}/remove"]),
];

/// The paths of the console, with whether they show and whether they act.
fn pages() -> Vec<(&'static str, bool, bool)> {
    let source = include_str!("../../src/http/pages/console/mod.rs");
    let routes = source.split(".service(").skip(1).filter(|route| !route.starts_with("scope)"));
    let routes = routes.map(|route| {
        let (kind, rest) = route.split_once("(\"").expect("a route");
        let path = rest.split_once('"').expect("a path").0;
        match kind {
            "reads" => (path, true, false),
            "acts" => (path, false, true),
            "both" => (path, true, true),
            _ => panic!("{kind} is no kind of route"),
        }
    });
    routes.collect()
}

fn is_led_away(reply: &Reply) -> bool {
    reply.status == 403 || reply.header("location").is_some_and(|target| target.starts_with("/console/sign-in?"))
}

on_both!(every_page_is_for_whom_the_table_says, |server| async move {
    let table: BTreeMap<&str, For> =
        PAGES.iter().flat_map(|(whom, paths)| paths.iter().map(|path| (*path, *whom))).collect();
    let pages = pages();
    let unknown: Vec<_> = pages.iter().map(|(path, ..)| *path).filter(|path| !table.contains_key(path)).collect();
    assert_eq!(unknown, [""; 0], "say in the table who may see these");
    assert_eq!(table.len(), pages.len(), "the table has what the console lacks");
    let mut people = [Person::member(&server).await, Person::admin(&server).await];
    let stage = Stage::set(&server, 0).await;
    for (page, shows, acts) in pages {
        let whom = table[page];
        let id = match page.split('/').nth(1) {
            Some("links") => &stage.link["id"],
            Some("people") => &stage.target["id"],
            _ => &stage.instance["id"],
        };
        let path =
            page.replace("{id}", &id.to_string()).replace("{key}", "hubspotcrm").replace("{file}", "console.css");
        let path = format!("/console{path}");
        let mut nobody = Person::nobody(&server);
        if shows {
            assert_eq!(is_led_away(&nobody.get(&path).await), whom != Anybody, "{path}");
        }
        if acts {
            // Before a session is looked for, a form of the sign-in must have been shown.
            assert!(is_led_away(&nobody.send(&path, &[]).await) || page == "/sign-in", "{path}");
        }
        for (person, is_admin) in people.iter_mut().zip([false, true]) {
            let denied = whom == Administrators && !is_admin;
            if shows {
                assert_eq!(is_led_away(&person.get(&path).await), denied, "{path}, {is_admin}");
            }
            if acts && page != "/sign-in" {
                person.shown("/console").await;
                assert_eq!(is_led_away(&person.send(&path, &[("do", "connect")]).await), denied, "{path}, {is_admin}");
            }
            if page == "/sign-out" {
                person.sign_in(if is_admin { "admin@example.com" } else { "member@example.com" }).await;
            }
        }
    }
});
