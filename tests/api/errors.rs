//! Every failure wears one body, whoever noticed it (docs/api.md, Errors).

use std::collections::BTreeSet;

use ligand::kernel::code::Code;
use serde_json::{Value, json};

use crate::support::caller::{read, with_key};
use crate::support::server::PASSWORD;
use crate::support::{Caller, Reply, TestServer, on_both, on_sqlite};

/// What no text for a caller may contain: drivers, SQL, files, types.
const INNARDS: [&str; 18] = [
    "sqlite",
    "postgres",
    "diesel",
    "libpq",
    "select ",
    "insert ",
    "update ",
    "constraint",
    "0x00",
    "utf8",
    "utf-8",
    "serde",
    "actix",
    ".rs",
    "src/",
    "/tmp",
    "panicked",
    "error:",
];

/// The one shape, and nothing of the inside in it.
#[track_caller]
fn is_plain(reply: &Reply) {
    let body = reply.json();
    let members: BTreeSet<_> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert!(members.is_subset(&BTreeSet::from(["requestId", "message", "code", "providerMessage"])), "{reply:?}");
    assert!(["requestId", "message", "code"].iter().all(|member| body[*member].is_string()), "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    has_request_id(reply);
    assert_eq!(body["requestId"], reply.header("elements-request-id").unwrap());
    let code = Code::ALL.iter().find(|code| code.name() == body["code"]).unwrap_or_else(|| panic!("{reply:?}"));
    assert_eq!(code.status(), reply.status, "{reply:?}");
    let text = reply.text.to_lowercase();
    for innard in INNARDS {
        assert!(!text.contains(innard), "{innard} in {text}");
    }
}

#[track_caller]
fn has_request_id(reply: &Reply) {
    let id = reply.header("elements-request-id").expect("a request id");
    let hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(id.len() == 24 && id.bytes().all(hex), "{id}");
}

#[track_caller]
fn is(reply: &Reply, status: u16, code: &str) -> String {
    is_plain(reply);
    reply.fails(status, code)
}

async fn raw(caller: &Caller, method: &str, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> Reply {
    read(caller.request(method, path).header("content-type", media_type).body(body)).await
}

/// An instance's id and the id of one of its configuration entries.
async fn instance(server: &TestServer) -> i64 {
    server.caller().create_with_key("One").await["id"].as_i64().unwrap()
}

on_sqlite!(every_reply_has_a_request_id_of_its_own, |server| async move {
    let mut seen = BTreeSet::new();
    let anonymous = server.anonymous();
    for path in
        ["/", "/health/live", "/health/ready", "/openapi.json", "/openapi-3.0.json", "/docs", "/docs/", "/nothing"]
    {
        let reply = read(anonymous.request_at_root("GET", path)).await;
        has_request_id(&reply);
        assert!(seen.insert(reply.header("elements-request-id").unwrap().to_owned()), "{path}");
    }
    for path in ["/elements", "/instances", "/nothing", "/elements/nothing"] {
        for caller in [server.caller(), anonymous.clone()] {
            let reply = caller.get(path).await;
            has_request_id(&reply);
            assert!(seen.insert(reply.header("elements-request-id").unwrap().to_owned()), "{path}");
        }
    }
});

on_sqlite!(what_has_no_route_is_a_404, |server| async move {
    let caller = server.caller();
    for path in ["", "/", "/nothing", "/instances/1/2/3", "/elements/a/b/c", "/%00", "/%FF", "/a%2F%2e%2e", "/instance"]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            is(&read(caller.request(method, path)).await, 404, "route_not_found");
        }
    }
    for path in ["/", "/nothing", "/elements/api-v2/../../nothing", "/health", "/health/nothing", "/../etc/passwd"] {
        is(&read(caller.request_at_root("GET", path)).await, 404, "route_not_found");
    }
});

