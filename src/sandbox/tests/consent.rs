use super::*;

#[actix_web::test]
async fn the_page_shows_what_the_app_asks_for() {
    let vendor = Vendor::new();
    let page = vendor.get(ASK).await;
    assert_eq!(page.status, 200);
    for text in [
        "sandbox-client",
        "Sandbox portal 62515",
        "sandbox.hubspot.test",
        "Read and change contacts, companies and deals",
        "where your account has it",
        "Read and upload files",
        "Connect app",
        "Deny",
        "<input type=\"hidden\" name=\"state\" value=\"hubspotcrm\">",
    ] {
        assert!(page.text.contains(text), "{text}");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(vendor.get(&ASK.replace("/oauth/", "/oauth/62515/")).await.status, 200);
}

#[actix_web::test]
async fn connect_and_deny_send_the_browser_back() {
    let vendor = Vendor::new();
    let asked = [
        ("client_id", "sandbox-client"),
        ("redirect_uri", "http://localhost:9090/cb?x=1"),
        ("scope", "contacts"),
        ("state", "a b&c"),
    ];
    let mut connect = asked.to_vec();
    connect.push(("decision", "connect"));
    let reply = vendor.form("/oauth/authorize", &connect).await;
    assert_eq!(reply.status, 302);
    let location = reply.header("location");
    assert!(location.starts_with("http://localhost:9090/cb?x=1&code=na1-"), "{location}");
    assert!(location.ends_with("&state=a%20b%26c"), "{location}");

    let mut deny = asked.to_vec();
    deny.push(("decision", "deny"));
    let reply = vendor.form("/oauth/authorize", &deny).await;
    assert_eq!(reply.status, 302);
    assert_eq!(reply.sent_back("error").unwrap(), "access_denied");
    assert_eq!(reply.sent_back("state").unwrap(), "a b&c");
    assert!(reply.header("location").contains("error_description=The%20user"));
    assert!(reply.sent_back("code").is_none());
}

#[actix_web::test]
async fn the_consent_switch_decides_without_a_page() {
    let vendor = Vendor::new();
    for (consent, name) in [(Consent::Grant, "code"), (Consent::Deny, "error")] {
        vendor.sandbox.set(|it| it.consent = consent);
        let reply = vendor.get(ASK).await;
        assert_eq!(reply.status, 302);
        assert!(reply.location().as_str().starts_with(CALLBACK));
        assert!(reply.sent_back(name).is_some());
        assert_eq!(reply.sent_back("state").unwrap(), "hubspotcrm");
    }
}

#[actix_web::test]
async fn a_faulty_request_stays_on_the_vendors_page() {
    let vendor = Vendor::new();
    vendor.sandbox.set(|it| it.consent = Consent::Grant);
    let good = "client_id=sandbox-client&redirect_uri=https://a.example/cb&scope=contacts";
    for (query, text) in [
        (good.replace("sandbox-client", "other"), "no app with the client ID other"),
        (good.replace("client_id=", "client="), "client_id is missing"),
        (good.replace("redirect_uri=", "redirect="), "redirect_uri is missing"),
        (good.replace("=contacts", "="), "scope is missing"),
        (good.replace("https://a.example", "http://127.0.0.1:8080"), "an IP address is refused"),
        (good.replace("https://a.example", "http://a.example"), "not one that the app may use"),
        (good.replace("=contacts", "=%3Cb%3E"), "&lt;b&gt; is not the name of a scope"),
        (format!("{good}&scope=files"), "scope was sent more than once"),
        (format!("{good}&response_type=token"), "response type token"),
        (format!("{good}&code_challenge=x&code_challenge_method=plain"), "PKCE needs"),
    ] {
        let page = vendor.get(&format!("/oauth/authorize?{query}")).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(page.headers.get("location").is_none());
        assert!(page.text.contains(text), "{query}: {}", page.text);
    }
    let page = vendor.get(&format!("/oauth/1/authorize?{good}")).await;
    assert!(page.text.contains("no access to the account 1"));
}

#[actix_web::test]
async fn the_callback_page_has_the_command() {
    let vendor = Vendor::new();
    vendor.sandbox.set(|it| it.consent = Consent::Grant);
    for (state, element) in [("hubspot", "hubspot"), ("hubspotcrm", "hubspotcrm"), ("it's <b>", "hubspotcrm")] {
        let state: String = url::form_urlencoded::byte_serialize(state.as_bytes()).collect();
        let ask = format!(
            "/oauth/authorize?client_id=sandbox-client&scope=contacts&state={state}\
             &redirect_uri=http://localhost:8081/callback"
        );
        let back = vendor.get(&ask).await.location();
        let page = vendor.get(&format!("/callback?{}", back.query().unwrap())).await;
        assert_eq!(page.status, 200);
        let text = page.text.replace("&quot;", "\"");
        assert!(text.contains("curl -X POST 'http://localhost:8080/elements/api-v2/instances'"), "{text}");
        assert!(text.contains("\"authorization: User $LIGAND_USER, Organization $LIGAND_ORGANIZATION\""));
        assert!(text.contains(&format!("\"element\": {{\"key\":\"{element}\"}}")), "{text}");
        assert!(text.contains("\"oauth.callback.url\": \"http://localhost:8081/callback\""));
        assert!(!text.contains("<b>"));
    }
}

#[actix_web::test]
async fn the_callback_page_offers_no_command_for_a_strange_code() {
    let vendor = Vendor::new();
    let strange = vendor.get("/callback?code=x%27%3Bid%3B%27&state=hubspotcrm").await;
    assert_eq!(strange.status, 400);
    assert!(!strange.text.contains("curl"));

    let code = vendor.code().await;
    vendor.later(60);
    assert!(vendor.get(&format!("/callback?code={code}")).await.text.contains("has expired"));
    let code = vendor.code().await;
    vendor.exchange(&code).await;
    assert!(vendor.get(&format!("/callback?code={code}")).await.text.contains("has been used"));

    let denied = vendor.get("/callback?error=access_denied&error_description=%3Cscript%3E&state=s").await;
    assert!(denied.text.contains("Access was denied") && denied.text.contains("&lt;script&gt;"));
    assert!(!denied.text.contains("<script>"));
}
