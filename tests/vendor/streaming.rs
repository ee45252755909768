//! Bodies pass by: they are not held, the slower side sets the pace, and who goes away ends the other side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Passthrough, run};
use crate::support::wire::{Step, json};

/// Waits until `holds`; ten seconds are enough for everything here.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

/// A number that has stopped growing.
async fn settled(counter: &AtomicU64) -> u64 {
    let mut last = counter.load(Ordering::SeqCst);
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = counter.load(Ordering::SeqCst);
        if now == last {
            return now;
        }
        last = now;
    }
}

#[test]
fn the_first_piece_of_an_answer_arrives_before_the_last_one_is_sent() {
    run(async {
        let first = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        let through = Passthrough::start(move |_, _| vec![Step::Send(first.into()), Step::Hang]).await;
        let response = through.caller().request_at_root("GET", "/vendor/x").send().await.expect("a head");
        let mut body = response.bytes_stream();
        assert_eq!(body.next().await.expect("a piece").expect("bytes"), "first");
        // The vendor says nothing more: whoever goes away ends its call.
        drop(body);
        through.vendor_is_left_alone().await;
    });
}

#[test]
fn a_caller_who_goes_away_before_the_answer_ends_the_vendors_call() {
    run(async {
        let through = Passthrough::start(|_, _| vec![Step::Hang]).await;
        let mut stream = TcpStream::connect(through.server.url.trim_start_matches("http://")).await.expect("a server");
        stream.write_all(through.raw("GET /vendor/x", "", "").as_bytes()).await.expect("it reads");
        until("the call arrives", || through.arrived().len() == 1).await;
        drop(stream);
        through.vendor_is_left_alone().await;
    });
}

#[test]
fn a_body_of_unknown_length_arrives_piece_by_piece() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let pieces = stream::iter(["one", "two", "three"].map(Ok::<_, std::io::Error>));
        let request = through.caller().request_at_root("POST", "/vendor/x").body(reqwest::Body::wrap_stream(pieces));
        assert_eq!(request.send().await.expect("a reply").status(), 200);
        let arrived = through.vendor.last();
        assert_eq!((arrived.header("transfer-encoding"), arrived.header("content-length")), (Some("chunked"), None));
        let text = String::from_utf8(arrived.body).expect("text");
        assert!(text.contains("one") && text.contains("three") && text.ends_with("0\r\n\r\n"), "{text}");
    });
}

#[test]
fn a_large_body_keeps_its_length() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let body = "x".repeat(300_000);
        let request = through.caller().request_at_root("PUT", "/vendor/x").body(body.clone());
        assert_eq!(request.send().await.expect("a reply").status(), 200);
        let arrived = through.vendor.last();
        assert_eq!((arrived.header("content-length"), arrived.body == body.as_bytes()), (Some("300000"), true));
    });
}

#[test]
fn who_expects_to_be_told_to_continue_is_told() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let mut stream = TcpStream::connect(through.server.url.trim_start_matches("http://")).await.expect("a server");
        let head = through.raw("PUT /vendor/x", "Expect: 100-continue\r\nContent-Length: 4\r\n", "");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.expect("a word");
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"body").await.expect("it reads");
        until("the call arrives", || through.arrived().len() == 1).await;
        let arrived = through.vendor.last();
        assert_eq!((arrived.body.as_slice(), arrived.header("expect")), (b"body".as_slice(), None));
    });
}

#[test]
fn a_body_that_was_waited_for_does_not_outlast_the_instance() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        assert_eq!(
            through.caller().request_at_root("GET", "/vendor/warm").send().await.expect("a reply").status(),
            200
        );
        let mut stream = TcpStream::connect(through.server.url.trim_start_matches("http://")).await.expect("a server");
        let head = through.raw("PUT /vendor/x", "Expect: 100-continue\r\nContent-Length: 4\r\n", "");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        // By then the token has been looked at.
        stream.read_exact(&mut [0; 25]).await.expect("a word");
        through.server.caller().delete(&format!("/instances/{}/enabled", through.id)).await.ok();
        stream.write_all(b"body").await.expect("it reads");
        let mut told = [0; 12];
        stream.read_exact(&mut told).await.expect("a status");
        assert_eq!((&told, through.arrived().len()), (b"HTTP/1.1 403", 1));
    });
}

/// A vendor that sends a gigabyte as fast as it is read, and counts what went out.
async fn endless_vendor(sent: Arc<AtomicU64>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1_u64 << 30);
                let mut alive = stream.write_all(head.as_bytes()).await.is_ok();
                while alive {
                    alive = stream.write_all(&[b'x'; 65536]).await.is_ok();
                    sent.fetch_add(65536, Ordering::SeqCst);
                }
                sent.store(u64::MAX, Ordering::SeqCst);
            });
        }
    });
    address
}

#[test]
fn a_caller_that_stops_reading_stops_the_vendor() {
    run(async {
        let sent = Arc::<AtomicU64>::default();
        let vendor = endless_vendor(Arc::clone(&sent)).await;
        let through = Passthrough::start(move |_, _| json("{}")).await;
        let base = format!("http://{}", through.vendor.address);
        // The same instance, with its vendor elsewhere: another server, which reads another file.
        let moved = through.moved(&base, &format!("http://{vendor}")).await;
        let request = moved.anonymous().with(&format!("Element {}", through.token)).request_at_root("GET", "/vendor/x");
        let response = request.send().await.expect("a head");
        let stopped_at = settled(&sent).await;
        // What fits into the buffers of the sockets and of both sides.
        assert!(stopped_at < 64 << 20, "{stopped_at} bytes went out to nobody");
        let mut body = response.bytes_stream();
        for _ in 0..1000 {
            body.next().await.expect("a piece").expect("bytes");
        }
        until("reading goes on, and so does the vendor", || sent.load(Ordering::SeqCst) > stopped_at).await;
        drop(body);
        until("the vendor's call ends", || sent.load(Ordering::SeqCst) == u64::MAX).await;
    });
}

/// A vendor that answers as soon as it has a head, reads no body, and says when its caller went away.
async fn hasty_vendor(left: Arc<AtomicU64>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let reply = b"HTTP/1.1 413 Too much\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(reply).await.expect("somebody listens");
                let mut piece = vec![0; 65536];
                while stream.read(&mut piece).await.is_ok_and(|read| read > 0) {}
                left.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    address
}

#[test]
fn an_answer_that_comes_before_the_end_of_the_body_ends_the_vendors_call() {
    run(async {
        let left = Arc::<AtomicU64>::default();
        let vendor = hasty_vendor(Arc::clone(&left)).await;
        let through = Passthrough::start(move |_, _| json("{}")).await;
        let base = format!("http://{}", through.vendor.address);
        let moved = through.moved(&base, &format!("http://{vendor}")).await;
        let mut stream = TcpStream::connect(moved.url.trim_start_matches("http://")).await.expect("a server");
        let head = through.raw("PUT /vendor/x", "Content-Length: 1000000\r\n", "the beginning");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut reply = vec![0; 12];
        stream.read_exact(&mut reply).await.expect("a reply");
        assert_eq!(reply, b"HTTP/1.1 413");
        // The rest of the body never comes: a connection that waits for it serves nobody.
        until("the vendor's call ends", || left.load(Ordering::SeqCst) == 1).await;
    });
}
