//! A thief of the database or of the logs learns no secret, and a ciphertext opens in its own place only.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ligand::kernel::entropy::hex_of;
use serde_json::{Value, json};

use crate::support::caller::{CALLBACK, read, with_code, with_key};
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, with_admin};
use crate::support::receiver::{Answer, Receiver};
use crate::support::vendor::{Vendor, elements};
use crate::support::{Caller, Database, Reply, on_both};

const PASSWORD: &str = "first-password-of-the-admin";
const NEW_PASSWORD: &str = "second-password-of-the-admin";
const MASTER_KEY: &str = "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// Not a secret: what proves that dump and log are the real ones.
const NAME: &str = "Visible-Name-Of-An-Instance";

/// What stands in `haystack`, in any of the spellings in which bytes are dumped, logged or put into a header.
fn found<'a>(haystack: &[u8], secrets: &'a [String]) -> Vec<&'a str> {
    let text = String::from_utf8_lossy(haystack);
    let spelled = |secret: &str| {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        [secret.to_owned(), form, hex_of(secret.as_bytes()), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]
    };
    let leaks = secrets.iter().filter(|secret| spelled(secret).iter().any(|spelling| text.contains(spelling)));
    leaks.map(String::as_str).collect()
}

/// The elements of a vendor of our own: with and without PKCE, and one where nobody listens.
fn own_elements(vendor: &Vendor) -> tempfile::TempDir {
    let origin = format!("http://{}", vendor.address);
    let own: &[_] =
        &[("key = \"hubspotcrm\"", "key = \"own\""), ("id = 168", "id = 10001"), ("https://api.hubapi.com", &origin)];
    let careful: &[_] = &[
        ("key = \"hubspotcrm\"", "key = \"careful\""),
        ("id = 168", "id = 10002"),
        ("https://api.hubapi.com", &origin),
        ("[authentication.oauth2]\n", "[authentication.oauth2]\npkce = \"S256\"\n"),
    ];
    // What is said about an address that does not answer must not repeat it: it has the key.
    let gone: &[_] = &[
        ("key = \"hubspotcrm\"", "key = \"gone\""),
        ("id = 168", "id = 10003"),
        ("https://api.hubapi.com", "http://127.0.0.1:9"),
    ];
    elements(&[("hubspotcrm", own), ("hubspotcrm", careful), ("hubspotcrm", gone)])
}

/// `ligand serve` as an operator runs it, at the most talkative log level.
fn program(database: &Database, elements: &Path) -> Ligand {
    let program = with_admin().set("LIGAND_ADMIN_PASSWORD", PASSWORD).set("LIGAND_LOG", "trace");
    let program = program.set("DATABASE_URL", &database.url).set("LIGAND_MASTER_KEY", MASTER_KEY);
    program.set("LIGAND_OUTBOUND_ALLOW", "127.0.0.0/8").set("LIGAND_ELEMENTS_DIR", &elements.display().to_string())
}

/// Collects every secret while all flows run.
struct Story<'a> {
    caller: Caller,
    vendor: &'a Vendor,
    secrets: Vec<String>,
}

