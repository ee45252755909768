//! Real nginx in front, with the file of `deploy`: what others hold open keeps nobody out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::TestServer;
use crate::support::caller::Caller;
use crate::support::database::{Database, runtime};
use crate::support::reverse_proxy::ReverseProxy;
use crate::support::server::Setup;

const IDLE: usize = 2000;
const SLOW: usize = 200;

#[test]
fn idle_connections_and_slow_bodies_keep_nobody_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("descriptors");
    let runtime = runtime();
    runtime.block_on(async {
        let trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        let server = TestServer::start(Database::sqlite(), Setup { trusted_proxies, ..Setup::default() }).await;
        let address = server.url.trim_start_matches("http://");
        let Some(nginx) = ReverseProxy::nginx(&[address, address]) else { return };
        let front = nginx.url.trim_start_matches("http://").to_owned();
        let connect = || {
            let stream = TcpStream::connect(&front).expect("nginx accepts");
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
            stream
        };
        // Half of them silent, half in the middle of a head.
        let idle: Vec<TcpStream> = (0..IDLE)
            .map(|index| {
                let mut stream = connect();
                if index % 2 == 0 {
                    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: ").expect("it is sent");
                }
                stream
            })
            .collect();
        let secrets = server.caller().authorization.expect("secrets");
        let begun = format!(
            "POST /instances HTTP/1.1\r\nHost: ligand\r\nAuthorization: {secrets}\r\nContent-Type: application/json\r\n\
             Content-Length: 60000\r\n\r\n{{"
        );
        // As many as one organization has room for.
        let mut slow: Vec<TcpStream> = (0..SLOW)
            .map(|_| {
                let mut stream = connect();
                stream.write_all(begun.as_bytes()).expect("it is sent");
                stream
            })
            .collect();
        let caller = Caller::anonymous(&nginx.url).with(&secrets);
        for _ in 0..100 {
            caller.get("/instances/count").await.ok();
        }
        caller.create_with_key("beside them").await;
        // A body that does not come ends with an answer, and not with the patience of whoever sends it.
        let ends = tokio::task::spawn_blocking(move || {
            let statuses = slow.iter_mut().map(|stream| {
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).map(|()| String::from_utf8_lossy(&answer).into_owned())
            });
            statuses.collect::<Result<Vec<_>, _>>()
        });
        let ends = ends.await.expect("they are read").expect("each has an answer");
        assert!(ends.len() == SLOW && ends.iter().all(|end| end == "HTTP/1.1 400"), "{ends:?}");
        for path in ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?x=1"] {
            let reply = Caller::anonymous(&nginx.url).request_at_root("GET", path).send().await.expect("a reply");
            assert_eq!(reply.status(), 404, "{path}");
        }
        drop(idle);
    });
    runtime.shutdown_background();
}