on_sqlite!(a_wrong_method_is_a_405_that_names_the_right_ones, |server| async move {
    let cases = [
        ("PATCH", "/elements", "GET"),
        ("DELETE", "/elements/keys", "GET"),
        ("PUT", "/elements/hubspotcrm/oauth/url", "GET, POST"),
        ("POST", "/instances/1", "DELETE, GET, PATCH, PUT"),
        ("OPTIONS", "/instances", "DELETE, GET, PATCH, POST, PUT"),
        ("GET", "/authentication", "POST"),
        ("GET", "/instances/1/enabled", "DELETE, PUT"),
        ("PROPFIND", "/authentication/secrets", "GET"),
    ];
    for (method, path, expected) in cases {
        for caller in [server.caller(), server.anonymous()] {
            let at_root = read(caller.request_at_root(method, path)).await;
            let slash = read(caller.request(method, &format!("{path}/"))).await;
            for reply in [read(caller.request(method, path)).await, at_root, slash] {
                let message = is(&reply, 405, "method_not_allowed");
                let mut allowed: Vec<_> = reply.header("allow").expect("RFC 9110 wants it").split(", ").collect();
                allowed.sort_unstable();
                assert_eq!(allowed.join(", "), expected, "{path}");
                assert!(message.starts_with(&format!("This address does not take {method}: ")), "{message}");
            }
        }
    }
    for path in ["/health/live", "/health/ready", "/openapi.json", "/docs"] {
        let reply = read(server.anonymous().request_at_root("POST", path)).await;
        is(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some("GET"), "{path}");
    }
});

/// Calls with a JSON body, none of which needs a database row.
const WITH_BODY: [(&str, &str); 6] = [
    ("POST", "/authentication"),
    ("POST", "/authentication/passwords"),
    ("POST", "/elements/hubspotcrm/oauth/url"),
    ("POST", "/instances"),
    ("POST", "/elements/hubspotcrm/instances"),
    ("PATCH", "/instances/1"),
];

on_sqlite!(a_body_of_ten_megabytes_is_a_413, |server| async move {
    let caller = server.caller();
    let big = format!("{{\"name\":\"{}\"}}", "x".repeat(10 << 20));
    for (method, path) in WITH_BODY {
        let reply = raw(&caller, method, path, "application/json", big.clone()).await;
        assert_eq!(is(&reply, 413, "body_too_large"), "The body is larger than 1048576 bytes.", "{path}");
        // Without a length in front.
        let pieces = big.as_bytes().chunks(1 << 16).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
        let pieces: Vec<_> = pieces.collect();
        let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        is(&raw(&caller, method, path, "application/json", streamed).await, 413, "body_too_large");
    }
    // The connection and the server live on.
    server.caller().get("/elements").await.ok();
    let fits =
        format!("{{\"x\":\"{}\",\"apiKey\":\"K\",\"callbackUrl\":\"https://a.example/\"}}", "x".repeat(1_000_000));
    raw(&caller, "POST", "/elements/hubspotcrm/oauth/url", "application/json", fits).await.ok();
});

on_sqlite!(a_body_that_is_not_declared_json_is_a_415, |server| async move {
    let caller = server.caller();
    for (method, path) in WITH_BODY {
        for media_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/xml", "", "json", "text/json+x"]
        {
            is(&raw(&caller, method, path, media_type, "{}").await, 415, "unsupported_media_type");
        }
        is(&read(caller.request(method, path).body("{}")).await, 415, "unsupported_media_type");
    }
    let body = json!({ "apiKey": "K", "callbackUrl": "https://a.example/" }).to_string();
    for media_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"]
    {
        raw(&caller, "POST", "/elements/hubspotcrm/oauth/url", media_type, body.clone()).await.ok();
    }
});

