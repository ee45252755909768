//! A code between the vendor's answer and the end of its use: the commit of what it brought, or that nothing is kept.

use std::sync::Arc;

use chrono::TimeDelta;
use ligand::kernel::secret::Secret;
use ligand::store::spent_codes::{self, Claimant, CodeHashes, Standing};
use ligand::vault::lookup::Purpose;
use serde_json::json;

use crate::support::browser::{Browser, link, set_up, shown};
use crate::support::caller::with_code;
use crate::support::failing_writes::{FailingWrites, Failure};
use crate::support::fleet::until;
use crate::support::{Database, TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";

fn token_calls(server: &TestServer) -> u64 {
    server.sandbox().counts(TOKEN).total
}

/// The last sign of life of whoever uses a code of hubspotcrm; none where nobody does.
async fn sign_of_life(server: &TestServer, code: &str) -> Option<i64> {
    let services = &server.services;
    let owner = crate::support::copies::owner(services).await;
    let named = Secret::new(format!("168\0{code}"));
    let hashes: Arc<[CodeHashes]> =
        [CodeHashes { code: services.lookup.hash(Purpose::Code, &named), request: Vec::new() }].into();
    let who = Claimant { owner, id: 0, process: 0, instance: None, now: services.now(), dead: None, has_room: true };
    let standing = services.store.read(move |conn| spent_codes::look(conn, who, &hashes)).await.expect("the database");
    match standing {
        Standing::UnderWay { seen, .. } => Some(seen.lease.beat),
        _ => None,
    }
}

// Whoever waits for the same code elsewhere takes silence for a death.
on_both!(a_code_is_seen_to_be_in_use_until_the_commit, |server| async move {
    let caller = server.caller();
    let code = caller.code(server.sandbox()).await;
    let failing = FailingWrites::before(&server.database);
    let state = if server.database.url.starts_with("sqlite:") { "ABORT" } else { "53100" };
    failing.strike([("Held".to_owned(), Failure { state, words: "no space left" })]);
    let body = with_code("Held", &code);
    let watching = async {
        until("the vendor answered", async || token_calls(&server) == 1).await;
        // That call may still give one.
        let first = sign_of_life(&server, &code).await.expect("it is in use");
        until("it lives on", async || sign_of_life(&server, &code).await.is_some_and(|last| last > first + 2)).await;
        failing.lift();
    };
    let (made, ()) = tokio::join!(caller.post("/instances", &body), watching);
    let id = if made.status == 200 { made.ok()["id"].clone() } else { made.json()["instanceId"].clone() };
    until("it is kept", async || caller.get(&format!("/instances/{id}")).await.status == 200).await;
    until("its use is over", async || sign_of_life(&server, &code).await.is_none()).await;
    assert_eq!(caller.post("/instances", &body).await.ok()["id"], id);
    until("nothing is left of it", async || server.services.detached.running() == 0).await;
    assert_eq!(token_calls(&server), 1);
});

/// A database that decides against every change of a credential.
fn refuse_changes(database: &Database) {
    let never = "CREATE TABLE never (x INTEGER NOT NULL CHECK (x = 0));";
    let trigger = match database.url.starts_with("sqlite:") {
        true => "CREATE TRIGGER decides BEFORE UPDATE ON credential BEGIN INSERT INTO never VALUES (1); END;",
        false => {
            "CREATE FUNCTION decide() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO never VALUES (1); RETURN NEW; END $$;
             CREATE TRIGGER decides BEFORE UPDATE ON credential FOR EACH ROW EXECUTE FUNCTION decide();"
        }
    };
    database.execute(&format!("{never}{trigger}"));
}

// Nobody else is told to wait for it, and the grant that nobody has is no instance's.
on_both!(a_renewal_that_is_not_kept_ends_the_use_of_its_code, |server| async move {
    let caller = set_up(&server).await;
    let created = caller.create_with_code(server.sandbox(), "Renewed").await;
    let path = format!("/instances/{}", created["id"]);
    let made = link(&caller, json!({ "instanceId": created["id"] })).await;
    let browser = Browser::new(&server);
    let to_vendor = browser.submit(&made, &[]).await.location().expect("a redirect");
    let callback = browser.get(&to_vendor).await.location().expect("a redirect");
    let calls = token_calls(&server);
    refuse_changes(&server.database);
    browser.follow(browser.get(&callback).await).await;
    until("the link is over", async || shown(&caller, &made).await["status"] == "failed").await;
    assert_eq!(token_calls(&server), calls + 1, "the code was spent");
    let at = url::Url::parse(&callback).expect("an address");
    let code = at.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let said = caller.post("/instances", &with_code("By hand", &code)).await.fails(409, "code_used");
    assert!(said.contains("took this code before, and what it brought was not kept"), "{said}");
    assert_eq!((token_calls(&server), server.count().await), (calls + 1, 1));
    // What was there before is what there is.
    let drop_trigger = match server.database.url.starts_with("sqlite:") {
        true => "DROP TRIGGER decides",
        false => "DROP TRIGGER decides ON credential",
    };
    Database::at(server.database.url.clone()).execute(drop_trigger);
    server.advance(TimeDelta::hours(1));
    assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], true);
});
