//! Suffixes of hosts under which the vendor's customers run servers of their own: a secret that may go to all of them may go to
//! anybody. And what a file claims about that, with its sources.

use url::Url;

use super::Findings;
use crate::catalog::element::Element;
use crate::kernel::template::{Place, Template};

/// Below these customers run servers too, and the public suffix list does not have them all (publicsuffix.org, private
/// section): it names services of a region, or nothing.
const FURTHER: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "azure.com",
    "on.aws",
    "scw.cloud",
    "windows.net",
    // Public sites with Apex code of the customer's (Salesforce, Object Reference, "Domain"; "Salesforce Sites" in its help).
    "force.com",
    "salesforce-sites.com",
    "site.com",
];

/// What a file may claim, and must name a page of the vendor's for.
const CLAIMS: [&str; 2] = ["customersRunServers", "oneAppForAllHosts"];

pub fn check(element: &Element, findings: &mut Findings) {
    check_claims(element, findings);
    if element.customers_run_servers == Some(false) {
        return;
    }
    let listed = element.hosts.listed().iter().enumerate().filter_map(|(at, host)| {
        let suffix = host.strip_prefix('.').filter(|suffix| suffix.contains('.'))?;
        Some((format!("hosts/{at}"), suffix.to_owned()))
    });
    let built = element.templates().into_iter().filter_map(|(at, url)| Some((at.to_owned(), fixed_suffix(url)?)));
    for (at, suffix) in listed.chain(built) {
        findings.demand(!is_open(&suffix), at, format!(
            "customers run servers of their own below `{suffix}`, and secrets would go to them: name hosts of the vendor's, \
             or say `customersRunServers = false` with the vendor's page below `sources`"
        ));
    }
}

fn check_claims(element: &Element, findings: &mut Findings) {
    findings.demand(
        element.customers_run_servers != Some(true),
        "customersRunServers",
        "hosts where customers run servers get no secrets: leave `customersRunServers` away, or say false",
    );
    let anywhere = element.hosts.is_any();
    findings.demand(
        !(anywhere && element.customers_run_servers == Some(false)),
        "customersRunServers",
        "with `hosts = \"any\"` customers run servers of their own",
    );
    let one_app = element.authentication.oauth2.as_ref().is_some_and(|oauth2| oauth2.one_app_for_all_hosts);
    let claimed = [element.customers_run_servers == Some(false), one_app];
    for (claim, claimed) in CLAIMS.iter().zip(claimed) {
        let page = element.sources.get(*claim).map(|text| Url::parse(text).is_ok_and(|url| url.scheme() == "https"));
        match page {
            None if claimed => findings.add(
                if *claim == "oneAppForAllHosts" { "authentication/oauth2/oneAppForAllHosts" } else { *claim },
                format!("`{claim}` needs a source: name the vendor's page as `sources.{claim}`"),
            ),
            Some(false) => findings.add(format!("sources/{claim}"), "a source is an address that begins with https://"),
            Some(true) if !claimed => findings.add(format!("sources/{claim}"), format!("`{claim}` is not claimed")),
            _ => {}
        }
    }
    findings.demand(
        !(anywhere && one_app),
        "authentication/oauth2/oneAppForAllHosts",
        "with `hosts = \"any\"` an app for all hosts would be told to anybody",
    );
    for other in element.sources.keys().filter(|name| !CLAIMS.contains(&name.as_str())) {
        findings.add(format!("sources/{other}"), format!("`{other}` needs no source"));
    }
}

/// What is fixed behind the last variable of a host.
fn fixed_suffix(url: &Template) -> Option<String> {
    let (name, _) = url.places().filter(|(_, place)| *place == Place::Label).last()?;
    let (_, after) = url.as_str().rsplit_once(&format!("{{{name}}}"))?;
    let host = after.split([':', '/', '?', '#']).next()?;
    host.split_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase())
}

/// Whether names below it belong to anybody: it is a suffix of the list, or above one of its wildcards.
fn is_open(suffix: &str) -> bool {
    let further = |name: &&str| suffix.strip_suffix(*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let below = format!("x.{suffix}");
    let listed = psl::suffix(below.as_bytes()).filter(|found| found.is_known());
    FURTHER.iter().any(further) || listed.is_some_and(|found| found.as_bytes().len() >= suffix.len())
}
