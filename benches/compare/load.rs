//! A load generator that costs little: keep-alive connections, one request at a time on each, replies measured by their
//! length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub const BUFFER: usize = 64 * 1024;

/// Requests per second of `connections` callers that send what `request` makes of a running number, for `time`.
pub async fn rate<F>(address: SocketAddr, connections: usize, time: Duration, request: F) -> f64
where
    F: Fn(u64) -> Vec<u8> + Send + Sync + 'static,
{
    let started = Instant::now();
    let done = closed_loop(address, connections, request, move |_| started.elapsed() < time).await;
    done as f64 / started.elapsed().as_secs_f64()
}

/// `count` requests, each once.
pub async fn each<F>(address: SocketAddr, connections: usize, count: u64, request: F)
where
    F: Fn(u64) -> Vec<u8> + Send + Sync + 'static,
{
    closed_loop(address, connections, request, move |number| number < count).await;
}

pub async fn closed_loop<F, G>(address: SocketAddr, connections: usize, request: F, goes_on: G) -> u64
where
    F: Fn(u64) -> Vec<u8> + Send + Sync + 'static,
    G: Fn(u64) -> bool + Send + Sync + 'static,
{
    let (shared, counter) = (Arc::new((request, goes_on)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..connections)
        .map(|_| {
            let (shared, counter) = (Arc::clone(&shared), Arc::clone(&counter));
            tokio::spawn(async move {
                let (request, goes_on) = &*shared;
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                stream.set_nodelay(true).expect("no delay");
                let mut buffer = vec![0; BUFFER];
                let mut done = 0;
                loop {
                    let number = counter.fetch_add(1, Ordering::Relaxed);
                    if !goes_on(number) {
                        return done;
                    }
                    stream.write_all(&request(number)).await.expect("a sent request");
                    let mut reply = Reply::default();
                    while !reply.is_whole(&buffer) {
                        let read = stream.read(reply.space(&mut buffer)).await.expect("a reply");
                        reply.took(read);
                    }
                    done += 1;
                }
            })
        })
        .collect();
    let mut done: u64 = 0;
    for caller in callers {
        done += caller.await.expect("a caller that ends well");
    }
    done
}

/// How much of a reply has come.
#[derive(Default)]
pub struct Reply {
    filled: usize,
    /// Bytes that it has in all, once its head is here.
    length: Option<usize>,
}

impl Reply {
    /// Where to read to. Behind the head only the number of bytes counts.
    pub fn space<'a>(&self, buffer: &'a mut [u8]) -> &'a mut [u8] {
        let start = if self.length.is_some() { 0 } else { self.filled };
        &mut buffer[start..]
    }

    pub fn took(&mut self, read: usize) {
        assert!(read > 0, "the server closed the connection");
        self.filled += read;
    }

    pub fn is_whole(&mut self, buffer: &[u8]) -> bool {
        if self.length.is_none() {
            self.length = self.read_head(&buffer[..self.filled]);
        }
        self.length.is_some_and(|length| self.filled >= length)
    }

    fn read_head(&self, bytes: &[u8]) -> Option<usize> {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&bytes[..head]).expect("a head of text").to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{text}\n{}", String::from_utf8_lossy(&bytes[head..]));
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|text| text.trim().parse().ok()).expect("a length");
        Some(head + 4 + length)
    }
}

/// A request with its body, if any.
pub fn http(method: &str, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    if !authorization.is_empty() {
        text.push_str(&format!("authorization: {authorization}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
