use super::*;

async fn call(vendor: &Vendor, method: &str, path: &str, body: Value) -> Reply {
    let request = TestRequest::with_uri(&format!("/contacts/v1/{path}"))
        .method(method.parse().unwrap())
        .insert_header(("authorization", format!("Bearer {PRIVATE_APP_TOKEN}")));
    vendor.send(if body.is_null() { request } else { request.set_json(body) }).await
}

#[actix_web::test]
async fn old_clients_see_the_same_contacts() {
    let vendor = Vendor::new();
    let pairs = |email: &str| json!({"properties": [{"property": "email", "value": email}]});
    let created = call(&vendor, "POST", "contact", pairs("a@example.com")).await;
    assert_eq!((created.status, &created.json()["vid"]), (200, &json!(1001)));
    assert_fault(&call(&vendor, "POST", "contact", pairs("a@example.com")).await, 409, "CONFLICT");
    let change = json!({"properties": [{"property": "firstname", "value": "Ada"}]});
    assert_eq!(call(&vendor, "POST", "contact/vid/1001/profile", change).await.status, 204);
    let one = call(&vendor, "GET", "contact/vid/1001/profile", Value::Null).await.json();
    assert_eq!(one["properties"]["firstname"]["value"], "Ada");
    let current = vendor.call("GET", "/v3/objects/contacts/1001", Value::Null).await.json();
    assert_eq!(current["properties"]["firstname"], "Ada");

    let batch = json!([
        {"vid": 1001, "properties": [{"property": "lastname", "value": "L"}]},
        {"email": "b@example.com", "properties": []},
    ]);
    assert_eq!(call(&vendor, "POST", "contact/batch/", batch).await.status, 202);
    let first = call(&vendor, "GET", "lists/all/contacts/all?count=1", Value::Null).await.json();
    assert_eq!((&first["has-more"], &first["vid-offset"]), (&json!(true), &json!(1002)));
    let second = call(&vendor, "GET", "lists/all/contacts/all?count=1&vidOffset=1002", Value::Null).await.json();
    assert_eq!((&second["has-more"], &second["contacts"][0]["vid"]), (&json!(false), &json!(1002)));
    let found = call(&vendor, "GET", "search/query?q=B%40Example", Value::Null).await.json();
    assert_eq!((&found["total"], &found["contacts"][0]["vid"]), (&json!(1), &json!(1002)));

    assert_eq!(call(&vendor, "DELETE", "contact/vid/1001", Value::Null).await.json()["deleted"], true);
    assert_fault(&call(&vendor, "GET", "contact/vid/1001/profile", Value::Null).await, 404, "OBJECT_NOT_FOUND");
}
