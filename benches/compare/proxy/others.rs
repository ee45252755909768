//! The proxies to compare with, each adding one header, one worker per core, its connections to the upstream kept. nginx
//! writes its access log in batches, as Ligand does; it is there with its own buffers and with some that hold 64 KB.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::part::{Part, Signal};
use crate::support::postgres::free_port;

pub const NGINX: &str = "nginx";
pub const NGINX_BUFFERS: &str = "nginx, larger buffers";
pub const HAPROXY: &str = "HAProxy";

/// A running proxy. It ends with this.
pub struct Proxy {
    pub name: &'static str,
    pub address: SocketAddr,
    _part: Part,
}

/// Those that are on this machine; for the others a line that says so.
pub fn start(upstream: SocketAddr) -> Vec<Proxy> {
    [(NGINX, "nginx", nginx as Start), (NGINX_BUFFERS, "nginx", nginx), (HAPROXY, "haproxy", haproxy)]
        .into_iter()
        .filter_map(|(name, program, start)| {
            let program = find_program(program);
            if program.is_none() {
                println!("{name}: none on this machine, skipped");
            }
            Some(start(name, &program?, upstream))
        })
        .collect()
}

type Start = fn(&'static str, &Path, SocketAddr) -> Proxy;

fn nginx(name: &'static str, program: &Path, upstream: SocketAddr) -> Proxy {
    let (directory, address) = place();
    let path = directory.path().display();
    // `user` counts for root alone: a worker of another account could not reach the directory.
    let buffers = match name {
        NGINX_BUFFERS => "proxy_buffer_size 16k; proxy_buffers 16 16k; proxy_max_temp_file_size 0;",
        _ => "",
    };
    let text = format!(
        "daemon off; worker_processes auto; user root; pid {path}/pid; error_log stderr crit;
         events {{ worker_connections 4096; }}
         http {{
             access_log {path}/access.log combined buffer=64k flush=1s; keepalive_requests 1000000000;
             client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;
             uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
             upstream vendor {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}
             server {{
                 listen {address} reuseport;
                 location / {{
                     proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header Connection \"\";
                     proxy_set_header Authorization \"Bearer a-key-of-some-length\";
                     {buffers}
                 }}
             }}
         }}"
    );
    let settings = directory.path().join("nginx.conf");
    fs::write(&settings, text).expect("the settings are written");
    let mut command = Part::command(program, directory.path(), Signal::Terminate);
    command.args(["-e", "stderr", "-c"]).arg(settings);
    running(name, address, Part::start(&mut command, directory))
}

fn haproxy(name: &'static str, program: &Path, upstream: SocketAddr) -> Proxy {
    let (directory, address) = place();
    // Without `nbthread` it takes one thread per core.
    let text = format!(
        "global
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend callers
    bind {address}
    default_backend vendor
backend vendor
    http-request set-header Authorization \"Bearer a-key-of-some-length\"
    server vendor {upstream}
"
    );
    let settings = directory.path().join("haproxy.cfg");
    fs::write(&settings, text).expect("the settings are written");
    let mut command = Part::command(program, directory.path(), Signal::Terminate);
    command.args(["-db", "-f"]).arg(settings);
    running(name, address, Part::start(&mut command, directory))
}

fn place() -> (TempDir, SocketAddr) {
    let directory = tempfile::Builder::new().prefix("ligand-proxy-").tempdir().expect("a directory");
    (directory, SocketAddr::from(([127, 0, 0, 1], free_port())))
}

fn running(name: &'static str, address: SocketAddr, part: Part) -> Proxy {
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{name} does not listen:\n{}", part.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    Proxy { name, address, _part: part }
}

/// Debian keeps them where only root looks.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    places.map(|place| place.join(name)).find(|program| program.is_file())
}
