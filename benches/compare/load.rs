//! A load generator that costs little: keep-alive connections, one request at a time on each, replies measured by their
//! length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Requests per second of `connections` callers that send what `request` makes of a running number, for `time`.
pub async fn rate<F>(address: SocketAddr, connections: usize, time: Duration, request: F) -> f64
where
    F: Fn(u64) -> Vec<u8> + Send + Sync + 'static,
{
    let (request, counter, stop) = (Arc::new(request), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..connections)
        .map(|_| {
            let (request, counter, stop) = (Arc::clone(&request), Arc::clone(&counter), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                stream.set_nodelay(true).expect("no delay");
                let mut buffer = vec![0; 64 * 1024];
                let mut done: u64 = 0;
                while !stop.load(Ordering::Relaxed) {
                    let number = counter.fetch_add(1, Ordering::Relaxed);
                    stream.write_all(&request(number)).await.expect("a sent request");
                    read_reply(&mut stream, &mut buffer).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let started = Instant::now();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut done = 0;
    for caller in callers {
        done += caller.await.expect("a caller that ends well");
    }
    done as f64 / started.elapsed().as_secs_f64()
}

async fn read_reply(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("a reply");
        assert!(read > 0, "the server closed the connection");
        filled += read;
        let Some(head) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).expect("a head of text").to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{text}\n{}", String::from_utf8_lossy(&buffer[head..filled]));
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|text| text.trim().parse().ok()).expect("a length");
        while filled < head + 4 + length {
            filled += stream.read(&mut buffer[filled..]).await.expect("a whole body");
        }
        return;
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
