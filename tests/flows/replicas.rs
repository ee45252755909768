//! Several processes on one database: who migrates, who waits, and who makes the first administrator.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::BigInt;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use futures_util::future::join_all;
use ligand::catalog::Catalog;
use ligand::cli::serve::Build;
use ligand::kernel::clock::SystemClock;
use ligand::kernel::entropy::SystemEntropy;
use ligand::kernel::secret::Secret;
use ligand::outbound::Guard;
use ligand::service::Services;
use ligand::store::principals;
use ligand::vault::KeyRing;

use crate::support::caller::{Caller, read, with_key};
use crate::support::database::{open, runtime};
use crate::support::part::Signal;
use crate::support::program::{Ligand, Serving, with_admin};
use crate::support::server::{PASSWORD, Setup, user};
use crate::support::{Database, on_both};

/// The set-up of processes that share this database.
fn replicas_of(url: &str) -> impl Fn() -> Ligand {
    let (url, key) = (url.to_owned(), Ligand::new().run(&["keys", "new"]).output);
    move || with_admin().set("DATABASE_URL", &url).set("LIGAND_MASTER_KEY", key.trim())
}

#[test]
fn one_migrates_while_the_others_have_their_ports_and_keep_them_closed() {
    let Some(database) = Database::empty_postgres() else { return };
    // The one that migrates, as far as the others can see.
    let mut first = PgConnection::establish(&database.url).expect("a connection");
    first.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(544263)").expect("it migrates");
    let replica = replicas_of(&database.url);
    let ligands = [replica(), replica(), replica()];
    let [mut stopped, mut second, mut third] = ligands.each_ref().map(|ligand| ligand.start(&[]));
    runtime().block_on(async {
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database \
                       WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";
        let deadline = Instant::now() + Duration::from_secs(30);
        while diesel::dsl::sql::<BigInt>(waiting).get_result::<i64>(&mut first).expect("a number") < 3 {
            assert!(Instant::now() < deadline, "not all of them wait");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for server in [&stopped, &second, &third] {
            let address = server.url.trim_start_matches("http://");
            // Who is refused asks another server, and has lost nothing.
            let refused = tokio::net::TcpStream::connect(address).await.expect_err("nobody is let in");
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        // Who only waits can be stopped at once.
        let before = Instant::now();
        stopped.send(Signal::Terminate);
        let (status, log) = stopped.stop(Signal::Terminate);
        assert_eq!(status, 0, "{log}");
        assert!(before.elapsed() < Duration::from_secs(5), "{log}");
        first.batch_execute("ROLLBACK").expect("it died");
        for server in [&mut second, &mut third] {
            server.wait_until_ready();
            let health = Caller::anonymous(&server.url).request_at_root("GET", "/health/ready");
            assert_eq!(read(health).await.status, 200);
        }
    });
}

on_both!(the_database_of_a_newer_version_is_refused_in_words, in |database| {
    let ligand = replicas_of(&database.url)();
    assert!(ligand.run(&["migrate"]).success);
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')");
    assert!(ligand.run(&["users", "list"]).success, "what the newer version added is no reason to refuse");
    database.execute("UPDATE compatibility SET oldest = '99999999999999'");
    for arguments in [["serve"].as_slice(), &["migrate"], &["users", "list"]] {
        let refused = ligand.run(arguments);
        assert!(!refused.success);
        let last = refused.errors.lines().last().expect("a reason");
        assert_eq!(
            last,
            "ligand: the database has the migration 99999999999999, which this version does not know: start the newer version",
            "{arguments:?}"
        );
    }
});

#[test]
fn replicas_that_start_together_agree_on_one_administrator() {
    let Some(database) = Database::empty_postgres() else { return };
    agree_on_one_administrator(&database, &["--sandbox"]);
}

/// Each has an address of its own to offer.
fn agree_on_one_administrator(database: &Database, arguments: &[&str]) {
    let replica = replicas_of(&database.url);
    let emails = ["one@example.com", "two@example.com", "three@example.com"];
    let ligands = emails.map(|email| replica().set("LIGAND_ADMIN_EMAIL", email));
    let servers: Vec<Serving> = thread::scope(|scope| {
        let starting = ligands.each_ref().map(|ligand| scope.spawn(|| ligand.serve(arguments)));
        starting.into_iter().map(|server| server.join().expect("it starts")).collect()
    });
    let told: Vec<&str> = emails
        .into_iter()
        .zip(&ligands)
        .filter(|(email, ligand)| ligand.files().iter().any(|file| file.ends_with(&format!("first-login-{email}.txt"))))
        .map(|(email, _)| email)
        .collect();
    let [administrator] = told.as_slice() else { panic!("one of them made the administrator and tells so: {told:?}") };
    let listed = ligands[0].run(&["users", "list"]).output;
    assert_eq!(emails.iter().filter(|email| listed.contains(*email)).collect::<Vec<_>>(), [administrator], "{listed}");
    runtime().block_on(async {
        let caller = servers[0].sign_in(administrator, PASSWORD).await;
        let header = caller.authorization.as_deref().expect("a header");
        let instance = caller.post("/instances", &with_key("Everywhere")).await.ok();
        for server in &servers {
            let found =
                Caller::anonymous(&server.url).with(header).get(&format!("/instances/{}", instance["id"])).await;
            assert_eq!(found.ok()["token"], instance["token"]);
        }
    });
}

async fn services(url: String) -> Services {
    let store = tokio::task::spawn_blocking(move || open(&url, 2)).await.expect("the store opens");
    store.migrate().await.expect("the schema migrates");
    let build = Build {
        catalog: Catalog::load(None).expect("the elements load"),
        store,
        ring: KeyRing::parse(&Secret::new(Setup::default().master_key)).expect("a key ring"),
        guard: Guard::default(),
        proxy: None,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        public_url: "https://ligand.example".parse().expect("an address"),
        anonymous_catalog: true,
        audit_kept_for: TimeDelta::days(365),
    };
    build.services().await.expect("the services build")
}

on_both!(of_eight_that_begin_at_once_one_makes_the_administrator, in |database| {
    ligand::tls::install();
    runtime().block_on(async {
        let services = join_all((0..8).map(|_| services(database.url.clone()))).await;
        let attempts = services.iter().enumerate().map(|(number, services)| {
            services.first_administrator(user(&format!("admin{number}@example.com"), true))
        });
        let made: Vec<_> = join_all(attempts).await.into_iter().filter_map(|made| made.expect("no fault")).collect();
        let users = services[0].store.read(principals::list).await.expect("the users");
        let emails: Vec<&str> = users.iter().map(|user| user.email.as_str()).collect();
        assert_eq!(made.iter().map(|made| made.email.as_str()).collect::<Vec<_>>(), emails);
        assert_eq!(emails.len(), 1);
    });
});