impl Story<'_> {
    fn secret(&mut self, text: &str) -> String {
        self.secrets.push(text.to_owned());
        text.to_owned()
    }

    /// Keeps a secret that a reply shows.
    fn shown(&mut self, reply: &Value, member: &str) -> String {
        let text = reply[member].as_str().unwrap_or_else(|| panic!("{member} in {reply}")).to_owned();
        self.secret(&text)
    }

    async fn sign_in(&mut self) {
        let login = |password: &str| json!({ "username": ADMIN, "password": password });
        self.caller.post("/authentication", &login("wrong-password-of-somebody")).await.fails(401, "login_refused");
        self.secret("wrong-password-of-somebody");
        let password = self.secret(PASSWORD);
        let user = self.caller.post("/authentication", &login(&password)).await.ok();
        let session = self.shown(&user, "token");
        self.caller = self.caller.with(&format!("Bearer {session}"));
        let password = self.secret(NEW_PASSWORD);
        let user = self.caller.post("/authentication/passwords", &json!({ "password": password })).await.ok();
        let session = self.shown(&user, "token");
        self.caller = self.caller.with(&format!("Bearer {session}"));
        let secrets = self.caller.get("/authentication/secrets").await.ok();
        let (user, organization) = (self.shown(&secrets, "userSecret"), self.shown(&secrets, "organizationSecret"));
        self.caller = self.caller.with(&format!("User {user}, Organization {organization}"));
        let wrong = self.caller.with(&format!("User {user}, Organization wrong-organization-secret"));
        wrong.get("/instances").await.fails(401, "bad_credentials");
        self.secret("wrong-organization-secret");
    }

    /// What the vendor's token endpoint answers next.
    fn issues(&mut self, name: &str) {
        let (access, refresh) =
            (self.secret(&format!("access-token-{name}")), self.secret(&format!("refresh-token-{name}")));
        let reply = json!({ "access_token": access, "refresh_token": refresh, "expires_in": 1800, "scopes": ["a"] });
        self.vendor.answers("/oauth/2026-03/token", 200, reply);
    }

    /// The vendor repeats what it was sent, as some do.
    fn refuses(&self, path: &str, words: &str) {
        let reply = json!({ "error": "invalid_grant", "message": words, "error_description": words });
        self.vendor.answers(path, if path.contains("token") { 400 } else { 401 }, reply);
    }

    fn body(&mut self, element: &str, code: &str) -> Value {
        let mut body = with_code(NAME, code);
        body["element"] = json!({ "key": element });
        body["configuration"]["oauth.api.secret"] = self.secret("client-secret-of-the-app").into();
        body["configuration"]["my.own.secret"] = self.secret("undeclared-secret-of-the-caller").into();
        body["configuration"]["event.notification.signature.key"] = self.secret("signature-key-of-the-caller").into();
        body
    }

    /// From now on somebody is told what happens, at an address that holds a key of its own.
    async fn listen(&mut self) -> Receiver {
        let receiver = Receiver::start().await;
        self.secret("receivers-own");
        let set = self.caller.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
        let first = self.shown(&set["secrets"][0], "secret");
        let second = self.caller.post("/notifications/webhook/secrets", &Value::Null).await.ok();
        let second = self.shown(&second, "secret");
        for secret in [first, second] {
            self.secret(secret.trim_start_matches("whsec_"));
        }
        self.caller
            .put("/notifications/webhook", &json!({ "url": "http://a.example/?receivers-own" }))
            .await
            .fails(400, "bad_webhook_url");
        receiver.answers(Answer::Status(500));
        receiver
    }

    async fn connect_with_codes(&mut self) -> Value {
        let secret = self.secret("client-secret-of-the-app");
        let query = format!("apiKey=app&apiSecret={secret}&callbackUrl=https%3A%2F%2Fa.example");
        self.caller.get(&format!("/elements/own/oauth/url?{query}")).await.ok();
        self.issues("first");
        let code = self.secret("code-that-is-taken");
        let body = self.body("own", &code);
        let key = self.secret("idempotency-key-of-the-caller");
        let mut created = Value::Null;
        for _ in 0..2 {
            let request = self.caller.request("POST", "/instances").header("content-type", "application/json");
            created = read(request.header("idempotency-key", &key).body(body.to_string())).await.ok();
        }
        self.shown(&created, "token");
        let code = self.secret("code-that-is-refused");
        self.refuses("/oauth/2026-03/token", &format!("no {code} for client-secret-of-the-app"));
        let body = self.body("own", &code);
        self.caller.post("/instances", &body).await.fails(400, "vendor_refused");
        let code = self.secret("code-that-meets-an-outage");
        let body = self.body("own", &code);
        self.vendor.answers("/oauth/2026-03/token", 500, json!({ "message": format!("{code}?") }));
        self.caller.post("/instances", &body).await.fails(502, "vendor_unreachable");
        let code = self.secret("code-that-is-answered-strangely");
        let body = self.body("own", &code);
        self.vendor.answers("/oauth/2026-03/token", 200, json!({ "token": self.secret("token-in-a-strange-place") }));
        self.caller.post("/instances", &body).await.fails(502, "vendor_answer");
        created
    }

    async fn connect_with_the_organizations_app(&mut self) {
        let path = "/elements/own/app";
        let secret = self.secret("client-secret-of-the-organization");
        let mut app = json!({ "clientId": "app", "clientSecret": secret });
        let saved = self.caller.put(path, &app).await;
        let shown = self.caller.get(path).await;
        for reply in [saved, shown] {
            reply.ok();
            assert!(!reply.text.contains(&secret), "{}", reply.text);
        }
        self.issues("of-the-organization");
        // What the vendor says when it is asked about a token may repeat everything.
        let words = format!("{secret} access-token-of-the-organization");
        self.refuses("/oauth/2026-03/token/introspect", &words);
        let mut body = self.body("own", "code-for-the-organization");
        self.secret("code-for-the-organization");
        body["configuration"].as_object_mut().expect("an object").retain(|key, _| !key.starts_with("oauth.api."));
        let created = self.caller.post("/instances", &body).await.ok();
        self.shown(&created, "token");
        // To others it would be telling secrets that are not theirs.
        self.vendor.answers("/oauth/2026-03/token/introspect", 404, Value::Null);
        self.refuses("/oauth/2026-03/token", &format!("no {secret}"));
        body["providerData"]["code"] = self.secret("code-that-the-organization-loses").into();
        let refused = self.caller.post("/instances", &body).await;
        refused.fails(400, "vendor_refused");
        assert!(!refused.text.contains(&secret), "{}", refused.text);
        app["clientId"] = self.secret("client-id\u{0}that-is-refused").into();
        app["clientSecret"] = self.secret("client-secret-that-is-refused").into();
        self.caller.put(path, &app).await.fails(400, "bad_body");
    }

    async fn connect_with_pkce(&mut self) {
        let state = self.secret("state-of-the-authorization");
        let query = json!({ "apiKey": "sandbox-client", "callbackUrl": CALLBACK, "state": state });
        self.caller.post("/elements/careful/oauth/url", &query).await.ok();
        self.issues("careful");
        let code = self.secret("code-with-a-verifier");
        let mut body = self.body("careful", &code);
        body["providerData"]["state"] = state.into();
        let created = self.caller.post("/instances", &body).await.ok();
        self.shown(&created, "token");
        let verifier = self.vendor.requests().iter().rev().find_map(|request| request.field("code_verifier"));
        self.secret(&verifier.expect("a verifier"));
        // One that stays open.
        let query = json!({ "apiKey": "app", "callbackUrl": CALLBACK, "state": self.secret("state-that-stays-open") });
        self.caller.post("/elements/careful/oauth/url", &query).await.ok();
    }

    async fn connect_with_keys(&mut self) {
        let verification = "/account-info/v3/details";
        for key in ["hapikey-that-is-taken", "pat-token-that-is-taken"] {
            self.vendor.answers(verification, 200, json!({ "portalId": 1 }));
            let mut body = with_key(NAME);
            body["element"] = json!({ "key": "own" });
            body["configuration"]["hubspot.authorization.apikey"] = self.secret(key).into();
            let created = self.caller.post("/instances", &body).await.ok();
            self.shown(&created, "token");
            let refused = self.secret(&key.replace("taken", "refused"));
            self.refuses(verification, &format!("what is {refused}"));
            body["configuration"]["hubspot.authorization.apikey"] = refused.into();
            self.caller.post("/instances", &body).await.fails(400, "vendor_refused");
            body["element"] = json!({ "key": "gone" });
            self.caller.post("/instances", &body).await.fails(502, "vendor_unreachable");
        }
    }

    async fn bring_tokens(&mut self) {
        self.issues("renewed");
        let refresh_token = self.secret("refresh-token-brought");
        let access_token = self.secret("access-token-brought");
        for configuration in [
            json!({ "oauth.user.refresh_token": refresh_token }),
            json!({ "oauth.user.token": access_token, "oauth.user.refresh_interval": 1800 }),
        ] {
            let mut body = self.body("own", "none");
            body["externalAuthentication"] = "initial".into();
            let given = configuration.as_object().expect("an object").clone();
            body["configuration"].as_object_mut().expect("an object").extend(given);
            body.as_object_mut().expect("an object").remove("providerData");
            let created = self.caller.post("/instances", &body).await.ok();
            self.shown(&created, "token");
        }
    }

    async fn change_and_delete(&mut self, instance: &Value) {
        let path = format!("/instances/{}", instance["id"]);
        let token = instance["token"].as_str().expect("a token");
        self.caller.with_element(token).get("/instances/configuration").await.ok();
        let reset = self.caller.post(&format!("{path}/token-reset"), &Value::Null).await.ok();
        self.shown(&reset, "token");
        self.issues("second");
        let change = json!({ "providerData": { "code": self.secret("code-of-the-change") } });
        self.caller.patch(&path, &change).await.ok();
        let bad = format!("{{\"configuration\": {{\"my.secret\": \"{}\", }}", self.secret("secret-in-broken-json"));
        let request = self.caller.request("PATCH", &path).header("content-type", "application/json").body(bad);
        read(request).await.fails(400, "bad_body");
        self.vendor.answers("/oauth/2026-03/token/revoke", 500, json!({ "message": "refresh-token-second" }));
        assert_eq!(self.caller.delete(&path).await.status, 200);
        for _ in 0..500 {
            if self.vendor.requests().iter().any(|request| request.path.ends_with("/revoke")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the job asks the vendor within 10 s");
    }
}

on_both!(neither_database_nor_log_holds_a_secret, in |database| {
    let vendor = Vendor::start();
    let elements = own_elements(&vendor);
    let program = program(&database, elements.path());
    let serving = program.serve(&[]);
    let mut story =
        Story { caller: Caller::anonymous(&serving.url), vendor: &vendor, secrets: vec![MASTER_KEY[5..].to_owned()] };
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        story.sign_in().await;
        let receiver = story.listen().await;
        let instance = story.connect_with_codes().await;
        receiver.hears(1).await;
        receiver.answers(Answer::HangUp);
        story.connect_with_the_organizations_app().await;
        story.connect_with_pkce().await;
        story.connect_with_keys().await;
        story.bring_tokens().await;
        story.change_and_delete(&instance).await;
        let reset = story.caller.post("/authentication/user-secret-reset", &Value::Null).await;
        let text = reset.text.trim_matches('"').to_owned();
        story.secret(&text);
    });
    let running = database.dump();
    let (status, log) = serving.stop(Signal::Interrupt);
    assert_eq!(status, 0);
    let stopped = database.dump();
    for dump in [&running, &stopped] {
        assert_eq!(found(dump, &story.secrets), Vec::<&str>::new(), "in the database");
        assert!(!String::from_utf8_lossy(dump).contains("$argon2"), "hashes of passwords are sealed");
        assert!(!found(dump, &[NAME.to_owned()]).is_empty(), "this is the database");
    }
    for line in log.lines() {
        assert_eq!(found(line.as_bytes(), &story.secrets), Vec::<&str>::new(), "in the log: {line}");
    }
    for sign in [" TRACE ", "notice not delivered", "vendor_refused", "/instances/{id}", "could not be revoked"] {
        assert!(log.contains(sign), "this is the whole log: {sign}");
    }
});

