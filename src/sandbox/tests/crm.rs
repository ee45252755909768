use super::*;

#[actix_web::test]
async fn a_record_is_created_read_changed_and_archived() {
    let vendor = Vendor::new();
    let sent = json!({"properties": {"dealname": "A", "amount": 350, "closedate": "1790000000000"}});
    let created = vendor.call("POST", "/v3/objects/deals/", sent).await;
    assert_eq!(created.status, 201);
    let body = created.json();
    assert_eq!(
        body,
        json!({
            "id": "1001",
            "properties": {
                "amount": "350", "closedate": "2026-09-21T14:13:20.000Z", "createdate": "2026-09-21T14:13:20.000Z",
                "dealname": "A", "dealstage": null, "hs_lastmodifieddate": "2026-09-21T14:13:20.000Z",
                "hs_object_id": "1001", "pipeline": null,
            },
            "createdAt": "2026-09-21T14:13:20.000Z", "updatedAt": "2026-09-21T14:13:20.000Z", "archived": false,
        })
    );
    vendor.later(60);
    let change = json!({"properties": {"amount": "", "dealstage": "closedwon"}});
    let changed = vendor.call("PATCH", "/v3/objects/0-3/1001", change).await;
    assert_eq!((changed.status, &changed.json()["properties"]["amount"]), (200, &json!(null)));
    assert_eq!(changed.json()["updatedAt"], "2026-09-21T14:14:20.000Z");

    let one = vendor
        .call(
            "GET",
            "/objects/2026-03/deal/1001?properties=dealstage%2Camount&propertiesWithHistory=amount",
            Value::Null,
        )
        .await
        .json();
    let names: Vec<_> = one["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["amount", "createdate", "dealstage", "hs_lastmodifieddate", "hs_object_id"]);
    let history: Vec<_> = one["propertiesWithHistory"]["amount"].as_array().unwrap().iter().collect();
    assert_eq!((&history[0]["value"], &history[1]["value"]), (&json!(null), &json!("350")));

    for _ in 0..2 {
        assert_eq!(vendor.call("DELETE", "/v3/objects/deals/1001", Value::Null).await.status, 204);
    }
    assert_fault(&vendor.call("GET", "/v3/objects/deals/1001", Value::Null).await, 404, "OBJECT_NOT_FOUND");
    let bin = vendor.call("GET", "/v3/objects/deals/1001?archived=true", Value::Null).await.json();
    assert_eq!((&bin["archived"], &bin["archivedAt"]), (&json!(true), &json!("2026-09-21T14:14:20.000Z")));
    assert_eq!(ids(&vendor.call("GET", "/v3/objects/deals?archived=true", Value::Null).await), ["1001"]);
    assert!(ids(&vendor.call("GET", "/v3/objects/deals", Value::Null).await).is_empty());
}

#[actix_web::test]
async fn a_list_comes_in_pages() {
    let vendor = Vendor::new();
    let mut made = Vec::new();
    for number in 0..25 {
        made.push(vendor.record("companies", json!({"name": format!("C{number}")})).await);
    }
    let (mut found, mut path) =
        (Vec::new(), "/v3/objects/companies?properties=name&properties=domain&limit=10".to_owned());
    loop {
        let page = vendor.call("GET", &path, Value::Null).await;
        found.extend(ids(&page));
        let body = page.json();
        let Some(next) = body.get("paging").map(|paging| &paging["next"]) else { break };
        let link = next["link"].as_str().unwrap();
        assert!(link.ends_with(&format!("limit=10&after={}", next["after"].as_str().unwrap())), "{link}");
        path = link.strip_prefix("http://localhost:8081/crm").unwrap().to_owned();
    }
    assert_eq!(found, made);
    assert_eq!(ids(&vendor.call("GET", "/v3/objects/companies", Value::Null).await).len(), 10);
    for wrong in ["limit=101", "limit=0", "limit=x", "after=x", "limit=51&propertiesWithHistory=name"] {
        let reply = vendor.call("GET", &format!("/v3/objects/companies?{wrong}"), Value::Null).await;
        assert_fault(&reply, 400, "VALIDATION_ERROR");
    }
}

#[actix_web::test]
async fn values_are_checked_as_the_vendor_checks_them() {
    let vendor = Vendor::new();
    for (kind, properties, error) in [
        ("deals", json!({"nonsense": "x"}), "PROPERTY_DOESNT_EXIST"),
        ("deals", json!({"amount": "many"}), "INVALID_DOUBLE"),
        ("deals", json!({"closedate": "soon"}), "INVALID_DATE"),
        ("deals", json!({"dealtype": "odd"}), "INVALID_OPTION"),
        ("deals", json!({"hs_object_id": "1"}), "READ_ONLY_VALUE"),
        ("contacts", json!({"email": "nobody"}), "INVALID_EMAIL"),
    ] {
        let reply = vendor.call("POST", &format!("/v3/objects/{kind}"), json!({"properties": properties})).await;
        assert_fault(&reply, 400, "VALIDATION_ERROR");
        let body = reply.json();
        let told = body["message"].as_str().unwrap().strip_prefix("Property values were not valid: ").unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told[0]["error"], error, "{told}");
    }
    assert_fault(&vendor.call("GET", "/v3/objects/de-als", Value::Null).await, 400, "VALIDATION_ERROR");
    let odd = vendor.send(
        TestRequest::post()
            .uri("/crm/v3/objects/deals")
            .insert_header(("private-app", PRIVATE_APP_TOKEN))
            .set_payload("{\"properties\":"),
    );
    let odd = odd.await;
    assert_eq!(odd.status, 400);
    assert!(odd.json()["message"].as_str().unwrap().starts_with("Invalid input JSON on line 1, column 14"));
    // A kind of the account's own takes what it is given.
    vendor.record("rockets", json!({"thrust": 7})).await;
}

