//! Both ways to a vendor, against servers that misbehave, on loopback sockets.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, LocalSet};
use url::Url;

use super::{Connections, Dialer, Guard, Line, Sender, client_config};
use crate::kernel::clock::SystemClock;
use crate::kernel::secret::Secret;
use crate::protocol::{VendorFault, VendorReply, VendorRequest};

fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn loopback() -> Guard {
    Guard::new(vec!["127.0.0.0/8".parse().unwrap()], None)
}

fn sender(proxy: Option<&str>) -> Sender {
    install_tls();
    Sender::new(loopback(), proxy, client_config().unwrap(), Arc::new(SystemClock)).unwrap()
}

fn dialer(guard: Guard) -> Dialer {
    install_tls();
    Dialer::new(guard, None, client_config().unwrap()).unwrap()
}

/// The shared client's, or a worker's own.
#[derive(Debug, Clone, Copy)]
enum Way {
    Shared,
    Own,
}

const WAYS: [Way; 2] = [Way::Shared, Way::Own];

impl Way {
    async fn send(self, request: &VendorRequest) -> Result<VendorReply, VendorFault> {
        match self {
            Self::Shared => sender(None).call(request).await,
            Self::Own => own(loopback(), async |connections| connections.call(request).await).await,
        }
    }
}

async fn own<T>(guard: Guard, work: impl AsyncFnOnce(Rc<Connections>) -> T) -> T {
    LocalSet::new().run_until(work(Rc::new(Connections::new(dialer(guard), Arc::new(SystemClock))))).await
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
    for way in WAYS {
        let (elsewhere, followed) = server(with_body(2)).await;
        let reply =
            format!("HTTP/1.1 307 Moved\r\nlocation: {elsewhere}\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
        let (url, asked) = server(reply.into_bytes()).await;
        let reply = way.send(&request(&url, PATIENT)).await.unwrap();
        assert_eq!((reply.status, reply.retry_after, reply.body.len()), (307, Some(7), 0));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("POST /token HTTP/1.1\r\n") && asked.contains("x-api-key: the key"), "{asked}");
        assert!(asked.contains(concat!("user-agent: Ligand/", env!("CARGO_PKG_VERSION"))), "{asked}");
        assert!(asked.contains(&format!("host: {}\r\n", url.strip_prefix("http://").unwrap().replace("/token", ""))));
        assert!(!followed.is_finished());
    }
}

