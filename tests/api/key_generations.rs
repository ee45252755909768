//! New generations of the session key and of the look-up key, while two servers work on one database.

use chrono::TimeDelta;
use ligand::kernel::secret::Secret;
use ligand::service::Services;
use ligand::service::change_feed::FeedPosition;
use ligand::service::keys::rotate_data_keys::Begun;
use ligand::store::data_keys;
use ligand::vault::{Audience, Generations, Known, SessionKey};
use serde_json::{Value, json};

use crate::support::caller::{read, with_key};
use crate::support::server::{PASSWORD, Setup};
use crate::support::{Caller, TestServer, on_both};

/// Two servers on one database, each following the feed as its job would.
struct Two {
    servers: [TestServer; 2],
    positions: [FeedPosition; 2],
}

impl Two {
    async fn start(first: TestServer) -> Self {
        let second = first.start_beside(Setup::default()).await;
        let mut two = Self { servers: [first, second], positions: Default::default() };
        two.follow().await;
        two
    }

    async fn follow(&mut self) {
        for (server, position) in self.servers.iter().zip(&mut self.positions) {
            server.services.follow_changes(position).await;
        }
    }

    /// Time passes, and the feed is read.
    async fn advance(&mut self, by: TimeDelta) {
        self.servers[0].advance(by);
        self.follow().await;
    }

    async fn bearers(&self) -> Vec<String> {
        let mut bearers = Vec::new();
        for server in &self.servers {
            let body = json!({ "username": "admin@example.com", "password": PASSWORD });
            let user = server.anonymous().post("/authentication", &body).await.ok();
            bearers.push(format!("Bearer {}", user["token"].as_str().unwrap()));
        }
        bearers
    }

    /// On both.
    async fn accept(&self, authorization: &str) -> bool {
        let mut accepted = Vec::new();
        for server in &self.servers {
            let reply = server.anonymous().with(authorization).get("/organizations/me").await;
            assert!(matches!(reply.status, 200 | 401), "{reply:?}");
            accepted.push(reply.status == 200);
        }
        assert_eq!(accepted[0], accepted[1], "they agree");
        accepted[0]
    }

    /// How many generations the database has.
    async fn generations(&self, purpose: &'static str) -> usize {
        self.servers[0].services.store.read(move |conn| data_keys::list(conn, purpose)).await.unwrap().len()
    }

    /// A whole rotation of the look-up key.
    async fn rotate_lookup(&mut self) -> Begun {
        let begun = self.servers[0].services.begin_lookup_rotation().await.unwrap();
        self.follow().await;
        let wait = begun.in_use_at - self.servers[0].services.now();
        self.advance(wait).await;
        let rehashed = self.servers[0].services.rehash(|_| ()).await.unwrap();
        assert_eq!(rehashed.unopened, []);
        self.servers[0].services.finish_lookup_rotation(begun.generation).await.unwrap();
        self.follow().await;
        begun
    }

    async fn retire(&mut self) {
        self.servers[1].services.retire_data_keys().await.unwrap();
        self.follow().await;
    }
}

/// A token like this one, signed now by a thief of the key.
fn forged(thief: &Generations<SessionKey>, services: &Services, like: &str) -> String {
    let token = Secret::new(like.trim_start_matches("Bearer "));
    let session = services.session.verify(Audience::Api, &token, services.now()).unwrap();
    format!("Bearer {}", thief.issue(Audience::Api, session).unwrap().expose())
}

