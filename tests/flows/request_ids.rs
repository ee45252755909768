//! A caller who names the id of a reply gives the operator every line of the log about that call: also of what went on
//! detached from it, and of what a job did for it later.

use std::collections::BTreeSet;

use ligand::sandbox::{Consent, Failure};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::caller::{Caller, Reply, with_code};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::on_both;
use crate::support::receiver::Receiver;

const INTROSPECT: &str = "/oauth/2026-03/token/introspect";
/// Said while a code is spent, by the task that goes on without its caller.
const DETACHED: &str = "the vendor does not say what a token is good for";

fn id_of(reply: &Reply) -> String {
    reply.header("elements-request-id").expect("every reply has one").to_owned()
}

/// The ids of the lines with these words. A line has one, and once.
fn ids(log: &str, words: &[&str]) -> Vec<String> {
    let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
    let parts = lines.map(|line| line.split(" request_id=\"").collect::<Vec<_>>());
    parts
        .map(|parts| match parts.as_slice() {
            [_, id] => id.split('"').next().expect("a first part").to_owned(),
            other => panic!("not one id: {other:?}"),
        })
        .collect()
}

impl Fleet {
    /// Waits for a line with these words that has the id.
    async fn says(&self, id: &str, words: &[&str]) {
        let what = format!("a line of {id} with {words:?}");
        until(&what, async || ids(&self.servers[0].log(), words).iter().any(|of| of == id)).await;
    }

    /// The next code or token is good for what the vendor does not say.
    fn vendor_says_nothing(&self) {
        self.sandbox().set(|switches| switches.failure = Some(Failure::of(INTROSPECT, 500, 1)));
    }

    async fn create(&self, caller: &Caller, name: &str) -> Reply {
        let code = caller.code(self.sandbox()).await;
        caller.post("/instances", &with_code(name, &code)).await
    }
}

on_both!(lines_of_a_creation_and_of_refreshes_have_the_ids_of_their_calls, in |database| {
    runtime().block_on(async {
        let fleet = Fleet::start(database, 1).await;
        let caller = &fleet.callers[0];
        fleet.vendor_says_nothing();
        let created = fleet.create(caller, "One").await;
        assert_eq!(created.status, 200, "{created:?}");
        fleet.says(&id_of(&created), &[DETACHED]).await;
        fleet.says(&id_of(&created), &["request method=\"POST\"", "instances\"", "status=200"]).await;

        let instance: Value = serde_json::from_str(&created.text).expect("JSON");
        let (path, of_instance) = (format!("/instances/{}", instance["id"]), format!("refresh instance={} ", instance["id"]));
        fleet.db_expire();
        let refreshed = caller.get(&format!("{path}?refresh=true")).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        fleet.says(&id_of(&refreshed), &[&of_instance, "cause=\"asked\""]).await;

        // Nobody calls for the next one: what is in use is renewed ahead.
        let called = fleet.callers[0].with_element(instance["token"].as_str().expect("a token"));
        let listed = called.get("/hubs/crm/contacts").await;
        assert_eq!(listed.status, 200, "{listed:?}");

        until("the use is known", async || caller.get(&format!("{path}/usage")).await.ok()["lastUsedAt"].is_string()).await;
        fleet.database.execute("UPDATE credential SET expires_at = refreshed_at, due_at = refreshed_at");
        let due = [of_instance.as_str(), "cause=\"due\""];
        until("the job renews it", async || !ids(&fleet.servers[0].log(), &due).is_empty()).await;
        let of_job = ids(&fleet.servers[0].log(), &due);
        let of_calls = [&created, &refreshed, &listed].map(id_of);
        assert!(of_job.iter().all(|id| !of_calls.contains(id)), "{of_job:?} {of_calls:?}");
    });
});

on_both!(lines_of_a_callback_have_the_id_of_the_redirect, in |database| {
    runtime().block_on(async {
        let fleet = Fleet::start(database, 1).await;
        let caller = &fleet.callers[0];
        let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
        caller.put("/elements/hubspotcrm/app", &app).await.ok();
        let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
        fleet.sandbox().set(|switches| switches.consent = Consent::Grant);
        let browser = Browser::before(&fleet.servers[0].url);
        let begun = browser.submit(&link, &[]).await;
        let at_vendor = browser.get(&begun.location().expect("the vendor's address")).await;
        fleet.vendor_says_nothing();
        let back = browser.get(&at_vendor.location().expect("the callback")).await;
        fleet.says(&id_of(&back.reply), &[DETACHED]).await;
        fleet.says(&id_of(&back.reply), &["route=\"/connector/callback/{app}\""]).await;
        assert_ne!(id_of(&back.reply), id_of(&begun.reply));
    });
});

on_both!(lines_of_a_notice_have_the_id_of_the_call_that_caused_it, in |database| {
    runtime().block_on(async {
        let fleet = Fleet::start(database, 1).await;
        let (caller, receiver) = (&fleet.callers[0], Receiver::start().await);
        caller.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
        for name in ["One", "Two"] {
            let created = fleet.create(caller, name).await;
            assert_eq!(created.status, 200, "{created:?}");
            fleet.says(&id_of(&created), &["notice delivered", "kind=\"instance.created\""]).await;
        }
        let told: BTreeSet<_> = receiver.told().iter().map(|told| told.id().to_owned()).collect();
        assert_eq!(told.len(), 2, "each notice has an id of its own: {told:?}");
    });
});
