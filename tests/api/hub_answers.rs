//! What an element's file says of answers and bodies that are not as most vendors' are.

use serde_json::json;

use super::hub_lists::{Plain, connected};
use crate::support::on_both;
use crate::support::server::run_with;
use crate::support::vendor::Vendor;

/// Slack's ("Web API", "Evaluating responses"; its errors by name), GraphQL's (Specification, section 7.1.1) and Qlik's text for a number.
const FAILURES: &str = "failures = [\n\
    { at = \"/error\", is = [\"ratelimited\"], status = 429 },\n\
    { at = \"/error\", is = [\"invalid_auth\", \"token_revoked\"], status = 401 },\n\
    { at = \"/error\", is = [\"channel_not_found\"], status = 404 },\n\
    { at = \"/ok\", is = [\"false\"], status = 400 },\n\
    { at = \"/errors\", status = 422 },\n\
    { at = \"/code\", is = [\"500\"], status = 500 },\n\
    ]\n\
    waits = [{ header = \"X-RateLimit-Reset\", as = \"epochSeconds\" }, { header = \"X-Retry-In\", as = \"milliseconds\" }]\n";

on_both!(a_failure_within_a_success_is_one, in |database| {
    let vendor = Vendor::start();
    let plain = Plain { top: FAILURES, list: "root = \"/things\"", ..Plain::default() };
    let (_directory, setup) = plain.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        for (body, status, code, words) in [
            (json!({ "ok": false, "error": "ratelimited" }), 429, "vendor_rate_limited", "ratelimited"),
            (json!({ "ok": false, "error": "invalid_auth" }), 401, "vendor_unauthorized", "invalid_auth"),
            (json!({ "ok": false, "error": "channel_not_found" }), 404, "vendor_not_found", "channel_not_found"),
            (json!({ "ok": false, "error": "no_text" }), 400, "vendor_bad_request", "no_text"),
            (json!({ "data": null, "errors": [{ "message": "Field 'x' is missing" }] }), 422, "vendor_unprocessable", "Field 'x'"),
            (json!({ "code": 500, "message": "later" }), 502, "vendor_unreachable", "later"),
        ] {
            vendor.answers("/v1/data", 200, body.clone());
            for reply in [caller.get("/hubs/crm/things").await, caller.post("/hubs/crm/things", &json!({})).await] {
                let said = reply.fails(status, code);
                assert!(said.contains(words), "{said}");
            }
        }
        for body in [json!({ "ok": true, "things": [], "errors": [] }), json!({ "things": [], "errors": null, "code": 200 })] {
            vendor.answers("/v1/data", 200, body);
            assert_eq!(caller.get("/hubs/crm/things").await.ok(), json!([]));
        }
    });
});

// The clock of these tests stands at 2026-03-01T12:00:00Z.
on_both!(other_headers_say_when_to_come_again, in |database| {
    let vendor = Vendor::start();
    let plain = Plain { top: FAILURES, list: "root = \"/things\"", ..Plain::default() };
    let (_directory, setup) = plain.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        for (status, headers, ours, asked) in [
            (429, "x-ratelimit-reset: 1772366460\r\n", 429, Some("60")),
            (429, "x-retry-in: 1500\r\n", 429, Some("2")),
            (429, "retry-after: 7\r\nx-ratelimit-reset: 1772366460\r\n", 429, Some("7")),
            (503, "x-ratelimit-reset: 1772366460\r\n", 502, Some("60")),
            (429, "", 429, None),
            // GitHub sends it with every answer: what is not there does not come by waiting.
            (404, "x-ratelimit-reset: 1772366460\r\n", 404, None),
        ] {
            vendor.answers_with("/v1/data", status, headers, json!({ "message": "slowly" }));
            let reply = caller.get("/hubs/crm/things").await;
            assert_eq!((reply.status, reply.header("retry-after")), (ours, asked), "{headers}");
        }
        // Under a 200 as well.
        vendor.answers_with("/v1/data", 200, "x-retry-in: 3000\r\n", json!({ "ok": false, "error": "ratelimited" }));
        assert_eq!(caller.get("/hubs/crm/things").await.header("retry-after"), Some("3"));
    });
});

on_both!(a_page_says_its_title_where_json_was_due, in |database| {
    let vendor = Vendor::start();
    let plain = Plain { list: "root = \"/things\"", ..Plain::default() };
    let (_directory, setup) = plain.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        for (status, page, code, words) in [
            // IIS, Tomcat, nginx.
            (400, "<!DOCTYPE HTML><HTML><HEAD><TITLE>Bad Request - Invalid URL</TITLE></HEAD></HTML>", "vendor_bad_request", "Invalid URL"),
            (403, "<html><head><title>HTTP Status 403 – Forbidden</title></head></html>", "vendor_forbidden", "Status 403"),
            (404, "<html><body><h1>404 Not Found</h1><hr>nginx</body></html>", "vendor_not_found", "404 Not Found"),
        ] {
            vendor.answers_in_bytes("/v1/data", status, "content-type: text/html\r\n", page);
            let reply = caller.get("/hubs/crm/things").await;
            let said = reply.fails(status, code);
            assert!(said.contains(words), "{said}");
            assert!(reply.json()["providerMessage"].as_str().is_some_and(|told| told.contains(words)));
        }
    });
});

on_both!(a_body_is_written_as_a_form_where_the_file_says_so, in |database| {
    let vendor = Vendor::start();
    let plain = Plain { list: "root = \"/things\"", create: "encoding = \"form\"\ntimeout = 120", ..Plain::default() };
    let (_directory, setup) = plain.setup(&vendor);
    run_with(database, setup, |server| async move {
        let caller = connected(&server, &vendor).await;
        vendor.answers("/v1/data", 200, json!({ "id": "cus_1" }));
        // Stripe API reference, "Create a customer" and "Create a price": nested members and lists stand in brackets.
        let body = json!({
            "email": "a+b@x.example", "metadata": { "order id": "6735" }, "items": [{ "price": "p_1", "quantity": 2 }],
            "expand": ["a", "b"], "description": null, "tax": true,
        });
        assert_eq!(caller.post("/hubs/crm/things", &body).await.ok()["id"], "cus_1");
        let sent = vendor.requests().pop().expect("a request");
        assert!(sent.head.to_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{}", sent.head);
        let fields: Vec<_> = url::form_urlencoded::parse(sent.body.as_bytes()).into_owned().collect();
        let expected = [
            ("email", "a+b@x.example"),
            ("metadata[order id]", "6735"),
            ("items[0][price]", "p_1"),
            ("items[0][quantity]", "2"),
            ("expand[0]", "a"),
            ("expand[1]", "b"),
            ("description", ""),
            ("tax", "true"),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    });
});