#[actix_web::test]
async fn a_contact_is_known_by_its_email() {
    let vendor = Vendor::new();
    let id = vendor.record("contacts", json!({"email": "a@example.com"})).await;
    let again = vendor.call("POST", "/v3/objects/contacts", json!({"properties": {"email": "A@example.com"}})).await;
    assert_fault(&again, 409, "CONFLICT");
    assert_eq!(again.json()["message"], format!("Contact already exists. Existing ID: {id}"));
    let path = "/v3/objects/contacts/a@example.com?idProperty=email";
    assert_eq!(vendor.call("GET", path, Value::Null).await.json()["id"], id);
    let changed = vendor.call("PATCH", path, json!({"properties": {"firstname": "Ada"}})).await.json();
    assert_eq!((&changed["id"], &changed["properties"]["firstname"]), (&json!(id), &json!("Ada")));
    let other = "/v3/objects/contacts/Ada?idProperty=firstname";
    assert_fault(&vendor.call("GET", other, Value::Null).await, 400, "VALIDATION_ERROR");
    let forgotten = json!({"objectId": "a@example.com", "idProperty": "email"});
    assert_eq!(vendor.call("POST", "/v3/objects/contacts/gdpr-delete", forgotten).await.status, 204);
    assert_ne!(vendor.record("contacts", json!({"email": "a@example.com"})).await, id);
}

#[actix_web::test]
async fn two_records_become_one() {
    let vendor = Vendor::new();
    let one = vendor.record("deals", json!({"dealname": "One"})).await;
    let other = vendor.record("deals", json!({"dealname": "Other", "amount": "5"})).await;
    let order = json!({"primaryObjectId": one, "objectIdToMerge": other});
    let merged = vendor.call("POST", "/v3/objects/deals/merge", order.clone()).await.json();
    assert_eq!((&merged["id"], &merged["properties"]["dealname"]), (&json!(one), &json!("One")));
    assert_eq!(merged["properties"]["amount"], "5");
    assert_eq!(merged["properties"]["hs_merged_object_ids"], other);
    assert_eq!(ids(&vendor.call("GET", "/v3/objects/deals", Value::Null).await), [one.as_str()]);
    assert_fault(&vendor.call("POST", "/v3/objects/deals/merge", order.clone()).await, 404, "OBJECT_NOT_FOUND");
    assert_eq!(vendor.call("POST", "/v3/objects/line_items/merge", order).await.status, 404);
}

#[actix_web::test]
async fn associations_are_kept_both_ways() {
    let vendor = Vendor::new();
    let contact = vendor.record("contacts", json!({"email": "a@example.com"})).await;
    let company = vendor.record("companies", json!({"name": "A"})).await;
    let sent = json!({
        "properties": {"dealname": "A"},
        "associations": [{
            "to": {"id": contact}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}],
        }],
    });
    let deal = vendor.call("POST", "/v3/objects/deals", sent).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v4/objects/deals/{deal}/associations/default/companies/{company}");
    assert_eq!(vendor.call("PUT", &path, Value::Null).await.status, 200);

    let path = format!("/v3/objects/deals/{deal}?associations=contacts,companies,tickets");
    let shown = vendor.call("GET", &path, Value::Null).await.json();
    assert_eq!(
        shown["associations"],
        json!({
            "contacts": {"results": [{"id": contact, "type": "deal_to_contact"}]},
            "companies": {"results": [{"id": company, "type": "deal_to_company"}]},
        })
    );
    let path = format!("/v4/objects/contacts/{contact}/associations/deals");
    let listed = vendor.call("GET", &path, Value::Null).await.json();
    let types = json!([{"category": "HUBSPOT_DEFINED", "typeId": 4, "label": null}]);
    assert_eq!(listed["results"], json!([{"toObjectId": deal, "associationTypes": types}]));
    let asked = json!({"inputs": [{"id": deal}]});
    let batch = vendor.call("POST", "/v4/associations/deals/companies/batch/read", asked).await.json();
    assert_eq!(batch["results"][0]["to"][0]["toObjectId"], company);

    assert_eq!(vendor.call("DELETE", &format!("{path}/{deal}"), Value::Null).await.status, 204);
    assert_eq!(vendor.call("GET", &path, Value::Null).await.json()["results"], json!([]));
    let path = format!("{path}/{deal}");
    assert_fault(&vendor.call("PUT", &path, json!([])).await, 400, "VALIDATION_ERROR");
    let labels = json!([{"associationCategory": "USER_DEFINED", "associationTypeId": 37}]);
    assert_eq!(vendor.call("PUT", &path, labels).await.status, 201);
}
