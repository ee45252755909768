//! The rows that need a server: `oauth/url`, a keyed read, a durable create.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use actix_web::{App, HttpResponse, HttpServer, web};
use diesel::connection::{Connection as _, SimpleConnection as _};
use ligand::kernel::owner::Owner;
use ligand::service::Services;
use ligand::store::AnyConn;
use ligand::store::audit::Trail;
use ligand::store::instances::{self, Stored};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::load::{http, rate};
use crate::sides::{Compared, WINDOW, compare, extent};
use crate::support::caller::BASE;
use crate::support::database::runtime;
use crate::support::server::{MASTER_KEY, Setup};
use crate::support::{Database, TestServer};

const CALLERS: usize = 32;

/// An element with an API key and no verification call.
pub const ELEMENT: &str = r#"
id = 10001
key = "benchkey"
name = "Bench"
hookName = "Bench"
description = "An element with an API key that nobody verifies."
configDescription = "Any key will do."
hub = "general"
baseUrl = "https://bench.example"

[authentication]
type = "apiKey"

[authentication.apiKey]
description = "The only type."
configuration = "bench.key"
forms = [{ placement = { in = "authorization", scheme = "Bearer" } }]

[[configuration]]
key = "bench.key"
name = "Key"
description = "The key."
type = "TEXTFIELD_128"
required = true
secret = true
authentication = "apiKey"
"#;

/// How many instances there are when everything is measured again.
const MANY: i64 = 1_000_000;

pub fn measure(name: &str, [small, large]: [Database; 2]) {
    runtime().block_on(async {
        let elements = tempfile::tempdir().expect("a directory");
        std::fs::write(elements.path().join("benchkey.toml"), ELEMENT).expect("an element file");
        let setup = || Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
        let (small, large) = (TestServer::start(small, setup()).await, TestServer::start(large, setup()).await);
        let few = Bench::new(&small).await;
        few.oauth_url(name).await;
        few.keyed_read(name).await;
        few.durable_create(name).await;

        let many = Bench::new(&large).await;
        store_many(&large.database, many.stored.instance.id, extent(MANY, 1_000));
        let settings = [("DATABASE_URL", large.database.url.as_str()), ("LIGAND_MASTER_KEY", MASTER_KEY)];
        crate::start::measure_on(&format!("{name}, a million"), elements.path(), &settings);
        // Not against its own baseline this time, but against the same call with few.
        let calls = [
            ("oauth/url", many.call_oauth_url(), few.call_oauth_url()),
            ("GET /instances/{id}", many.call_read(), few.call_read()),
            ("POST /instances", many.call_create(), few.call_create()),
        ];
        for (call, of_many, of_few) in calls {
            let compared =
                compare(|| rate_of(many.address, of_many.clone()), || rate_of(few.address, of_few.clone())).await;
            row(&format!("{call}, {name}, a million"), compared, "≥ 0.90");
        }
    });
}

struct Bench<'a> {
    server: &'a TestServer,
    address: SocketAddr,
    authorization: String,
    /// An instance to read and to make rows like.
    stored: Stored,
    /// Ids for such rows, far above every id that the server gives out meanwhile.
    next: Arc<AtomicI64>,
}

impl<'a> Bench<'a> {
    async fn new(server: &'a TestServer) -> Self {
        let caller = server.caller();
        let created = caller.post("/instances", &new_instance()).await.ok();
        let owner = owner(&server.services).await;
        let id = created["id"].as_i64().expect("an id");
        let stored = server.services.store.read(move |conn| instances::find(conn, owner, id)).await.expect("the row");
        Self {
            server,
            address: server.url.trim_start_matches("http://").parse().expect("an address"),
            authorization: caller.authorization.expect("an authorization"),
            stored,
            next: Arc::new(AtomicI64::new(1 << 40)),
        }
    }

    fn call_oauth_url(&self) -> Vec<u8> {
        http("GET", &format!("{BASE}{OAUTH_URL}"), "", "")
    }

