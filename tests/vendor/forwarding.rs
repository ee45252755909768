//! Unchanged but for the credential, both ways.

use super::{AUTHORIZATION, Passthrough, all, run};
use crate::support::caller::read;
use crate::support::wire::{exchange, json, send};

#[test]
fn path_query_method_headers_and_body_arrive_as_they_were_sent() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let target = "/vendor/api//v1/./lead/%2e%2F/~n?a=%20+b&&c=%2f%2F&a=;&q='{x}|";
        let headers = format!(
            "X-Custom: a\r\nx-custom: b,  c\r\nAccept-Encoding: br;q=1.0, gzip\r\nContent-Type: text/plain\r\n\
             Content-Length: 5\r\nCookie: lv{}-a=b\r\nX-Forwarded-For: 1.2.3.4\r\nElements-Retries: 0\r\n",
            through.id
        );
        exchange(&through.server.url, through.raw(&format!("PATCH {target}"), &headers, "hello")).await;
        let arrived = through.vendor.last();
        assert_eq!(arrived.head.lines().next(), Some(&*format!("PATCH {} HTTP/1.1", &target["/vendor".len()..])));
        assert_eq!(arrived.body, b"hello");
        assert_eq!(arrived.headers("x-custom").collect::<Vec<_>>(), ["a", "b,  c"]);
        for (name, value) in [
            ("accept-encoding", "br;q=1.0, gzip"),
            ("content-type", "text/plain"),
            ("content-length", "5"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "1.2.3.4"),
            ("authorization", AUTHORIZATION),
            ("host", &through.vendor.address.to_string()),
        ] {
            assert_eq!(arrived.headers(name).collect::<Vec<_>>(), [value], "{name}");
        }
        // Nothing that nobody sent.
        let names = ["user-agent", "accept", "elements-retries", "connection", "via", "element"];
        assert!(names.iter().all(|name| arrived.header(name).is_none()), "{}", arrived.head);
        assert!(!arrived.head.contains(&through.token));
    });
}