fn kid(bearer: &str) -> String {
    use base64::Engine as _;
    let header = bearer.trim_start_matches("Bearer ").split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

on_both!(sessions_of_the_old_key_go_on_until_it_retires, |server| async move {
    let mut two = Two::start(server).await;
    let before = two.bearers().await;
    let (begun, retires_at) = two.servers[0].services.rotate_session_key().await.unwrap();
    assert_eq!(begun.generation, 2);
    // Nobody signs with it before everybody knows it.
    let between = two.bearers().await;
    two.follow().await;
    let known = two.bearers().await;
    two.advance(TimeDelta::seconds(10)).await;
    let after = two.bearers().await;
    let kids: Vec<_> = [&before, &between, &known, &after].map(|bearers| kid(&bearers[0]) + &kid(&bearers[1])).into();
    assert_eq!(kids, ["11", "11", "11", "22"]);
    for bearer in [before.clone(), between, known.clone(), after.clone()].concat() {
        assert!(two.accept(&bearer).await);
    }
    two.advance(TimeDelta::hours(12) - TimeDelta::seconds(11)).await;
    assert!(two.accept(&known[0]).await, "as long as without a rotation");
    two.advance(TimeDelta::seconds(2)).await;
    assert!(!two.accept(&known[0]).await && two.accept(&after[0]).await);
    // What a thief of the old key signs is worth nothing once that retired.
    let services = two.servers[0].services.clone();
    let stolen = services.session.known().all().last().unwrap().clone();
    let thief = Generations::new(services.clock.clone(), Known::of(vec![stolen]).unwrap());
    assert!(two.accept(&forged(&thief, &services, &after[0])).await);
    two.advance(retires_at - services.now() - TimeDelta::microseconds(1)).await;
    let fresh = two.bearers().await;
    assert!(two.accept(&forged(&thief, &services, &fresh[0])).await);
    two.advance(TimeDelta::microseconds(1)).await;
    assert!(!two.accept(&forged(&thief, &services, &fresh[0])).await);
    assert_eq!(two.generations("session").await, 2);
    two.retire().await;
    assert_eq!((two.generations("session").await, services.session.known().all().count()), (1, 1));
    assert!(two.accept(&fresh[0]).await && two.accept(&fresh[1]).await);
    // The one that is left is used at once, also by a server that starts now.
    let third = two.servers[0].start_beside(Setup::default()).await;
    assert_eq!(third.anonymous().with(&fresh[0]).get("/organizations/me").await.status, 200);
});

/// Everything that is found by a hash of the look-up key.
struct Found {
    authorization: String,
    instance: Value,
    idempotency_key: &'static str,
}

impl Found {
    async fn make(server: &TestServer, idempotency_key: &'static str) -> Self {
        let caller = server.caller();
        let instance = create_once(&caller, idempotency_key).await;
        Self { authorization: caller.authorization.clone().unwrap(), instance, idempotency_key }
    }

    async fn is_found(&self, two: &Two) {
        for server in &two.servers {
            let caller = server.anonymous().with(&self.authorization);
            caller.get("/organizations/me").await.ok();
            let token = self.instance["token"].as_str().unwrap();
            let own = caller.with_element(token).patch("/instances", &json!({ "name": "Found" })).await.ok();
            assert_eq!(own["id"], self.instance["id"]);
        }
    }

    async fn is_repeated(&self, two: &Two) {
        for server in &two.servers {
            let caller = server.anonymous().with(&self.authorization);
            assert_eq!(create_once(&caller, self.idempotency_key).await["id"], self.instance["id"]);
        }
    }
}

async fn create_once(caller: &Caller, key: &str) -> Value {
    let request = caller.request("POST", "/instances").header("content-type", "application/json");
    read(request.header("idempotency-key", key).body(with_key("Once").to_string())).await.ok()
}

on_both!(secrets_are_found_throughout_a_rotation_of_the_lookup_key_and_after_it, |server| async move {
    let mut two = Two::start(server).await;
    let before = Found::make(&two.servers[0], "before").await;
    let begun = two.servers[0].services.begin_lookup_rotation().await.unwrap();
    assert_eq!((begun.generation, begun.continued), (2, false));
    before.is_found(&two).await;
    // One of them is ahead: its clock lets it use what the other does not know yet.
    two.servers[0].advance(TimeDelta::seconds(10));
    before.is_found(&two).await;
    before.is_repeated(&two).await;
    two.follow().await;
    two.advance(begun.in_use_at - two.servers[0].services.now()).await;
    let between = Found::make(&two.servers[1], "between").await;
    for found in [&before, &between] {
        found.is_found(&two).await;
        found.is_repeated(&two).await;
    }
    // Interrupted here: the next run goes on with the same generation.
    let again = two.servers[1].services.begin_lookup_rotation().await.unwrap();
    assert_eq!((again.generation, again.continued, again.in_use_at), (2, true, begun.in_use_at));
    let rehashed = two.servers[1].services.rehash(|_| ()).await.unwrap();
    assert!(rehashed.changed >= 3 && rehashed.unopened.is_empty(), "{rehashed:?}");
    assert_eq!(two.servers[1].services.rehash(|_| ()).await.unwrap().changed, 0, "the second time nothing is left");
    before.is_found(&two).await;
    let retires_at = two.servers[1].services.finish_lookup_rotation(2).await.unwrap();
    two.retire().await;
    assert_eq!(two.generations("lookup").await, 2, "not before its time");
    for found in [&before, &between] {
        found.is_found(&two).await;
        found.is_repeated(&two).await;
    }
    let rest = retires_at - two.servers[0].services.now();
    assert_eq!(rest, TimeDelta::hours(25));
    two.advance(rest).await;
    two.retire().await;
    assert_eq!(two.generations("lookup").await, 1);
    before.is_found(&two).await;
    between.is_found(&two).await;
    let next = two.servers[0].services.begin_lookup_rotation().await.unwrap();
    assert_eq!((next.generation, next.continued), (3, false));
});

on_both!(nothing_is_found_under_a_generation_that_is_gone, |server| async move {
    let mut two = Two::start(server).await;
    let hash_of_old = |column: &str, table: &str| format!("UPDATE kept SET value = (SELECT {column} FROM {table})");
    let bytes = if two.servers[0].database.url.starts_with("sqlite") { "BLOB" } else { "BYTEA" };
    let execute = |two: &Two, sql: &str| two.servers[0].database.execute(sql);
    execute(&two, &format!("CREATE TABLE kept (value {bytes}); INSERT INTO kept VALUES (NULL)"));
    execute(&two, &hash_of_old("secret_hash", "app_user"));
    let authorization = two.servers[0].caller().authorization.unwrap();
    two.rotate_lookup().await;
    // A write that was under way while the hashes were computed anew, and came late.
    execute(&two, "UPDATE app_user SET secret_hash = (SELECT value FROM kept)");
    assert!(two.accept(&authorization).await);
    two.advance(TimeDelta::hours(25)).await;
    assert!(two.accept(&authorization).await);
    two.retire().await;
    assert_eq!(two.generations("lookup").await, 1);
    assert!(two.accept(&authorization).await, "it was caught before the old key went");
    execute(&two, "UPDATE app_user SET secret_hash = (SELECT value FROM kept)");
    two.servers.iter().for_each(|server| server.services.principals.clear());
    assert!(!two.accept(&authorization).await);
});

on_both!(an_old_key_stays_while_a_secret_cannot_be_hashed_anew, |server| async move {
    let mut two = Two::start(server).await;
    let authorization = two.servers[0].caller().authorization.unwrap();
    let begun = two.servers[0].services.begin_lookup_rotation().await.unwrap();
    two.follow().await;
    two.advance(begun.in_use_at - two.servers[0].services.now()).await;
    // Of a key that the ring does not have.
    let sealed = format!("0201{:02x}{}", b'x', "00".repeat(60));
    let sqlite = two.servers[0].database.url.starts_with("sqlite");
    let sealed = if sqlite { format!("X'{sealed}'") } else { format!("'\\x{sealed}'") };
    two.servers[0].database.execute(&format!("UPDATE organization SET secret_sealed = {sealed}"));
    let rehashed = two.servers[0].services.rehash(|_| ()).await.unwrap();
    assert_eq!(rehashed.unopened.len(), 1, "{rehashed:?}");
    two.servers[0].services.finish_lookup_rotation(begun.generation).await.unwrap();
    two.advance(TimeDelta::hours(26)).await;
    two.retire().await;
    assert_eq!(two.generations("lookup").await, 2, "the operator may add the key");
    // What was altered is nobody's secret any more.
    let nothing = if sqlite { "X'00'" } else { "'\\x00'" };
    two.servers[0].database.execute(&format!("UPDATE organization SET secret_sealed = {nothing}"));
    two.retire().await;
    assert_eq!(two.generations("lookup").await, 1);
    two.servers[0].services.principals.clear();
    let caller = two.servers[0].anonymous().with(&authorization);
    caller.get("/instances?emptyList=200").await.fails(401, "bad_credentials");
});

on_both!(a_deletion_sees_the_same_grant_under_another_generation, |server| async move {
    let mut two = Two::start(server).await;
    let tokens = json!({
        "element": { "key": "hubspotcrm" },
        "configuration": {
            "authentication.type": "oauth2", "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret",
            "oauth.user.token": "token-of-both", "oauth.user.refresh_token": "refresh-of-both",
            "oauth.user.refresh_interval": "3600",
        },
        "externalAuthentication": "initial", "name": "Shared",
    });
    let first = two.servers[0].caller().post("/instances", &tokens).await.ok();
    let begun = two.servers[0].services.begin_lookup_rotation().await.unwrap();
    two.follow().await;
    two.advance(begun.in_use_at - two.servers[0].services.now()).await;
    let second = two.servers[1].caller().post("/instances", &tokens).await.ok();
    for (instance, revocations) in [(second, 0), (first, 1)] {
        assert_eq!(two.servers[1].caller().delete(&format!("/instances/{}", instance["id"])).await.status, 200);
        let due = two.servers[1].services.revoke_due_grants().await.unwrap();
        assert_eq!(due, revocations, "the last one takes the grant along");
    }
});

on_both!(of_two_rotations_at_once_both_work_on_one_generation, |server| async move {
    let two = Two::start(server).await;
    let [first, second] = two.servers.each_ref().map(|server| server.services.begin_lookup_rotation());
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.unwrap().generation, second.unwrap().generation), (2, 2));
    assert_eq!(two.generations("lookup").await, 2);
});
