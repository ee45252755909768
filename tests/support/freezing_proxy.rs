//! Stands between one process and PostgreSQL, and lets nothing through for a while: nobody is told, connections stay open.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

pub struct FreezingProxy {
    pub address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    frozen: Mutex<bool>,
    thawed: Condvar,
}

impl FreezingProxy {
    pub fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let gate = Arc::<Gate>::default();
        let shared = Arc::clone(&gate);
        // Ends with the test process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(upstream) else { continue };
                let (from, to) = (client.try_clone().expect("a handle"), upstream.try_clone().expect("a handle"));
                let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
                thread::spawn(move || there.pass(&from, &to));
                thread::spawn(move || back.pass(&upstream, &client));
            }
        });
        Self { address, gate }
    }

    pub fn freeze(&self) {
        *self.gate.frozen.lock().expect("no test panicked here") = true;
    }

    pub fn thaw(&self) {
        *self.gate.frozen.lock().expect("no test panicked here") = false;
        self.gate.thawed.notify_all();
    }
}

impl Gate {
    fn pass(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let frozen = self.frozen.lock().expect("no test panicked here");
            drop(self.thawed.wait_while(frozen, |frozen| *frozen).expect("no test panicked here"));
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
