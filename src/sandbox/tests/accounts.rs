use serde_json::json;

use super::*;

const ASKED: [(&str, &str); 4] = [
    ("client_id", "sandbox-client"),
    ("redirect_uri", CALLBACK),
    ("scope", "contacts"),
    ("optional_scope", "content tickets"),
];

impl Vendor {
    async fn connect(&self, account: Option<&str>, scope: &str) -> Reply {
        let mut form = with(&ASKED, "scope", Some(scope));
        form.push(("decision", "connect"));
        form.extend(account.map(|account| ("account", account)));
        self.form("/oauth/authorize", &form).await
    }

    async fn flip(&self, switches: Value) {
        let reply = self.json(Method::PATCH, "/control", switches).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    /// The token reply for a connection that succeeds.
    async fn connected(&self, account: Option<&str>) -> Value {
        let code = self.connect(account, "contacts").await.sent_back("code").unwrap();
        self.exchange(&code).await.json()
    }
}

fn introspection(token: &str) -> [(&str, &str); 3] {
    [("token", token), ("client_id", "sandbox-client"), ("client_secret", "sandbox-secret")]
}

#[actix_web::test]
async fn the_page_offers_two_accounts_and_the_developer_one_takes_no_app() {
    let vendor = Vendor::new();
    let page = vendor.get(ASK).await.text;
    for text in ["value=\"62515\" checked", "value=\"62516\"", "developer.hubspot.test"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let refused = vendor.connect(Some("62516"), "contacts").await;
    assert_eq!((refused.status, refused.headers.get("location")), (400, None));
    assert!(refused.text.contains("62516, because it is a developer account"), "{}", refused.text);
    assert!(refused.text.contains("/oauth/authorize?client_id=sandbox-client&amp;redirect_uri="), "{}", refused.text);
    assert_eq!(vendor.connect(Some("1"), "contacts").await.status, 400);
    assert_eq!(vendor.connect(None, "contacts").await.status, 302);

    vendor.flip(json!({"developerAccount": true})).await;
    assert_eq!(vendor.connected(Some("62516")).await["hub_id"], 62516);
}

#[actix_web::test]
async fn an_address_with_an_account_leaves_no_choice() {
    let vendor = Vendor::new();
    let page = vendor.get(&ASK.replace("/oauth/", "/oauth/62516/")).await.text;
    assert!(page.contains("value=\"62516\" checked") && !page.contains("62515"), "{page}");
    vendor.flip(json!({"consent": "grant"})).await;
    assert_eq!(vendor.get(&ASK.replace("/oauth/", "/oauth/62516/")).await.status, 400);
    assert_eq!(vendor.get(&ASK.replace("/oauth/", "/oauth/62515/")).await.status, 302);
    vendor.flip(json!({"account": "developer"})).await;
    assert_eq!(vendor.get(ASK).await.status, 400);
}

#[actix_web::test]
async fn tokens_speak_of_the_chosen_account() {
    let vendor = Vendor::new();
    vendor.flip(json!({"developerAccount": true})).await;
    for (id, domain, kind) in
        [("62515", "sandbox.hubspot.test", "STANDARD"), ("62516", "developer.hubspot.test", "APP_DEVELOPER")]
    {
        let tokens = vendor.connected(Some(id)).await;
        for name in ["access_token", "refresh_token"] {
            let token = tokens[name].as_str().unwrap();
            let body = vendor.form("/oauth/2026-03/token/introspect", &introspection(token)).await.json();
            assert_eq!(body["hub_id"].to_string(), id);
            assert_eq!(body["hub_domain"], domain);
            assert_eq!(body["scopes"], json!(["oauth", "contacts", "content", "tickets"]));
        }
        let access = tokens["access_token"].as_str().unwrap();
        let details = vendor.details(access).await.json();
        assert_eq!((details["portalId"].to_string().as_str(), details["accountType"].as_str()), (id, Some(kind)));
        let renewed = vendor.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
        assert_eq!(renewed["hub_id"].to_string(), id);
    }
}

#[actix_web::test]
async fn an_end_of_grants_may_keep_to_one_account() {
    let vendor = Vendor::new();
    vendor.flip(json!({"developerAccount": true})).await;
    let (main, developer) = (vendor.connected(Some("62515")).await, vendor.connected(Some("62516")).await);
    let order = json!({"reason": "user_removed", "account": "developer"});
    assert_eq!(vendor.json(Method::POST, "/control/revoke", order).await.status, 204);
    assert_eq!(vendor.refresh(main["refresh_token"].as_str().unwrap()).await.status, 200);
    let refused = vendor.refresh(developer["refresh_token"].as_str().unwrap()).await;
    assert_refused(&refused, "invalid_grant", "BAD_REFRESH_TOKEN");
    let order = json!({"reason": "uninstalled", "account": "nobody"});
    assert_eq!(vendor.json(Method::POST, "/control/revoke", order).await.status, 400);
}

#[actix_web::test]
async fn without_marketing_products_their_scopes_are_refused_or_dropped() {
    let vendor = Vendor::new();
    vendor.flip(json!({"marketingScopes": false})).await;
    let refused = vendor.connect(None, "contacts content social").await;
    assert_eq!((refused.status, refused.headers.get("location")), (400, None));
    assert!(refused.text.contains("products behind content, social"), "{}", refused.text);
    assert_eq!(vendor.connected(None).await["scopes"], json!(["oauth", "contacts", "tickets"]));
}

#[actix_web::test]
async fn the_vendor_may_grant_less_than_was_asked() {
    let vendor = Vendor::new();
    for (switches, granted) in [
        (json!({"optionalScopes": false}), json!(["oauth", "contacts"])),
        (json!({"optionalScopes": true, "withheldScopes": ["contacts"]}), json!(["oauth", "content", "tickets"])),
    ] {
        vendor.flip(switches).await;
        let tokens = vendor.connected(None).await;
        assert_eq!(tokens["scopes"], granted);
        let form = introspection(tokens["access_token"].as_str().unwrap());
        assert_eq!(vendor.form("/oauth/2026-03/token/introspect", &form).await.json()["scopes"], granted);
    }
}

#[actix_web::test]
async fn the_pages_may_cut_their_opener_off() {
    let vendor = Vendor::new();
    assert!(vendor.get(ASK).await.headers.get("cross-origin-opener-policy").is_none());
    vendor.flip(json!({"crossOriginOpenerPolicy": "same-origin"})).await;
    assert_eq!(vendor.get(ASK).await.header("cross-origin-opener-policy"), "same-origin");
    vendor.flip(json!({"crossOriginOpenerPolicy": null})).await;
    assert!(vendor.get(ASK).await.headers.get("cross-origin-opener-policy").is_none());
}
