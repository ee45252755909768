//! Refreshes at a certified OAuth 2.0 server that nobody here wrote, with and without rotation of refresh tokens.

use std::collections::HashSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use ligand::store::principals;
use serde_json::{Value, json};

use super::oidc_provider::{Story, db_tokens, encoded, on_both_with, secret_of};
use crate::support::Reply;
use crate::support::caller::read;
use crate::support::oidc_provider::OidcProvider;
use crate::support::part::missing;

const ROTATING: &str = "post-client";
const STEADY: &str = "steady-post-client";

/// With a provider of the test's own, which counts its token calls.
fn on_both<F: Future<Output = ()>>(test: impl Fn(Story) -> F) {
    match OidcProvider::start(&[]) {
        Some(provider) => on_both_with(&provider, test),
        None => missing("no Node 20 or no node_modules: run make test"),
    }
}

/// An instance, as its id and path.
async fn instance(story: &Story, client: &str) -> (i64, String) {
    let created = story.create(client, &story.agree(client).await).await.ok();
    let id = created["id"].as_i64().expect("an id");
    (id, format!("/instances/{id}"))
}

/// After the access token's end.
async fn refreshed(story: &Story, path: &str) -> Value {
    story.server.advance(TimeDelta::minutes(31));
    story.caller.get(&format!("{path}?refresh=true")).await.ok()
}

async fn token_calls(story: &Story) -> u64 {
    let reply = read(story.browser.post(format!("{}/control/token-calls", story.issuer))).await;
    reply.ok()["total"].as_u64().expect("a number")
}

/// Access and refresh token.
async fn tokens(story: &Story, id: i64) -> [String; 2] {
    let services = &story.server.services;
    let owner = services.store.read(principals::list).await.expect("the users")[0].owner;
    db_tokens(services, owner, id).await.try_into().expect("two tokens")
}

/// What somebody does who has got hold of a refresh token and the app's secret.
async fn replay(story: &Story, client: &str, refresh_token: &str) -> Reply {
    let secret = secret_of(client);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("client_id", client),
        ("client_secret", &secret),
    ];
    let request = story.browser.post(format!("{}/token", story.issuer)).body(encoded(&form));
    read(request.header("content-type", "application/x-www-form-urlencoded")).await
}

#[test]
fn rotated_tokens_follow_each_other_and_steady_ones_stay() {
    on_both(|story| async move {
        for (client, different) in [(ROTATING, 5), (STEADY, 1)] {
            let (id, path) = instance(&story, client).await;
            let before = token_calls(&story).await;
            let [first_access, first] = tokens(&story, id).await;
            let (mut access, mut refresh) = (HashSet::from([first_access]), HashSet::from([first]));
            for round in 1..5 {
                assert_eq!(refreshed(&story, &path).await["valid"], true, "{client}, round {round}");
                let [new_access, new_refresh] = tokens(&story, id).await;
                assert!(story.active(client, &new_access).await && story.active(client, &new_refresh).await);
                access.insert(new_access);
                refresh.insert(new_refresh);
            }
            assert_eq!((access.len(), refresh.len()), (5, different), "{client}");
            assert_eq!(token_calls(&story).await, before + 4, "{client}");
        }
    });
}

#[test]
fn of_32_callers_at_once_one_asks_the_provider() {
    on_both(|story| async move {
        let order = json!({ "ms": 300 }).to_string();
        read(story.browser.post(format!("{}/control/token-delay", story.issuer)).body(order)).await.ok();
        for client in [ROTATING, STEADY] {
            let (id, path) = instance(&story, client).await;
            let before = token_calls(&story).await;
            story.server.advance(TimeDelta::minutes(31));
            let path = format!("{path}?refresh=true");
            for reply in join_all((0..32).map(|_| story.caller.get(&path))).await {
                assert_eq!(reply.ok()["valid"], true, "{client}");
            }
            assert_eq!(token_calls(&story).await, before + 1, "{client}");
            let [_, refresh_token] = tokens(&story, id).await;
            assert!(story.active(client, &refresh_token).await, "{client}");
        }
    });
}

/// Somebody else's replay: the provider ends the whole grant, and Ligand says so at once and asks no more.
#[test]
fn a_replay_kills_the_grant_and_makes_the_instance_invalid() {
    on_both(|story| async move {
        let (id, path) = instance(&story, ROTATING).await;
        let [_, old] = tokens(&story, id).await;
        refreshed(&story, &path).await;
        let [access, current] = tokens(&story, id).await;
        let refused = replay(&story, ROTATING, &old).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_grant")));
        for token in [&access, &current] {
            assert!(!story.active(ROTATING, token).await, "the provider ends the whole grant");
        }
        let before = token_calls(&story).await;
        let shown = refreshed(&story, &path).await;
        assert_eq!(shown["valid"], false);
        let reason = shown["invalidReason"].as_str().expect("a reason");
        assert!(reason.starts_with("Provider refused the refresh token") && !reason.contains("unknown"), "{reason}");
        for secret in [&old, &access, &current] {
            assert!(!reason.contains(secret.as_str()));
        }
        assert_eq!(token_calls(&story).await, before + 1);
        for _ in 0..3 {
            assert_eq!(refreshed(&story, &path).await["invalidReason"], shown["invalidReason"]);
        }
        assert_eq!(token_calls(&story).await, before + 1, "nobody asks again");
    });
}
