//! The catalogue (docs/api.md, Elements): its calls, and the members of what they answer.

use serde_json::{Value, json};

use crate::support::caller::read;
use crate::support::server::{Setup, run_with};
use crate::support::{Caller, Database, TestServer, on_sqlite};

/// Ascending by id.
const KEYS: [&str; 9] =
    ["sfdc", "hubspot", "closeio", "hubspotcrm", "pipedrive", "freshdesk", "jira", "privateapi", "privateoauth"];

fn keys(elements: &Value) -> Vec<&str> {
    elements.as_array().expect("a list").iter().map(|element| element["key"].as_str().expect("a key")).collect()
}

async fn list(caller: &Caller, query: &[(&str, &str)]) -> Value {
    caller.get_with("/elements", query).await.ok()
}

/// Asserts that `value` has exactly these members, each of the type that its sample has.
#[track_caller]
fn has_members(value: &Value, members: &[(&str, Value)]) {
    let found: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut expected: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let mut sorted = found.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "{value}");
    for (name, sample) in members {
        assert_eq!(kind(&value[*name]), kind(sample), "{name} of {value}");
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "int",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

on_sqlite!(elements_are_listed_by_ascending_id, |server| async move {
    let anonymous = server.anonymous();
    let reply = anonymous.get("/elements").await;
    assert_eq!(keys(&reply.ok()), KEYS);
    assert_eq!(reply.header("elements-returned-count"), Some("9"));
    assert_eq!(reply.header("elements-next-page-token"), None);
    let ids: Vec<_> = reply.ok().as_array().unwrap().iter().map(|element| element["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [23, 43, 146, 168, 9001, 9002, 9003, 9004, 9005]);
    assert_eq!(anonymous.get("/elements/keys").await.ok(), json!(KEYS));
    assert_eq!(server.caller().get("/elements").await.ok(), reply.ok());
});

on_sqlite!(an_abridged_list_omits_configuration_and_resources, |server| async move {
    let anonymous = server.anonymous();
    for query in [("abridged", "true"), ("where", "abridged='true'")] {
        for element in list(&anonymous, &[query]).await.as_array().unwrap() {
            assert!(element.get("configuration").is_none() && element.get("resources").is_none(), "{element}");
            for member in ["id", "key", "name", "hub", "active"] {
                assert!(!element[member].is_null(), "{member}");
            }
        }
    }
    for query in [("abridged", "false"), ("abridged", "")] {
        assert!(list(&anonymous, &[query]).await[0]["configuration"].is_array());
    }
    anonymous.get("/elements?abridged=yes").await.fails(400, "bad_parameter");
});

on_sqlite!(the_filters_that_clients_send_are_understood, |server| async move {
    let anonymous = server.anonymous();
    let cases: [(&str, &[&str]); 10] = [
        ("private='true' AND abridged='true' AND key in ('hubspot','sfdc')", &[]),
        ("private='false' AND abridged='true' AND key in ('hubspot','sfdc')", &["sfdc", "hubspot"]),
        ("extended='true' AND abridged='true'", &[]),
        ("key = 'closeio'", &["closeio"]),
        ("key in ( 'closeio' , 'nothing' )", &["closeio"]),
        ("KEY='closeio' and HUB='crm'", &["closeio"]),
        ("hub='helpdesk'", &["freshdesk", "jira"]),
        ("active='false'", &[]),
        ("name='Hubspot CRM'", &["hubspotcrm"]),
        ("  ", &KEYS),
    ];
    for (clause, expected) in cases {
        assert_eq!(keys(&list(&anonymous, &[("where", clause)]).await), expected, "{clause}");
    }
    for clause in ["key", "key='a' OR key='b'", "id=1", "key='a", "\u{0}", "key in ()"] {
        let reply = anonymous.get_with("/elements", &[("where", clause)]).await;
        assert!(reply.fails(400, "bad_parameter").starts_with("`where` cannot be read at"), "{clause:?}");
    }
});

on_sqlite!(pages_end_exactly_where_the_list_ends, |server| async move {
    let anonymous = server.anonymous();
    for path in ["/elements", "/elements/keys"] {
        let whole = anonymous.get(path).await.ok();
        for size in 1..=7 {
            let mut found = Vec::new();
            let mut next = String::new();
            let mut pages = 0;
            loop {
                let query = [("pageSize", &*size.to_string()), ("nextPage", &*next)];
                let reply = anonymous.get_with(path, &query).await;
                let page = reply.ok();
                let page = page.as_array().unwrap();
                assert_eq!(reply.header("elements-returned-count"), Some(page.len().to_string().as_str()));
                found.extend(page.iter().cloned());
                pages += 1;
                match reply.header("elements-next-page-token") {
                    Some(token) => next = token.to_owned(),
                    None => break,
                }
            }
            assert_eq!((Value::Array(found), pages), (whole.clone(), KEYS.len().div_ceil(size)), "{path} by {size}");
        }
    }
    // A filter counts before the page does.
    let query = [("where", "hub='crm'"), ("pageSize", "5")];
    let reply = anonymous.get_with("/elements", &query).await;
    assert_eq!(keys(&reply.ok()).len(), 4);
    assert_eq!(reply.header("elements-next-page-token"), None);
});

on_sqlite!(page_sizes_and_tokens_that_make_no_sense_are_refused, |server| async move {
    let anonymous = server.anonymous();
    for path in ["/elements", "/elements/keys"] {
        for size in ["0", "-1", "201", "x", "1.5", "99999999999999999999", "%00"] {
            anonymous.get(&format!("{path}?pageSize={size}")).await.fails(400, "bad_page_size");
        }
        for token in ["x", "%00", "YWZ0ZXI6LTE", "AAAA"] {
            anonymous.get(&format!("{path}?nextPage={token}")).await.fails(400, "bad_next_page");
        }
        anonymous.get(&format!("{path}?pageSize=200&nextPage=")).await.ok();
    }
});

on_sqlite!(an_element_has_its_documented_members, |server| async move {
    let anonymous = server.anonymous();
    let by_key = anonymous.get("/elements/hubspotcrm").await.ok();
    assert_eq!(anonymous.get("/elements/168").await.ok(), by_key);
    let (text, yes) = (json!(""), json!(true));
    let mut members = vec![("id", json!(0)), ("image", text.clone()), ("authentication", json!({}))];
    for name in ["key", "name", "hookName", "description", "hub", "configDescription", "protocolType"] {
        members.push((name, text.clone()));
    }
    for name in ["defaultTransformations", "objectMetadata", "parameters", "configuration", "resources"] {
        members.push((name, json!([])));
    }
    for name in ["active", "deleted", "typeOauth", "trialAccount", "transformationsEnabled", "bulkDownloadEnabled"] {
        members.push((name, yes.clone()));
    }
    for name in ["bulkUploadEnabled", "cloneable", "extendable", "extended", "beta", "private"] {
        members.push((name, yes.clone()));
    }
    has_members(&by_key, &members);
    let fixed = json!({
        "id": 168, "key": "hubspotcrm", "name": "Hubspot CRM", "hookName": "HubSpotCRM", "hub": "crm",
        "image": "elements/provider_hubspot.png", "active": true, "deleted": false, "typeOauth": true,
        "cloneable": false, "extendable": true, "beta": false, "private": false, "bulkUploadEnabled": true,
        "bulkDownloadEnabled": true, "authentication": { "type": "oauth2" }, "protocolType": "http",
    });
    for (name, value) in fixed.as_object().unwrap() {
        assert_eq!(&by_key[name], value, "{name}");
    }
    assert_eq!(anonymous.get("/elements/hubspot").await.ok()["id"], 43);
    assert_eq!(anonymous.get("/elements/freshdesk").await.ok()["typeOauth"], false);
});

on_sqlite!(the_declared_configuration_is_an_object_of_two_lists, |server| async move {
    let anonymous = server.anonymous();
    let found = anonymous.get("/elements/hubspotcrm/configuration").await.ok();
    has_members(&found, &[("configuration", json!([])), ("providerData", json!([]))]);
    let entries = found["configuration"].as_array().unwrap();
    // The twenty of an instance, and the addresses that no instance shows.
    assert_eq!(entries.len(), 23);
    for entry in entries {
        let mut members = vec![("id", json!(0)), ("displayOrder", json!(0)), ("options", json!([]))];
        members.extend(["key", "name", "description", "type"].map(|name| (name, json!(""))));
        members.push(("defaultValue", if entry["defaultValue"].is_null() { Value::Null } else { json!("") }));
        for name in ["required", "active", "hideFromConsole", "internal", "isPrivate"] {
            members.push((name, json!(true)));
        }
        members.extend(["resellerConfig", "companyConfig", "groupControl"].map(|name| (name, json!(true))));
        has_members(entry, &members);
    }
    let entry = |key: &str| entries.iter().find(|entry| entry["key"] == key).unwrap_or_else(|| panic!("{key}"));
    let selector = entry("authentication.type");
    assert_eq!((&selector["type"], &selector["groupControl"]), (&json!("COMBO"), &json!(true)));
    assert_eq!(selector["options"].as_array().unwrap().len(), 2);
    assert_eq!(entry("filter.response.nulls")["defaultValue"], "true");
    assert_eq!(entry("oauth.user.token")["internal"], true);
    let token_url = entry("oauth.token.url");
    assert_eq!((&token_url["internal"], &token_url["hideFromConsole"]), (&json!(true), &json!(true)));
    let address = token_url["defaultValue"].as_str().unwrap();
    assert!(address.ends_with("/oauth/2026-03/token"), "{address}");
    assert!(entry("base.url")["defaultValue"].is_string());
    assert!(entry("oauth.authorization.url")["defaultValue"].is_string());
    assert_eq!(anonymous.get("/elements/168/configuration").await.ok(), found);
    let detail = anonymous.get("/elements/hubspotcrm").await.ok();
    assert_eq!(detail["configuration"], found["configuration"]);
});

on_sqlite!(authentication_types_come_with_a_line_on_their_use, |server| async move {
    let anonymous = server.anonymous();
    for key in ["hubspotcrm", "168", "hubspot", "closeio", "pipedrive"] {
        let types = anonymous.get(&format!("/elements/{key}/authentication-types")).await.ok();
        assert_eq!(types["defaultValue"], "oauth2");
        let options = types["options"].as_array().unwrap();
        let values: Vec<_> = options.iter().map(|option| option["value"].as_str().unwrap()).collect();
        assert_eq!(values, ["oauth2", "apiKey"]);
        assert!(options.iter().all(|option| option["description"].as_str().unwrap().len() > 20), "{options:?}");
    }
    let types = anonymous.get("/elements/freshdesk/authentication-types").await.ok();
    assert_eq!((&types["defaultValue"], types["options"].as_array().unwrap().len()), (&json!("apiKey"), 1));
});

on_sqlite!(each_authentication_type_has_its_own_configuration, |server| async move {
    let anonymous = server.anonymous();
    let path = |key: &str, kind: &str| format!("/elements/{key}/authentication-types/{kind}/configurations");
    let oauth2 = anonymous.get(&path("hubspotcrm", "oauth2")).await.ok();
    let api_key = anonymous.get(&path("168", "apiKey")).await.ok();
    let (oauth2, api_key) = (keys(&oauth2), keys(&api_key));
    assert!(oauth2.contains(&"oauth.api.secret") && !oauth2.contains(&"hubspot.authorization.apikey"), "{oauth2:?}");
    assert!(api_key.contains(&"hubspot.authorization.apikey"), "{api_key:?}");
    assert!(!api_key.iter().any(|key| key.starts_with("oauth.")), "{api_key:?}");
    for shared in ["authentication.type", "filter.response.nulls", "base.url"] {
        assert!(oauth2.contains(&shared) && api_key.contains(&shared), "{shared}");
    }
    for (key, kind) in [("hubspotcrm", "basic"), ("freshdesk", "oauth2"), ("nothing", "oauth2")] {
        anonymous.get(&path(key, kind)).await.fails(404, "element_not_found");
    }
});

on_sqlite!(metadata_has_its_documented_members, |server| async move {
    let anonymous = server.anonymous();
    let minimal: Vec<_> = ["key", "name", "description"].map(|name| (name, json!(""))).into();
    let minimal = [minimal, vec![("id", json!(0)), ("events", json!({}))]].concat();
    let all = anonymous.get("/elements/metadata").await.ok();
    assert_eq!(keys(&all), KEYS);
    for element in all.as_array().unwrap() {
        has_members(element, &minimal);
        assert!(element["events"]["supported"].is_boolean() && element["events"]["methods"].is_array(), "{element}");
    }
    let mut expanded = minimal.clone();
    for name in ["image", "elementType", "authenticationType", "hub"] {
        expanded.push((name, json!("")));
    }
    for name in ["active", "beta", "transformations", "normalizedPaging", "swaggerValidated", "cloneable"] {
        expanded.push((name, json!(true)));
    }
    expanded.extend([("displayOrder", json!(0)), ("resources", json!([]))]);
    expanded.extend(["discovery", "bulk", "usage", "api"].map(|name| (name, json!({}))));
    for key in KEYS {
        has_members(&anonymous.get(&format!("/elements/{key}/metadata")).await.ok(), &minimal);
        let found = anonymous.get(&format!("/elements/{key}/metadata?expand=true")).await.ok();
        has_members(&found, &expanded);
        let (yes, zero) = (json!(true), json!(0));
        let booleans = ["customFields", "customObjects", "endpointCustomFields", "endpointCustomObjects"];
        has_members(&found["discovery"], &booleans.map(|name| (name, yes.clone())));
        has_members(&found["bulk"], &["upload", "download"].map(|name| (name, yes.clone())));
        has_members(&found["usage"], &["instanceCount", "customerCount", "traffic"].map(|name| (name, zero.clone())));
        has_members(&found["api"], &["type", "contentType"].map(|name| (name, json!(""))));
    }
    let mut crm = anonymous.get("/elements/168/metadata?expand=true").await.ok();
    let polling = crm["events"].take();
    assert_eq!((&polling["supported"], &polling["methods"]), (&json!(true), &json!(["polling", "webhook"])));
    for resource in ["accounts", "contacts", "opportunities"] {
        let polled = &polling["polling"][resource];
        assert!(!polled["eventTypes"].as_array().unwrap().is_empty(), "{polled}");
        assert!(polled["pollUrl"].as_str().unwrap().starts_with(&format!("/hubs/crm/{resource}")), "{polled}");
    }
    let named = |name: &str| {
        let resources = crm["resources"].as_array().unwrap();
        resources
            .iter()
            .find(|resource| resource["canonicalName"] == name)
            .unwrap_or_else(|| panic!("no {name}"))
            .clone()
    };
    let no_bulk = json!({ "supported": false, "native": false });
    let expected = json!({
        "canonicalName": "contacts",
        "operations": [
            "list", "create", "get", "update", "delete", "search", "batchRead", "batchCreate", "batchUpdate", "batchUpsert",
            "batchArchive",
        ],
        "events": { "supported": true, "methods": ["polling"], "eventTypes": ["CREATED", "UPDATED"] },
        "bulk": { "upload": no_bulk, "download": no_bulk },
        "customField": { "get": true, "create": true, "update": true, "delete": true },
    });
    assert_eq!(named("contacts"), expected);
    let owners = named("owners");
    assert_eq!((&owners["operations"], &owners["events"]["supported"]), (&json!(["list", "get"]), &json!(false)));
    assert_eq!(owners["customField"]["get"], false);
    assert_eq!((&crm["discovery"]["customFields"], &crm["discovery"]["customObjects"]), (&json!(true), &json!(true)));
    let freshdesk = anonymous.get("/elements/freshdesk/metadata?expand=true").await.ok();
    assert_eq!((&freshdesk["resources"], &freshdesk["discovery"]["customFields"]), (&json!([]), &json!(false)));
});

on_sqlite!(what_is_not_there_is_a_404, |server| async move {
    let anonymous = server.anonymous();
    for key in ["nothing", "0", "-1", "99999999999999999999", "HubSpotCRM", "%00", "%FF", "a%2Fb", "..%2f"] {
        for below in ["", "/configuration", "/authentication-types", "/metadata", "/oauth/url?apiKey=a&callbackUrl=b"] {
            let reply = anonymous.get(&format!("/elements/{key}{below}")).await;
            assert_eq!(reply.status, 404, "{key}{below} {reply:?}");
            assert!(["element_not_found", "route_not_found"].contains(&reply.json()["code"].as_str().unwrap()));
        }
    }
    let message = anonymous.get("/elements/nothing").await.fails(404, "element_not_found");
    assert_eq!(message, "No element found with key or id nothing.");
});

on_sqlite!(literals_win_over_keys, |server| async move {
    let anonymous = server.anonymous();
    assert!(anonymous.get("/elements/keys").await.ok()[0].is_string());
    assert!(anonymous.get("/elements/metadata").await.ok()[0]["events"].is_object());
    for path in ["/elements/keys/configuration", "/elements/convert", "/elements/oauthProxies"] {
        anonymous.get(path).await.fails(404, "element_not_found");
    }
});

on_sqlite!(the_same_answers_at_the_root_and_behind_a_slash, |server| async move {
    let anonymous = server.anonymous();
    for path in ["/elements", "/elements/keys", "/elements/closeio", "/elements/146/configuration"] {
        let expected = anonymous.get(path).await.ok();
        for spelling in [path.to_owned(), format!("{path}/"), format!("{path}//")] {
            assert_eq!(read(anonymous.request_at_root("GET", &spelling)).await.ok(), expected, "{spelling}");
            assert_eq!(anonymous.get(&spelling).await.ok(), expected, "{spelling}");
        }
        assert_eq!(anonymous.get(&format!("{path}/?pageSize=200")).await.ok(), expected);
    }
});

/// Every read of the catalogue; 2.4 says who may.
const PUBLIC: [&str; 9] = [
    "/elements",
    "/elements/keys",
    "/elements/metadata",
    "/elements/hubspotcrm",
    "/elements/hubspotcrm/configuration",
    "/elements/hubspotcrm/authentication-types",
    "/elements/hubspotcrm/authentication-types/oauth2/configurations",
    "/elements/hubspotcrm/metadata",
    "/elements/hubspotcrm/oauth/url?apiKey=K&callbackUrl=https://a.example/cb",
];

on_sqlite!(wrong_credentials_are_refused_where_none_are_needed, |server| async move {
    let wrong = server.anonymous().with("User nobody, Organization nothing");
    for path in PUBLIC {
        server.anonymous().get(path).await.ok();
        server.caller().get(path).await.ok();
        wrong.get(path).await.fails(401, "bad_credentials");
        server.anonymous().with("Bearer nonsense").get(path).await.fails(401, "bad_credentials");
    }
});

#[test]
fn anonymous_reading_can_be_switched_off() {
    let setup = Setup { anonymous_catalog: false, ..Setup::default() };
    run_with(Database::sqlite(), setup, |server: TestServer| async move {
        for path in PUBLIC {
            server.anonymous().get(path).await.fails(401, "missing_credentials");
            server.caller().get(path).await.ok();
        }
        let body = json!({ "apiKey": "K", "callbackUrl": "https://a.example/cb" });
        let path = "/elements/hubspotcrm/oauth/url";
        server.anonymous().post(path, &body).await.fails(401, "missing_credentials");
    });
}
