//! nginx and HAProxy before two servers, with the very files that `deploy` recommends; only ports are others.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::account::Account;
use super::part::{Part, Signal, missing};
use super::postgres::free_port;

pub struct ReverseProxy {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    part: Part,
}

/// Debian keeps both where only root looks.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// A file of `deploy` with these addresses instead of its own.
fn deployed(file: &str, addresses: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let mut text = std::fs::read_to_string(path).expect("the file is there");
    for (shown, real) in addresses {
        assert!(text.contains(shown), "{file} does not say {shown}");
        text = text.replace(shown, real);
    }
    text
}

impl ReverseProxy {
    /// `servers`: HOST:PORT of both. None, and a printed skip, where there is no nginx.
    pub fn nginx(servers: &[&str; 2]) -> Option<Self> {
        Self::nginx_at(free_port(), servers)
    }

    /// At a port that was chosen before, because a server must know it.
    pub fn nginx_at(port: u16, servers: &[&str; 2]) -> Option<Self> {
        Self::nginx_with(port, servers, &[])
    }

    /// The server has a path of the host, as the file says in its comments; `strips`: nginx takes it away.
    pub fn nginx_below(port: u16, server: &str, path: &str, strips: bool) -> Option<Self> {
        let to = if strips { "proxy_pass http://ligand/;" } else { "proxy_pass http://ligand;" };
        let metrics = format!("location ~ ^({path})*/metrics/*$ {{");
        let changes = [
            ("location / {", format!("location {path}/ {{")),
            ("proxy_pass http://ligand;", to.to_owned()),
            ("location ~ ^/metrics/*$ {", metrics),
        ];
        Self::nginx_with(port, &[server, server], &changes)
    }

    fn nginx_with(port: u16, servers: &[&str; 2], changes: &[(&str, String)]) -> Option<Self> {
        let Some(program) = find_program("nginx") else {
            missing("no nginx on this machine");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("ligand-nginx-").tempdir().expect("a directory");
        let (listen, [one, two]) = (format!("listen 127.0.0.1:{port};"), servers.map(str::to_owned));
        let mut addresses = vec![("listen 80;", listen), ("127.0.0.1:8080", one), ("127.0.0.1:8082", two)];
        addresses.extend_from_slice(changes);
        let path = directory.path().display().to_string();
        let text = format!(
            "daemon off; worker_processes 2; pid {path}/pid; error_log stderr warn;
             worker_rlimit_nofile 8192; events {{ worker_connections 4096; }}
             http {{
                 access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
                 fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
                 {}
             }}",
            deployed("nginx.conf", &addresses)
        );
        let settings = directory.path().join("nginx.conf");
        std::fs::write(&settings, text).expect("the settings are written");
        let mut command = Part::command(program, directory.path(), Signal::Terminate);
        command.args(["-e", "stderr", "-c"]).arg(&settings);
        Some(Self::running(command, directory, port))
    }

    pub fn haproxy(servers: &[&str; 2]) -> Option<Self> {
        let Some(program) = find_program("haproxy") else {
            missing("no haproxy on this machine");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("ligand-haproxy-").tempdir().expect("a directory");
        let port = free_port();
        let (bind, [one, two]) = (format!("bind 127.0.0.1:{port}"), servers.map(str::to_owned));
        let addresses = [("bind :80", bind), ("127.0.0.1:8080", one), ("127.0.0.1:8082", two)];
        let settings = directory.path().join("haproxy.cfg");
        std::fs::write(&settings, deployed("haproxy.cfg", &addresses)).expect("the settings are written");
        let mut command = Part::command(program, directory.path(), Signal::Terminate);
        command.args(["-db", "-f"]).arg(&settings);
        Some(Self::running(command, directory, port))
    }

    fn running(mut command: std::process::Command, directory: tempfile::TempDir, port: u16) -> Self {
        let account = Account::to_run_as();
        account.own(directory.path());
        for entry in std::fs::read_dir(directory.path()).expect("a directory") {
            account.own(&entry.expect("an entry").path());
        }
        command.current_dir(directory.path());
        let part = Part::start(account.restrict(&mut command), directory);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "it does not listen: {}", part.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { url: format!("http://{address}"), part }
    }

    pub fn log(&self) -> String {
        self.part.log()
    }
}
