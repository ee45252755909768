use serde_json::json;

use super::*;

#[actix_web::test]
async fn three_kinds_of_credential_open_the_details() {
    let vendor = Vendor::new();
    let (access, _) = vendor.tokens().await;
    let by_key = vendor.get("/account-info/v3/details?hapikey=3a9990ff-bf17-40b1-9ce1-e1702e36ab51").await;
    let by_private_app = vendor.details("pat-na1-00000000-0000-4000-a000-000000062515").await;
    for reply in [vendor.details(&access).await, by_key, by_private_app] {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["portalId"], 62515);
        assert_eq!(reply.json().as_object().unwrap().len(), 9);
    }
}

#[actix_web::test]
async fn each_refusal_has_its_shape() {
    let vendor = Vendor::new();
    let nothing = vendor.get("/account-info/v3/details").await;
    let garbage = vendor.details("nonsense").await;
    let key_as_bearer = vendor.details("3a9990ff-bf17-40b1-9ce1-e1702e36ab51").await;
    for reply in [nothing, garbage, key_as_bearer] {
        let body = reply.json();
        assert_eq!((reply.status, &body["category"]), (401, &json!("INVALID_AUTHENTICATION")));
        assert!(body["message"].as_str().unwrap().starts_with("Authentication credentials not found."));
        assert_eq!(reply.header("x-hubspot-auth-failure"), "401 Unauthorized");
        assert_eq!(reply.header("x-hubspot-correlation-id"), body["correlationId"].as_str().unwrap());
    }

    let bad_key = vendor.get("/account-info/v3/details?hapikey=pat-na1-00000000-0000-4000-a000-000000062515").await;
    let body = bad_key.json();
    assert_eq!((bad_key.status, &body["category"]), (401, &json!("INVALID_AUTHENTICATION")));
    assert!(body["message"].as_str().unwrap().starts_with("The API key provided is invalid."));
    assert_eq!(body["links"]["api key"], "https://app.hubspot.com/l/api-key/");
}

#[actix_web::test]
async fn an_old_token_is_called_expired() {
    let vendor = Vendor::new();
    let (access, _) = vendor.tokens().await;
    vendor.later(1799);
    assert_eq!(vendor.details(&access).await.status, 200);
    vendor.later(4);
    let reply = vendor.details(&access).await;
    let body = reply.json();
    assert_eq!((reply.status, &body["category"]), (401, &json!("EXPIRED_AUTHENTICATION")));
    assert_eq!(body["message"], "The OAuth token used to make this call expired 3 second(s) ago.");
    assert_eq!(body["context"], json!({"expire time": ["2026-09-21T14:43:20.000Z"]}));

    let (access, _) = vendor.tokens().await;
    vendor.sandbox.expire_access_tokens();
    assert_eq!(vendor.details(&access).await.json()["category"], "EXPIRED_AUTHENTICATION");
}
