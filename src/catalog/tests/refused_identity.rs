//! Complaints about identity, URLs and variables.

use super::{CLOSEIO, FRESHDESK, PIPEDRIVE, SFDC, complaints, directory, refused, refused_at};
use crate::catalog::load::check;

#[test]
fn identity_is_checked() {
    let shape = |key: &str| format!("the key `{key}` is not lower-case letters and digits with at least one letter");
    for key in ["CloseIO", "close-io", "146", ""] {
        let to = format!("key = \"{key}\"");
        let text = CLOSEIO.replace("id = 146", "id = 10000");
        refused(&text, "key = \"closeio\"", &to, &shape(key));
    }
    let text = CLOSEIO.replace("id = 146", "id = 10000");
    for key in ["keys", "metadata", "convert", "oauthproxies"] {
        let to = format!("key = \"{key}\"");
        refused(&text, "key = \"closeio\"", &to, &format!("the key `{key}` is a path of the API"));
    }
    refused(CLOSEIO, "name = \"Close\"", "name = \" \"", "`name` is empty");
    refused(CLOSEIO, "hookName = \"CloseIO\"", "hookName = \"\"", "`hookName` is empty");
    refused(CLOSEIO, "hub = \"crm\"", "hub = \"CRM\"", "`hub` is not lower-case letters and digits");
    for timeout in ["0", "301"] {
        let to = format!("timeout = {timeout}\n[authentication]");
        refused(CLOSEIO, "[authentication]", &to, "`timeout` is outside 1–300 seconds");
    }
    refused(CLOSEIO, "[authentication]", "headers = { \"A b\" = \"c\" }\n[authentication]", "`A b` is no header name");
    refused(
        CLOSEIO,
        "[authentication]",
        "headers = { Host = \"c\" }\n[authentication]",
        "the header `Host` is not the element's to set",
    );
    refused(
        CLOSEIO,
        "[authentication]",
        "headers = { A = \"\\n\" }\n[authentication]",
        "the value of the header `A` is not plain visible ASCII",
    );
    refused(
        CLOSEIO,
        "[authentication]",
        "events = { methods = [\"push\"] }\n[authentication]",
        "`push` is neither polling nor webhook",
    );
    let needs = "the method `polling` and `events.polling` need each other";
    refused(CLOSEIO, "[authentication]", "events = { methods = [\"polling\"] }\n[authentication]", needs);
}

#[test]
fn urls_and_variables_are_checked() {
    let base = "baseUrl = \"https://api.close.com\"";
    refused(CLOSEIO, base, "baseUrl = \"http://api.close.com\"", "it is neither https nor on this machine");
    refused(
        CLOSEIO,
        base,
        "baseUrl = \"ftp://api.close.com\"",
        "`ftp://api.close.com`: it does not make an absolute http or https URL",
    );
    refused(CLOSEIO, base, "baseUrl = \"https://{x}.close.com\"", "the variable `x` is not declared");
    for host in ["localhost", "127.0.0.9:8081", "[::1]:8081"] {
        let text = CLOSEIO.replace(base, &format!("baseUrl = \"http://{host}\""));
        assert_eq!(check(Some(directory(&[("a.toml", &text)]).path())), Ok(9), "{host}");
    }
    let unlisted = "the variable `api_domain` chooses the host, so `hosts` must say which are allowed";
    refused_at(PIPEDRIVE, "hosts = [\".pipedrive.com\"]", "", "baseUrl", unlisted);
    for host in [".com", "x", "Pipedrive.com", "*.pipedrive.com", ""] {
        let to = format!("hosts = [\".pipedrive.com\", \"{host}\"]");
        let reason = format!("`{host}` is no lower-case host name of two labels or more");
        refused(PIPEDRIVE, "hosts = [\".pipedrive.com\"]", &to, &reason);
    }
    refused(PIPEDRIVE, "\"{api_domain}\"", "\"{api_domain}.net/v1\"", "a path or nothing must follow `{api_domain}`");
    refused_at(
        PIPEDRIVE,
        "[variables.api_domain]\nreply = \"/api_domain\"",
        "[variables.api_domain]\nreply = \"api_domain\"",
        "reply = \"api_domain\"",
        "the JSON pointer `api_domain` does not begin with `/`",
    );
    refused(
        PIPEDRIVE,
        "configuration = \"site.address\"",
        "configuration = \"site.adress\"",
        "the configuration key `site.adress` is not declared",
    );
    refused(
        PIPEDRIVE,
        "[variables.api_domain]",
        "[variables.spare]\ndefault = \"a\"\n[variables.api_domain]",
        "the variable `spare` is used by no URL, no header and no resource, and not `kept`",
    );
    refused_at(
        PIPEDRIVE,
        "reply = \"/api_domain\"\nconfiguration = \"site.address\"",
        "# nothing",
        "[variables.api_domain]",
        "the variable `api_domain` comes from nowhere",
    );
}

