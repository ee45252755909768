//! `Elements-Retries`: only what is harmless to repeat, and as the vendor asks.

use std::time::{Duration, Instant};

use futures_util::stream;

use super::{Passthrough, run};
use crate::support::Reply;
use crate::support::caller::read;
use crate::support::wire::{Step, json, send};

fn busy(headers: &str) -> Vec<Step> {
    send(format!("HTTP/1.1 429 Slow\r\n{headers}content-length: 4\r\n\r\nslow"))
}

async fn call(through: &Passthrough, method: &str, retries: &str) -> Reply {
    let request = through.caller().request_at_root(method, "/vendor/x").header("elements-retries", retries);
    read(if method == "PUT" { request.body("again") } else { request }).await
}

#[test]
fn an_idempotent_call_is_tried_again_as_often_as_was_said() {
    run(async {
        let through = Passthrough::start(|_, before| match before {
            0 => busy("retry-after: 0\r\n"),
            1 => busy("retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
            2 => send("HTTP/1.1 503 No\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
            _ => json(r#"{"done":true}"#),
        })
        .await;
        // Two more tries than the first are not enough: the vendor's last answer comes back as it is.
        let reply = call(&through, "PUT", "2").await;
        assert_eq!((reply.status, reply.headers.contains_key("elements-error")), (503, false));
        assert_eq!(call(&through, "PUT", "1").await.ok()["done"], true);
        assert!(through.arrived().iter().all(|arrived| arrived.body == b"again"));
        assert!(through.arrived().iter().all(|arrived| arrived.header("elements-retries").is_none()));
        assert_eq!(through.arrived().len(), 4);
    });
}

#[test]
fn nothing_else_is_tried_again() {
    run(async {
        let through = Passthrough::start(|_, _| busy("retry-after: 0\r\n")).await;
        // Not asked for; not harmless; longer than anybody waits; an answer that says no.
        assert_eq!(call(&through, "GET", "0").await.status, 429);
        assert_eq!(call(&through, "POST", "3").await.status, 429);
        assert_eq!(through.arrived().len(), 2);
        let chunks = reqwest::Body::wrap_stream(stream::iter(["one", "two"].map(Ok::<_, std::io::Error>)));
        let request = through.caller().request_at_root("PUT", "/vendor/x").header("elements-retries", "3").body(chunks);
        assert_eq!(read(request).await.status, 429);
        assert_eq!(through.arrived().len(), 3);

        let patient = Passthrough::start(|_, _| busy("retry-after: 3600\r\n")).await;
        let started = Instant::now();
        let reply = call(&patient, "GET", "3").await;
        assert_eq!((reply.status, reply.text.as_str()), (429, "slow"));
        assert_eq!(reply.headers["retry-after"], "3600");
        assert!(started.elapsed() < Duration::from_secs(30));

        let wrong = Passthrough::start(|_, _| send("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(call(&wrong, "GET", "3").await.status, 500);
        assert_eq!(wrong.arrived().len(), 1);
    });
}

#[test]
fn a_number_that_is_none_is_refused() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        for wrong in ["-1", "6", "many", ""] {
            let reply = call(&through, "GET", wrong).await;
            assert_eq!((reply.status, &reply.json()["code"]), (400, &"bad_parameter".into()), "{wrong:?}");
        }
        assert_eq!(through.arrived().len(), 0);
    });
}

#[test]
fn a_vendor_that_hangs_up_is_tried_again_too() {
    run(async {
        let through = Passthrough::start(|_, before| match before {
            0 => vec![Step::Reset],
            1 => vec![Step::Close],
            _ => json("{}"),
        })
        .await;
        assert_eq!(call(&through, "GET", "2").await.status, 200);
        assert_eq!(through.arrived().len(), 3);
    });
}
