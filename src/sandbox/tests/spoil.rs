//! On a real connection: what breaks there has no other form.

use std::time::Duration;

use actix_web::HttpServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::sandbox::{How, Spoil};

/// Head and body of the reply to `GET /test/headers`, and whether the vendor ended the connection.
async fn reply(how: How) -> (String, Vec<u8>, bool) {
    let vendor = Vendor::new();
    vendor.sandbox.set(|it| it.spoil = Some(Spoil { route: "/test/headers".to_owned(), how, times: Some(1) }));
    let state = vendor.sandbox.clone();
    let server = HttpServer::new(move || actix_web::App::new().configure(configure(state.clone())))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /test/headers HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    let ended = timeout(Duration::from_millis(100), stream.read_to_end(&mut all)).await.is_ok();
    handle.stop(false).await;
    let head = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let body = all.split_off(head);
    (String::from_utf8(all).unwrap(), body, ended)
}

#[actix_web::test]
async fn a_body_breaks_in_every_way() {
    let whole = json!({"greeting": "Grüße"}).to_string().into_bytes();
    let (length, half) = (whole.len(), whole.len() / 2);
    for (how, told, sent, ends) in [
        (How::Cut, Some(length), half, true),
        (How::Stall, Some(length), half, false),
        (How::StallBody, Some(length), 0, false),
        (How::Garbage, Some(half), half, false),
        (How::LongLength, Some(length + 10), length, true),
        (How::ShortLength, Some(half), half, false),
    ] {
        let (head, body, ended) = reply(how).await;
        let length = told.map(|length| format!("content-length: {length}\r\n")).unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(&length), "{how:?}: {head}");
        assert_eq!((body.as_slice(), ended), (&whole[..sent], ends), "{how:?}");
    }
    let (head, body, ended) = reply(How::Chunked).await;
    assert!(head.contains("transfer-encoding: chunked") && body.ends_with(b"\r\n0\r\n\r\n") && !ended, "{head}");
    let (head, body, ended) = reply(How::CutChunks).await;
    assert!(head.contains("transfer-encoding: chunked") && !body.ends_with(b"0\r\n\r\n") && ended, "{head}");
    let (head, body, _) = reply(How::Gzip).await;
    assert!(head.contains("content-encoding: gzip") && body.starts_with(&[0x1f, 0x8b]), "{head}");
}
