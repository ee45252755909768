//! Lists and counts, and whose instances they show.

use serde_json::{Value, json};

use crate::support::caller::with_key;
use crate::support::{Caller, on_both};

async fn create(caller: &Caller, name: &str, tags: &[&str], external_id: Option<&str>) -> Value {
    let mut body = with_key(name);
    body["tags"] = json!(tags);
    body["externalId"] = json!(external_id);
    caller.post("/instances", &body).await.ok()
}

/// The names that a query finds, in order. An empty list is the documented 404.
async fn found(caller: &Caller, query: &str) -> Vec<String> {
    let reply = caller.get(&format!("/instances?{query}")).await;
    if reply.status == 404 {
        assert_eq!(reply.fails(404, "nothing_found"), "No instances found");
        assert_eq!(caller.get(&format!("/instances?{query}&emptyList=200")).await.ok(), json!([]));
        return Vec::new();
    }
    let list = reply.ok();
    let names = list.as_array().expect("an array").iter().map(|one| one["name"].as_str().expect("a name").to_owned());
    names.collect()
}

on_both!(tags_are_matched_exactly_and_all_of_them, |server| async move {
    let caller = server.caller();
    create(&caller, "one", &["a", "b"], None).await;
    create(&caller, "two", &["a", "B&C"], None).await;
    create(&caller, "three", &["ab"], None).await;
    for (query, names) in [
        ("tags[]=a", vec!["one", "two"]),
        ("tags%5B%5D=a", vec!["one", "two"]),
        ("tags[]=a&tags[]=b", vec!["one"]),
        ("tags[]=a&tags[]=b&tags[]=c", vec![]),
        ("tags[]=A", vec![]),
        ("tags[]=b%26c", vec![]),
        ("tags[]=B%26C", vec!["two"]),
        ("tags[]=%25", vec![]),
        ("tags[]=a%00", vec![]),
        ("tags[]=", vec!["one", "two", "three"]),
    ] {
        assert_eq!(found(&caller, query).await, names, "{query}");
    }
});

on_both!(as_many_tags_as_an_instance_may_have_can_be_asked_for, |server| async move {
    let caller = server.caller();
    create(&caller, "one", &["a"], None).await;
    // Every tag nests a condition: nine thousand of them once overflowed a thread's stack.
    let different = |count: usize| (0..count).map(|at| format!("tags%5B%5D=t{at}&")).collect::<String>();
    assert!(found(&caller, &different(100)).await.is_empty());
    caller.get(&format!("/instances?{}", different(101))).await.fails(400, "bad_tags");
    caller.get(&format!("/instances?{}", different(2000))).await.fails(400, "bad_tags");
    assert_eq!(found(&caller, &"tags%5B%5D=a&".repeat(4000)).await, ["one"]);
});

on_both!(search_text_is_a_part_of_the_name_whatever_its_case, |server| async move {
    let caller = server.caller();
    for name in ["Alpha 50%", "ALPHABET", "under_score", "back\\slash", "ÄRGER"] {
        create(&caller, name, &["t"], None).await;
    }
    for (query, names) in [
        ("searchText=alpha", vec!["Alpha 50%", "ALPHABET"]),
        ("searchText=PHAB", vec!["ALPHABET"]),
        ("searchText=%25", vec!["Alpha 50%"]),
        ("searchText=_", vec!["under_score"]),
        ("searchText=r_s", vec!["under_score"]),
        ("searchText=a_p", vec![]),
        ("searchText=%5C", vec!["back\\slash"]),
        ("searchText=%C3%84RG", vec!["ÄRGER"]),
        ("searchText=%C3%84rg", vec!["ÄRGER"]),
        ("searchText=nobody", vec![]),
        ("searchText=alpha&tags[]=t", vec!["Alpha 50%", "ALPHABET"]),
        ("searchText=alpha&tags[]=u", vec![]),
        ("searchText=%00", vec![]),
    ] {
        assert_eq!(found(&caller, query).await, names, "{query}");
    }
});

