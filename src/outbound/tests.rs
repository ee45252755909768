//! The sender against servers that misbehave, on loopback sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use super::{Guard, Sender, client_config};
use crate::kernel::secret::Secret;
use crate::protocol::{VendorFault, VendorRequest};

fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn sender(proxy: Option<&str>) -> Sender {
    install_tls();
    Sender::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()], None), proxy, client_config().unwrap()).unwrap()
}

fn request(url: &str, timeout: Duration) -> VendorRequest {
    VendorRequest {
        method: "POST".to_owned(),
        url: Url::parse(url).unwrap(),
        headers: vec![("X-Api-Key".to_owned(), Secret::new("the key"))],
        body: Some(Secret::new("a=b")),
        timeout,
        largest_reply: 1 << 20,
        secrets: Vec::new(),
    }
}

const PATIENT: Duration = Duration::from_secs(10);

/// Answers one call with `reply`, then hangs up; gives what was asked.
async fn server(reply: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"a=b") {
            let mut buffer = [0; 4096];
            let length = socket.read(&mut buffer).await.unwrap();
            asked.extend_from_slice(&buffer[..length]);
        }
        // A caller that has heard enough hangs up first.
        let _ = socket.write_all(&reply).await;
        String::from_utf8(asked).unwrap()
    });
    (url, asked)
}

fn with_body(length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ncontent-type: application/json\r\n\r\n");
    [head.into_bytes(), vec![b' '; length]].concat()
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let (elsewhere, followed) = server(with_body(2)).await;
    let reply = format!("HTTP/1.1 307 Moved\r\nlocation: {elsewhere}\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
    let (url, asked) = server(reply.into_bytes()).await;
    let reply = sender(None).send(&request(&url, PATIENT)).await.unwrap();
    assert_eq!((reply.status, reply.retry_after, reply.body.len()), (307, Some(7), 0));
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /token HTTP/1.1\r\n") && asked.contains("x-api-key: the key"), "{asked}");
    assert!(asked.contains(concat!("user-agent: Ligand/", env!("CARGO_PKG_VERSION"))), "{asked}");
    assert!(!followed.is_finished());
}

#[tokio::test]
async fn a_reply_is_read_up_to_a_megabyte() {
    let (url, _) = server(with_body(1 << 20)).await;
    assert_eq!(sender(None).send(&request(&url, PATIENT)).await.unwrap().body.len(), 1 << 20);
    let (url, _) = server(with_body((1 << 20) + 1)).await;
    let refused = sender(None).send(&request(&url, PATIENT)).await;
    assert!(matches!(refused, Err(VendorFault::Malformed(text)) if text.contains("larger")), "{refused:?}");
}

#[tokio::test]
async fn a_vendor_that_begins_and_never_ends_is_a_timeout() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let hanging = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket.write_all(&half).await.unwrap();
        std::future::pending::<()>().await;
    });
    let outcome = sender(None).send(&request(&url, Duration::from_millis(200))).await;
    assert_eq!(outcome.unwrap_err(), VendorFault::Timeout);
    hanging.abort();
}

#[tokio::test]
async fn a_vendor_that_is_not_there_or_hangs_up_is_unreachable_and_the_key_in_the_url_stays_secret() {
    let (url, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()).await;
    for (url, arrived) in
        [(format!("{url}?hapikey=hunter2"), true), ("http://127.0.0.1:1/?hapikey=hunter2".to_owned(), false)]
    {
        let outcome = sender(None).send(&request(&url, PATIENT)).await.unwrap_err();
        assert!(
            matches!(&outcome, VendorFault::Unreachable { reason, sent } if !reason.contains("hunter2") && *sent == arrived),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn names_are_checked_after_they_were_resolved() {
    // No network is needed: the name of this machine leads to an inner address, which the operator did not list.
    install_tls();
    let outcome = Sender::new(Guard::default(), None, client_config().unwrap())
        .unwrap()
        .send(&request("https://localhost/", PATIENT))
        .await;
    let outcome = outcome.unwrap_err();
    assert!(matches!(&outcome, VendorFault::Address(text) if text.contains("localhost")), "{outcome:?}");
}

#[tokio::test]
async fn a_configured_proxy_is_asked_and_addresses_are_checked_all_the_same() {
    let (proxy, asked) = server(with_body(2)).await;
    let proxy = proxy.trim_end_matches("/token").to_owned();
    let sender = sender(Some(&proxy));
    let refused = sender.send(&request("http://10.0.0.1/token", PATIENT)).await;
    assert!(matches!(refused, Err(VendorFault::Address(_))), "{refused:?}");
    sender.send(&request("http://127.0.0.9:9/token", PATIENT)).await.unwrap();
    assert!(asked.await.unwrap().starts_with("POST http://127.0.0.9:9/token HTTP/1.1\r\n"));
}
