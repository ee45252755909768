//! A database and its copies: who may use the refresh tokens, and who only looks.

use std::fs;

use chrono::TimeDelta;
use ligand::store::{identity, leases};
use serde_json::json;

use crate::support::caller::{Caller, read, with_key};
use crate::support::consent::code;
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::postgres::postgres;
use crate::support::program::{ADMIN, Ended, Ligand, with_admin};
use crate::support::server::PASSWORD;
use crate::support::{Database, TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";
const COPIED: &str = "this database was copied or moved since it was served last";

#[track_caller]
fn refused(ended: &Ended, reason: &str) {
    assert!(!ended.success && ended.errors.contains(reason), "no {reason:?}: {ended:?}");
    for way in ["`ligand resume`", "`ligand restore --mark`", "`ligand serve --clone`"] {
        let text = ended.errors.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(way), "{way}: {ended:?}");
    }
}

/// As the command does, with every element's refresh tokens taken for rotating ones.
async fn restore(server: &TestServer) {
    let now = server.services.now();
    server.services.store.write(move |conn| identity::mark_restored(conn, &[], now)).await.expect("it is marked");
}

on_both!(a_restored_database_sends_no_refresh_token_until_it_is_told, |server| async move {
    let caller = server.caller();
    let mut position = Default::default();
    server.services.follow_changes(&mut position).await;
    server.sandbox().set(|switches| switches.rotation = true);
    let [first, second] = ["One", "Other"].map(|name| caller.create_with_code(server.sandbox(), name));
    let (first, second) = (first.await, second.await);
    let path = format!("/instances/{}", first["id"]);
    let vendor = |instance: &serde_json::Value| {
        let token = format!("Element {}", instance["token"].as_str().expect("a token"));
        server.anonymous().with(&token).request_at_root("GET", "/vendor/crm/v3/objects/contacts")
    };
    restore(&server).await;
    server.services.follow_changes(&mut position).await;
    server.sandbox().forget_calls();

    // As long as it is good it is used, and not renewed ahead of its end.
    assert_eq!(read(vendor(&first)).await.status, 200);
    server.advance(TimeDelta::minutes(28));
    server.services.follow_changes(&mut position).await;
    assert_eq!(read(vendor(&first)).await.status, 200);
    server.database.execute("UPDATE credential SET due_at = refreshed_at");
    assert_eq!(server.services.refresh_due().await.expect("the job runs"), 0);
    server.advance(TimeDelta::hours(1));
    server.services.follow_changes(&mut position).await;
    let message = read(vendor(&first)).await.fails(503, "database_restored");
    assert!(message.contains("`ligand resume`") && message.contains("refresh=true"), "{message}");
    assert_eq!(server.sandbox().counts(TOKEN).total, 0);
    assert_eq!(held(&server).await, "1");
    assert_eq!(caller.get(&path).await.ok()["valid"], true, "nothing is known against it");

    // Who asks for one by name gets it.
    assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
    assert_eq!(read(vendor(&first)).await.status, 200);
    assert_eq!(server.sandbox().counts(TOKEN).total, 1);
    read(vendor(&second)).await.fails(503, "database_restored");

    // How the last refresh of each ended is not known.
    let lease = format!("refresh/{}", second["id"]);
    let lease = server.services.store.read(move |conn| leases::find(conn, &lease)).await.expect("it is read");
    assert!(lease.is_some_and(|lease| lease.unsettled && !lease.is_held()), "{lease:?}");
    let now = server.services.now();
    assert!(server.services.store.write(move |conn| identity::resume(conn, now)).await.expect("it is told"));
    server.services.follow_changes(&mut position).await;
    assert_eq!(read(vendor(&second)).await.status, 200);
    assert_eq!(server.sandbox().counts(TOKEN).total, 2);
    assert_eq!(held(&server).await, "0");
});

/// What monitoring is told.
async fn held(server: &TestServer) -> String {
    let metrics = read(server.anonymous().request_at_root("GET", "/metrics")).await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("ligand_refreshes_held "));
    line.unwrap_or_else(|| panic!("{metrics}")).to_owned()
}

on_both!(a_token_that_was_spent_after_the_copy_is_told_as_such, |server| async move {
    let caller = server.caller();
    server.sandbox().set(|switches| switches.rotation = true);
    let created = caller.create_with_code(server.sandbox(), "Copied").await;
    let path = format!("/instances/{}", created["id"]);
    let id = created["id"].as_i64().expect("an id");
    let owner = crate::support::copies::owner(&server.services).await;
    let of_copy = server.services.store.read(move |conn| ligand::store::instances::find(conn, owner, id));
    let sealed = of_copy.await.expect("the row").credential.sealed;
    // The original goes on after the copy was made.
    server.advance(TimeDelta::hours(1));
    assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
    let mut stored =
        server.services.store.read(move |conn| ligand::store::instances::find(conn, owner, id)).await.expect("it");
    stored.credential.sealed = sealed;
    let now = server.services.now();
    let put_back =
        move |conn: &mut _| ligand::store::instances::update_credential(conn, owner, &stored.credential, now);
    server.services.store.write(put_back).await.expect("the copy takes its place");
    restore(&server).await;
    server.services.follow_changes(&mut Default::default()).await;
    server.advance(TimeDelta::hours(1));
    let shown = caller.get(&format!("{path}?refresh=true")).await.ok();
    assert_eq!(shown["valid"], false, "{shown}");
    let reason = shown["invalidReason"].as_str().expect("a reason");
    assert!(reason.contains("the outcome of the refresh before is unknown"), "{reason}");
});

