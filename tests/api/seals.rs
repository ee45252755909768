//! What somebody makes of a database who writes to it and has no key: what is moved to another organization opens nowhere, and a
//! hash that is put into another row opens no door.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ligand::kernel::entropy::SystemEntropy;
use ligand::kernel::owner::Owner;
use ligand::kernel::secret::Secret;
use ligand::service::actor::Actor;
use ligand::service::people::bootstrap::{CreatedUser, UserInput};
use ligand::store::newer_tokens::{self, Newer};
use ligand::store::sealed::{NEWER_TOKEN, ORGANIZATION_SECRET, REVOCATION, SEALED};
use ligand::store::users::By;
use ligand::store::{AnyConn, principals};
use ligand::vault::{Form, VaultFault, password};
use serde_json::{Value, json};

use crate::support::caller::{read, with_key};
use crate::support::database::open;
use crate::support::older_seals::{forms, values};
use crate::support::receiver::Receiver;
use crate::support::server::{PASSWORD, user};
use crate::support::{Caller, TestServer, on_both};

const SITE: &str = "https://app.example";
const WEBHOOK: &str = "/notifications/webhook";
const APP: &str = "/elements/hubspotcrm/app";

fn path(instance: &Value) -> String {
    format!("/instances/{}", instance["id"])
}

async fn owner_of(server: &TestServer, email: &str) -> Owner {
    let email = email.to_owned();
    let found = server.services.store.read(move |conn| principals::find_by_email(conn, &email)).await;
    found.expect("the database answers").expect("the user").0.owner
}

