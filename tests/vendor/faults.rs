//! What the caller sees when the vendor misbehaves, and that the instance survives it.

use super::{Passthrough, run};
use crate::support::Reply;
use crate::support::caller::read;
use crate::support::wire::{Step, exchange, json, send};

/// A second for the vendor: the only tests here that wait.
async fn impatient(steps: Vec<Step>) -> Passthrough {
    Passthrough::with(&[("\n[authentication]\n", "\ntimeout = 1\n\n[authentication]\n")], move |_, _| steps.clone())
        .await
}

async fn call(through: &Passthrough) -> Reply {
    read(through.caller().request_at_root("GET", "/vendor/x")).await
}

/// Ours, with this status and code; the instance is as valid as before.
async fn ours(steps: Vec<Step>, status: u16, code: &str) {
    let through = impatient(steps.clone()).await;
    let reply = call(&through).await;
    assert_eq!(reply.status, status, "{steps:?}: {reply:?}");
    assert_eq!(reply.headers["elements-error"], code, "{steps:?}");
    assert_eq!(reply.json()["code"], code);
    assert!(reply.json()["message"].as_str().expect("a text").contains("Close"), "{}", reply.text);
    still_valid(&through).await;
}

async fn still_valid(through: &Passthrough) {
    let instance = through.server.caller().get(&format!("/instances/{}", through.id)).await.ok();
    assert_eq!(instance["valid"], true);
}

#[test]
fn a_vendor_that_gives_no_answer_is_a_502_or_a_504_of_our_own() {
    run(async {
        let head = |text: &str| Step::Send(text.as_bytes().to_vec());
        ours(vec![Step::Hang], 504, "vendor_timeout").await;
        ours(vec![Step::Reset], 502, "vendor_unreachable").await;
        ours(vec![Step::Close], 502, "vendor_unreachable").await;
        ours(send("SSH-2.0-OpenSSH\r\n\r\n"), 502, "vendor_answer").await;
        ours(send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"), 502, "vendor_answer")
            .await;
        // A small answer is read whole: half of one is none.
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        ours(vec![head(half), Step::Hang], 504, "vendor_timeout").await;
        ours(vec![head(half), Step::Reset], 502, "vendor_unreachable").await;
        ours(vec![head(half), Step::Close], 502, "vendor_unreachable").await;
    });
}

#[test]
fn a_large_answer_that_breaks_off_breaks_off_for_the_caller_too() {
    run(async {
        let half = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{}", "x".repeat(100_000));
        let chunked =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n186a0\r\n{}\r\n", "x".repeat(100_000));
        for start in [half, chunked] {
            for end in [Step::Hang, Step::Reset, Step::Close] {
                let through = impatient(vec![Step::Send(start.clone().into_bytes()), end.clone()]).await;
                let response = through.caller().request_at_root("GET", "/vendor/x").send().await.expect("a head");
                assert_eq!(response.status(), 200);
                let body = tokio::time::timeout(std::time::Duration::from_secs(10), response.bytes()).await;
                assert!(body.expect("an end").is_err(), "half an answer looked whole after {end:?}");
                still_valid(&through).await;
            }
        }
    });
}

#[test]
fn the_vendors_own_failures_and_nonsense_come_through() {
    run(async {
        for (answer, status) in [
            ("HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno", 429),
            ("HTTP/1.1 429 No\r\ncontent-length: 2\r\n\r\nno", 429),
            ("HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", 503),
            ("HTTP/1.1 403 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\nno", 403),
            ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{[", 200),
            ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200),
        ] {
            let close = answer.starts_with("HTTP/1.0");
            let mut steps = send(answer);
            steps.extend(close.then_some(Step::Close));
            let through = impatient(steps).await;
            let reply = call(&through).await;
            assert_eq!(reply.status, status);
            assert!(answer.ends_with(&reply.text) && !reply.text.is_empty(), "{answer}: {}", reply.text);
            assert!(!reply.headers.contains_key("elements-error"));
            assert_eq!(reply.headers.contains_key("retry-after"), answer.contains("retry-after"));
            still_valid(&through).await;
        }
    });
}

#[test]
fn what_comes_before_the_answer_and_after_it_is_no_part_of_it() {
    run(async {
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
        let trailers =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\n{}\r\n0\r\nx-sum: 1\r\n\r\n";
        let through = Passthrough::start(move |_, _| send([interim, trailers].concat())).await;
        for _ in 0..2 {
            let reply = call(&through).await;
            assert_eq!((reply.status, reply.text.as_str()), (200, "{}"));
            assert!(!reply.headers.contains_key("trailer") && !reply.headers.contains_key("x-sum"));
        }
    });
}

#[test]
fn a_kept_connection_that_the_vendor_closed_is_nobodys_failure() {
    run(async {
        let through = Passthrough::start(|_, _| {
            let mut steps = json("{}");
            // Said to stay open, and closed.
            steps.push(Step::Close);
            steps
        })
        .await;
        for method in ["GET", "POST", "DELETE", "POST"] {
            let reply = read(through.caller().request_at_root(method, "/vendor/x")).await;
            assert_eq!(reply.status, 200, "{method}");
            through.vendor_is_left_alone().await;
        }
        assert_eq!(through.arrived().len(), 4);
    });
}

#[test]
fn a_websocket_is_refused_and_an_offer_of_http_2_is_not_taken() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let headers =
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n";
        let reply = exchange(&through.server.url, through.raw("GET /vendor/x", headers, "")).await;
        assert!(reply.starts_with("HTTP/1.1 501 ") && reply.contains("elements-error: upgrade_unsupported"), "{reply}");
        assert_eq!(through.arrived().len(), 0);
        let headers = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
        let reply = exchange(&through.server.url, through.raw("GET /vendor/x", headers, "")).await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        // The client is told that the connection is over, as it is.
        assert!(reply.contains("\r\nconnection: close\r\n") && !reply.contains("upgrade"), "{reply}");
        let arrived = through.vendor.last();
        assert!(["upgrade", "http2-settings", "connection"].iter().all(|name| arrived.header(name).is_none()));
    });
}
