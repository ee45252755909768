//! The server as a process: its first start and the next ones, commands beside it, and its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Database;
use crate::support::caller::{Caller, read, with_code};
use crate::support::consent::{code, control};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;

/// A program with an admin, on each database.
fn on_both<F: Future<Output = ()>>(test: impl Fn(Ligand) -> F) {
    runtime().block_on(test(with_admin()));
    if let Some(database) = Database::empty_postgres() {
        let ligand = with_admin().set("DATABASE_URL", &database.url);
        let key = ligand.run(&["keys", "new"]).output;
        runtime().block_on(test(ligand.set("LIGAND_MASTER_KEY", key.trim())));
    }
}

fn mode(ligand: &Ligand, path: &str) -> u32 {
    fs::metadata(ligand.path(path)).expect(path).permissions().mode() & 0o777
}

/// The value behind a name in the text that tells a login.
fn told(text: &str, name: &str) -> String {
    let line =
        text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line.trim_start().strip_prefix(name).expect("the name").trim().to_owned()
}

fn caller_of(server: &Serving, text: &str) -> Caller {
    let header = format!("User {}, Organization {}", told(text, "user"), told(text, "organization"));
    Caller::anonymous(&server.url).with(&header)
}

#[test]
fn the_first_start_makes_a_key_and_a_login_that_only_the_owner_may_read() {
    let ligand = Ligand::new();
    let server = ligand.serve(&[]);
    assert_eq!(mode(&ligand, "ligand-data"), 0o700);
    assert_eq!(mode(&ligand, "ligand-data/master.key"), 0o600);
    let file = "ligand-data/first-login-admin@localhost.txt";
    assert_eq!(mode(&ligand, file), 0o600);
    assert!(server.log().contains("first-login-admin@localhost.txt"), "{}", server.log());
    let login = fs::read_to_string(ligand.path(file)).expect("the login");
    for name in ["password", "user", "organization"] {
        assert!(!server.log().contains(&told(&login, name)), "the log tells the {name}");
    }
    runtime().block_on(async {
        assert_eq!(told(&login, "login"), "admin@localhost");
        server.try_to_sign_in("admin@localhost", &told(&login, "password")).await.ok();
        caller_of(&server, &login).get("/organizations/me").await.ok();
    });
}

#[test]
fn the_next_start_keeps_key_and_data() {
    let ligand = Ligand::new();
    let server = ligand.serve(&["--sandbox"]);
    let key = fs::read_to_string(ligand.path("ligand-data/sandbox/master.key")).expect("the key");
    let login = fs::read_to_string(ligand.path("ligand-data/sandbox/first-login-admin@localhost.txt")).expect("it");
    runtime().block_on(async {
        let instance = caller_of(&server, &login).create_with_key("Kept").await;
        let organization = caller_of(&server, &login).get("/organizations/me").await.ok();
        assert_eq!(
            organization["allowedOrigins"],
            json!(["http://localhost:*"]),
            "whoever tries it is on this machine"
        );
        let (status, log) = server.stop(Signal::Terminate);
        assert_eq!(status, 0, "{log}");
        fs::remove_file(ligand.path("ligand-data/sandbox/first-login-admin@localhost.txt")).expect("it is read");
        let server = ligand.serve(&["--sandbox"]);
        let found = caller_of(&server, &login).get(&format!("/instances/{}", instance["id"])).await.ok();
        assert_eq!(found["token"], instance["token"]);
        assert_eq!(fs::read_to_string(ligand.path("ligand-data/sandbox/master.key")).expect("the key"), key);
        let files = ligand.files();
        assert!(!files.iter().any(|file| file.contains("first-login")), "the administrator is made once: {files:?}");
    });
}

#[test]
fn the_login_is_told_even_where_that_of_an_earlier_database_still_lies() {
    let ligand = Ligand::new();
    let (status, log) = ligand.serve(&[]).stop(Signal::Terminate);
    assert_eq!(status, 0, "{log}");
    for file in ligand.files().iter().filter(|file| file.contains("ligand.db")) {
        fs::remove_file(ligand.path(file)).expect("the operator begins again");
    }
    let server = ligand.serve(&[]);
    let login = fs::read_to_string(ligand.path("ligand-data/first-login-admin@localhost.txt")).expect("the login");
    runtime().block_on(async {
        server.try_to_sign_in("admin@localhost", &told(&login, "password")).await.ok();
    });
}

