//! The program before this one and this one, side by side on one PostgreSQL, as in a rolling update and on the way back:
//! whatever one began the other ends, and nothing that both do at once is done twice. `tests/parts/previous` names the commit.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ligand::sandbox::{Consent, EndOfGrant};
use serde_json::{Value, json};
use url::Url;

use crate::api::console::person::Person;
use crate::support::Database;
use crate::support::browser::{APP, Browser, Page};
use crate::support::caller::{CALLBACK, Caller, Reply, read, with_code, with_key};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, refreshed, until};
use crate::support::part::{Signal, missing};
use crate::support::program::ADMIN;
use crate::support::receiver::{Answer, Receiver, TAKE};
use crate::support::server::{MASTER_KEY, PASSWORD};

/// How soon a process acts on what another one changed: the feed is read once a second.
const NOTICED: Duration = Duration::from_secs(5);

/// Which of the fleet's processes is which, while both run.
const OLD: usize = 0;
const NEW: usize = 1;

fn previous() -> Option<PathBuf> {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools/previous/ligand");
    if !program.is_file() {
        // A clone without history cannot have it, whatever is installed.
        let shallow = std::process::Command::new("git").args(["rev-parse", "--is-shallow-repository"]).output();
        if shallow.is_ok_and(|said| said.stdout.starts_with(b"true")) {
            // Not `eprintln!`: the test runner swallows that, and a skip must be seen.
            let _ = writeln!(std::io::stderr(), "SKIPPED (a clone without history): the program before this one");
            return None;
        }
        missing("the program before this one was not built: tests/parts/install needs the repository's history");
        return None;
    }
    Some(program)
}

#[test]
fn what_the_program_before_this_one_began_this_one_ends_and_the_other_way_round() {
    let Some(program) = previous() else { return };
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(async {
        // That one does not know what a mark of the key is.
        let mut fleet = Fleet::start_set(database, 0, &[("LIGAND_MASTER_KEY", MASTER_KEY)]).await;
        fleet.join_as(&program).await;
        set_up(&fleet).await;
        let alone = Begun::at(&fleet, OLD).await;
        // This one migrates, while the old one goes on.
        fleet.join().await;
        alone.end_at(&fleet, NEW).await;
        both_ways(&fleet).await;

        // This one is restarted, with work under way on both sides.
        let begun = Begun::at(&fleet, NEW).await;
        end(&mut fleet, NEW).await;
        begun.end_at(&fleet, OLD).await;
        let begun = Begun::at(&fleet, OLD).await;
        fleet.join().await;
        begun.end_at(&fleet, NEW).await;

        // The old one goes.
        let begun = Begun::at(&fleet, OLD).await;
        end(&mut fleet, OLD).await;
        begun.end_at(&fleet, 0).await;

        // The way back: it runs again, or says what to do.
        let ended = fleet.run_as(&program, &["migrate"]);
        if ended.success {
            let begun = Begun::at(&fleet, 0).await;
            fleet.join_as(&program).await;
            fleet.servers.swap(0, 1);
            fleet.callers.swap(0, 1);
            begun.end_at(&fleet, OLD).await;
            both_ways(&fleet).await;
            bound(&mut fleet, &program).await;
        } else {
            let reason = ended.errors.lines().last().expect("a reason");
            assert!(reason.ends_with("which this version does not know: start the newer version"), "{reason}");
        }
    });
}

/// Three notices about one instance, as one process or the other brings them about.
async fn told_story(fleet: &Fleet, one: usize, other: usize) -> i64 {
    let created = fleet.callers[one].create_with_code(fleet.sandbox(), "Told").await;
    let path = format!("/instances/{}", created["id"]);
    fleet.sandbox().revoke(EndOfGrant::Uninstalled);
    fleet.db_expire();
    assert_eq!(refreshed(&fleet.callers[other], &path).await["valid"], false);
    let code = fleet.callers[one].code(fleet.sandbox()).await;
    fleet.callers[one].patch(&path, &json!({ "providerData": { "code": code } })).await.ok();
    created["id"].as_i64().expect("an id")
}