#[tokio::test]
async fn a_reply_is_read_up_to_a_megabyte_or_what_the_call_may_bring() {
    for way in WAYS {
        for most in [1000, 1 << 20] {
            let request = |url: &str| VendorRequest { largest_reply: most, ..request(url, PATIENT) };
            let (url, _) = server(with_body(most)).await;
            assert_eq!(way.send(&request(&url)).await.unwrap().body.len(), most);
            let (url, _) = server(with_body(most + 1)).await;
            let refused = way.send(&request(&url)).await;
            assert!(matches!(refused, Err(VendorFault::Malformed(text)) if text.contains("larger")), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn a_vendor_that_begins_and_never_ends_is_a_timeout() {
    for way in WAYS {
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let hanging = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await.unwrap();
            socket.write_all(&half).await.unwrap();
            std::future::pending::<()>().await;
        });
        let outcome = way.send(&request(&url, Duration::from_millis(200))).await;
        assert_eq!(outcome.unwrap_err(), VendorFault::Timeout);
        hanging.abort();
    }
}

#[tokio::test]
async fn a_vendor_that_is_not_there_or_hangs_up_is_unreachable_and_the_key_in_the_url_stays_secret() {
    for way in WAYS {
        let (url, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()).await;
        for (url, arrived) in
            [(format!("{url}?hapikey=hunter2"), true), ("http://127.0.0.1:1/?hapikey=hunter2".to_owned(), false)]
        {
            let outcome = way.send(&request(&url, PATIENT)).await.unwrap_err();
            assert!(
                matches!(&outcome, VendorFault::Unreachable { reason, sent } if !reason.contains("hunter2") && *sent == arrived),
                "{outcome:?}"
            );
        }
    }
}

/// Answers the first request of each connection, and hangs up at the second.
async fn answers_once() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/objects", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                for answers in [true, false] {
                    let mut asked = Vec::new();
                    while !(asked.ends_with(b"a=b") || (asked.ends_with(b"\r\n\r\n") && !asked.starts_with(b"POST"))) {
                        let mut buffer = [0; 4096];
                        let length = socket.read(&mut buffer).await.unwrap();
                        asked.extend_from_slice(&buffer[..length]);
                    }
                    if answers {
                        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_kept_connection_that_ends_costs_only_calls_that_change_something() {
    async fn check(line: &impl Line) {
        let url = answers_once().await;
        let call = |method: &str| {
            let request = request(&url, PATIENT);
            let body = request.body.clone().filter(|_| method == "POST");
            VendorRequest { method: method.to_owned(), body, ..request }
        };
        let send = async |method: &str| line.call(&call(method)).await;
        assert_eq!(send("POST").await.unwrap().status, 200);
        assert_eq!(send("GET").await.unwrap().status, 200, "over another connection");
        // The vendor may have deleted it: a second time it would be told that nothing is there.
        for method in ["POST", "DELETE"] {
            let lost = send(method).await.unwrap_err();
            assert!(matches!(lost, VendorFault::Unreachable { sent: true, .. }), "{lost:?}");
            assert_eq!(send(method).await.unwrap().status, 200);
        }
    }
    check(&sender(None)).await;
    own(loopback(), async |connections| check(&connections).await).await;
}

#[tokio::test]
async fn what_is_used_up_by_being_sent_goes_over_a_connection_of_its_own() {
    let (url, sender) = (answers_once().await, sender(None));
    for _ in 0..3 {
        assert_eq!(sender.send(&request(&url, PATIENT)).await.unwrap().status, 200);
        // A connection that others keep is no way for it either.
        assert_eq!(sender.tell(&request(&answers_once().await, PATIENT)).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn names_are_checked_after_they_were_resolved() {
    // No network is needed: the name of this machine leads to an inner address, which the operator did not list.
    install_tls();
    let request = request("https://localhost/", PATIENT);
    let shared = Sender::new(Guard::default(), None, client_config().unwrap(), Arc::new(SystemClock))
        .unwrap()
        .send(&request)
        .await;
    let own = own(Guard::default(), async |connections| connections.call(&request).await).await;
    for outcome in [shared, own] {
        let outcome = outcome.unwrap_err();
        assert!(matches!(&outcome, VendorFault::Address(text) if text.contains("localhost")), "{outcome:?}");
    }
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

/// Refuses every tunnel.
async fn refusing_proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut buffer = [0; 4096];
                let length = socket.read(&mut buffer).await.unwrap();
                asked.extend_from_slice(&buffer[..length]);
            }
            assert!(asked.starts_with(b"CONNECT vendor.example:443 "), "{}", String::from_utf8_lossy(&asked));
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    url
}

/// The shared client has no kind for it: it is told by the library's own text.
#[tokio::test]
async fn a_proxy_that_refuses_is_not_the_vendors_fault() {
    install_tls();
    let proxy = refusing_proxy().await;
    let request = request("https://vendor.example/token", PATIENT);
    let shared = Sender::new(Guard::default(), Some(&proxy), client_config().unwrap(), Arc::new(SystemClock)).unwrap();
    let dialer = Dialer::new(Guard::default(), Some(&proxy), client_config().unwrap()).unwrap();
    let own = Rc::new(Connections::new(dialer, Arc::new(SystemClock)));
    let own = LocalSet::new().run_until(async { own.call(&request).await }).await;
    for outcome in [shared.call(&request).await, own] {
        assert!(matches!(&outcome, Err(VendorFault::Proxy(_))), "{outcome:?}");
    }
}
