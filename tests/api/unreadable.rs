//! What is stored and cannot be read, because another version or a hand in the database wrote it: a fault for who asks for it,
//! left out where it is one of many, and never taken for nothing.

use ligand::store::grants;
use ligand::store::sealed::GRANT;
use serde_json::{Value, json};

use crate::support::copies::owner;
use crate::support::{TestServer, on_both};

const APP: &str = "/elements/hubspotcrm/app";
const CALLBACK: &str = "https://app.example/back";

fn ids(list: &Value) -> Vec<&Value> {
    list.as_array().expect("a list").iter().map(|it| &it["id"]).collect()
}

/// Writes a column of a row, by SQL.
fn write(server: &TestServer, table: &str, column: &str, id: &Value) {
    server.database.execute(&format!("UPDATE {table} SET {column} = '{{\"hunter2\":' WHERE id = {id}"));
    server.services.warm.clear();
    server.services.rendered.clear();
}

on_both!(json_of_a_row_that_cannot_be_read_is_a_fault_and_not_empty, |server| async move {
    let caller = server.caller();
    let fine = caller.create_with_key("Fine").await;
    for column in ["tags", "connected"] {
        let broken = caller.create_with_key("Broken").await;
        write(&server, "instance", column, &broken["id"]);
        let path = format!("/instances/{}", broken["id"]);
        for reply in [caller.get(&path).await, caller.patch(&path, &json!({ "name": "New" })).await] {
            let message = reply.fails(500, "secret_unopened");
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert_eq!(ids(&caller.get("/instances").await.ok()), [&fine["id"]], "{column}");
    }
    let [fine, broken] = [json!({ "name": "Fine" }), json!({ "name": "Broken" })].map(|link| {
        let caller = caller.clone();
        async move { caller.post("/connect/links", &link).await.ok() }
    });
    let (fine, broken) = (fine.await, broken.await);
    write(&server, "connect_link", "outcome", &broken["id"]);
    let path = format!("/connect/links/{}", broken["id"]);
    caller.get(&path).await.fails(500, "secret_unopened");
    caller.delete(&path).await.fails(500, "secret_unopened");
    assert_eq!(ids(&caller.get("/connect/links").await.ok()), [&fine["id"]]);
});

/// The document of a grant as another version would have written it.
async fn rewrite_grant(server: &TestServer, id: i64, change: impl FnOnce(&mut Value)) {
    let services = &server.services;
    let (owner, now) = (owner(services).await, services.now());
    let grant = services.store.read(move |conn| grants::get(conn, owner, id, now)).await.expect("the database answers");
    let before = grant.expect("it is there").sealed;
    let place = GRANT.place(owner.organization, id);
    let opened = services.vault.open(place, &before).expect("it opens");
    let mut document = serde_json::from_slice(&opened).expect("JSON");
    change(&mut document);
    let sealed = services.vault.seal(place, document.to_string().as_bytes()).expect("sealed");
    let write = move |conn: &mut _| grants::replace_document(conn, owner, id, (&before, &sealed));
    services.store.write(write).await.expect("it is written");
}

on_both!(an_authorization_of_another_version_is_none_that_is_not_known, |server| async move {
    let caller = server.caller();
    caller.patch("/organizations/me", &json!({ "allowedOrigins": ["https://app.example"] })).await.ok();
    caller.put(APP, &json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" })).await.ok();
    type Change = fn(&mut Value);
    let changes: [(Change, u16); 5] = [
        // As it is, and as the version before this one wrote it.
        (|_| {}, 303),
        (|document| drop(document.as_object_mut().expect("an object").remove("document")), 303),
        (|document| document["further"] = json!(1), 303),
        // A member renamed between two versions, and what says that it is of a later one.
        (|document| document["redirectUri"] = json!(7), 500),
        (|document| document["document"] = json!("underWay/99"), 500),
    ];
    for (number, (change, status)) in changes.into_iter().enumerate() {
        let path = "/elements/hubspotcrm/oauth/url/default";
        let asked = caller.get_with(path, &[("callbackUrl", CALLBACK)]).await.ok();
        let secret = asked["configuration"]["secret"].as_str().expect("a secret");
        let id = secret.split_once('.').expect("a grant's id").0.parse().expect("a number");
        rewrite_grant(&server, id, change).await;
        let url: url::Url = asked["oauthUrl"].as_str().expect("an address").parse().expect("a URL");
        let state = url.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        let back = crate::support::redirect_uris::answered(&format!("state={state}&code=a-code"));
        let reply = crate::support::caller::read(server.anonymous().request_at_root("GET", &back)).await;
        assert_eq!(reply.status, status, "{number}: {reply:?}");
    }
});
