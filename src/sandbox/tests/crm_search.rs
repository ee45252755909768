use super::*;

/// Five deals; the amounts of two are alike, one has none.
async fn with_deals() -> Vendor {
    let vendor = Vendor::new();
    for properties in [
        json!({"dealname": "Alpha one", "amount": "10", "dealtype": "newbusiness", "closedate": "2026-01-01"}),
        json!({"dealname": "alpha two", "amount": "9", "dealtype": "existingbusiness", "closedate": "2026-02-01"}),
        json!({"dealname": "Beta", "amount": "100", "closedate": "2026-03-01T00:00:00Z"}),
        json!({"dealname": "Gamma-ray", "amount": "9"}),
        json!({"dealname": "Delta"}),
    ] {
        vendor.record("deals", properties).await;
    }
    vendor
}

async fn search(vendor: &Vendor, body: Value) -> Reply {
    vendor.call("POST", "/v3/objects/deals/search", body).await
}

/// The last digits of the ids that one filter finds.
async fn found(vendor: &Vendor, filter: Value) -> String {
    let reply = search(vendor, json!({"filterGroups": [{"filters": [filter]}]})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    ids(&reply).iter().map(|id| &id[3..]).collect()
}

#[actix_web::test]
async fn each_operator_finds_its_own() {
    let vendor = with_deals().await;
    for (name, operator, values, expected) in [
        ("amount", "EQ", json!({"value": "9.0"}), "24"),
        ("dealname", "EQ", json!({"value": "ALPHA ONE"}), "1"),
        ("amount", "NEQ", json!({"value": "9"}), "135"),
        ("amount", "LT", json!({"value": 10}), "24"),
        ("amount", "LTE", json!({"value": "10"}), "124"),
        ("amount", "GT", json!({"value": "10"}), "3"),
        ("amount", "GTE", json!({"value": "10"}), "13"),
        ("amount", "BETWEEN", json!({"value": "9.5", "highValue": "100"}), "13"),
        ("closedate", "BETWEEN", json!({"value": "1767225600000", "highValue": "2026-02-28"}), "12"),
        ("dealname", "IN", json!({"values": ["beta", "delta"]}), "35"),
        ("dealname", "NOT_IN", json!({"values": ["beta", "delta"]}), "124"),
        ("amount", "HAS_PROPERTY", json!({}), "1234"),
        ("amount", "NOT_HAS_PROPERTY", json!({}), "5"),
        ("dealname", "CONTAINS_TOKEN", json!({"value": "alpha"}), "12"),
        ("dealname", "CONTAINS_TOKEN", json!({"value": "ray"}), "4"),
        ("dealname", "CONTAINS_TOKEN", json!({"value": "gam*"}), "4"),
        ("dealname", "CONTAINS_TOKEN", json!({"value": "lph"}), ""),
        ("dealname", "NOT_CONTAINS_TOKEN", json!({"value": "alpha"}), "345"),
        ("hs_object_id", "GT", json!({"value": "1003"}), "45"),
        ("createdate", "LTE", json!({"value": "2026-09-21T14:13:20Z"}), "12345"),
    ] {
        let mut filter = json!({"propertyName": name, "operator": operator});
        filter.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        assert_eq!(found(&vendor, filter.clone()).await, expected, "{filter}");
    }
}

#[actix_web::test]
async fn groups_are_alternatives_and_pages_have_a_total() {
    let vendor = with_deals().await;
    let is = |value: &str| json!({"propertyName": "amount", "operator": "EQ", "value": value});
    let new = json!({"propertyName": "dealtype", "operator": "EQ", "value": "newbusiness"});
    let groups = json!([{"filters": [is("10"), new]}, {"filters": [is("9"), new]}, {"filters": [is("100")]}]);
    assert_eq!(ids(&search(&vendor, json!({"filterGroups": groups})).await), ["1001", "1003"]);

    let sorted =
        json!({"sorts": [{"propertyName": "amount", "direction": "DESCENDING"}], "limit": 2, "properties": ["amount"]});
    let first = search(&vendor, sorted.clone()).await;
    let body = first.json();
    assert_eq!((ids(&first), &body["total"]), (vec!["1003".to_owned(), "1001".to_owned()], &json!(5)));
    assert_eq!(body["paging"], json!({"next": {"after": "2"}}));
    let mut second = sorted;
    second["after"] = json!("2");
    assert_eq!(ids(&search(&vendor, second.clone()).await), ["1002", "1004"]);
    second["after"] = json!(4);
    let last = search(&vendor, second).await;
    assert_eq!(ids(&last), ["1005"]);
    assert!(last.json().get("paging").is_none());

    assert_eq!(ids(&search(&vendor, json!({"query": "alpha TWO"})).await), ["1002"]);
    vendor.call("DELETE", "/v3/objects/deals/1002", Value::Null).await;
    assert_eq!(search(&vendor, json!({"query": "alpha"})).await.json()["total"], 1);
}

#[actix_web::test]
async fn a_search_has_its_limits() {
    let vendor = Vendor::new();
    let filter = json!({"propertyName": "amount", "operator": "HAS_PROPERTY"});
    let group = |count: usize| json!({"filters": vec![filter.clone(); count]});
    for wrong in [
        json!({"limit": 201}),
        json!({"limit": 0}),
        json!({"limit": 100, "after": "9901"}),
        json!({"after": "x"}),
        json!({"filterGroups": [group(7)]}),
        json!({"filterGroups": vec![group(1); 6]}),
        json!({"filterGroups": vec![group(5); 4]}),
        json!({"sorts": ["amount", "dealname"]}),
        json!({"sorts": ["nonsense"]}),
        json!({"query": "x".repeat(3001)}),
        json!({"filterGroups": [{"filters": [{"propertyName": "nonsense", "operator": "HAS_PROPERTY"}]}]}),
        json!({"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "EQ"}]}]}),
        json!({"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "BETWEEN", "value": "1"}]}]}),
        json!({"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "IN", "values": []}]}]}),
    ] {
        assert_fault(&search(&vendor, wrong).await, 400, "VALIDATION_ERROR");
    }
    let odd = json!({"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "LIKE", "value": "1"}]}]});
    assert_eq!(search(&vendor, odd).await.status, 400);
    assert_eq!(search(&vendor, json!({"limit": 100, "after": "9900", "sorts": ["-amount"]})).await.status, 200);
}
