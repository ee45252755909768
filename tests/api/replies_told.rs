//! What callers learn of replies that are none: what was seen, and nothing that is secret.

use chrono::TimeDelta;
use serde_json::json;

use super::hubs::{connected, hubspot};
use crate::support::caller::{Reply, fresh_code, with_code};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{Caller, on_both};

const HTML: &str = "content-type: text/html; charset=utf-8\r\n";

async fn exchange(caller: &Caller, code: &str) -> Reply {
    let mut body = with_code("Mine", code);
    body["element"]["key"] = json!("ourcrm");
    caller.post("/instances", &body).await
}

on_both!(a_strange_reply_is_told_as_it_was_seen, in |database| {
    let vendor = Vendor::start();
    let elements = hubspot(&vendor);
    let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let moved = "location: https://login.example/oauth/token?client_secret=sandbox-secret\r\n";
        for (status, headers, body, parts) in [
            // freelawproject/courtlistener issue 7927, PostHog/posthog pull request 49807
            (302, moved, "", vec!["status 302", "https://login.example/oauth/token:", "correct `token.url`"]),
            (308, "location: /v2/token\r\n", "", vec!["status 308", "/v2/token:", "correct `token.url`"]),
            (200, HTML, "<html><title>Just a moment…</title>", vec!["status 200, text/html", "Just a moment"]),
            (200, "", "", vec!["status 200, without a body"]),
            (200, "content-type: text/xml\r\n", "<r><access_token>s3cr3t-t0k3n-s3cr3t</access_token></r>", vec!["status 200, text/xml)"]),
            (200, "", "{\"token\":\"s3cr3t-t0k3n-s3cr3t\",\"user\":1}", vec!["without a content type", "token, user"]),
            // PHP's notices
            (200, HTML, "<br />\n<b>Notice</b>: Undefined index\n{\"access_token\":\"s3cr3t\"}", vec!["Notice : Undefined index"]),
        ] {
            vendor.answers_in_bytes("/token", status, headers, body);
            let reply = exchange(&caller, &fresh_code()).await;
            let said = reply.fails(502, "vendor_answer");
            for part in parts {
                assert!(said.contains(part), "{status} {body}: {said}");
            }
            assert!(!reply.text.contains("s3cr3t") && !reply.text.contains("sandbox-secret"), "{reply:?}");
        }
        assert_eq!(server.count().await, 0);
    });
});

on_both!(a_refusal_brings_the_vendors_words_wherever_they_stand, in |database| {
    let vendor = Vendor::start();
    let elements = hubspot(&vendor);
    let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (status, headers, body, words) in [
            (401, "", "", "refused the code (status 401)."),
            // JSON:API, Jira, Salesforce's lists, Google's objects.
            (400, "", r#"{"errors":[{"detail":"no such grant"}]}"#, "refused the code: no such grant."),
            (400, "", r#"{"errorMessages":["too late"]}"#, "too late"),
            (400, "", r#"[{"errorCode":"X","message":"not yours: the-code-that-is-repeated"}]"#, "not yours: ***"),
            (403, "", r#"{"error":{"code":403,"message":"disabled"}}"#, "disabled"),
            (403, HTML, "<html><head><title>Access denied | Firewall</title></head>", "Access denied | Firewall"),
            (400, "content-type: text/plain\r\n", "code expired", "code expired"),
        ] {
            vendor.answers_in_bytes("/token", status, headers, body);
            let code = if words.contains("***") { "the-code-that-is-repeated" } else { &fresh_code() };
            let said = exchange(&caller, code).await.fails(400, "vendor_refused");
            assert!(said.contains(words), "{body}: {said}");
        }
        vendor.answers("/token", 400, json!({ "error": "x", "error_description": "Malformed auth code." }));
        for (code, hint) in [
            // minio/object-browser issue 720, googleworkspace/go-samples pull request 57
            ("4%2F0AeaYSHC", "Malformed auth code. The code looks URL-encoded"),
            ("http://localhost:9090/callback?code=x", "a whole address"),
            ("AQD#_", "without `#_`"),
        ] {
            let said = exchange(&caller, code).await.fails(400, "vendor_refused");
            assert!(said.contains(hint), "{said}");
        }
        assert!(!exchange(&caller, "4/0AeaYSHC").await.fails(400, "vendor_refused").contains("looks"));
    });
});

on_both!(a_redirect_of_the_token_url_ends_no_grant, in |database| {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let vendor = Vendor::start();
        let (server, _, id) = connected(database, &vendor).await;
        let path = format!("/instances/{id}?refresh=true");
        vendor.answers_in_bytes("/token", 308, "location: https://new.example/token\r\n", "");
        server.advance(TimeDelta::minutes(2));
        let reply = server.caller().get(&path).await;
        assert_eq!(reply.ok()["valid"], true);
        assert_eq!(reply.header("elements-error"), Some("vendor_answer"), "{reply:?}");
        // RFC 9110 section 5.6.7: a date, of a server that sends no `Date`.
        let limited = "content-type: application/json\r\nretry-after: Sun, 01 Mar 2026 12:04:00 GMT\r\n";
        vendor.answers_in_bytes("/token", 429, limited, r#"{"message":"slow down"}"#);
        let reply = exchange(&server.caller(), &fresh_code()).await;
        let said = reply.fails(502, "vendor_unreachable");
        assert_eq!((reply.header("retry-after"), &reply.json()["providerMessage"]), (Some("120"), &json!("slow down")));
        assert!(said.contains("takes no more calls"), "{said}");
    });
    runtime.shutdown_background();
});