#[test]
fn the_search_for_secrets_is_sharp() {
    let secrets = ["sec ret+/=".to_owned()];
    let spellings = ["sec ret+/=", "sec+ret%2B%2F%3D", "736563207265742b2f3d", "c2VjIHJldCsvPQ==", "c2VjIHJldCsvPQ"];
    for spelling in spellings {
        assert_eq!(found(format!("…{spelling}…").as_bytes(), &secrets), secrets);
    }
    assert!(found(b"secret", &secrets).is_empty());
}

/// Puts the value of one row into another, as somebody who can write into the database would.
fn copy(database: &Database, table: &str, column: &str, id: &str, (from, to): (&dyn Display, &dyn Display)) {
    let value = format!("SELECT {column} FROM {table} WHERE {id} = {from}");
    database.execute(&format!("UPDATE {table} SET {column} = ({value}) WHERE {id} = {to}"));
}

#[track_caller]
fn tells_nothing(reply: &Reply) {
    let sentence = reply.fails(500, "secret_unopened");
    assert!(sentence.starts_with("A stored secret does not open"), "{sentence}");
    assert_eq!(reply.json().as_object().expect("an object").len(), 3, "{}", reply.text);
}

on_both!(a_ciphertext_opens_in_its_own_row_only, |server| async move {
    let (caller, thief) = (server.caller(), server.stranger().await);
    let stolen = caller.create_with_code(server.sandbox(), "Stolen").await;
    for (table, column, id) in [
        ("instance", "token_sealed", "id"),
        ("instance", "configuration_sealed", "id"),
        ("credential", "sealed", "instance_id"),
    ] {
        let own = thief.create_with_code(server.sandbox(), "Own").await;
        let path = format!("/instances/{}", own["id"]);
        copy(&server.database, table, column, id, (&stolen["id"], &own["id"]));
        // A credential is first opened when its grant is to be revoked.
        let reply = if table == "credential" { thief.delete(&path).await } else { thief.get(&path).await };
        tells_nothing(&reply);
    }
    assert_eq!(caller.get(&format!("/instances/{}", stolen["id"])).await.ok(), stolen);
    let (path, app) = ("/elements/hubspotcrm/app", json!({ "clientId": "a", "clientSecret": "b" }));
    let kept = caller.put(path, &app).await.ok();
    thief.put(path, &app).await.ok();
    let [stolen, own] = ["MIN", "MAX"].map(|end| format!("(SELECT {end}(id) FROM partner_app)"));
    copy(&server.database, "partner_app", "sealed", "id", (&stolen, &own));
    tells_nothing(&thief.get(path).await);
    assert_eq!(caller.get(path).await.ok(), kept);
});

on_both!(a_kept_answer_opens_under_its_own_key_only, |server| async move {
    let create = async |name: &str| {
        let request = server.caller().request("POST", "/instances").header("content-type", "application/json");
        read(request.header("idempotency-key", name).body(with_key(name).to_string())).await
    };
    create("first").await.ok();
    create("second").await.ok();
    let [first, second] = ["MIN", "MAX"].map(|end| format!("(SELECT {end}(id) FROM idempotency)"));
    copy(&server.database, "idempotency", "reply_sealed", "id", (&first, &second));
    tells_nothing(&create("second").await);
});
