//! The vendor's 401: one refresh, one retry, no storm; and a grant that is gone.

use chrono::TimeDelta;
use futures_util::stream;

use super::{Passthrough, run};
use crate::support::caller::read;
use crate::support::wire::{Arrived, Step, json, send};

const TOKEN: &str = "/oauth2/token/";
const REFUSED: &str =
    "HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"who\":\"close\"}";

fn refusal() -> Vec<Step> {
    send(REFUSED.replace("content-length: 14", "content-length: 15"))
}

/// The vendor takes `at-1` and nothing else.
fn takes_the_second(arrived: &Arrived) -> Vec<Step> {
    match arrived.target() {
        TOKEN => json(r#"{"access_token":"at-1","refresh_token":"rt-1","expires_in":3600}"#),
        _ if arrived.header("authorization") == Some("Bearer at-1") => json(r#"{"taken":true}"#),
        _ => refusal(),
    }
}

fn targets(through: &Passthrough) -> Vec<String> {
    through.arrived().iter().map(|arrived| arrived.target().to_owned()).collect()
}

#[test]
fn an_early_401_is_one_refresh_and_one_retry_with_the_same_body() {
    run(async {
        let through = Passthrough::with_tokens(|arrived, _| takes_the_second(arrived)).await;
        let reply = read(through.caller().request_at_root("POST", "/vendor/leads").body("the body")).await;
        assert_eq!(reply.ok()["taken"], true);
        assert_eq!(targets(&through), ["/leads", TOKEN, "/leads"]);
        assert_eq!(through.vendor.last().body, b"the body");
        assert_eq!(read(through.caller().request_at_root("GET", "/vendor/me")).await.status, 200);
        assert_eq!(targets(&through).len(), 4);
    });
}

#[test]
fn a_body_that_passed_by_is_not_sent_again_but_the_next_call_has_the_new_token() {
    run(async {
        let through = Passthrough::with_tokens(|arrived, _| takes_the_second(arrived)).await;
        let chunks = stream::iter(["one", "two"].map(Ok::<_, std::io::Error>));
        let body = reqwest::Body::wrap_stream(chunks);
        let reply = read(through.caller().request_at_root("POST", "/vendor/leads").body(body)).await;
        assert_eq!((reply.status, reply.text.as_str()), (401, r#"{"who":"close"}"#));
        assert!(!reply.headers.contains_key("elements-error"));
        assert_eq!(targets(&through), ["/leads", TOKEN]);
        assert_eq!(read(through.caller().request_at_root("GET", "/vendor/me")).await.ok()["taken"], true);
    });
}

#[test]
fn a_vendor_that_always_answers_401_causes_one_refresh_a_minute_and_the_instance_stays_valid() {
    run(async {
        let through = Passthrough::with_tokens(|arrived, before| match arrived.target() {
            TOKEN => {
                json(&format!(r#"{{"access_token":"at-{before}","refresh_token":"rt-{before}","expires_in":3600}}"#))
            }
            _ => refusal(),
        })
        .await;
        for _ in 0..5 {
            let reply = read(through.caller().request_at_root("GET", "/vendor/me")).await;
            assert_eq!((reply.status, reply.text.as_str()), (401, r#"{"who":"close"}"#));
        }
        let refreshes = || targets(&through).iter().filter(|target| *target == TOKEN).count();
        assert_eq!((refreshes(), targets(&through).len()), (1, 7));
        through.server.advance(TimeDelta::seconds(61));
        through.server.services.follow_changes(&mut Default::default()).await;
        read(through.caller().request_at_root("GET", "/vendor/me")).await;
        assert_eq!(refreshes(), 2);
        let instance = through.server.caller().get(&format!("/instances/{}", through.id)).await.ok();
        assert_eq!(instance["valid"], true);
    });
}

#[test]
fn a_grant_that_is_gone_is_a_401_of_our_own_that_says_what_to_do_and_the_vendor_is_left_alone() {
    run(async {
        let through = Passthrough::with_tokens(|arrived, _| match arrived.target() {
            TOKEN => send(
                "HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 25\r\n\r\n{\"error\":\"invalid_grant\"}",
            ),
            _ => refusal(),
        })
        .await;
        for _ in 0..3 {
            let reply = read(through.caller().request_at_root("GET", "/vendor/me")).await;
            assert_eq!(reply.status, 401);
            assert_eq!(reply.headers["elements-error"], "reauthorization_required");
            let message = reply.json()["message"].as_str().expect("a text").to_owned();
            assert!(message.contains("authoris"), "{message}");
        }
        assert_eq!(targets(&through), ["/me", TOKEN]);
        let instance = through.server.caller().get(&format!("/instances/{}", through.id)).await.ok();
        assert_eq!(instance["valid"], false);
    });
}

#[test]
fn the_token_is_renewed_ahead_of_its_end() {
    run(async {
        let through = Passthrough::with_tokens(|arrived, _| match arrived.target() {
            TOKEN => json(r#"{"access_token":"at-1","refresh_token":"rt-1","expires_in":3600}"#),
            _ => json("{}"),
        })
        .await;
        through.server.advance(TimeDelta::minutes(61));
        through.server.services.follow_changes(&mut Default::default()).await;
        read(through.caller().request_at_root("GET", "/vendor/me")).await.ok();
        assert_eq!(targets(&through), [TOKEN, "/me"]);
        assert_eq!(through.vendor.last().header("authorization"), Some("Bearer at-1"));
    });
}