    fn call_read(&self) -> Vec<u8> {
        http("GET", &format!("{BASE}/instances/{}", self.stored.instance.id), &self.authorization, "")
    }

    fn call_create(&self) -> Vec<u8> {
        http("POST", &format!("{BASE}/instances"), &self.authorization, &new_instance().to_string())
    }

    /// Against a bare handler that returns the same bytes.
    async fn oauth_url(&self, name: &str) {
        let bare = serve_bytes(self.server.anonymous().get(OAUTH_URL).await.text);
        let compared =
            compare(|| rate_of(self.address, self.call_oauth_url()), || rate_of(bare, http("GET", "/", "", "")));
        row(&format!("oauth/url against a bare handler, {name}"), compared.await, "≥ 0.50");
    }

    /// Against a handler that does the same keyed read through the same pool.
    async fn keyed_read(&self, name: &str) {
        let id = self.stored.instance.id;
        let reply = self.server.caller().get(&format!("/instances/{id}")).await.text;
        let owner = owner(&self.server.services).await;
        let bare = serve_read(self.server.services.clone(), owner, id, reply);
        let compared = compare(|| rate_of(self.address, self.call_read()), || rate_of(bare, http("GET", "/", "", "")));
        row(&format!("GET /instances/{{id}} against the read, {name}"), compared.await, "≥ 0.80");
    }

    /// Against a loop that commits the same rows, one transaction for each, with the same concurrency; on SQLite against
    /// the better of grouped and ungrouped commits.
    async fn durable_create(&self, name: &str) {
        let owner = owner(&self.server.services).await;
        let ours = || rate_of(self.address, self.call_create());
        let grouped = || commits(self.server.services.clone(), owner, self.stored.clone(), Arc::clone(&self.next));
        let mut compared = compare(ours, grouped).await;
        if let Some(path) = self.server.database.url.strip_prefix("sqlite:") {
            let ungrouped = || async { ungrouped_commits(path, owner, &self.stored, &self.next) };
            let other = compare(ours, ungrouped).await;
            compared = if other.ratio < compared.ratio { other } else { compared };
        }
        row(&format!("POST /instances against the commits, {name}"), compared, "≥ 0.60");
    }
}

const OAUTH_URL: &str = "/elements/hubspotcrm/oauth/url?apiKey=K&callbackUrl=https://www.mycoolapp.com/auth&state=x";

/// Instances that nobody asks for: rows like the one with this id, with hashes spread as real ones are. Then the database is
/// left at rest, so that what is measured next is not the end of this.
pub fn store_many(database: &Database, id: i64, count: i64) {
    let (sqlite, first) = (database.url.starts_with("sqlite"), 1_i64 << 41);
    let hash = if sqlite { "randomblob(32)" } else { "sha256(n.i::text::bytea)" };
    database.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO instance (id, organization_id, account_id, element_id, element_key, name, tags, token_hash,
           token_sealed, authentication_type, external_authentication, configuration_sealed, enabled, created_by,
           version, created_at, updated_at)
         SELECT {first} + n.i, organization_id, account_id, element_id, element_key, name, tags, {hash},
           token_sealed, authentication_type, external_authentication, configuration_sealed, enabled, created_by,
           version, created_at, updated_at FROM instance, n WHERE id = {id};
         INSERT INTO credential (instance_id, organization_id, account_id, version, sealed, refreshable)
         SELECT i.id, c.organization_id, c.account_id, 1, c.sealed, c.refreshable
         FROM credential c, instance i WHERE c.instance_id = {id} AND i.id > {first};
         INSERT INTO instance_tag (organization_id, account_id, tag, instance_id)
         SELECT organization_id, account_id, name, id FROM instance WHERE id > {first};"
    ));
    let at_rest: &[&str] =
        if sqlite { &["PRAGMA wal_checkpoint(TRUNCATE)"] } else { &["VACUUM ANALYZE", "CHECKPOINT"] };
    at_rest.iter().for_each(|statement| database.execute(statement));
}

fn new_instance() -> Value {
    json!({ "name": "Bench", "element": { "key": "benchkey" }, "configuration": { "bench.key": "a-key-of-some-length" } })
}