on_both!(the_external_id_is_a_filter, |server| async move {
    let caller = server.caller();
    create(&caller, "one", &[], Some("customer-1")).await;
    create(&caller, "two", &[], Some("customer-2")).await;
    create(&caller, "twin", &[], Some("customer-2")).await;
    create(&caller, "none", &[], None).await;
    assert_eq!(found(&caller, "externalId=customer-1").await, ["one"]);
    assert_eq!(found(&caller, "externalId=customer-2").await, ["two", "twin"]);
    assert_eq!(found(&caller, "externalId=customer-2&searchText=win").await, ["twin"]);
    assert!(found(&caller, "externalId=CUSTOMER-1").await.is_empty());
});

on_both!(without_hydration_the_configuration_stays_away, |server| async move {
    let caller = server.caller();
    let created = create(&caller, "one", &["t"], None).await;
    let list = caller.get("/instances?hydrate=false").await.ok();
    assert_eq!(list[0]["configuration"], json!({}));
    for member in ["id", "token", "name"] {
        assert_eq!(list[0][member], created[member]);
    }
    assert_eq!(list[0]["element"]["id"], 168);
    assert_eq!(list[0]["element"]["key"], "hubspotcrm");
    assert_eq!(caller.get("/instances").await.ok(), json!([created]));
    assert_eq!(caller.get("/instances?hydrate=true").await.ok(), json!([created]));
    caller.get("/instances?hydrate=perhaps").await.fails(400, "bad_parameter");
});

on_both!(pages_lead_through_all_of_them_once, |server| async move {
    let caller = server.caller();
    let mut all = Vec::new();
    for number in 0..7 {
        all.push(create(&caller, &format!("n{number}"), &["t"], None).await["id"].as_i64().expect("an id"));
    }
    assert!(all.is_sorted());
    for size in [1, 2, 3, 7, 200] {
        let (mut ids, mut next, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let reply = caller.get(&format!("/instances?tags[]=t&pageSize={size}&nextPage={next}")).await;
            let page = reply.ok();
            let page = page.as_array().expect("an array");
            assert!(!page.is_empty() && page.len() <= size);
            ids.extend(page.iter().map(|one| one["id"].as_i64().expect("an id")));
            pages += 1;
            match reply.header("elements-next-page-token") {
                Some(token) => next = token.to_owned(),
                None => break,
            }
        }
        assert_eq!(ids, all, "pageSize {size}");
        assert_eq!(pages, all.len().div_ceil(size));
    }
    for size in ["0", "-1", "201", "x", "99999999999999999999"] {
        caller.get(&format!("/instances?pageSize={size}")).await.fails(400, "bad_page_size");
    }
    caller.get("/instances?nextPage=mine").await.fails(400, "bad_next_page");
});

on_both!(lists_and_counts_by_element, |server| async move {
    let caller = server.caller();
    assert_eq!(caller.get("/instances/count").await.ok(), json!({ "totalInstances": 0, "elementInstances": [] }));
    let crm = create(&caller, "crm", &[], None).await;
    create(&caller, "crm too", &[], None).await;
    let mut body = with_key("marketing");
    body["element"]["key"] = "hubspot".into();
    let marketing = caller.post("/instances", &body).await.ok();
    for named in ["hubspot", "43"] {
        let path = format!("/elements/{named}/instances");
        assert_eq!(caller.get(&path).await.ok(), json!([marketing]));
        assert_eq!(caller.get(&format!("{path}/{}", marketing["id"])).await.ok(), marketing);
        let other = format!("{path}/{}", crm["id"]);
        caller.get(&other).await.fails(404, "instance_not_found");
        caller.put(&other, &json!({ "name": "x" })).await.fails(404, "instance_not_found");
        caller.delete(&other).await.fails(404, "instance_not_found");
    }
    assert_eq!(caller.get("/elements/168/instances").await.ok().as_array().map(Vec::len), Some(2));
    assert_eq!(caller.get("/elements/sfdc/instances").await.fails(404, "nothing_found"), "No instances found");
    assert_eq!(caller.get("/elements/sfdc/instances?emptyList=200").await.ok(), json!([]));
    caller.get("/elements/nosuch/instances").await.fails(404, "element_not_found");
    let renamed =
        caller.put(&format!("/elements/43/instances/{}", marketing["id"]), &json!({ "name": "m" })).await.ok();
    assert_eq!(renamed["name"], "m");
    let counts = caller.get("/instances/count").await.ok();
    let by_element = json!([
        { "elementId": 43, "elementKey": "hubspot", "instances": 1 },
        { "elementId": 168, "elementKey": "hubspotcrm", "instances": 2 },
    ]);
    assert_eq!(counts, json!({ "totalInstances": 3, "elementInstances": by_element }));
});

