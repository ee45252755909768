//! From the start of the process to the first `ready`, and what it holds in memory then.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;

use crate::rows::line;

pub fn measure() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = start(directory.path(), &[]);
    line("start to ready, empty SQLite", &format!("{:.0} ms", first.0), "", "", "");
    measure_on("SQLite", directory.path(), &[]);
}

/// On a database that is there.
pub fn measure_on(name: &str, directory: &Path, settings: &[(&str, &str)]) {
    let mut starts: Vec<(f64, f64)> = (0..ROUNDS).map(|_| start(directory, settings)).collect();
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ready, resident) = starts[ROUNDS / 2];
    line(&format!("start to ready, {name}"), &format!("{ready:.0} ms"), "", "", "≤ 150");
    line(&format!("resident when ready, {name}"), &format!("{resident:.1} MB"), "", "", "≤ 30");
}

/// Milliseconds to ready, and megabytes resident then.
fn start(directory: &Path, settings: &[(&str, &str)]) -> (f64, f64) {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let started = Instant::now();
    let mut server = Server(
        Command::new(env!("CARGO_BIN_EXE_ligand"))
            .arg("serve")
            .env("LIGAND_LISTEN", format!("127.0.0.1:{port}"))
            .env("LIGAND_DATA_DIR", directory)
            .env("LIGAND_LOG", "error")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts"),
    );
    while !is_ready(port) {
        assert!(started.elapsed() < Duration::from_secs(30), "the server is not ready");
        std::thread::sleep(Duration::from_millis(1));
    }
    let ready = started.elapsed().as_secs_f64() * 1000.0;
    (ready, server.resident())
}

fn is_ready(port: u16) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut reply = String::new();
    let sent = stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    sent.is_ok() && stream.read_to_string(&mut reply).is_ok() && reply.starts_with("HTTP/1.1 200")
}

struct Server(Child);

impl Server {
    fn resident(&mut self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("the process's status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
        line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).expect("kilobytes") / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