async fn owner(services: &Services) -> Owner {
    let users = services.store.read(ligand::store::principals::list).await.expect("the users");
    users[0].owner
}

pub fn row(name: &str, compared: Compared, aim: &str) {
    let Compared { ours, base, ratio } = compared;
    line(name, &format!("{ours:.0}/s"), &format!("{base:.0}/s"), &format!("{ratio:.2}"), aim);
}

pub fn line(name: &str, ours: &str, base: &str, ratio: &str, aim: &str) {
    println!("{name:<54} {ours:>12} {base:>12} {ratio:>8} {aim:>8}");
}

async fn rate_of(address: SocketAddr, request: Vec<u8>) -> f64 {
    let same = move |_| request.clone();
    rate(address, CALLERS, WINDOW, same).await
}

fn serve_bytes(bytes: String) -> SocketAddr {
    let bytes = web::Bytes::from(bytes);
    serve(move |config| {
        let bytes = bytes.clone();
        config.route("/", web::get().to(move || std::future::ready(json_reply(bytes.clone()))));
    })
}

fn serve_read(services: Services, owner: Owner, id: i64, reply: String) -> SocketAddr {
    let reply = web::Bytes::from(reply);
    serve(move |config| {
        let (services, reply) = (services.clone(), reply.clone());
        let handler = move || {
            let (services, reply) = (services.clone(), reply.clone());
            async move {
                services.store.read(move |conn| instances::find(conn, owner, id)).await.expect("the row");
                json_reply(reply)
            }
        };
        config.route("/", web::get().to(handler));
    })
}

fn json_reply(bytes: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(bytes)
}

fn serve(routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = HttpServer::new(move || App::new().configure(routes.clone())).tcp_nodelay(true);
    tokio::spawn(server.disable_signals().listen(listener).expect("a listener").run());
    address
}

fn rows_like(stored: &Stored, id: i64) -> Stored {
    let mut stored = stored.clone();
    stored.instance.id = id;
    // Spread as real ones are: in ascending order they would spare the index most of its work.
    stored.instance.token_hash = Sha256::digest(id.to_be_bytes()).to_vec();
    stored.credential.instance_id = id;
    stored
}

fn insert(conn: &mut AnyConn, owner: Owner, stored: &Stored) -> Result<(), ligand::store::StoreFault> {
    instances::insert(
        conn,
        owner,
        (&stored.instance, &stored.credential),
        &stored.tags()?,
        &Trail::Not("a benchmark's row"),
    )
}

/// Durable commits per second through the application's own write lane.
async fn commits(services: Services, owner: Owner, stored: Stored, next: Arc<AtomicI64>) -> f64 {
    let started = Instant::now();
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (services, stored, next) = (services.clone(), stored.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut done: u64 = 0;
                while started.elapsed() < WINDOW {
                    let rows = rows_like(&stored, next.fetch_add(1, Ordering::Relaxed));
                    services.store.write(move |conn| insert(conn, owner, &rows)).await.expect("a commit");
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("a task that ends well");
    }
    done as f64 / started.elapsed().as_secs_f64()
}

/// The same on one connection, one commit each: SQLite has one writer, so more callers would not help.
fn ungrouped_commits(path: &str, owner: Owner, stored: &Stored, next: &AtomicI64) -> f64 {
    let mut conn = diesel::SqliteConnection::establish(path).expect("the file");
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;")
        .expect("settings");
    let mut conn = AnyConn::Sqlite(conn);
    let started = Instant::now();
    let mut done: u64 = 0;
    while started.elapsed() < WINDOW {
        let rows = rows_like(stored, next.fetch_add(1, Ordering::Relaxed));
        conn.batch_execute("BEGIN IMMEDIATE").expect("a transaction");
        insert(&mut conn, owner, &rows).expect("rows");
        conn.batch_execute("COMMIT").expect("a commit");
        done += 1;
    }
    done as f64 / started.elapsed().as_secs_f64()
}
