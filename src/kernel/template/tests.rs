use super::*;

fn url(template: &str, value: &str) -> Result<String, TemplateFault> {
    let hosts = AllowedHosts::Listed(vec![".salesforce.com".to_owned(), "login.example.com".to_owned()]);
    Template::parse(template).unwrap().url(|_| Some(value.to_owned()), &hosts).map(String::from)
}

#[test]
fn a_label_fills_a_host() {
    assert_eq!(url("https://{d}.freshdesk.com/api", "acme").unwrap(), "https://acme.freshdesk.com/api");
    let refused = || Err(TemplateFault::Label("d".into(), ".freshdesk.com".into()));
    for value in ["evil.com/", "evil.com#", "a.b", "user@evil", "-a", "a b", "evil.com:80", "%2f", ".freshdesk.com"] {
        assert_eq!(url("https://{d}.freshdesk.com/api", value), refused(), "{value}");
    }
}

#[test]
fn the_label_of_a_pasted_address_is_taken() {
    for value in [
        "https://acme.freshdesk.com/",
        "acme.freshdesk.com",
        "ACME.Freshdesk.com",
        " acme\n",
        "acme/",
        "\u{feff}acme",
        "http://acme.freshdesk.com/a/tickets?filter=1#top",
        "acme.freshdesk.com.",
    ] {
        assert_eq!(url("https://{d}.freshdesk.com/api", value).unwrap(), "https://acme.freshdesk.com/api", "{value}");
    }
    assert_eq!(
        url("https://my.{d}.desk.example/", "https://my.acme.desk.example/x").unwrap(),
        "https://my.acme.desk.example/"
    );
    assert_eq!(url("https://{h}/x", "https://test.salesforce.com/home").unwrap(), "https://test.salesforce.com/x");
    // A listed domain is not put behind itself.
    assert_eq!(
        url("https://{d}.my.salesforce.com/", "acme.my.salesforce.com").unwrap(),
        "https://acme.my.salesforce.com/"
    );
    assert_eq!(
        url("https://{d}.freshdesk.com/", "https://acme.freshdesk.com.evil.com/"),
        Err(TemplateFault::Label("d".into(), ".freshdesk.com".into()))
    );
}

#[test]
fn a_whole_host_must_be_listed() {
    assert_eq!(url("https://{h}/x", "test.salesforce.com").unwrap(), "https://test.salesforce.com/x");
    assert_eq!(url("https://{h}/x", "login.example.com").unwrap(), "https://login.example.com/x");
    for value in ["evil.com", "evilsalesforce.com", "x.login.example.com", "salesforce.com.evil.com"] {
        assert_eq!(url("https://{h}/x", value), Err(TemplateFault::Host("h".into())), "{value}");
    }
}

#[test]
fn a_lone_label_is_no_host() {
    for value in ["localhost", "2130706433", "metadata"] {
        assert_eq!(url("https://{h}/x", value), Err(TemplateFault::Host("h".into())), "{value}");
        assert_eq!(url("https://{h}", value), Err(TemplateFault::Host("h".into())), "{value}");
        assert_eq!(url("https://{h}:443/x", value), Err(TemplateFault::Host("h".into())), "{value}");
    }
}

#[test]
fn places_are_told_apart() {
    let places = |text: &str| Template::parse(text).unwrap().places().map(|(_, place)| place).collect::<Vec<_>>();
    assert_eq!(places("{o}/a/{p}"), [Place::Origin, Place::Path]);
    assert_eq!(places("https://{a}.example.com/{b}"), [Place::Label, Place::Path]);
    assert_eq!(places("https://{a}.{b}.example.com"), [Place::Label, Place::Label]);
    assert_eq!(places("https://{a}.{b}/c.d"), [Place::Host, Place::Host]);
    assert_eq!(places("{o}{x}"), [Place::Origin, Place::Host]);
}

#[test]
fn another_origin_keeps_path_and_query() {
    for (text, moved) in [
        ("https://api.example.com", "http://[::1]:8081"),
        ("https://api.example.com/", "http://[::1]:8081/"),
        ("https://api.example.com/a/{b}/c?d={e}", "http://[::1]:8081/a/{b}/c?d={e}"),
        ("https://{a}.example.com/v1/{b}", "http://[::1]:8081/v1/{b}"),
        ("{o}/v1", "http://[::1]:8081/v1"),
        ("{o}", "http://[::1]:8081"),
    ] {
        let template = Template::parse(text).unwrap().at_origin("http://[::1]:8081");
        assert_eq!(template.as_str(), moved);
        assert_eq!(template, Template::parse(moved).unwrap());
    }
}

#[test]
fn an_origin_must_be_https_and_listed() {
    for value in ["https://na1.salesforce.com/ignored", "na1.salesforce.com", " HTTPS://na1.salesforce.com\n"] {
        assert_eq!(url("{o}/v1", value).unwrap(), "https://na1.salesforce.com/v1", "{value}");
    }
    for value in
        ["http://na1.salesforce.com", "https://evil.com", "https://a@na1.salesforce.com", "https://10.0.0.1", "x"]
    {
        assert_eq!(url("{o}/v1", value), Err(TemplateFault::Host("o".into())), "{value}");
    }
}

#[test]
fn a_path_variable_stays_in_its_place() {
    assert_eq!(url("https://a.example/x/{p}/y", "../?#b c").unwrap(), "https://a.example/x/..%2F%3F%23b%20c/y");
    assert_eq!(url("https://a.example/x/{p}/y", ".."), Err(TemplateFault::Segment("p".into())));
}

#[test]
fn where_customers_run_it_a_server_may_be_anywhere() {
    let at = |template: &str, value: &str| {
        let url = Template::parse(template).unwrap().url(|_| Some(value.to_owned()), &AllowedHosts::Any);
        url.map(String::from)
    };
    let own = " https://git.acme.example:8443/gitlab/\n";
    assert_eq!(at("{a}/oauth/token", own).unwrap(), "https://git.acme.example:8443/gitlab/oauth/token");
    assert_eq!(at("https://{h}/web", "odoo.acme.example:8069").unwrap(), "https://odoo.acme.example:8069/web");
    assert_eq!(at("https://{d}.acme.example", "x").unwrap(), "https://x.acme.example/");
    for pasted in ["https://git.acme.example:8443/", "git.acme.example:8443/x?y#z", "HTTPS://git.acme.example:8443"] {
        assert_eq!(at("https://{h}/web", pasted).unwrap(), "https://git.acme.example:8443/web", "{pasted}");
    }
    for (template, value) in [("{a}/x", "ftp://git.acme.example"), ("{a}", "http://a.example")] {
        let fault = at(template, value).unwrap_err();
        assert!(matches!(fault, TemplateFault::Address(_)), "{template} {value}: {fault}");
    }
    for value in ["a@git.acme.example", "a b", "ftp://git.acme.example"] {
        let fault = at("https://{h}/x", value).unwrap_err();
        assert!(matches!(fault, TemplateFault::Server(_)), "{value}: {fault}");
    }
    let leads = |host| Template::parse("{a}/token").unwrap().may_lead_to(host, &AllowedHosts::Any);
    assert!(leads("git.acme.example") && leads("git.acme.example:8443"));
    assert!(!leads("git.acme.example/x") && !leads("") && !leads("git.acme.example:443"));
    assert!(leads("http://10.0.0.5") && !leads("http://git.acme.example") && !leads("https://git.acme.example"));
}
