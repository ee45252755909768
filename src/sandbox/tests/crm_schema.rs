use super::*;

#[actix_web::test]
async fn properties_and_groups_can_be_added() {
    let vendor = Vendor::new();
    let listed = vendor.call("GET", "/v3/properties/deals", Value::Null).await.json();
    let listed = listed["results"].as_array().unwrap();
    let amount = listed.iter().find(|property| property["name"] == "amount").unwrap();
    assert_eq!((&amount["type"], &amount["fieldType"]), (&json!("number"), &json!("number")));
    assert_eq!((&amount["groupName"], &amount["label"]), (&json!("dealinformation"), &json!("Amount")));

    let group = json!({"name": "ours", "label": "Ours"});
    assert_eq!(vendor.call("POST", "/v3/properties/deals/groups", group.clone()).await.status, 201);
    assert_fault(&vendor.call("POST", "/v3/properties/deals/groups", group).await, 409, "CONFLICT");
    let changed = vendor.call("PATCH", "/v3/properties/deals/groups/ours", json!({"label": "All ours"})).await;
    assert_eq!(changed.json()["label"], "All ours");

    let code = json!({
        "name": "code", "label": "Code", "type": "string", "fieldType": "text", "groupName": "ours",
        "hasUniqueValue": true,
    });
    let created = vendor.call("POST", "/v3/properties/deals", code.clone()).await;
    assert_eq!((created.status, &created.json()["hubspotDefined"]), (201, &json!(false)));
    assert_fault(&vendor.call("POST", "/v3/properties/deals", code.clone()).await, 409, "CONFLICT");
    let id = vendor.record("deals", json!({"code": "X1"})).await;
    let found = vendor.call("GET", "/v3/objects/deals/X1?idProperty=code&properties=code", Value::Null).await.json();
    assert_eq!((&found["id"], &found["properties"]["code"]), (&json!(id), &json!("X1")));
    let same = vendor.call("POST", "/v3/objects/deals", json!({"properties": {"code": "X1"}})).await;
    assert_fault(&same, 400, "VALIDATION_ERROR");

    let changed =
        vendor.call("PATCH", "/v3/properties/deals/code", json!({"label": "Our code", "name": "z"})).await.json();
    assert_eq!((&changed["label"], &changed["name"]), (&json!("Our code"), &json!("code")));
    assert_eq!(vendor.call("DELETE", "/v3/properties/deals/code", Value::Null).await.status, 204);
    assert_fault(&vendor.call("GET", "/v3/properties/deals/code", Value::Null).await, 404, "OBJECT_NOT_FOUND");
    assert_fault(&vendor.call("DELETE", "/v3/properties/deals/amount", Value::Null).await, 400, "VALIDATION_ERROR");
    for (member, value) in [("label", json!("")), ("groupName", json!("nowhere"))] {
        let mut wrong = code.clone();
        wrong[member] = value;
        assert_fault(&vendor.call("POST", "/v3/properties/deals", wrong).await, 400, "VALIDATION_ERROR");
    }
}

#[actix_web::test]
async fn pipelines_are_replaced_or_changed() {
    let vendor = Vendor::new();
    let listed = vendor.call("GET", "/v3/pipelines/deals", Value::Null).await.json();
    assert_eq!((&listed["results"][0]["id"], listed["results"].as_array().unwrap().len()), (&json!("default"), 1));
    assert_eq!(listed["results"][0]["stages"][5]["metadata"]["probability"], "1.0");

    let stages = json!([{"label": "In", "displayOrder": 0, "metadata": {"probability": "0.5"}}]);
    let body = json!({"label": "Ours", "displayOrder": 1, "stages": stages});
    let created = vendor.call("POST", "/v3/pipelines/deals", body.clone()).await;
    assert_eq!(created.status, 201);
    let created = created.json();
    let path = format!("/v3/pipelines/deals/{}", created["id"].as_str().unwrap());
    vendor.later(1);
    let patched = vendor.call("PATCH", &path, json!({"label": "Still ours"})).await.json();
    assert_eq!((&patched["label"], &patched["stages"]), (&json!("Still ours"), &created["stages"]));
    let put = vendor.call("PUT", &path, json!({"label": "New", "displayOrder": 1, "stages": []})).await.json();
    assert_eq!((&put["stages"], &put["createdAt"]), (&json!([]), &created["createdAt"]));
    assert_fault(&vendor.call("PUT", &path, json!({"label": "New"})).await, 400, "VALIDATION_ERROR");
    let stage = vendor.call("POST", &format!("{path}/stages"), json!({"label": "In", "displayOrder": 0})).await;
    assert_eq!(stage.status, 201);
    let stages = vendor.call("GET", &format!("{path}/stages"), Value::Null).await.json();
    assert_eq!(stages["results"][0]["id"], stage.json()["id"]);
    assert_eq!(vendor.call("DELETE", &path, Value::Null).await.status, 204);
    assert_fault(&vendor.call("GET", &path, Value::Null).await, 404, "OBJECT_NOT_FOUND");
}

#[actix_web::test]
async fn owners_are_found_by_email_and_come_in_pages() {
    let vendor = Vendor::new();
    let first = vendor.call("GET", "/v3/owners/?limit=2", Value::Null).await;
    assert_eq!(ids(&first), ["41", "42"]);
    assert_eq!(first.json()["paging"]["next"]["after"], "43");
    assert_eq!(ids(&vendor.call("GET", "/v3/owners?limit=2&after=43", Value::Null).await), ["43"]);
    assert_eq!(ids(&vendor.call("GET", "/v3/owners?email=Ada%40sandbox.hubspot.test", Value::Null).await), ["42"]);
    assert_eq!(ids(&vendor.call("GET", "/v3/owners?archived=true", Value::Null).await), ["44"]);
    assert_eq!(vendor.call("GET", "/v3/owners/124?idProperty=userId", Value::Null).await.json()["id"], "42");
    assert_eq!(vendor.call("GET", "/v3/owners/124", Value::Null).await.status, 404);
}