/// All but what `docs/passthrough.md` names.
#[test]
fn an_answer_comes_back_with_its_headers_and_its_very_body() {
    run(async {
        let answer = "HTTP/1.1 418 Short And Stout\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
                      link: <https://x.example/a>; rel=next\r\nlink: <https://x.example/b>; rel=prev\r\nx-a: 1\r\nx-a: 2\r\n\
                      etag: \"x\"\r\nx-hubspot-ratelimit-remaining: 99\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
                      cache-control: no-store, max-age=0\r\n\
                      connection: x-inner\r\nx-inner: secret\r\nkeep-alive: timeout=5\r\ncontent-length: 4\r\n\r\n\x1f\x01\x02\x03";
        let through = Passthrough::start(move |_, _| send(answer)).await;
        let reply = exchange(&through.server.url, through.raw("GET /vendor/x", "", "")).await;
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 418 "), "{head}");
        assert_eq!(body, "\x1f\x01\x02\x03");
        assert_eq!(all(head, "link"), ["<https://x.example/a>; rel=next", "<https://x.example/b>; rel=prev"]);
        assert_eq!(all(head, "x-a"), ["1", "2"]);
        assert_eq!(all(head, "content-encoding"), ["gzip"]);
        assert_eq!(all(head, "etag"), ["\"x\""]);
        assert_eq!(all(head, "x-hubspot-ratelimit-remaining"), ["99"]);
        assert_eq!(all(head, "date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(all(head, "cache-control"), ["no-store, max-age=0"]);
        assert_eq!(all(head, "content-length"), ["4"]);
        assert_eq!(all(head, "elements-request-id").len(), 1);
        for absent in ["x-inner", "keep-alive", "elements-error", "transfer-encoding"] {
            assert!(all(head, absent).is_empty(), "{absent}: {head}");
        }
    });
}

#[test]
fn statuses_without_a_body_and_empty_errors_stay_what_they_are() {
    run(async {
        let through = Passthrough::start(|arrived, _| match arrived.target() {
            "/204" => send("HTTP/1.1 204 No Content\r\nx: y\r\n\r\n"),
            "/304" => send("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 77\r\n\r\n"),
            "/302" => send("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
            "/500" => send("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
            _ => send("HTTP/1.1 200 OK\r\ncontent-length: 12345\r\ncontent-type: text/csv\r\n\r\n"),
        })
        .await;
        for (path, status, length) in
            [("/204", 204, None), ("/304", 304, Some("77")), ("/302", 302, Some("0")), ("/500", 500, Some("0"))]
        {
            let reply = read(through.caller().request_at_root("GET", &format!("/vendor{path}"))).await;
            let found = reply.headers.get("content-length").map(|value| value.to_str().expect("text"));
            assert_eq!((reply.status, found, reply.text.as_str()), (status, length, ""), "{path}");
            assert!(reply.headers.get("elements-error").is_none(), "{path}");
        }
        let head = exchange(&through.server.url, through.raw("HEAD /vendor/file.csv/", "", "")).await;
        assert!(head.contains("content-length: 12345\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(through.vendor.last().head.lines().next(), Some("HEAD /file.csv/ HTTP/1.1"));
    });
}

#[test]
fn connections_to_the_vendor_are_kept() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let made = || through.vendor.made.load(std::sync::atomic::Ordering::SeqCst);
        let before = made();
        for _ in 0..20 {
            read(through.caller().request_at_root("GET", "/vendor/x")).await.ok();
        }
        // One for each worker thread at most; which one serves is the system's choice.
        let workers = std::thread::available_parallelism().expect("a number").get();
        assert!(made() - before <= workers, "{} connections", made() - before);
        assert_eq!(through.arrived().len(), 20);
    });
}

#[test]
fn the_elements_own_headers_are_added() {
    run(async {
        let headers = ("[authentication]\n", "[headers]\nX-Version = \"7\"\nX-Other = \"8\"\n[authentication]\n");
        let through = Passthrough::with(&[headers], |_, _| json("{}")).await;
        read(through.caller().request_at_root("GET", "/vendor/x").header("x-other", "mine")).await.ok();
        let arrived = through.vendor.last();
        assert_eq!((arrived.header("x-version"), arrived.header("x-other")), (Some("7"), Some("mine")));
    });
}

#[test]
fn what_was_called_is_counted() {
    run(async {
        let through = Passthrough::start(|_, before| match before {
            0 => json("{}"),
            1 => send("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"),
            _ => send("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"),
        })
        .await;
        for _ in 0..3 {
            read(through.caller().request_at_root("GET", "/vendor/x")).await;
        }
        through.server.services.write_all_usage().await.expect("it is written");
        let usage = through.server.caller().get(&format!("/instances/{}/usage", through.id)).await.ok();
        let expected =
            serde_json::json!({ "calls": 3, "failures": 1, "lastStatus": 503, "lastUsedAt": "2026-03-01T12:00:00Z" });
        assert_eq!(usage, expected);
        let stranger = through.server.stranger().await;
        assert_eq!(stranger.get(&format!("/instances/{}/usage", through.id)).await.status, 404);
    });
}

#[test]
fn a_vendor_cannot_speak_in_our_name_nor_send_the_key_back() {
    run(async {
        let basic = r#"placement = { in = "basic", username = "{credential}", password = "" }"#;
        let query = (basic, r#"placement = { in = "query", name = "api_key" }"#);
        let answer = "HTTP/1.1 307 Away\r\nelements-error: reauthorization_required\r\nelements-request-id: theirs\r\n\
                      location: http://elsewhere.example/x/?a=1&api_key=the+key&b=2\r\nlink: </x?api_key=the+key>; rel=next\r\n\
                      x-echo: /x?api_key=the%20key\r\nx-other: the key, the+key\r\nset-cookie: k=the%20%6bey; Path=/\r\n\
                      content-length: 0\r\n\r\n";
        let through = Passthrough::with(&[query], move |_, _| send(answer)).await;
        let reply = read(through.caller().request_at_root("GET", "/vendor/x?a=1&b=2")).await;
        assert_eq!(reply.status, 307);
        assert!(!reply.headers.contains_key("elements-error"));
        assert_ne!(reply.headers["elements-request-id"], "theirs");
        assert_eq!(reply.headers["location"], "http://elsewhere.example/x/?a=1&&b=2");
        assert_eq!(reply.headers["link"], "</vendor/x?>; rel=next");
        assert_eq!(reply.headers["x-echo"], "/x?api_key=***");
        assert_eq!(reply.headers["x-other"], "***, ***");
        assert_eq!(reply.headers["set-cookie"], format!("lv{}-k=***; Path=/vendor", through.id));
    });
}

#[test]
fn lengths_are_what_they_are_to_old_callers_and_to_strict_vendors() {
    run(async {
        let through = Passthrough::start(|arrived, _| match arrived.target() {
            "/both" => send(
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n9\r\nnine byte\r\n0\r\n\r\n",
            ),
            "/chunked" => send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nnine byte\r\n0\r\n\r\n"),
            _ => json("{}"),
        })
        .await;
        assert_eq!(read(through.caller().request_at_root("GET", "/vendor/both")).await.text, "nine byte");
        let old = through.raw("GET /vendor/chunked", "", "").replace("HTTP/1.1", "HTTP/1.0");
        let reply = exchange(&through.server.url, old).await;
        assert!(!reply.contains("transfer-encoding") && reply.ends_with("\r\n\r\nnine byte"), "{reply}");
        exchange(&through.server.url, through.raw("POST /vendor/x", "Content-Length: 0\r\n", "")).await;
        assert_eq!(through.vendor.last().header("content-length"), Some("0"));
        let chunks = "Transfer-Encoding: chunked\r\n";
        exchange(&through.server.url, through.raw("GET /vendor/search", chunks, "2\r\n{}\r\n0\r\n\r\n")).await;
        assert_eq!(through.vendor.last().body, b"2\r\n{}\r\n0\r\n\r\n");
    });
}

#[test]
fn redirects_are_followed_only_where_the_element_wants_it_and_only_on_the_vendors_own_host() {
    run(async {
        let moved = |to: &str| send(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"));
        let script = move |arrived: &crate::support::wire::Arrived, _: usize| match arrived.target() {
            "/away" => moved("http://127.0.0.1:1/"),
            "/inside" => moved("http://169.254.169.254/latest/"),
            "/loop" => moved("/loop"),
            "/here" => moved("there?x=%2f"),
            _ => json(r#"{"there":true}"#),
        };
        let get = |path: &'static str| move |through: &Passthrough| through.caller().request_at_root("GET", path);
        let through = Passthrough::start(script).await;
        assert_eq!(read(get("/vendor/here")(&through)).await.status, 302);
        let follows = ("\n[authentication]\n", "\nfollowRedirects = true\n\n[authentication]\n");
        let through = Passthrough::with(&[follows], script).await;
        assert_eq!(read(get("/vendor/here")(&through)).await.ok()["there"], true);
        assert_eq!(through.vendor.last().target(), "/there?x=%2f");
        for away in ["/vendor/away", "/vendor/inside"] {
            assert_eq!(read(get(away)(&through)).await.status, 302, "{away}");
        }
        let before = through.arrived().len();
        assert_eq!(read(get("/vendor/loop")(&through)).await.status, 302);
        assert_eq!(through.arrived().len() - before, 6);
        let post = through.caller().request_at_root("POST", "/vendor/here").body("x");
        assert_eq!(read(post).await.status, 302);
    });
}

#[test]
fn a_browser_opens_no_page_and_another_spelling_is_another_address() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let page = through.caller().request_at_root("GET", "/vendor/page").header("sec-fetch-mode", "navigate");
        assert_eq!(read(page).await.status, 403);
        let reply = exchange(&through.server.url, through.raw("GET /%76endor/x", "", "")).await;
        assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
        assert_eq!(through.arrived().len(), 0);
    });
}
