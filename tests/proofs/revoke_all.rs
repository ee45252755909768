//! Break glass at a certified OAuth server: thousands of grants, an order that is killed in the middle, refreshes under way
//! meanwhile. The provider itself counts what lives.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::Extent;
use crate::flows::oidc_provider::{elements, secret_of};
use crate::support::caller::{Caller, read};
use crate::support::database::runtime;
use crate::support::oidc_provider::OidcProvider;
use crate::support::part::{Signal, missing};
use crate::support::program::{ADMIN, Ligand, with_admin};
use crate::support::server::PASSWORD;
use crate::support::{Database, on_both};

const CLIENT: &str = "post-client";
/// As the change feed has it.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

on_both!(no_grant_lives_after_an_order_that_was_killed, in |database| {
    match OidcProvider::start(&[("MANY", "1")]) {
        Some(provider) => runtime().block_on(ended(database, &provider)),
        None => missing("no Node 20 or no node_modules: run make test"),
    }
});

async fn control(provider: &OidcProvider, order: &str, body: Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    read(client.post(format!("{}/control/{order}", provider.issuer)).body(body.to_string())).await.json()
}

/// Grants of which the provider would still take a token.
async fn live(provider: &OidcProvider) -> u64 {
    control(provider, "live", json!({})).await["live"].as_u64().expect("a number")
}

/// An instance of a grant that the caller got itself.
async fn instance(caller: &Caller, element: &str, number: usize, grant: &Value) -> Value {
    let body = json!({
        "element": { "key": element },
        "name": format!("Number {number}"),
        "externalAuthentication": "initial",
        "configuration": {
            "oauth.api.key": CLIENT, "oauth.api.secret": secret_of(CLIENT), "oauth.callback.url": "http://localhost/",
            "oauth.user.token": grant["access"], "oauth.user.refresh_token": grant["refresh"],
        },
    });
    caller.post("/instances", &body).await.ok()
}

/// Beside the provider's elements one that has no address to revoke at.
fn without_revocation(directory: &std::path::Path, issuer: &str) {
    let text = fs::read_to_string(directory.join("0.toml")).expect("an element");
    let section = format!("[authentication.oauth2.revoke]\nurl = \"{issuer}/token/revocation\"\n");
    assert!(text.contains(&section));
    let text = text.replace(&section, "").replace("\"postclient\"", "\"endless\"").replace("id = 10001", "id = 10900");
    fs::write(directory.join("endless.toml"), text).expect("the element is written");
}

async fn ended(database: Database, provider: &OidcProvider) {
    let extent = Extent::of_this_run();
    let count = extent.of(400, 10_000);
    let directory = elements(&provider.issuer);
    without_revocation(directory.path(), &provider.issuer);
    let key = Ligand::new().run(&["keys", "new"]).output;
    let ligand = with_admin()
        .set("DATABASE_URL", &database.url)
        .set("LIGAND_MASTER_KEY", key.trim())
        .set("LIGAND_OUTBOUND_ALLOW", "127.0.0.0/8")
        .set("LIGAND_ELEMENTS_DIR", directory.path().to_str().expect("a path"));
    let server = ligand.serve(&[]);
    let caller = server.sign_in(ADMIN, PASSWORD).await;
    let grants = control(provider, "grants", json!({ "client": CLIENT, "count": count + 1 })).await;
    let grants = grants.as_array().expect("grants");
    let (last, grants) = grants.split_last().expect("one more");
    let made: Vec<Value> = stream::iter(grants.iter().enumerate())
        .map(|(number, grant)| instance(&caller, "postclient", number, grant))
        .buffer_unordered(8)
        .collect()
        .await;
    let endless = instance(&caller, "endless", count, last).await;
    let all = u64::try_from(count + 1).expect("it fits");
    assert_eq!(live(provider).await, all);

    // Callers go on and on asking for new tokens, which takes the provider a while.
    control(provider, "token-delay", json!({ "ms": 40 })).await;
    let stop = Arc::<AtomicBool>::default();
    let refreshing: Vec<_> = (0..4)
        .map(|worker| {
            let (caller, stop, made) = (caller.clone(), Arc::clone(&stop), made.clone());
            tokio::spawn(async move {
                let mut calls = 0_u64;
                for number in (worker..).step_by(7) {
                    if stop.load(Ordering::Relaxed) {
                        return calls;
                    }
                    let id = &made[number * 31 % made.len()]["id"];
                    caller.get(&format!("/instances/{id}?refresh=true")).await;
                    calls += 1;
                }
                calls
            })
        })
        .collect();

    let began = Instant::now();
    let mut killed = ligand.begin(&["revoke", "--all", "--yes"]);
    while live(provider).await > all * 3 / 4 {
        assert!(began.elapsed() < Duration::from_secs(300), "nothing ends: {}", killed.log());
        // To count takes the provider a while, too.
        tokio::time::sleep(extent.of(Duration::from_millis(5), Duration::from_millis(500))).await;
    }
    killed.stop(Signal::Kill);
    let left = live(provider).await;
    let began_again = Instant::now();
    let again = tokio::task::spawn_blocking(move || {
        let ended = ligand.run_within(Duration::from_secs(600), &["revoke", "--all", "--yes"]);
        (ligand, ended)
    });
    let (_ligand, again) = again.await.expect("no panic");
    let took = began_again.elapsed();
    let lives = live(provider).await;
    stop.store(true, Ordering::Relaxed);
    let mut refreshes = 0;
    for worker in refreshing {
        refreshes += worker.await.expect("no panic");
    }
    assert!(again.success, "{again:?}");
    assert!(again.output.starts_with("this goes on with order "), "{again:?}");
    assert!(again.output.contains(", and 0 grants are left to be ended at their vendors\n"), "{again:?}");
    let named = format!("endless, instance {} of organization ", endless["id"]);
    assert!(again.output.contains(&named) && again.output.contains("no address to revoke it at"), "{again:?}");
    assert!(again.output.ends_with("1 live on: end them at the vendor\n"), "{again:?}");
    for grant in grants.iter().chain([last]) {
        assert!(!again.output.contains(grant["refresh"].as_str().expect("a token")));
    }
    // The running server noticed.
    tokio::time::sleep(NOTICED_WITHIN).await;
    for instance in [&made[0], &made[count / 2], &endless] {
        let own = caller.with_element(instance["token"].as_str().expect("a token"));
        read(own.request_at_root("GET", "/vendor/me")).await.fails(401, "reauthorization_required");
    }
    let name = if database.url.starts_with("sqlite:") { "revoke_all sqlite" } else { "revoke_all postgres" };
    extent.report(
        name,
        &[
            ("grants", all),
            ("left_at_kill", left),
            ("refreshes", refreshes),
            ("seconds", took.as_secs()),
            ("live", lives.saturating_sub(1)),
        ],
    );
    assert!(left > 1, "it was killed in the middle");
    assert_eq!(lives, 1, "that of the element without an address");
}
