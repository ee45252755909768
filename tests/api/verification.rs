//! What a vendor says to a key, whatever its status: a bad one is never stored, and its caller learns what to do.

use serde_json::{Value, json};

use super::host_change::Hosts;
use crate::support::server::run_with;
use crate::support::{Caller, Reply, on_both};

fn body(host: &str) -> Value {
    json!({
        "element": { "key": "desk" }, "name": "Desk",
        "configuration": { "desk": host, "authentication.type": "apiKey", "desk.key": "THE-SECRET-KEY" },
    })
}

async fn create(caller: &Caller) -> Reply {
    caller.post("/instances", &body("127.0.0.1")).await
}

on_both!(a_success_that_says_no_stores_no_key, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let caller = server.caller();
        for (answer, words) in [
            // Slack (slackapi/slack-github-action issue 473), Marketo (its REST API's error codes), Zendesk Chat.
            (json!({ "ok": false, "error": "invalid_auth" }), "invalid_auth"),
            (json!({ "success": false, "errors": [{ "code": "601", "message": "Access token invalid" }] }), "Access token"),
            (json!({ "success": "false", "detail": "no such key THE-SECRET-KEY" }), "no such key ***"),
        ] {
            hosts.own.answers("/me", 200, answer.clone());
            let reply = create(&caller).await;
            let said = reply.fails(400, "vendor_refused");
            assert!(said.contains(words) && said.contains("refused the API key"), "{answer}: {said}");
            assert!(reply.json()["providerMessage"].as_str().is_some_and(|said| said.contains(words)), "{reply:?}");
        }
        // A page to sign in, as for whoever is not.
        let page = "\r\n<!DOCTYPE html><html><head><title>Sign in to Desk</title></head><body>…</body></html>";
        hosts.own.answers_in_bytes("/me", 200, "content-type: text/html\r\n", page);
        let said = create(&caller).await.fails(400, "vendor_refused");
        assert!(said.contains("Sign in to Desk") && said.contains("a web page") && said.contains("`desk`"), "{said}");
        for page in ["<?xml version=\"1.0\"?><!DOCTYPE html><html/>", "<!-- x --><html/>", "<head/>", "<script>x</script>"] {
            hosts.own.answers_in_bytes("/me", 200, "content-type: text/html\r\n", page);
            assert!(create(&caller).await.fails(400, "vendor_refused").contains("a web page"), "{page}");
        }
        assert_eq!(server.count().await, 0);
        // What an older file took for a success is one.
        for (headers, taken) in [
            ("content-type: application/json\r\n", "{\"ok\":true}"),
            ("content-type: application/json\r\n", "[]"),
            ("content-type: text/xml\r\n", "<?xml version=\"1.0\"?><user id=\"1\"/>"),
            ("content-type: text/plain\r\n", "fine"),
            ("", ""),
        ] {
            hosts.own.answers_in_bytes("/me", 200, headers, taken);
            create(&caller).await.ok();
        }
    });
});

on_both!(an_element_says_what_a_success_looks_like, in |database| {
    let hosts = Hosts::start();
    let signs = "[verification]\npath = \"/me\"\naccepted = [{ at = \"/data/me/id\" }, { at = \"/code\", is = [\"0\", \"OK\"] }]\n\
                 refused = [401, 302, { status = 200, at = \"/errcode\", is = [\"40001\"] }]";
    let setup = hosts.setup_with(|text| text.replace("[verification]\npath = \"/me\"", signs));
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        for (status, answer) in [
            // GraphQL answers 200 (its specification over HTTP, section 6.4.1): Linear, monday.com.
            (200, json!({ "data": { "me": null }, "errors": [{ "message": "Authentication required" }] })),
            (200, json!({ "data": { "me": { "id": "" } } })),
            // WeChat and DingTalk: a number under a 200, beside what looks like a success.
            (200, json!({ "errcode": 40001, "errmsg": "invalid credential", "code": 0 })),
            (200, json!({ "code": "INVALID_TOKEN" })),
            (200, json!({ "ok": true })),
            (200, json!([])),
            (302, json!(null)),
        ] {
            hosts.own.answers("/me", status, answer.clone());
            create(&caller).await.fails(400, "vendor_refused");
        }
        assert_eq!(server.count().await, 0);
        for answer in [json!({ "data": { "me": { "id": "u1" } } }), json!({ "code": 0 }), json!({ "code": "OK", "ok": false })] {
            hosts.own.answers("/me", 200, answer.clone());
            create(&caller).await.ok();
        }
    });
});

