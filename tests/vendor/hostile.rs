//! Requests that mean two things at once, headers that are not what they seem, and addresses that lead inside.

use super::{Passthrough, run};
use crate::support::wire::{exchange, json};

/// Sends the bytes as they are and gives what came back.
async fn raw(through: &Passthrough, request: &str) -> String {
    exchange(&through.server.url, request.replace("TOKEN", &through.token)).await
}

const START: &str = "POST /vendor/x HTTP/1.1\r\nHost: h\r\nAuthorization: Element TOKEN\r\n";

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused_or_means_one_thing_to_both() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        let body = format!("0\r\n\r\n{smuggled}");
        for headers in [
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
            format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", body.len()),
            format!("Content-Length: {}\r\nTransfer-Encoding: xchunked\r\n", body.len()),
            format!("Content-Length: {}\r\nTransfer-Encoding : chunked\r\n", body.len()),
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked, identity\r\n", body.len()),
            format!("Content-Length: {}\r\nTransfer-Encoding:\x0bchunked\r\n", body.len()),
            format!("Content-Length: {}\r\nContent-Length: 5\r\n", body.len()),
            "Content-Length: +5\r\n".to_owned(),
            "Content-Length: 5, 5\r\n".to_owned(),
            "Content-Length: 0x5\r\n".to_owned(),
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
            "X: a\r\n Transfer-Encoding: chunked\r\n".to_owned(),
            "X: a\nTransfer-Encoding: chunked\r\n".to_owned(),
            "X: a\rTransfer-Encoding: chunked\r\n".to_owned(),
            "Connection: Transfer-Encoding, Content-Length\r\nContent-Length: 5\r\n".to_owned(),
        ] {
            raw(&through, &format!("{START}{headers}\r\n{body}")).await;
            for arrived in through.arrived() {
                let lengths = arrived.headers("content-length").count() + arrived.headers("transfer-encoding").count();
                assert_eq!(lengths, 1, "{headers:?} arrived as {:?}", arrived.head);
                assert!(!arrived.target().contains("smuggled"), "{headers:?} smuggled {:?}", arrived.head);
                assert_eq!(arrived.headers("host").count(), 1);
            }
        }
    });
}

#[test]
fn broken_chunks_reach_nobody_as_a_whole_body() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        for chunks in
            ["5\nhello\r\n0\r\n\r\n", "-1\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx", "zz\r\n"]
        {
            raw(&through, &format!("{START}Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
        }
        for arrived in through.arrived() {
            assert!(arrived.body == b"5\r\nhello\r\n0\r\n\r\n" || !arrived.body.ends_with(b"0\r\n\r\n"), "{arrived:?}");
        }
    });
}

#[test]
fn nobody_removes_the_credential_or_adds_another() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        for headers in [
            "Connection: Authorization\r\n",
            "Connection: close, authorization, host\r\n",
            "Proxy-Authorization: Basic eDp5\r\nTE: trailers\r\nTrailer: authorization\r\n",
            "Authorization: Bearer other\r\n",
            "X-Evil: a\x00b\r\n",
        ] {
            raw(
                &through,
                &format!("GET /vendor/x HTTP/1.1\r\nHost: h\r\nAuthorization: Element TOKEN\r\n{headers}\r\n"),
            )
            .await;
        }
        assert!(!through.arrived().is_empty());
        for arrived in through.arrived() {
            assert_eq!(
                arrived.headers("authorization").collect::<Vec<_>>(),
                [super::AUTHORIZATION],
                "{}",
                arrived.head
            );
            assert!(arrived.header("proxy-authorization").is_none() && arrived.header("te").is_none());
        }
    });
}

#[test]
fn a_path_never_names_the_host() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let vendor = through.vendor.address.to_string();
        for target in [
            "/vendor//evil.example/x",
            "/vendor/@evil.example/x",
            "/vendor/\\evil.example/x",
            "/vendor/http://evil.example/x",
            "/vendor/..;/x",
            "/vendor/%0d%0aHost:%20evil.example",
            "/vendor/x?u=http://evil.example/%0d%0aX:%20y",
            "http://evil.example/vendor/x",
        ] {
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Element TOKEN\r\n\r\n");
            raw(&through, &request).await;
        }
        assert!(through.arrived().len() >= 6, "{}", through.arrived().len());
        for arrived in through.arrived() {
            assert_eq!(arrived.headers("host").collect::<Vec<_>>(), [vendor.as_str()], "{}", arrived.head);
            assert!(arrived.target().starts_with('/') && arrived.header("x").is_none(), "{}", arrived.head);
        }
    });
}

#[test]
fn a_trace_is_refused() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let reply = raw(&through, "TRACE /vendor/x HTTP/1.1\r\nHost: h\r\nAuthorization: Element TOKEN\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 405 ") && reply.contains("elements-error: method_not_allowed"), "{reply}");
        assert_eq!(through.arrived().len(), 0);
    });
}