#[test]
fn notices_arrive_once_and_in_order_whichever_program_sends_them() {
    let Some(program) = previous() else { return };
    let Some(database) = Database::empty_postgres() else { return };
    runtime().block_on(async {
        let mut fleet = Fleet::start_set(database, 0, &[("LIGAND_MASTER_KEY", MASTER_KEY)]).await;
        fleet.join_as(&program).await;
        let receiver = Receiver::start().await;
        fleet.callers[OLD].put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
        receiver.answers(Answer::Status(503));
        // These wait when this one migrates.
        let mut about = vec![told_story(&fleet, OLD, OLD).await, told_story(&fleet, OLD, OLD).await];
        receiver.hears(2).await;
        fleet.join().await;
        receiver.answers(TAKE);
        for (one, other) in [(OLD, NEW), (NEW, OLD), (NEW, NEW)] {
            about.push(told_story(&fleet, one, other).await);
        }
        all_told(&receiver, &about).await;
        // The old one goes, and comes back beside this one.
        end(&mut fleet, OLD).await;
        about.push(told_story(&fleet, 0, 0).await);
        all_told(&receiver, &about).await;
        if !fleet.run_as(&program, &["migrate"]).success {
            return;
        }
        fleet.join_as(&program).await;
        fleet.servers.swap(0, 1);
        fleet.callers.swap(0, 1);
        for (one, other) in [(OLD, OLD), (OLD, NEW), (NEW, OLD)] {
            about.push(told_story(&fleet, one, other).await);
        }
        all_told(&receiver, &about).await;
        // The way back: what this one wrote and did not send.
        receiver.answers(Answer::Status(503));
        let tried = receiver.told().len();
        about.push(told_story(&fleet, NEW, NEW).await);
        receiver.hears(tried + 1).await;
        end(&mut fleet, NEW).await;
        receiver.answers(TAKE);
        about.push(told_story(&fleet, 0, 0).await);
        all_told(&receiver, &about).await;
    });
}

async fn all_told(receiver: &Receiver, about: &[i64]) {
    until("all are told", async || receiver.taken().len() >= 3 * about.len()).await;
    for id in about {
        assert_eq!(receiver.taken_about(*id), ["instance.created", "instance.invalid", "instance.recovered"]);
    }
    assert_eq!(receiver.taken().len(), 3 * about.len(), "each once");
}

/// The old one is gone for good: everything is bound to its owner, and from then on the old one says what to do.
async fn bound(fleet: &mut Fleet, program: &Path) {
    let begun = Begun::at(fleet, OLD).await;
    end(fleet, OLD).await;
    let rotated = fleet.ligand.run_within(Duration::from_secs(120), &["keys", "rotate"]);
    assert!(rotated.success, "{rotated:?}");
    begun.end_at(fleet, 0).await;
    fleet.run_as(program, &["migrate"]).fails("which this version does not know: start the newer version");
}

/// An organization that may make links, with an app of its own at the vendor.
async fn set_up(fleet: &Fleet) {
    let caller = &fleet.callers[OLD];
    caller.patch("/organizations/me", &json!({ "allowedOrigins": [APP] })).await.ok();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    for element in ["hubspotcrm", "own"] {
        caller.put(&format!("/elements/{element}/app"), &app).await.ok();
    }
    fleet.sandbox().set(|switches| switches.consent = Consent::Grant);
    // More than a page of each.
    let [first, _] = [caller.create_with_key("First").await, caller.create_with_key("Second").await];
    let first = caller.with_element(first["token"].as_str().expect("a token"));
    for name in ["Jo", "Jim", "Jack"] {
        first.post("/hubs/crm/contacts", &json!({ "firstName": name })).await.ok();
    }
}

