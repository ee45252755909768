//! `usersSeeTokens`: whether plain users see the tokens of instances that others made, in every reply that has one.

use std::collections::BTreeSet;

use ligand::http::openapi;
use serde_json::{Value, json};

use super::users::{draft, made};
use crate::support::caller::{read, with_key};
use crate::support::{Caller, on_both};

const MASK: &str = "********";

/// Every operation that answers an instance, or instances.
fn operations() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(openapi::text()).expect("JSON");
    let items =
        document["paths"].as_object().expect("paths").values().flat_map(|item| item.as_object().expect("methods"));
    let answers = items.filter(|(_, operation)| {
        operation["responses"]["200"]["content"].to_string().contains("#/components/schemas/Instance\"")
    });
    answers.map(|(_, operation)| operation["operationId"].as_str().expect("an id").to_owned()).collect()
}

/// What each of them answers, by its id; of lists the instance that is meant. The token of the last one is a new one.
async fn seen(caller: &Caller, instance: &Value) -> Vec<(&'static str, Value)> {
    let id = instance["id"].as_i64().expect("an id");
    let own = caller.with_element(instance["token"].as_str().expect("a token"));
    let (path, of_element) = (format!("/instances/{id}"), format!("/elements/hubspotcrm/instances/{id}"));
    let name = json!({ "name": "Seen" });
    let of_list = async |path: &str| {
        let list = caller.get(path).await.ok();
        list.as_array().expect("a list").iter().find(|it| it["id"] == id).expect("it is in the list").clone()
    };
    vec![
        ("list_instances", of_list("/instances").await),
        ("list_element_instances", of_list("/elements/hubspotcrm/instances?hydrate=false").await),
        ("get_instance", caller.get(&path).await.ok()),
        ("get_instance", caller.get(&path).await.ok()),
        ("get_instance", caller.get(&format!("{path}?refresh=true")).await.ok()),
        ("get_element_instance", caller.get(&of_element).await.ok()),
        ("replace_instance", caller.put(&path, &name).await.ok()),
        ("update_instance", caller.patch(&path, &name).await.ok()),
        ("replace_element_instance", caller.put(&of_element, &name).await.ok()),
        ("enable_instance", caller.put(&format!("{path}/enabled"), &json!({})).await.ok()),
        ("disable_instance", caller.delete(&format!("{path}/enabled")).await.ok()),
        ("enable_own_instance", own.put("/instances/enabled", &json!({})).await.ok()),
        ("disable_own_instance", own.delete("/instances/enabled").await.ok()),
        ("replace_own_instance", own.put("/instances", &name).await.ok()),
        ("update_own_instance", own.patch("/instances", &name).await.ok()),
        ("reset_instance_token", caller.post(&format!("{path}/token-reset"), &json!({})).await.ok()),
    ]
}

/// Answered to who makes an instance alone.
const OF_CREATORS: [&str; 2] = ["create_instance", "create_element_instance"];

on_both!(tokens_of_others_are_masked_in_every_reply_once_the_organization_wants_it, |server| async move {
    let admin = server.caller();
    let (_, sam) = made(&server, &draft("sam@example.com")).await;
    assert_eq!(admin.get("/organizations/me").await.ok()["usersSeeTokens"], true);
    for (hidden, others) in [(false, true), (true, false)] {
        let changed = admin.patch("/organizations/me", &json!({ "usersSeeTokens": !hidden })).await.ok();
        assert_eq!(changed["usersSeeTokens"], !hidden);
        for (caller, maker, sees) in [(&sam, &admin, others), (&admin, &sam, true), (&sam, &sam, true)] {
            let instance = maker.create_with_key("Made").await;
            let token = instance["token"].as_str().expect("a token");
            assert_ne!(token, MASK);
            let replies = seen(caller, &instance).await;
            let ids: BTreeSet<String> =
                replies.iter().map(|(id, _)| *id).chain(OF_CREATORS).map(str::to_owned).collect();
            assert_eq!(ids, operations(), "of these the tokens must be looked at");
            for (id, shown) in replies {
                let shown = shown["token"].as_str().expect("a text");
                match id {
                    "reset_instance_token" => assert_eq!(shown != MASK && shown != token, sees, "{id}: {shown}"),
                    _ => assert_eq!(shown, if sees { token } else { MASK }, "{id}"),
                }
            }
        }
    }
    // Whoever repeats somebody else's call is not its creator.
    let create = async |caller: &Caller| {
        let request = caller.request("POST", "/instances").header("content-type", "application/json");
        read(request.header("idempotency-key", "once").body(with_key("Once").to_string())).await.ok()
    };
    let (first, repeated) = (create(&admin).await, create(&sam).await);
    assert_eq!(first["id"], repeated["id"]);
    assert_eq!(repeated["token"], MASK);
    assert_eq!(create(&admin).await["token"], first["token"]);
    sam.patch("/organizations/me", &json!({ "usersSeeTokens": true })).await.fails(403, "not_allowed");
});

on_both!(an_instance_names_its_maker_as_he_is_now, |server| async move {
    let admin = server.caller();
    let (user, sam) = made(&server, &draft("sam@example.com")).await;
    let path = format!("/instances/{}", sam.create_with_key("Made").await["id"]);
    assert_eq!(admin.get(&path).await.ok()["user"]["emailAddress"], "sam@example.com");
    admin.patch("/users/sam@example.com", &json!({ "email": "max@example.com" })).await.ok();
    assert_eq!(admin.get(&path).await.ok()["user"]["emailAddress"], "max@example.com");
    admin.delete("/users/max@example.com").await.ok_empty();
    let expected = json!({ "id": user["id"], "emailAddress": format!("removed:{}", user["id"]), "firstName": "Sam", "lastName": "Roe" });
    assert_eq!(admin.get(&path).await.ok()["user"], expected);
});