on_sqlite!(a_body_that_is_not_json_is_a_400, |server| async move {
    let caller = server.caller();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 14] = [
        b"",
        b" ",
        b"{",
        b"{\"name\":}",
        b"{\"name\":\"a\"}{}",
        b"{\"name\":\"a\",}",
        b"{'name':'a'}",
        b"name=a",
        b"\xff\xfe{\x00}",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"\\udc00\\ud800\"}",
        b"{\"name\":\"a\x00b\"}",
        deep.as_bytes(),
    ];
    for (method, path) in WITH_BODY {
        for body in bodies {
            let message = is(&raw(&caller, method, path, "application/json", body.to_vec()).await, 400, "bad_body");
            assert!(message.starts_with("The body "), "{message}");
        }
        for body in ["[]", "7", "\"text\"", "null", "true"] {
            is(&raw(&caller, method, path, "application/json", body).await, 400, "bad_body");
        }
    }
    let typed = [
        (json!({ "name": "a", "tags": 7 }), "tags"),
        (json!({ "name": "a", "configuration": [] }), "configuration"),
        (json!({ "name": "a", "element": { "key": 7 } }), "element.key"),
        (json!({ "name": "a", "element": { "id": 1e300 } }), "element.id"),
    ];
    for (body, place) in typed {
        let message = is(&caller.post("/instances", &body).await, 400, "bad_body");
        assert_eq!(message, format!("The body does not fit at `{place}`: the value there has the wrong type."));
    }
    // What was sent may be a secret: it is not repeated.
    let body = json!({ "username": "a", "password": { "hunter2": true } });
    let reply = server.anonymous().post("/authentication", &body).await;
    is(&reply, 400, "bad_body");
    let list = json!(["admin@example.com", PASSWORD]);
    is(&server.anonymous().post("/authentication", &list).await, 400, "bad_body");
    assert!(!reply.text.contains("hunter2"), "{}", reply.text);
});

on_both!(ids_that_cannot_be_are_ids_that_are_not, |server| async move {
    let id = instance(&server).await;
    let caller = server.caller();
    let impossible = [
        "0",
        "-1",
        "999999999",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "1.5",
        "x",
        "0x1",
        "%00",
        "%F0%9F",
    ];
    for wrong in impossible {
        for (method, path, body) in [
            ("GET", format!("/instances/{wrong}"), None),
            ("DELETE", format!("/instances/{wrong}"), None),
            ("PATCH", format!("/instances/{wrong}"), Some(json!({ "name": "a" }))),
            ("PUT", format!("/instances/{wrong}"), Some(json!({ "name": "a" }))),
            ("PUT", format!("/instances/{wrong}/enabled"), None),
            ("DELETE", format!("/instances/{wrong}/enabled"), None),
            ("POST", format!("/instances/{wrong}/token-reset"), None),
            ("GET", format!("/instances/{wrong}/configuration"), None),
            ("GET", format!("/instances/{wrong}/configuration/1"), None),
            ("GET", format!("/instances/{id}/configuration/{wrong}"), None),
            ("PATCH", format!("/instances/{id}/configuration/{wrong}"), Some(json!({ "propertyValue": "a" }))),
            ("GET", format!("/elements/hubspotcrm/instances/{wrong}"), None),
            ("DELETE", format!("/elements/hubspotcrm/instances/{wrong}"), None),
            ("GET", format!("/elements/{wrong}/instances"), None),
        ] {
            let reply = match body {
                Some(body) => caller.send(method, &path, &body).await,
                None => read(caller.request(method, &path)).await,
            };
            assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
            is_plain(&reply);
        }
    }
    caller.get(&format!("/instances/{id}")).await.ok();
});

on_both!(page_sizes_are_from_one_to_two_hundred, |server| async move {
    instance(&server).await;
    let caller = server.caller();
    for path in ["/instances", "/elements/hubspotcrm/instances", "/elements", "/elements/keys"] {
        for size in ["0", "-1", "201", "x", "1e2", "9223372036854775808"] {
            let reply = caller.get(&format!("{path}?pageSize={size}")).await;
            assert_eq!(is(&reply, 400, "bad_page_size"), "pageSize must be a whole number from 1 to 200.", "{size}");
        }
        for size in ["1", "200", ""] {
            caller.get(&format!("{path}?pageSize={size}")).await.ok();
        }
        is(&caller.get(&format!("{path}?nextPage=nonsense")).await, 400, "bad_next_page");
    }
});