async fn end(fleet: &mut Fleet, which: usize) {
    fleet.callers.remove(which);
    let server = fleet.servers.remove(which);
    let (status, log) = tokio::task::spawn_blocking(move || server.stop(Signal::Terminate)).await.expect("no panic");
    assert_eq!(status, 0, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

async fn both_ways(fleet: &Fleet) {
    for (one, other) in [(OLD, NEW), (NEW, OLD)] {
        Begun::at(fleet, one).await.end_at(fleet, other).await;
        a_deletion_reaches(fleet, one, other).await;
        a_refresh_is_waited_for(fleet, one, other).await;
        a_creation_is_not_repeated(fleet, one, other).await;
    }
}

/// Everything that one process hands out and any other must take.
struct Begun {
    with_key: Value,
    with_code: Value,
    /// The body of a creation whose verifier is kept as a grant.
    pkce: Value,
    key: String,
    answer: String,
    next_instances: String,
    next_contacts: String,
    contacts_of: String,
    bearer: String,
    person: Person,
    /// A link whose page is open, and one whose customer is at the vendor.
    opened: (Browser, Page),
    at_vendor: (Browser, String),
    links: [Value; 2],
    default: Value,
}

impl Begun {
    async fn at(fleet: &Fleet, which: usize) -> Self {
        let (caller, server) = (&fleet.callers[which], &fleet.servers[which]);
        let keyed = caller.create_with_key("With a key").await;
        let with_code = caller.create_with_code(fleet.sandbox(), "With a code").await;
        // The vendor's page is a plain redirect by now.
        let query = [("apiKey", "sandbox-client"), ("callbackUrl", CALLBACK)];
        let asked = caller.get_with("/elements/own/oauth/url", &query).await.ok();
        let back = redirected(asked["oauthUrl"].as_str().expect("an address")).await;
        let key = format!("key-{}", keyed["id"]);
        let answer = create_once(caller, &key, &with_key("Once")).await;
        answer.ok();
        let next_instances = next(&caller.get("/instances?pageSize=1").await);
        let contacts_of = with_code["token"].as_str().expect("a token").to_owned();
        let next_contacts = next(&caller.with_element(&contacts_of).get("/hubs/crm/contacts?page=1&pageSize=1").await);
        let session = server.try_to_sign_in(ADMIN, PASSWORD).await.ok();
        let mut person = Person::before(Caller::anonymous(&server.url));
        person.sign_in(ADMIN).await;
        person.shown("/console/organization").await;
        let links = [link(caller).await, link(caller).await];
        let [first, second] = [Browser::before(&server.url), Browser::before(&server.url)];
        let page = first.get(links[0]["url"].as_str().expect("an address")).await;
        let sent = second.submit(&links[1], &[]).await;
        let at_vendor = sent.location().expect("the vendor's address");
        let default = caller.get_with("/elements/hubspotcrm/oauth/url/default", &[("callbackUrl", APP)]).await.ok();
        Self {
            pkce: with_grant(&back),
            with_key: keyed,
            with_code,
            key,
            answer: answer.text,
            next_instances,
            next_contacts,
            contacts_of,
            bearer: session["token"].as_str().expect("a token").to_owned(),
            person,
            opened: (first, page),
            at_vendor: (second, at_vendor),
            links,
            default,
        }
    }

    async fn end_at(mut self, fleet: &Fleet, which: usize) {
        let (caller, server) = (&fleet.callers[which], &fleet.servers[which]);
        for (created, secret) in
            [(&self.with_key, "hubspot.authorization.apikey"), (&self.with_code, "oauth.api.secret")]
        {
            let found = caller.get(&format!("/instances/{}", created["id"])).await.ok();
            assert_eq!((&found["id"], &found["token"]), (&created["id"], &created["token"]));
            let own = caller.with_element(found["token"].as_str().expect("a token"));
            let configuration = own.get("/instances/configuration").await.ok();
            assert!(configuration.to_string().contains(secret), "{configuration}");
            own.get("/hubs/crm/contacts?pageSize=1").await.ok();
        }
        let renewed = refreshed(caller, &format!("/instances/{}", self.with_code["id"])).await;
        assert_eq!((&renewed["valid"], &renewed["invalidReason"]), (&true.into(), &Value::Null), "{renewed}");
        caller.post("/instances", &self.pkce).await.ok();
        assert_same(&self.answer, &create_once(caller, &self.key, &with_key("Once")).await.text);
        caller.get(&format!("/instances?pageSize=1&nextPage={}", self.next_instances)).await.ok();
        let page = format!("/hubs/crm/contacts?page=2&pageSize=1&nextPage={}", self.next_contacts);
        caller.with_element(&self.contacts_of).get(&page).await.ok();
        Caller::anonymous(&server.url).with(&format!("Bearer {}", self.bearer)).get("/instances/count").await.ok();

        self.person.go_to(Caller::anonymous(&server.url));
        self.person
            .does("/console/organization", &[("do", "save"), ("displayName", "Saved"), ("allowedOrigins", APP)])
            .await;
        assert_eq!(self.person.send("/console/sign-out", &[]).await.status, 303);

        let (mut browser, page) = self.opened;
        browser.server.clone_from(&server.url);
        let sent = browser.send_form(&page, &[]).await;
        browser.follow(sent).await.says(200, "Hubspot CRM is connected");
        let (mut browser, at_vendor) = self.at_vendor;
        browser.server.clone_from(&server.url);
        let back = browser.get(&at_vendor).await;
        browser.follow(back).await.says(200, "Hubspot CRM is connected");
        for link in &self.links {
            assert_eq!(caller.get(&format!("/connect/links/{}", link["id"])).await.ok()["status"], "authorised");
        }

        let callback = Browser::before(&server.url).get(self.default["oauthUrl"].as_str().expect("an address")).await;
        let forwarded = Browser::before(&server.url).follow(callback).await;
        let by_default = json!({
            "name": "By default", "element": { "key": "hubspotcrm" },
            "providerData": {
                "code": forwarded.parameter("code").expect("a code"),
                "secret": self.default["configuration"]["secret"],
            },
        });
        caller.post("/instances", &by_default).await.ok();
    }
}

/// Where the vendor sends a user back to.
async fn redirected(address: &str) -> Url {
    let url = Url::parse(address).expect("an address");
    let path = format!("{}?{}", url.path(), url.query().expect("a query"));
    let vendor = Caller::anonymous(&url.origin().ascii_serialization());
    let reply = read(vendor.request_at_root("GET", &path)).await;
    Url::parse(reply.header("location").expect("a redirect")).expect("an address")
}

fn with_grant(back: &Url) -> Value {
    let parameter = |name: &str| {
        let found = back.query_pairs().find(|(known, _)| known == name);
        found.expect("the parameter").1.into_owned()
    };
    let mut body = with_code("With PKCE", &parameter("code"));
    body["element"]["key"] = "own".into();
    body["providerData"]["state"] = parameter("state").into();
    body
}

async fn create_once(caller: &Caller, key: &str, body: &Value) -> Reply {
    let request = caller.request("POST", "/instances").header("content-type", "application/json");
    read(request.header("idempotency-key", key).body(body.to_string())).await
}

async fn link(caller: &Caller) -> Value {
    caller.post("/connect/links", &json!({ "elements": ["own"] })).await.ok()
}

fn next(page: &Reply) -> String {
    page.ok();
    page.header("elements-next-page-token").expect("a further page").to_owned()
}

/// What one deletes, the other one no longer uses, although it knows it by heart.
async fn a_deletion_reaches(fleet: &Fleet, one: usize, other: usize) {
    let created = fleet.callers[one].create_with_key("Deleted").await;
    let there = fleet.callers[other].with_element(created["token"].as_str().expect("a token"));
    there.get("/hubs/crm/contacts?pageSize=1").await.ok();
    assert_eq!(fleet.callers[one].delete(&format!("/instances/{}", created["id"])).await.status, 200);
    let deleted = Instant::now();
    while there.get("/hubs/crm/contacts?pageSize=1").await.status == 200 {
        assert!(deleted.elapsed() < NOTICED, "a change was missed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// While one renews a token, the other one waits for it: it must not take a process that it knows less of for dead.
async fn a_refresh_is_waited_for(fleet: &Fleet, one: usize, other: usize) {
    let created = fleet.callers[one].create_with_code(fleet.sandbox(), "Raced").await;
    let path = format!("/instances/{}", created["id"]);
    fleet.db_expire();
    fleet.sandbox().forget_calls();
    fleet.token_calls_take(Duration::ZERO, Duration::from_secs(3));
    let asked = |which: usize| {
        let (caller, path) = (fleet.callers[which].clone(), path.clone());
        tokio::spawn(async move { refreshed(&caller, &path).await })
    };
    let first = asked(one);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    let second = asked(other);
    for shown in [first.await.expect("no panic"), second.await.expect("no panic")] {
        assert_eq!((&shown["valid"], &shown["invalidReason"]), (&true.into(), &Value::Null), "{shown}");
    }
    assert_eq!(fleet.token_calls(), 1, "one of the two asks the vendor");
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
}

/// While one creates under an `Idempotency-Key`, the other one says so or waits, and in the end both say the same.
async fn a_creation_is_not_repeated(fleet: &Fleet, one: usize, other: usize) {
    let code = fleet.callers[one].code(fleet.sandbox()).await;
    let (key, body) = (format!("under way: {code}"), with_code("Under way", &code));
    fleet.sandbox().forget_calls();
    fleet.token_calls_take(Duration::ZERO, Duration::from_secs(2));
    let first = tokio::spawn({
        let (caller, key, body) = (fleet.callers[one].clone(), key.clone(), body.clone());
        async move { create_once(&caller, &key, &body).await }
    });
    until("the code is exchanged", async || fleet.running_token_calls() == 1).await;
    let meanwhile = create_once(&fleet.callers[other], &key, &body).await;
    let answer = first.await.expect("no panic");
    answer.ok();
    if meanwhile.status != 200 {
        meanwhile.fails(409, "idempotency_conflict");
    }
    assert_same(&answer.text, &create_once(&fleet.callers[other], &key, &body).await.text);
    assert_eq!(fleet.token_calls(), 1, "the code was sent once");
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
}

/// A kept answer that another program gives again: what only one of the two knows may not be in it.
fn assert_same(then: &str, now: &str) {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("an instance");
    let (then, now) = (read(then), read(now));
    let known: Vec<_> = then.as_object().expect("an object").iter().filter(|(name, _)| !now[*name].is_null()).collect();
    assert!(known.len() > 15 && known.iter().all(|(name, value)| **value == now[*name]), "{then} {now}");
}