#[test]
fn health_is_told_to_everybody() {
    let server = Ligand::new().serve(&[]);
    runtime().block_on(async {
        let anonymous = Caller::anonymous(&server.url);
        assert_eq!(read(anonymous.request_at_root("GET", "/health/live")).await.ok(), json!({ "status": "live" }));
        assert_eq!(read(anonymous.request_at_root("GET", "/health/ready")).await.ok(), json!({ "status": "ready" }));
    });
}

#[test]
fn the_last_request_is_in_the_log_of_an_orderly_end() {
    let server = Ligand::new().serve(&[]);
    runtime().block_on(async {
        read(Caller::anonymous(&server.url).request_at_root("GET", "/health/live")).await.ok();
    });
    let (status, log) = server.stop(Signal::Terminate);
    assert_eq!(status, 0, "{log}");
    let line = log.lines().find(|line| line.contains("/health/live")).expect("the line");
    assert!(
        line.contains(" INFO ligand::http::envelope: request method=\"GET\" route=\"/health/live\" status=200"),
        "{line}"
    );
}

#[test]
fn users_are_managed_beside_a_running_server() {
    on_both(|ligand| async move {
        let server = ligand.serve(&[]);
        let admin = server.sign_in(ADMIN, PASSWORD).await;
        let colleague = ligand.run(&["users", "create", "jo@example.com", "--like", ADMIN]);
        assert!(colleague.success, "{colleague:?}");
        fs::write(ligand.path("password"), "a password of mine\n").expect("it is written");
        let stranger = ligand.run(&["users", "create", "stranger@other.example", "--password-file", "password"]);
        assert!(!stranger.output.contains("a password of mine"), "{stranger:?}");
        server.try_to_sign_in("stranger@other.example", "a password of mine").await.ok();
        assert_eq!(told(&colleague.output, "organization"), organization(&admin), "--like joins the organization");
        assert_ne!(told(&stranger.output, "organization"), organization(&admin));
        let again = ligand.run(&["users", "create", "JO@example.com"]);
        assert!(!again.success && again.errors.contains("exists"), "{again:?}");

        let listed = ligand.run(&["users", "list"]).output;
        for (user, role) in [(ADMIN, "administrator"), ("jo@example.com", "user"), ("stranger@", "administrator")] {
            assert!(listed.lines().any(|line| line.contains(user) && line.contains(role)), "{user}: {listed}");
        }
        server.try_to_sign_in("jo@example.com", &told(&colleague.output, "password")).await.ok();
        let jo = caller_of(&server, &colleague.output);
        jo.get("/organizations/me").await.ok();

        let reset = ligand.run(&["users", "reset", "jo@example.com"]);
        assert!(reset.success, "{reset:?}");
        // The server remembers who Jo is, and reads once a second what others changed.
        let deadline = Instant::now() + Duration::from_secs(2);
        while jo.get("/organizations/me").await.status == 200 {
            assert!(Instant::now() < deadline, "the old secret still works");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        jo.get("/organizations/me").await.fails(401, "bad_credentials");
        caller_of(&server, &reset.output).get("/organizations/me").await.ok();
        let old = told(&colleague.output, "password");
        server.try_to_sign_in("jo@example.com", &old).await.fails(401, "login_refused");
        server.try_to_sign_in("jo@example.com", &told(&reset.output, "password")).await.ok();
        let nobody = ligand.run(&["users", "reset", "nobody@example.com"]);
        assert!(!nobody.success && nobody.errors.contains("no user nobody@example.com"), "{nobody:?}");
    });
}

fn organization(caller: &Caller) -> String {
    let header = caller.authorization.as_deref().expect("a header");
    header.rsplit(' ').next().expect("a secret").to_owned()
}

/// Waits until the vendor works on a code.
async fn exchange_begins(server: &Serving) {
    let vendor = Caller::anonymous(&server.vendor);
    let running = |calls: &serde_json::Value| {
        let routes = calls.as_object().expect("routes");
        routes.iter().any(|(route, counts)| route.ends_with("/token") && counts["running"] == 1)
    };
    while !running(&read(vendor.request_at_root("GET", "/control")).await.ok()["calls"]) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// SIGTERM while a code is being exchanged. `waits`: the caller does too.
async fn ends_in_good_order(ligand: Ligand, waits: bool) {
    let server = ligand.serve(&["--sandbox"]);
    let caller = server.sign_in(ADMIN, PASSWORD).await;
    let body = with_code("Late", &code(&server).await);
    control(&server, json!({ "replyDelayMs": 1000 })).await;
    let creation = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post("/instances", &body).await }
    });
    exchange_begins(&server).await;
    if !waits {
        creation.abort();
    }
    let (status, log) = tokio::task::spawn_blocking(move || server.stop(Signal::Terminate)).await.expect("no panic");
    assert_eq!(status, 0, "{log}");
    assert!(!log.contains("panicked") && !log.contains("was dropped"), "{log}");
    if waits {
        creation.await.expect("no panic").ok();
    }
    let server = ligand.serve(&["--sandbox"]);
    let caller = Caller::anonymous(&server.url).with(caller.authorization.as_deref().expect("a header"));
    let listed = caller.get("/instances").await.ok();
    assert_eq!(listed[0]["name"], "Late");
    assert_eq!(listed[0]["configuration"]["oauth.user.token"], "********");
}