on_both!(null_bytes_reach_no_database, |server| async move {
    instance(&server).await;
    let caller = server.caller();
    for name in ["tags[]", "searchText", "externalId", "nextPage", "pageSize", "hydrate", "where", "abridged", "%00"] {
        for path in ["/instances", "/elements/hubspotcrm/instances", "/elements"] {
            for value in ["%00", "a%00b", "%ED%A0%80", "%FF", "%"] {
                let reply = caller.get(&format!("{path}?{name}={value}")).await;
                assert!([200, 400, 404].contains(&reply.status), "{path} {name}={value}: {reply:?}");
                if reply.status != 200 {
                    is_plain(&reply);
                }
            }
        }
    }
    let mut body = with_key("a\u{0}b");
    body["tags"] = json!(["c\u{0}d"]);
    body["configuration"]["own.key"] = json!("e\u{0}f");
    let created = caller.post("/instances", &body).await.ok();
    assert_eq!((&created["name"], &created["tags"]), (&json!("ab"), &json!(["cd"])));
    assert_eq!(created["configuration"]["own.key"], "********");
    let refused: [(&str, Value); 4] = [
        ("externalId", json!("a\u{0}")),
        ("element", json!({ "key": "hubspotcrm\u{0}" })),
        ("externalAuthentication", json!("\u{0}")),
        ("configuration", json!({ "a\u{0}b": "c" })),
    ];
    for (member, value) in refused {
        let mut body = with_key("One");
        body[member] = value;
        let reply = caller.post("/instances", &body).await;
        assert!([400, 404].contains(&reply.status), "{member}: {reply:?}");
        is_plain(&reply);
    }
    let body = json!({ "username": "a\u{0}", "password": "b\u{0}" });
    is(&server.anonymous().post("/authentication", &body).await, 401, "login_refused");
    caller
        .post("/authentication/passwords", &json!({ "password": "a null \u{0} byte", "currentPassword": PASSWORD }))
        .await
        .ok();
});

on_sqlite!(codes_are_unique_and_documented, |server| async move {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for path in ["/openapi.json", "/openapi-3.0.json"] {
        let document = read(server.anonymous().request_at_root("GET", path)).await;
        document.ok();
        for code in Code::ALL {
            let name = code.name();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(document.text.contains(&format!("`{name}`")), "{path} does not name {name}");
            assert!(code.sentence().ends_with('.') && (400..600).contains(&code.status()), "{name}");
        }
    }
});

/// Codes that no test meets as `fails(status, "code")` or in a table of these, and where they are met.
const MET_ELSEWHERE: &[(&str, &str)] = &[
    ("instance_changed", "a form of the console that came too late: `console/instances.rs` reads the page"),
    ("internal", "a mistake of ours, which nobody can ask for: `proofs/cancelled.rs` counts them"),
    ("upgrade_unsupported", "of the passthrough: `vendor/faults.rs` reads the header"),
];

#[test]
fn every_code_is_met_by_some_test() {
    let mut text = String::new();
    let mut directories = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() && !path.ends_with("parts") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).expect("a text"));
            }
        }
    }
    let is_met = |code: &&Code| text.contains(&format!("{}, \"{}\"", code.status(), code.name()));
    let missed: Vec<_> = Code::ALL.iter().filter(|code| !is_met(code)).map(|code| code.name()).collect();
    let listed: Vec<_> = MET_ELSEWHERE.iter().map(|(name, _)| *name).collect();
    let missed: BTreeSet<_> = missed.into_iter().collect();
    assert_eq!(missed, listed.into_iter().collect(), "make a test that gets the code, or say where it is met");
}
