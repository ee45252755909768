//! Two processes on one PostgreSQL: who is put out or removed on one is gone on the other within two seconds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::console::person::Person;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::{Caller, Database};

const SAM: &str = "sam@example.com";
const PASSWORD: &str = "Zx9#mnop";
/// Of the two seconds that were promised the test itself takes some.
const SOON: Duration = Duration::from_millis(2500);

/// Everything that the user has open on the second process.
struct Opened {
    secrets: Caller,
    bearer: Caller,
    console: Person,
}

impl Opened {
    async fn on(other: &Caller, secrets: String) -> Self {
        let anonymous = other.without_authorization();
        let signed_in = anonymous.post("/authentication", &json!({ "username": SAM, "password": PASSWORD })).await.ok();
        let bearer = anonymous.with(&format!("Bearer {}", signed_in["token"].as_str().expect("a token")));
        let mut console = Person::before(anonymous.clone());
        console.sign_in_with(SAM, PASSWORD).await;
        let opened = Self { secrets: anonymous.with(&secrets), bearer, console };
        assert_eq!(opened.statuses().await, [200, 200, 200]);
        opened
    }

    async fn statuses(&self) -> [u16; 3] {
        let console = crate::support::caller::read(self.console.request("GET", "/console")).await;
        [
            self.secrets.get("/instances/count").await.status,
            self.bearer.get("/instances/count").await.status,
            console.status,
        ]
    }

    async fn end_within(&self, since: Instant) {
        until("all of it ends", async || self.statuses().await == [401, 401, 303]).await;
        assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    }
}

#[test]
fn who_is_put_out_or_removed_is_gone_everywhere_within_two_seconds() {
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(async {
        let fleet = Fleet::start(database, 2).await;
        let [one, other] = fleet.callers.as_slice() else { panic!("two of them") };
        let draft = json!({ "firstName": "Sam", "lastName": "Roe", "email": SAM, "password": PASSWORD });
        let made = one.post("/users", &draft).await.ok();
        let header = one.authorization.as_deref().expect("a header");
        let organization = header.split_once("Organization ").expect("secrets").1;
        let secrets = format!("User {}, Organization {organization}", made["secret"].as_str().expect("a secret"));
        let path = format!("/users/{}", made["id"]);

        let opened = Opened::on(other, secrets.clone()).await;
        let since = Instant::now();
        one.patch(&path, &json!({ "active": false })).await.ok();
        opened.end_within(since).await;
        one.patch(&path, &json!({ "active": true })).await.ok();
        until("the secret works again", async || opened.secrets.get("/instances/count").await.status == 200).await;
        assert_eq!(opened.statuses().await, [200, 401, 303]);

        let opened = Opened::on(other, secrets.clone()).await;
        let since = Instant::now();
        let disabled = fleet.ligand.run(&["users", "disable", SAM]);
        assert!(disabled.success, "{disabled:?}");
        let told = disabled.errors.lines().find(|line| line.contains("ligand::people")).expect("a line of the log");
        for part in ["act=\"user disabled\"", "of_name=\"sam@example.com\"", "operator="] {
            assert!(told.contains(part), "{told}");
        }
        opened.end_within(since).await;
        assert!(fleet.ligand.run(&["users", "enable", SAM]).success);
        until("the secret works again", async || opened.secrets.get("/instances/count").await.status == 200).await;

        // What is granted and taken away counts as soon, in the middle of a session.
        let opened = Opened::on(other, secrets).await;
        for (grant, status) in [(true, 200), (false, 403)] {
            let since = Instant::now();
            let role = format!("{path}/roles/org-admin");
            if grant {
                one.put(&role, &Value::Null).await.ok()
            } else {
                one.delete(&role).await.status.into()
            };
            until("it counts", async || opened.bearer.get("/users").await.status == status).await;
            assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
        }

        let since = Instant::now();
        one.delete(&path).await.ok_empty();
        opened.end_within(since).await;
    });
}

#[test]
fn the_line_of_a_call_says_who_read_tokens() {
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(async {
        let fleet = Fleet::start(database, 1).await;
        let (caller, server) = (&fleet.callers[0], &fleet.servers[0]);
        let first = caller.create_with_key("First").await;
        caller.create_with_key("Second").await;
        caller.get(&format!("/instances/{}", first["id"])).await.ok();
        caller.get("/instances").await.ok();
        caller.get("/instances/count").await.ok();
        // In the order in which they were answered.
        until("the log has the last call", async || server.log().contains("/instances/count")).await;
        let log = server.log();
        let told: Vec<_> = log.lines().filter(|line| line.contains("tokens_read=")).collect();
        assert_eq!(told.len(), 4, "two creations, one read, one list: {told:#?}");
        let id = format!("instance={}", first["id"]);
        for (line, count) in told[2..].iter().zip(["tokens_read=1 ", "tokens_read=2 "]) {
            for part in [count, &id, "name=\"admin@example.com\"", "address=127.0.0.1", "request_id="] {
                assert!(line.contains(part), "{part} is not in {line}");
            }
        }
    });
}
