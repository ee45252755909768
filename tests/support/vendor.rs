//! A vendor of a test's own: answers what it was told to, and remembers what it was sent. For what the sandbox is too well
//! behaved to say, and too discreet to keep.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

pub struct Vendor {
    pub address: SocketAddr,
    state: Arc<State>,
}

/// Status, further headers, body.
type Answer = (u16, String, Vec<u8>);

#[derive(Default)]
struct State {
    /// By path, or by path and query.
    replies: Mutex<BTreeMap<String, Answer>>,
    requests: Mutex<Vec<Request>>,
}

/// A request to it.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub head: String,
    pub body: String,
}

impl Request {
    /// With its headers, as it came.
    pub fn whole(&self) -> String {
        format!("{}{}", self.head, self.body)
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

impl Vendor {
    pub fn start() -> Self {
        Self::start_at(("127.0.0.1", 0))
    }

    /// Port 0: any.
    pub fn start_at(address: (&str, u16)) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        // Ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(&stream));
            }
        });
        Self { address, state }
    }

    /// What a path answers from now on, with or without a query; others answer 404.
    pub fn answers(&self, path: &str, status: u16, body: Value) {
        self.answers_with(path, status, "", body);
    }

    /// The same with `headers`: a line each, with its end.
    pub fn answers_with(&self, path: &str, status: u16, headers: &str, body: Value) {
        let headers = format!("content-type: application/json\r\n{headers}");
        self.answers_in_bytes(path, status, &headers, body.to_string());
    }

    /// The same, whatever the vendor means by it; `headers` without those that the connection needs.
    pub fn answers_in_bytes(&self, path: &str, status: u16, headers: &str, body: impl Into<Vec<u8>>) {
        let reply = (status, headers.to_owned(), body.into());
        self.state.replies.lock().expect("no test panicked here").insert(path.to_owned(), reply);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().expect("no test panicked here").clone()
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (reader.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let target = head.split(' ').nth(1)?.to_owned();
        let path = target.split('?').next()?.to_owned();
        let replies = self.replies.lock().ok()?;
        let reply = replies.get(&target).or_else(|| replies.get(&path)).cloned();
        drop(replies);
        let unknown = || (404, "content-type: application/json\r\n".to_owned(), b"null".to_vec());
        let (status, headers, reply) = reply.unwrap_or_else(unknown);
        let body = String::from_utf8_lossy(&body).into_owned();
        self.requests.lock().ok()?.push(Request { path, head, body });
        let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n{headers}");
        write!(&*stream, "{head}content-length: {}\r\n\r\n", reply.len()).ok()?;
        (&*stream).write_all(&reply).ok()
    }
}

/// A directory of elements: each a shipped one with some of its text replaced.
pub fn elements(copies: &[(&str, &[(&str, &str)])]) -> TempDir {
    let directory = tempfile::Builder::new().prefix("ligand-elements-").tempdir().expect("a directory");
    for (number, (key, changes)) in copies.iter().enumerate() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("elements/{key}.toml"));
        let mut text = std::fs::read_to_string(shipped).expect("a shipped element");
        for (from, to) in *changes {
            assert!(text.contains(from), "{key} has no {from:?}");
            text = text.replace(from, to);
        }
        std::fs::write(directory.path().join(format!("{number}.toml")), text).expect("the element is written");
    }
    directory
}