#[test]
fn sigterm_lets_a_creation_finish() {
    on_both(|ligand| ends_in_good_order(ligand, true));
}

#[test]
fn sigterm_waits_for_a_creation_whose_caller_has_gone() {
    on_both(|ligand| ends_in_good_order(ligand, false));
}

#[test]
fn the_wrong_master_key_is_told_in_words() {
    let key = || Ligand::new().run(&["keys", "new"]).output.trim().to_owned();
    let right = key();
    let same_id = format!("{}:{}", right.split(':').next().expect("an id"), key().split(':').nth(1).expect("a key"));
    let ligand = with_admin().set("LIGAND_MASTER_KEY", &right);
    runtime().block_on(async {
        let server = ligand.serve(&["--sandbox"]);
        server.sign_in(ADMIN, PASSWORD).await.create_with_key("Sealed").await;
        assert_eq!(server.stop(Signal::Terminate).0, 0);
    });
    let ligand = ligand.set("LIGAND_MASTER_KEY", &key());
    let id = right.split(':').next().expect("an id");
    let database = "sqlite:ligand-data/sandbox/ligand.db";
    for arguments in [["serve", "--sandbox"].as_slice(), &["users", "list", "--database-url", database]] {
        let wrong = ligand.run(arguments);
        assert!(!wrong.success && wrong.errors.contains(&format!("`{id}`")), "{wrong:?}");
        assert!(
            wrong.errors.contains("is not in LIGAND_MASTER_KEY") && !wrong.errors.contains("panicked"),
            "{wrong:?}"
        );
    }
    let ligand = ligand.set("LIGAND_MASTER_KEY", &same_id);
    let wrong = ligand.run(&["serve", "--sandbox"]);
    assert!(!wrong.success && wrong.errors.contains("LIGAND_MASTER_KEY"), "{wrong:?}");
    assert!(!wrong.errors.contains("panicked"), "{wrong:?}");
    // Both at once is a rotation: what the old one sealed opens.
    let ligand = ligand.set("LIGAND_MASTER_KEY", &format!("{},{right}", key()));
    runtime().block_on(async {
        let server = ligand.serve(&["--sandbox"]);
        let listed = server.sign_in(ADMIN, PASSWORD).await.get("/instances").await.ok();
        assert_eq!(listed[0]["name"], "Sealed");
    });
}

#[test]
fn a_taken_port_is_told_and_nothing_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = Ligand::new().run(&["serve", "--listen", &address]);
    assert!(!ended.success && ended.errors.contains(&format!("LIGAND_LISTEN {address}")), "{ended:?}");
    let ended = Ligand::new().run(&["serve", "--sandbox", "--listen", "0.0.0.0:0"]);
    assert!(!ended.success && ended.errors.contains("--sandbox serves loopback only"), "{ended:?}");
}