on_both!(another_organization_sees_nothing_at_all, |server| async move {
    let caller = server.caller();
    let stranger = server.stranger().await;
    let instance = create(&caller, "mine", &["t"], Some("c")).await;
    let id = &instance["id"];
    let path = format!("/instances/{id}");
    let change = json!({ "name": "stolen" });
    let entry = json!({ "propertyValue": "x" });
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("PUT", path.clone(), Some(&change)),
        ("PATCH", path.clone(), Some(&change)),
        ("DELETE", path.clone(), None),
        ("GET", format!("{path}/configuration"), None),
        ("GET", format!("{path}/configuration/1"), None),
        ("PATCH", format!("{path}/configuration/1"), Some(&entry)),
        ("PUT", format!("{path}/enabled"), None),
        ("DELETE", format!("{path}/enabled"), None),
        ("POST", format!("{path}/token-reset"), None),
        ("GET", format!("/elements/hubspotcrm/instances/{id}"), None),
        ("PUT", format!("/elements/hubspotcrm/instances/{id}"), Some(&change)),
        ("DELETE", format!("/elements/hubspotcrm/instances/{id}"), None),
    ] {
        let reply = match body {
            Some(body) => stranger.send(method, &path, body).await,
            None => crate::support::caller::read(stranger.request(method, &path)).await,
        };
        assert_eq!(
            reply.fails(404, "instance_not_found"),
            format!("No instance found with ID {id}."),
            "{method} {path}"
        );
    }
    for query in ["", "tags[]=t", "searchText=mine", "externalId=c"] {
        assert!(found(&stranger, query).await.is_empty());
    }
    assert_eq!(stranger.get("/instances/count").await.ok()["totalInstances"], 0);
    let token = instance["token"].as_str().expect("a token");
    stranger.with_element(token).get("/instances/configuration").await.fails(401, "bad_credentials");
    stranger.with_element(token).delete("/instances").await.fails(401, "bad_credentials");
    assert_eq!(caller.get(&path).await.ok(), instance, "untouched");
});

on_both!(a_page_ends_at_a_number_of_bytes_too, |server| async move {
    let caller = server.caller();
    let mut ids = Vec::new();
    for number in 0..10 {
        let mut body = crate::support::caller::with_key(&format!("Large {number}"));
        for note in ["one", "two", "three", "four"] {
            body["configuration"][note] = "x".repeat(60_000).into();
        }
        ids.push(caller.post("/instances", &body).await.ok()["id"].clone());
    }
    let (mut listed, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let page = caller.get_with("/instances", &[("nextPage", next.as_str())]).await;
        assert!(page.text.len() < 3 << 20, "{} bytes", page.text.len());
        listed.extend(page.ok().as_array().expect("a list").iter().map(|instance| instance["id"].clone()));
        pages += 1;
        match page.header("elements-next-page-token") {
            Some(token) => next = token.to_owned(),
            None => break,
        }
    }
    assert_eq!((listed, pages), (ids, 2));
});
