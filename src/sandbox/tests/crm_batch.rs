use super::*;

async fn run(vendor: &Vendor, kind: &str, verb: &str, body: Value) -> Reply {
    vendor.call("POST", &format!("/v3/objects/{kind}/batch/{verb}"), body).await
}

#[actix_web::test]
async fn a_batch_creates_reads_changes_and_archives() {
    let vendor = Vendor::new();
    let inputs: Vec<_> = (0..3).map(|number| json!({"properties": {"dealname": format!("D{number}")}})).collect();
    let created = run(&vendor, "deals", "create", json!({"inputs": inputs})).await;
    assert_eq!((created.status, &created.json()["status"]), (201, &json!("COMPLETE")));
    let made = ids(&created);

    let changes: Vec<_> = made.iter().map(|id| json!({"id": id, "properties": {"amount": "7"}})).collect();
    let changed = run(&vendor, "deals", "update", json!({"inputs": changes})).await;
    assert_eq!((changed.status, ids(&changed)), (200, made.clone()));

    let mut asked: Vec<_> = made.iter().map(|id| json!({"id": id})).collect();
    let read =
        run(&vendor, "deals", "read", json!({"inputs": asked, "properties": ["amount"], "propertiesWithHistory": []}));
    let read = read.await;
    assert_eq!((read.status, &read.json()["results"][2]["properties"]["amount"]), (200, &json!("7")));
    asked.push(json!({"id": "999"}));
    let read =
        run(&vendor, "deals", "read", json!({"inputs": asked, "properties": [], "propertiesWithHistory": []})).await;
    let body = read.json();
    assert_eq!((read.status, &body["numErrors"], ids(&read)), (207, &json!(1), made.clone()));
    assert_eq!(body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    assert_eq!(body["errors"][0]["context"]["ids"], json!(["999"]));

    assert_eq!(run(&vendor, "deals", "archive", json!({"inputs": asked})).await.status, 204);
    assert!(ids(&vendor.call("GET", "/v3/objects/deals", Value::Null).await).is_empty());
}

#[actix_web::test]
async fn a_bad_input_refuses_the_whole_batch() {
    let vendor = Vendor::new();
    let inputs = json!([{"properties": {"dealname": "good"}}, {"properties": {"amount": "bad"}}]);
    assert_fault(&run(&vendor, "deals", "create", json!({"inputs": inputs})).await, 400, "VALIDATION_ERROR");
    assert!(ids(&vendor.call("GET", "/v3/objects/deals", Value::Null).await).is_empty());

    let same = json!([{"properties": {"email": "a@example.com"}}, {"properties": {"email": "a@example.com"}}]);
    assert_fault(&run(&vendor, "contacts", "create", json!({"inputs": same})).await, 409, "CONFLICT");
    assert!(ids(&vendor.call("GET", "/v3/objects/contacts", Value::Null).await).is_empty());

    let traced = json!([
        {"objectWriteTraceId": "a", "properties": {"dealname": "good"}},
        {"objectWriteTraceId": "b", "properties": {"amount": "bad"}},
    ]);
    let reply = run(&vendor, "deals", "create", json!({"inputs": traced})).await;
    let body = reply.json();
    assert_eq!((reply.status, &body["results"][0]["objectWriteTraceId"]), (207, &json!("a")));
    assert_eq!(body["errors"][0]["context"]["objectWriteTraceId"], json!(["b"]));

    let many: Vec<_> = (0..101).map(|id| json!({"id": id})).collect();
    for inputs in [json!([]), json!(many)] {
        assert_fault(&run(&vendor, "deals", "archive", json!({"inputs": inputs})).await, 400, "VALIDATION_ERROR");
    }
}

#[actix_web::test]
async fn an_upsert_creates_or_changes() {
    let vendor = Vendor::new();
    let known = vendor.record("contacts", json!({"email": "a@example.com"})).await;
    let inputs: Vec<_> = ["a@example.com", "b@example.com"]
        .iter()
        .map(|email| json!({"id": email, "idProperty": "email", "properties": {"firstname": "X"}}))
        .collect();
    let reply = run(&vendor, "contacts", "upsert", json!({"inputs": inputs})).await;
    let body = reply.json();
    assert_eq!(
        (reply.status, &body["results"][0]["id"], &body["results"][0]["new"]),
        (200, &json!(known), &json!(false))
    );
    assert_eq!(
        (&body["results"][1]["new"], &body["results"][1]["properties"]["email"]),
        (&json!(true), &json!("b@example.com"))
    );
    let inputs = json!([{"id": "x", "idProperty": "dealname", "properties": {}}]);
    assert_fault(&run(&vendor, "deals", "upsert", json!({"inputs": inputs})).await, 400, "VALIDATION_ERROR");
}
