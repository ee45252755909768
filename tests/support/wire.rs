//! Both ends of the passthrough at the level of bytes: a vendor that sends what a test wants it to, and a caller that does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came: its head up to the empty line, and its body, chunks and all.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub head: String,
    pub body: Vec<u8>,
    /// How many came before it on its connection.
    pub before: usize,
}

impl Arrived {
    /// The request line's target.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).expect("a request line")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the vendor does with a request.
#[derive(Debug, Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing more, with the connection open.
    Hang,
    /// Ends the connection with a reset.
    Reset,
    Close,
}

pub fn send(text: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::Send(text.into())]
}

/// 200 with a JSON text.
pub fn json(text: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", text.len());
    send(head + text)
}

#[derive(Clone)]
pub struct WireVendor {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Arrived>>>,
    /// Connections that were made, and that are open.
    pub made: Arc<AtomicUsize>,
    pub open: Arc<AtomicUsize>,
}

impl WireVendor {
    /// `script`: the request, and how many came before it.
    pub async fn start(script: impl Fn(&Arrived, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let vendor = Self {
            address: listener.local_addr().expect("an address"),
            requests: Arc::default(),
            made: Arc::default(),
            open: Arc::default(),
        };
        let (shared, script) = (vendor.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (vendor, script) = (shared.clone(), Arc::clone(&script));
                tokio::spawn(async move {
                    vendor.made.fetch_add(1, Ordering::SeqCst);
                    vendor.open.fetch_add(1, Ordering::SeqCst);
                    vendor.serve(stream, &*script).await;
                    vendor.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        vendor
    }

    async fn serve(&self, mut stream: TcpStream, script: &(dyn Fn(&Arrived, usize) -> Vec<Step> + Send + Sync)) {
        let mut on_connection = 0;
        while let Some(arrived) = read_message(&mut stream).await {
            let arrived = Arrived { before: on_connection, ..arrived };
            on_connection += 1;
            let before = {
                let mut requests = self.requests.lock().expect("no test panicked here");
                requests.push(arrived.clone());
                requests.len() - 1
            };
            for step in script(&arrived, before) {
                match step {
                    Step::Send(bytes) => {
                        if stream.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                    Step::Wait(time) => tokio::time::sleep(time).await,
                    // Until the other side goes away.
                    Step::Hang => drop(stream.read(&mut [0; 1]).await),
                    Step::Reset => {
                        stream.set_zero_linger().expect("a socket");
                        return;
                    }
                    Step::Close => return,
                }
            }
        }
    }

    pub fn requests(&self) -> Vec<Arrived> {
        self.requests.lock().expect("no test panicked here").clone()
    }

    pub fn last(&self) -> Arrived {
        self.requests().last().expect("a request").clone()
    }

    /// Waits until no more connections are open than these.
    pub async fn left_with(&self, open: usize) {
        let alone = async {
            while self.open.load(Ordering::SeqCst) > open {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), alone).await.expect("the connection ends");
    }
}

/// One message, or nothing when the other side went away.
pub async fn read_message(stream: &mut TcpStream) -> Option<Arrived> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = find(&read, b"\r\n\r\n") {
            break at + 4;
        }
        (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
    };
    let mut body = read.split_off(end);
    let arrived = Arrived { head: String::from_utf8_lossy(&read).into_owned(), body: Vec::new(), before: 0 };
    if arrived.header("transfer-encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            (stream.read_buf(&mut body).await.ok()? > 0).then_some(())?;
        }
    } else {
        let length = arrived.header("content-length").map_or(0, |text| text.parse().expect("a length"));
        while body.len() < length {
            (stream.read_buf(&mut body).await.ok()? > 0).then_some(())?;
        }
    }
    Some(Arrived { body, ..arrived })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Sends bytes and gives all that comes back until the server has been silent for a moment or hung up.
pub async fn exchange(url: &str, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the server listens");
    stream.write_all(request.as_ref()).await.expect("the server reads");
    let mut reply = Vec::new();
    while let Ok(Ok(length)) = tokio::time::timeout(Duration::from_millis(400), stream.read_buf(&mut reply)).await
        && length > 0
    {}
    String::from_utf8_lossy(&reply).into_owned()
}
