//! Stands between the server and PostgreSQL, and loses the answer to one commit: it happened, and nobody is told.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A simple query of the protocol, as diesel ends its transactions.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

pub struct LosingProxy {
    pub address: SocketAddr,
    armed: Arc<AtomicBool>,
}

impl LosingProxy {
    pub fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let armed = Arc::<AtomicBool>::default();
        let shared = Arc::clone(&armed);
        // Ends with the test process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let upstream = TcpStream::connect(upstream).expect("PostgreSQL answers");
                let losing = Arc::<AtomicBool>::default();
                let (from, to) = (client.try_clone().expect("a handle"), upstream.try_clone().expect("a handle"));
                let (armed, loses) = (Arc::clone(&shared), Arc::clone(&losing));
                thread::spawn(move || {
                    pass(&from, &to, |message| {
                        if message == COMMIT && armed.swap(false, Ordering::SeqCst) {
                            loses.store(true, Ordering::SeqCst);
                        }
                        true
                    });
                });
                // The first answer after the commit goes nowhere, and the connection with it.
                thread::spawn(move || pass(&upstream, &client, |_| !losing.load(Ordering::SeqCst)));
            }
        });
        Self { address, armed }
    }

    /// The answer to the next commit is lost.
    pub fn lose_next(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether it was.
    pub fn has_lost(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

/// Passes on what comes, as long as `goes_on`; then ends both connections.
fn pass(mut from: &TcpStream, mut to: &TcpStream, goes_on: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 65_536];
    while let Ok(length) = from.read(&mut buffer) {
        let message = &buffer[..length];
        if length == 0 || !goes_on(message) || to.write_all(message).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