/// A token that is young and good would not be renewed.
fn expire(ligand: &Ligand) {
    let file = ligand.path("ligand-data/sandbox/ligand.db");
    Database::at(format!("sqlite:{}", file.display())).execute("UPDATE credential SET expires_at = refreshed_at");
}

/// The files of a server that ended, in another directory.
fn copied(ligand: &Ligand) -> Ligand {
    let other = with_admin();
    fs::create_dir_all(other.path("ligand-data/sandbox")).expect("a directory");
    for file in ["ligand.db", "master.key", "vendor.jsonl"] {
        let path = format!("ligand-data/sandbox/{file}");
        fs::copy(ligand.path(&path), other.path(&path)).expect("a copy");
    }
    other
}

#[test]
fn a_copied_file_is_not_served_by_mistake_and_a_moved_one_is() {
    let ligand = with_admin();
    let server = ligand.serve(&["--sandbox"]);
    let (header, created) = runtime().block_on(async {
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        let code = code(&server).await;
        let created = caller.post("/instances", &crate::support::caller::with_code("Copied", &code)).await.ok();
        (caller.authorization.clone().expect("a header"), created)
    });
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    let path = format!("/instances/{}", created["id"]);
    let token = format!("Element {}", created["token"].as_str().expect("a token"));

    let copy = copied(&ligand);
    refused(&copy.run(&["serve", "--sandbox"]), COPIED);
    // Looking at it calls nobody.
    let server = copy.serve(&["--sandbox", "--clone"]);
    assert!(server.log().contains("CLONE"), "{}", server.log());
    runtime().block_on(async {
        let caller = Caller::anonymous(&server.url).with(&header);
        assert_eq!(caller.get(&path).await.ok()["token"], created["token"]);
        expire(&copy);
        caller.get(&format!("{path}?refresh=true")).await.fails(503, "server_is_a_clone");
        let through = Caller::anonymous(&server.url).with(&token);
        read(through.request_at_root("GET", "/vendor/crm/v3/objects/contacts")).await.fails(503, "server_is_a_clone");
        let hub = Caller::anonymous(&server.url).with(&format!("{header}, {token}"));
        hub.get("/hubs/crm/contacts").await.fails(503, "server_is_a_clone");
        caller.post("/instances", &with_key("New")).await.fails(503, "server_is_a_clone");
        assert_eq!(caller.delete(&path).await.status, 200);
        // Longer than the job that revokes takes to begin.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let control = read(Caller::anonymous(&server.vendor).request_at_root("GET", "/control")).await.ok();
        assert_eq!(control["calls"], json!({}), "nobody was called");
    });
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    refused(&copy.run(&["serve", "--sandbox"]), COPIED);

    let data = ["--data-dir", "ligand-data/sandbox"];
    let backup = copied(&ligand);
    assert!(backup.run(&[&["restore", "--mark"], data.as_slice()].concat()).success);
    let server = backup.serve(&["--sandbox"]);
    assert!(server.log().contains("RESTORED"), "{}", server.log());
    drop(server);
    // From now on this is its place.
    drop(backup.serve(&["--sandbox"]));
    let moved_by_copying = copied(&ligand);
    assert!(moved_by_copying.run(&[&["resume"], data.as_slice()].concat()).success);
    let server = moved_by_copying.serve(&["--sandbox"]);
    assert!(!server.log().contains("RESTORED"), "{}", server.log());
    drop(server);

    // Within a file system a file that is moved stays the same file.
    let moved = with_admin();
    fs::rename(ligand.path("ligand-data"), moved.path("ligand-data")).expect("it is moved");
    let server = moved.serve(&["--sandbox"]);
    runtime().block_on(async {
        let caller = Caller::anonymous(&server.url).with(&header);
        expire(&moved);
        assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
    });
}

#[test]
fn of_postgres_a_copy_is_told_from_a_restart_and_from_a_role_that_may_see_less() {
    let Some(server) = postgres() else { return };
    let url = server.create_database();
    let name = |url: &str| url.rsplit('/').next().expect("a name").to_owned();
    let key = Ligand::new().run(&["keys", "new"]).output;
    let on = |url: &str| with_admin().set("DATABASE_URL", url).set("LIGAND_MASTER_KEY", key.trim());
    drop(on(&url).serve(&[]));
    drop(on(&url).serve(&[]));
    // A role that may not ask which cluster it is.
    server.execute(&name(&url), "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    let role = format!("modest_{}", name(&url));
    server.execute(&name(&url), &format!("CREATE ROLE {role} LOGIN PASSWORD 'modest'"));
    server.execute(&name(&url), &format!("GRANT ALL ON SCHEMA public TO {role}"));
    server.execute(&name(&url), &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"));
    server.execute(&name(&url), &format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"));
    let modest = url::Url::parse(&url).map(|mut url| {
        url.set_username(&role).expect("a name");
        url.set_password(Some("modest")).expect("a password");
        url.to_string()
    });
    let modest = modest.expect("a URL");
    drop(on(&modest).serve(&[]));
    drop(on(&url).serve(&[]));
    // Everything written anew, as repacking does.
    server.execute(&name(&url), "VACUUM FULL database_identity");
    drop(on(&url).serve(&[]));

    let copy = server.create_database_from(&name(&url));
    refused(&on(&copy).run(&["serve"]), COPIED);
    let looking = on(&copy).serve(&["--clone"]);
    assert!(looking.log().contains("CLONE"), "{}", looking.log());
    drop(looking);
    assert!(on(&copy).run(&["restore", "--mark"]).success);
    drop(on(&copy).serve(&[]));
    assert!(on(&copy).run(&["resume"]).success);
    let resumed = on(&copy).serve(&[]);
    assert!(!resumed.log().contains("RESTORED"), "{}", resumed.log());
}