/// A value in every sealed column. The instance that stays.
async fn fill(server: &TestServer, caller: &Caller) -> Value {
    caller.patch("/organizations/me", &json!({ "allowedOrigins": [SITE] })).await.ok();
    caller.put(APP, &json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" })).await.ok();
    let deleted = caller.create_with_code(server.sandbox(), "Deleted").await;
    assert_eq!(caller.delete(&path(&deleted)).await.status, 200);
    let once = caller.request("POST", "/instances").header("content-type", "application/json");
    read(once.header("idempotency-key", "once").body(with_key("Once").to_string())).await.ok();
    caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
    caller.get_with("/elements/hubspotcrm/oauth/url/default", &[("callbackUrl", SITE)]).await.ok();
    let (services, now) = (&server.services, server.services.now());
    let owner = owner_of(server, "admin@example.com").await;
    let place = NEWER_TOKEN.place(owner.organization, 7);
    let newer = Newer { id: 7, sealed: services.vault.seal(place, b"newer").expect("it is sealed") };
    let keep = move |conn: &mut AnyConn| newer_tokens::keep(conn, owner, b"hash", &newer, now);
    services.store.write(keep).await.expect("the database");
    caller.create_with_code(server.sandbox(), "Moved").await
}

/// The rows of one organization, by SQL, with everything that belongs to them. `tables`: with an account too, but for webhooks.
fn move_rows(server: &TestServer, tables: &[&str], from: Owner, to: Owner) {
    for table in tables {
        let account = match *table {
            "webhook" => String::new(),
            _ => format!(", account_id = {}", to.account),
        };
        server.database.execute(&format!(
            "UPDATE {table} SET organization_id = {}{account} WHERE organization_id = {}",
            to.organization, from.organization
        ));
    }
}

on_both!(what_is_moved_to_another_organization_opens_nowhere, |server| async move {
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let moved = fill(&server, &caller).await;
    caller.put(WEBHOOK, &json!({ "url": "https://receiver.example/hook" })).await.ok();
    let own = stranger.create_with_key("Own").await;
    // What is in memory must not be shown to the new owner either.
    assert_eq!(caller.get(&path(&moved)).await.ok(), moved);
    let [from, to] = [owner_of(&server, "admin@example.com").await, owner_of(&server, "stranger@other.example").await];

    let (store, vault) = (open(&server.database.url, 2), &server.services.vault);
    let mut before = Vec::new();
    for column in SEALED {
        let found = values(&store, column).await;
        let found: Vec<_> =
            found.into_iter().filter(|value| value.owner.is_none_or(|it| it == from.organization)).collect();
        assert!(!found.is_empty(), "{column:?} needs a value here");
        assert_eq!(forms(&store, column).await, [Form::Bound], "{column:?}");
        for value in &found {
            vault.open(column.place(value.owner, value.id), &value.bytes).expect("it opens where it belongs");
        }
        before.push((column, found));
    }
    let mut tables: Vec<_> =
        SEALED.iter().filter(|it| it.owner == Some("organization_id")).map(|it| it.table).collect();
    tables.extend(["instance_tag", "notice"]);
    tables.sort_unstable();
    tables.dedup();
    move_rows(&server, &tables, from, to);

    for (column, found) in before.into_iter().filter(|(column, _)| column.owner.is_some()) {
        let now = values(&store, column).await;
        for value in found {
            let place = match column {
                // It is the organization itself: only its secret can go to another one.
                ORGANIZATION_SECRET => column.place(to.organization, to.organization),
                _ => {
                    let there = now.iter().find(|it| it.id == value.id).expect("the row is there");
                    assert_eq!((there.owner, &there.bytes), (Some(to.organization), &value.bytes), "{column:?}");
                    column.place(there.owner, there.id)
                }
            };
            let fault = vault.open(place, &value.bytes).expect_err(column.name);
            assert!(matches!(&fault, VaultFault::Corrupt { .. }), "{column:?}: {fault}");
            assert!(fault.to_string().contains(&format!("for organization {}", to.organization)), "{fault}");
        }
    }

    for answer in [stranger.get(&path(&moved)).await, stranger.get(APP).await, stranger.get(WEBHOOK).await] {
        let sentence = answer.fails(500, "secret_unopened");
        assert!(sentence.ends_with("the operator finds in the log which one."), "{sentence}");
    }
    let listed = stranger.get("/instances").await.ok();
    assert_eq!(listed.as_array().expect("a list").iter().map(|it| &it["id"]).collect::<Vec<_>>(), [&own["id"]]);
    stranger.get("/connect/links").await.fails(404, "nothing_found");
    let token = moved["token"].as_str().expect("a token");
    server.services.warm.clear();
    for anybody in [&caller, &stranger] {
        assert_ne!(anybody.with_element(token).get("/instances/configuration").await.status, 200);
        assert_ne!(anybody.with_element(token).get("/hubs/crm/contacts").await.status, 200);
    }
    // Whose own row was moved is nobody any more.
    server.services.principals.clear();
    caller.get("/instances/count").await.fails(401, "bad_credentials");
    let body = json!({ "username": "admin@example.com", "password": PASSWORD });
    server.anonymous().post("/authentication", &body).await.fails(401, "login_refused");
});

on_both!(half_of_an_instance_opens_for_nobody_else_either, |server| async move {
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let whole = caller.create_with_code(server.sandbox(), "Whole").await;
    let [from, to] = [owner_of(&server, "admin@example.com").await, owner_of(&server, "stranger@other.example").await];
    // The credential is opened for the owner of its instance, whatever its own row says.
    for (half, status) in [(["instance", "instance_tag"].as_slice(), 500), (&["credential"], 404)] {
        move_rows(&server, half, from, to);
        server.services.warm.clear();
        let refresh = format!("{}?refresh=true", path(&whole));
        for reply in [stranger.get(&path(&whole)).await, stranger.get(&refresh).await] {
            assert_eq!(reply.status, status, "{half:?}: {reply:?}");
        }
        let id = whole["id"].as_i64().expect("an id");
        assert!(server.services.live_instance(to, id).await.is_err(), "{half:?}");
        move_rows(&server, half, to, from);
    }
    server.services.warm.clear();
    assert_eq!(caller.get(&path(&whole)).await.ok(), whole);
    caller.with_element(whole["token"].as_str().expect("a token")).get("/hubs/crm/contacts").await.ok();
});

on_both!(an_altered_row_takes_no_list_and_no_job_with_it, |server| async move {
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let receiver = Receiver::start().await;
    stranger.put(WEBHOOK, &json!({ "url": receiver.url() })).await.ok();
    let moved = fill(&server, &caller).await;
    let own = stranger.create_with_code(server.sandbox(), "Own").await;
    let deleted = stranger.create_with_code(server.sandbox(), "Deleted").await;
    stranger.put(APP, &json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" })).await.ok();
    let link = stranger.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
    let [from, to] = [owner_of(&server, "admin@example.com").await, owner_of(&server, "stranger@other.example").await];
    for (of, instance) in [(from, &moved), (to, &own)] {
        let id = instance["id"].as_i64().expect("an id");
        server.services.fresh_token(of, id).await.expect("a token");
    }
    server.services.write_all_usage().await.expect("the usage is written");
    move_rows(&server, &["instance", "instance_tag", "credential", "connect_link", "revocation"], from, to);
    server.services.warm.clear();

    let listed = stranger.get("/connect/links").await.ok();
    assert_eq!(listed.as_array().expect("a list").iter().map(|it| &it["id"]).collect::<Vec<_>>(), [&link["id"]]);
    assert_eq!(stranger.get("/instances?hydrate=true").await.ok().as_array().expect("a list").len(), 2);
    assert_eq!(stranger.delete(&path(&deleted)).await.status, 200);
    assert_eq!(server.services.revoke_due_grants().await.expect("the job runs"), 2, "both were tried");
    let left = values(&open(&server.database.url, 2), REVOCATION).await;
    assert_eq!(left.len(), 1, "its own one was revoked: {left:?}");
    server.advance(TimeDelta::minutes(27));
    let began = Instant::now();
    while server.services.refresh_due().await.expect("the job runs") > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come to an end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let renewed = stranger.get(&path(&own)).await.ok();
    assert_ne!(renewed["lastRefreshAt"], own["lastRefreshAt"], "the other one is renewed");
    server.advance(TimeDelta::days(400));
    assert_eq!(server.services.expire_links().await.expect("the job runs"), 2, "a link runs out unopened");
    assert_eq!(server.services.expire_links().await.expect("the job runs"), 0);
    server.services.send_due_notices().await.expect("the job runs");
    assert!(receiver.told().iter().any(|told| told.kind() == "link.expired"), "{:?}", receiver.told());
});

/// Exchanges a value of two rows, in spite of its index.
pub fn exchange(server: &TestServer, table: &str, column: &str, [one, other]: [&str; 2]) {
    let nothing = if server.database.url.starts_with("sqlite") { "X'00'" } else { "'\\x00'" };
    let bytes = if server.database.url.starts_with("sqlite") { "BLOB" } else { "BYTEA" };
    server.database.execute(&format!(
        "CREATE TABLE kept (one {bytes}, other {bytes});
         INSERT INTO kept SELECT (SELECT {column} FROM {table} WHERE {one}), (SELECT {column} FROM {table} WHERE {other});
         UPDATE {table} SET {column} = {nothing} WHERE {one};
         UPDATE {table} SET {column} = (SELECT one FROM kept) WHERE {other};
         UPDATE {table} SET {column} = (SELECT other FROM kept) WHERE {one};
         DROP TABLE kept"
    ));
}

on_both!(the_hash_of_ones_own_secret_in_another_row_opens_no_door, |server| async move {
    let colleague = server.colleague().await;
    colleague.get("/instances/count").await.ok();
    exchange(&server, "app_user", "secret_hash", ["email = 'admin@example.com'", "email = 'colleague@example.com'"]);
    server.services.principals.clear();
    for either in [&colleague, &server.caller()] {
        either.get("/instances/count").await.fails(401, "bad_credentials");
    }
    let stranger = server.stranger().await;
    exchange(&server, "app_user", "secret_hash", ["email = 'admin@example.com'", "email = 'colleague@example.com'"]);
    server.services.principals.clear();
    let own = server.caller().create_with_code(server.sandbox(), "Own").await;
    let theirs = stranger.create_with_code(server.sandbox(), "Theirs").await;
    exchange(&server, "instance", "token_hash", ["name = 'Own'", "name = 'Theirs'"]);
    server.services.warm.clear();
    let thief = stranger.with_element(theirs["token"].as_str().expect("a token"));
    thief.get("/hubs/crm/contacts").await.fails(401, "bad_credentials");
    server.caller().get(&path(&own)).await.ok();
    let links = [&server.caller(), &stranger].map(|caller| {
        let caller = caller.clone();
        async move {
            caller.put(APP, &json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" })).await.ok();
            caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok()
        }
    });
    let [mine, other] = links;
    let (mine, other) = (mine.await, other.await);
    let ids = [&mine, &other].map(|link| format!("id = {}", link["id"]));
    exchange(&server, "connect_link", "token_hash", ids.each_ref().map(String::as_str));
    for link in [mine, other] {
        let address = url::Url::parse(link["url"].as_str().expect("an address")).expect("a URL");
        let page = read(server.anonymous().request_at_root("GET", address.path())).await;
        assert_eq!(page.status, 404, "{page:?}");
    }
});

on_both!(the_hash_of_ones_own_organization_secret_in_another_row_opens_no_door, |server| async move {
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let [own, theirs] = [&caller, &stranger].map(|it| it.authorization.clone().expect("a header"));
    let [from, to] = [owner_of(&server, "admin@example.com").await, owner_of(&server, "stranger@other.example").await];
    let rows = [from, to].map(|owner| format!("id = {}", owner.organization));
    exchange(&server, "organization", "secret_hash", rows.each_ref().map(String::as_str));
    server.services.principals.clear();
    let user = own.split(", Organization ").next().expect("a user's secret");
    let organization = theirs.split(", ").nth(1).expect("an organization's secret");
    let thief = server.anonymous().with(&format!("{user}, {organization}"));
    thief.get("/instances/count").await.fails(401, "bad_credentials");
    caller.get("/instances/count").await.ok();
});

on_both!(the_hash_of_ones_own_state_in_another_row_leads_nowhere, |server| async move {
    let (caller, stranger) = (server.caller(), server.stranger().await);
    let mut states = Vec::new();
    for one in [&caller, &stranger] {
        one.patch("/organizations/me", &json!({ "allowedOrigins": [SITE] })).await.ok();
        one.put(APP, &json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" })).await.ok();
        let asked = one.get_with("/elements/hubspotcrm/oauth/url/default", &[("callbackUrl", SITE)]).await.ok();
        let url = url::Url::parse(asked["oauthUrl"].as_str().expect("an address")).expect("a URL");
        states.push(url.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned());
    }
    let [from, to] = [owner_of(&server, "admin@example.com").await, owner_of(&server, "stranger@other.example").await];
    let rows = [from, to].map(|owner| format!("organization_id = {}", owner.organization));
    exchange(&server, "oauth_grant", "state_hash", rows.each_ref().map(String::as_str));
    let back = |state: &str| {
        let anybody = server.anonymous();
        let path = crate::support::redirect_uris::answered(&format!("state={state}&code=a-code"));
        async move { read(anybody.request_at_root("GET", &path)).await }
    };
    for state in &states {
        let page = back(state).await;
        assert!(!(300..400).contains(&page.status), "{page:?}");
    }
    exchange(&server, "oauth_grant", "state_hash", rows.each_ref().map(String::as_str));
    assert!((300..400).contains(&back(&states[0]).await.status), "where it belongs it leads to the caller");
});

on_both!(a_row_under_a_key_that_nobody_has_takes_no_list_with_it, |server| async move {
    let caller = server.caller();
    let [lost, kept] = [caller.create_with_key("Lost").await, caller.create_with_key("Kept").await];
    let sealed = format!("0201{:02x}{}", b'x', "00".repeat(60));
    let sqlite = server.database.url.starts_with("sqlite");
    let sealed = if sqlite { format!("X'{sealed}'") } else { format!("'\\x{sealed}'") };
    server.database.execute(&format!("UPDATE instance SET token_sealed = {sealed} WHERE name = 'Lost'"));
    server.services.warm.clear();
    let listed = caller.get("/instances").await.ok();
    assert_eq!(listed.as_array().expect("a list").iter().map(|it| &it["id"]).collect::<Vec<_>>(), [&kept["id"]]);
    caller.get(&path(&lost)).await.fails(503, "key_unavailable");
});

async fn signs_in(server: &TestServer, email: &str, password: &str) -> u16 {
    let body = json!({ "username": email, "password": password });
    server.anonymous().post("/authentication", &body).await.status
}

on_both!(a_password_hash_counts_in_its_own_row_and_sealed_alone, |server| async move {
    const OTHER: &str = "another horse battery";
    let input = UserInput { password: Secret::new(OTHER), ..user("other@example.com", false) };
    let owner = owner_of(&server, "admin@example.com").await;
    let _: CreatedUser = server.services.create_user(input, Some(owner)).await.expect("a user");
    assert_eq!(signs_in(&server, "other@example.com", OTHER).await, 200);
    // The hash of one who is known, for one who has more rights.
    exchange(&server, "app_user", "password_sealed", ["email = 'admin@example.com'", "email = 'other@example.com'"]);
    for (email, password) in [("admin@example.com", OTHER), ("other@example.com", PASSWORD)] {
        assert_eq!(signs_in(&server, email, password).await, 401);
    }
    exchange(&server, "app_user", "password_sealed", ["email = 'admin@example.com'", "email = 'other@example.com'"]);
    // A hash of one's own making.
    let hash = password::hash(&Secret::new(OTHER), &SystemEntropy).expect("a hash");
    server.database.execute(&format!("UPDATE app_user SET password_hash = '{hash}' WHERE email = 'admin@example.com'"));
    assert_eq!(signs_in(&server, "admin@example.com", OTHER).await, 401);
    assert_eq!(signs_in(&server, "admin@example.com", PASSWORD).await, 200, "the sealed one counts");
    server.database.execute("UPDATE app_user SET password_sealed = NULL WHERE email = 'admin@example.com'");
    for password in [OTHER, PASSWORD] {
        assert_eq!(signs_in(&server, "admin@example.com", password).await, 401);
    }
    assert_eq!(signs_in(&server, "other@example.com", OTHER).await, 200);
    // A new password ends it.
    let principal = server.services.store.read(move |conn| principals::find_by_email(conn, "admin@example.com")).await;
    let (principal, _) = principal.expect("the database answers").expect("the administrator");
    let operator = Actor::operator(principal.owner, server.services.request_id());
    server.services.reset_user(&operator, By::Id(principal.user), Secret::new(PASSWORD)).await.expect("it is set");
    assert_eq!(signs_in(&server, "admin@example.com", PASSWORD).await, 200);
});