on_both!(what_it_probably_is_reaches_the_caller, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let caller = server.caller();
        let elsewhere = "content-type: text/html\r\nlocation: https://desk.example/login?next=THE-SECRET-KEY\r\n";
        for (status, headers, answer, parts) in [
            (302, elsewhere, "", vec!["a redirect to https://desk.example/login,", "check `desk`"]),
            (404, "content-type: text/html\r\n", "<html><title>Not here</title>", vec!["Not here", "404", "check `desk`"]),
            (410, "", "", vec!["status 410", "check `desk`"]),
            // RFC 9457, as Spring and ASP.NET write problems.
            (400, "", r#"{"title":"Bad Request","detail":"Invalid API key format"}"#, vec!["Invalid API key", "the form of the key"]),
            // JSON:API's list of errors.
            (422, "", r#"{"errors":[{"detail":"token must be 40 characters"}]}"#, vec!["token must be 40", "the form of the key"]),
            (403, "", r#"{"errorMessages":["No permission"]}"#, vec!["refused the API key: No permission."]),
            (401, "", "", vec!["refused the API key (status 401)."]),
        ] {
            hosts.own.answers_in_bytes("/me", status, headers, answer);
            let reply = create(&caller).await;
            let said = reply.fails(400, "vendor_refused");
            for part in parts {
                assert!(said.contains(part), "{status}: {said}");
            }
            assert!(!reply.text.contains("SECRET"), "{reply:?}");
        }
        // GitHub's REST API limits by 403 and `Retry-After`; RFC 6585 by 429.
        for status in [403, 429] {
            let limited = "content-type: application/json\r\nretry-after: 30\r\n";
            hosts.own.answers_in_bytes("/me", status, limited, r#"{"message":"secondary rate limit"}"#);
            let reply = create(&caller).await;
            let said = reply.fails(502, "vendor_unreachable");
            assert!(said.contains("takes no more calls") && said.contains(&status.to_string()), "{said}");
            assert_eq!((reply.header("retry-after"), &reply.json()["providerMessage"]), (Some("30"), &json!("secondary rate limit")));
        }
        // Neither the key nor the host.
        hosts.own.answers_in_bytes("/me", 418, "content-type: text/html\r\n", "<title>Teapot</title>");
        let said = create(&caller).await.fails(502, "vendor_answer");
        assert!(said.contains("status 418, text/html") && said.contains("Teapot"), "{said}");
        assert_eq!(server.count().await, 0);
    });
});

on_both!(a_ping_hears_a_no_under_a_200, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let made = create(&server.caller()).await.ok();
        let caller = server.caller().with_element(made["token"].as_str().expect("a token"));
        caller.get("/hubs/helpdesk/ping").await.ok();
        hosts.own.answers("/me", 200, json!({ "ok": false, "error": "account_inactive", "message": "account_inactive" }));
        let said = caller.get("/hubs/helpdesk/ping").await.fails(401, "vendor_unauthorized");
        assert!(said.contains("account_inactive"), "{said}");
        // As a creation decides: a page is a no, and a 403 that says when to come again is a limit.
        hosts.own.answers_in_bytes("/me", 200, "content-type: text/html\r\n", "<head><title>Sign in</title></head>");
        let said = caller.get("/hubs/helpdesk/ping").await.fails(401, "vendor_unauthorized");
        assert!(said.contains("Sign in"), "{said}");
        let limited = "content-type: application/json\r\nretry-after: 30\r\n";
        hosts.own.answers_in_bytes("/me", 403, limited, "{}");
        caller.get("/hubs/helpdesk/ping").await.fails(429, "vendor_rate_limited");
    });
});