#[test]
fn variables_come_in_time_and_fit_their_place() {
    let at = "url = \"https://{site_address}/services/oauth2/token\"";
    let late = "the variable `instance_url` is needed before any reply, but comes from one only";
    refused(SFDC, at, "url = \"{instance_url}/services/oauth2/token\"", late);
    let strange = SFDC.replacen("default = \"login.salesforce.com\"", "default = \"login.example.com\"", 1);
    let found = complaints(&[("a.toml", &strange)]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].ends_with("the host of `site_address` is not one of the element's"), "{found:?}");
    refused_at(
        SFDC,
        "configuration = \"site.address\"\n",
        "",
        "parameter = \"siteAddress\"",
        "the variable `site_address` needs a configuration key beside its parameter",
    );
}

#[test]
fn a_suffix_below_which_customers_run_servers_is_refused() {
    let open = |suffix: &str| {
        format!(
            "customers run servers of their own below `{suffix}`, and secrets would go to them: name hosts of the vendor's, \
             or say `customersRunServers = false` with the vendor's page below `sources`"
        )
    };
    let hosts = "hosts = [\".pipedrive.com\"]";
    for suffix in [
        "herokuapp.com",
        "azurewebsites.net",
        "amazonaws.com",
        "eu-west-1.amazonaws.com",
        "s3.amazonaws.com",
        "compute.amazonaws.com",
        "cloudfront.net",
        "github.io",
        "workers.dev",
        "a.run.app",
        "force.com",
        "my.site.com",
        "myshopify.com",
        "co.uk",
    ] {
        refused(PIPEDRIVE, hosts, &format!("hosts = [\".pipedrive.com\", \".{suffix}\"]"), &open(suffix));
    }
    // In the URL itself, too.
    let base = "baseUrl = \"https://{subdomain}.freshdesk.com\"";
    for (host, suffix) in [("{subdomain}.vercel.app", "vercel.app"), ("{subdomain}-api.fly.dev", "fly.dev")] {
        refused(FRESHDESK, base, &format!("baseUrl = \"https://{host}/v1\""), &open(suffix));
    }
    // A host, and what one customer has below such a suffix, are the vendor's own.
    for fine in
        ["acme.herokuapp.com", ".acme.herokuapp.com", ".acme.azurewebsites.net", ".zendesk.com", ".acme.example"]
    {
        let text = PIPEDRIVE.replace(hosts, &format!("hosts = [\".pipedrive.com\", \"{fine}\"]"));
        assert_eq!(check(Some(directory(&[("a.toml", &text)]).path())), Ok(9), "{fine}");
    }
    let claimed = "hosts = [\".myshopify.com\"]\ncustomersRunServers = false";
    let source = "sources = { customersRunServers = \"https://shopify.dev/hosts\" }";
    let text = PIPEDRIVE.replace(hosts, &format!("{claimed}\n{source}"));
    assert_eq!(check(Some(directory(&[("a.toml", &text)]).path())), Ok(9));
    let page = |claim: &str| format!("`{claim}` needs a source: name the vendor's page as `sources.{claim}`");
    refused_at(PIPEDRIVE, hosts, claimed, "customersRunServers", &page("customersRunServers"));
    let line = "oneAppForAllHosts = \"https://developer.salesforce.com";
    let at = "oneAppForAllHosts = true";
    refused_at(SFDC, line, "# \"", at, &page("oneAppForAllHosts"));
    refused(SFDC, line, "oneAppForAllHosts = \"http://a.example", "a source is an address that begins with https://");
    refused_at(SFDC, at, "", line, "`oneAppForAllHosts` is not claimed");
    let other = "name = \"https://a.example\"";
    refused_at(SFDC, "[sources]", &format!("[sources]\n{other}"), other, "`name` needs no source");
    let never = "hosts where customers run servers get no secrets: leave `customersRunServers` away, or say false";
    refused_at(PIPEDRIVE, hosts, &format!("{hosts}\ncustomersRunServers = true"), "customersRunServers", never);
}
