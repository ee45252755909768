//! A forward proxy on loopback: leads to where it is asked to, or refuses, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct ForwardProxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    heads: Mutex<Vec<String>>,
    /// A status line.
    refusal: Mutex<Option<&'static str>>,
}

impl ForwardProxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        // Ends with the test process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(&client));
            }
        });
        Self { address, state }
    }

    /// What it was asked since the last time, head by head.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.heads.lock().expect("no test panicked here"))
    }

    /// From now on every tunnel is refused so.
    pub fn refuse(&self, status: &'static str) {
        *self.state.refusal.lock().expect("no test panicked here") = Some(status);
    }
}

impl State {
    fn serve(&self, client: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(client);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (reader.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        self.heads.lock().ok()?.push(head.clone());
        let mut line = head.split(' ');
        let (method, target) = (line.next()?, line.next()?);
        if method == "CONNECT" {
            if let Some(status) = *self.refusal.lock().ok()? {
                return write!(&*client, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok();
            }
            let vendor = TcpStream::connect(target).ok()?;
            write!(&*client, "HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
            return pass(reader, client, &vendor);
        }
        // In the clear the request itself goes to the proxy, with the whole address (RFC 9112 section 3.2.2).
        let url = url::Url::parse(target).ok()?;
        let vendor = TcpStream::connect(&*url.socket_addrs(|| None).ok()?).ok()?;
        let path = &url[url::Position::BeforePath..];
        (&vendor).write_all(head.replacen(target, path, 1).as_bytes()).ok()?;
        pass(reader, client, &vendor)
    }
}

/// Both ways, until both have ended.
fn pass(mut from: BufReader<&TcpStream>, client: &TcpStream, vendor: &TcpStream) -> Option<()> {
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = copy(&mut from, &mut &*vendor);
            let _ = vendor.shutdown(Shutdown::Write);
        });
        let _ = copy(&mut &*vendor, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
    });
    Some(())
}
