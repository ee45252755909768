use super::*;

async fn list(vendor: &Vendor, kind: &str, bearer: &str) -> Reply {
    let request = TestRequest::with_uri(&format!("/crm/v3/objects/{kind}"));
    vendor.send(request.insert_header(("authorization", format!("Bearer {bearer}")))).await
}

#[actix_web::test]
async fn every_kind_of_credential_opens_the_crm() {
    let vendor = Vendor::new();
    let (access, _) = vendor.tokens().await;
    assert_eq!(list(&vendor, "deals", &access).await.status, 200);
    assert_eq!(list(&vendor, "deals", PRIVATE_APP_TOKEN).await.status, 200);
    let by_key = vendor.get("/crm/v3/objects/deals?hapikey=3a9990ff-bf17-40b1-9ce1-e1702e36ab51").await;
    assert_eq!(by_key.status, 200);
    let by_header = |token: &'static str| {
        vendor.send(TestRequest::with_uri("/crm/v3/objects/deals").insert_header(("private-app", token)))
    };
    assert_eq!(by_header(PRIVATE_APP_TOKEN).await.status, 200);
    assert_fault(&by_header("nonsense").await, 401, "INVALID_AUTHENTICATION");
    let calls = vendor.sandbox.calls();
    assert_eq!(calls.last().unwrap().authorization.as_ref().unwrap().scheme, "private-app");
    assert_eq!(calls.last().unwrap().route, "GET /crm/v3/objects/deals");
    assert_fault(&vendor.get("/crm/v3/objects/deals").await, 401, "INVALID_AUTHENTICATION");
    assert_fault(&list(&vendor, "deals", "nonsense").await, 401, "INVALID_AUTHENTICATION");
    vendor.later(1801);
    assert_fault(&list(&vendor, "deals", &access).await, 401, "EXPIRED_AUTHENTICATION");
}

#[actix_web::test]
async fn a_token_that_is_forgotten_is_unknown_and_its_grant_good() {
    let vendor = Vendor::new();
    let (access, refresh) = vendor.tokens().await;
    assert_eq!(vendor.send(TestRequest::delete().uri("/control/access-tokens")).await.status, 204);
    assert_fault(&list(&vendor, "deals", &access).await, 401, "INVALID_AUTHENTICATION");
    let (access, _) = tokens_of(&vendor.refresh(&refresh).await);
    assert_eq!(list(&vendor, "deals", &access).await.status, 200);
}

#[actix_web::test]
async fn a_grant_reaches_as_far_as_its_scopes() {
    let vendor = Vendor::new();
    let (access, _) = vendor.tokens().await;
    for open in ["contacts", "0-2", "deals"] {
        assert_eq!(list(&vendor, open, &access).await.status, 200, "{open}");
    }
    for closed in ["products", "tickets", "leads", "rockets"] {
        let reply = list(&vendor, closed, &access).await;
        assert_fault(&reply, 403, "MISSING_SCOPES");
        assert!(reply.json()["errors"][0]["context"]["requiredGranularScopes"].is_array());
        assert_eq!(list(&vendor, closed, PRIVATE_APP_TOKEN).await.status, 200);
    }
}

#[actix_web::test]
async fn the_limit_counts_ten_seconds() {
    let vendor = Vendor::new();
    let (access, _) = vendor.tokens().await;
    assert!(list(&vendor, "deals", &access).await.headers.get("x-hubspot-ratelimit-max").is_none());
    vendor.json(Method::PATCH, "/control", json!({"rateLimit": 2})).await;
    for left in ["1", "0"] {
        let reply = list(&vendor, "deals", &access).await;
        assert_eq!((reply.status, reply.header("x-hubspot-ratelimit-remaining")), (200, left));
        assert_eq!(reply.header("x-hubspot-ratelimit-max"), "2");
        assert_eq!(reply.header("x-hubspot-ratelimit-interval-milliseconds"), "10000");
    }
    let refused = list(&vendor, "deals", &access).await;
    assert_fault(&refused, 429, "RATE_LIMITS");
    assert_eq!(refused.json()["policyName"], "TEN_SECONDLY_ROLLING");
    let search = vendor.call("POST", "/v3/objects/deals/search", json!({})).await;
    assert_eq!((search.status, search.headers.get("x-hubspot-ratelimit-max")), (200, None));
    vendor.later(10);
    assert_eq!(list(&vendor, "deals", &access).await.status, 200);
}

#[actix_web::test]
async fn an_ordered_failure_looks_like_the_vendors() {
    let vendor = Vendor::new();
    for (status, category) in
        [(401, "INVALID_AUTHENTICATION"), (403, "MISSING_SCOPES"), (429, "RATE_LIMITS"), (477, "MIGRATION_IN_PROGRESS")]
    {
        let failure = json!({"route": "/crm/*", "status": status, "times": 1, "headers": {"retry-after": "3"}});
        vendor.json(Method::PATCH, "/control", json!({"failure": failure})).await;
        let reply = list(&vendor, "deals", PRIVATE_APP_TOKEN).await;
        assert_fault(&reply, status, category);
        assert_eq!(reply.header("retry-after"), "3");
        assert_eq!(list(&vendor, "deals", PRIVATE_APP_TOKEN).await.status, 200);
    }
}
