//! Headers of a vendor's answer that end here.

const PROXY_FILE: &str = "makes a proxy in front send a file or a page of its own";
const PROXY_CACHE: &str = "tells caches in front to keep what is one instance's alone";
const PROXY_HEALTH: &str = "tells Envoy in front that this server is overloaded or ill";
const ORIGIN: &str = "would stand for the whole origin, which is this server's and not the vendor's";
const BROWSER_STATE: &str = "would change what a browser keeps or does for this server's origin";
const REPORTS: &str = "makes browsers report addresses of this server to others";
const READERS: &str =
    "says which pages may read answers of this server, which is its operator's to say (`LIGAND_CORS_ORIGINS`)";
const OURS: &str = "is this server's own word";

/// Names, in their order, and why. One that ends in `-` stands for all that begin so.
///
/// nginx: `ngx_http_proxy_module`; mod_xsendfile; lighttpd `mod_proxy`; Perlbal; LiteSpeed; Envoy "HTTP header manipulation";
/// RFC 9213 (targeted cache control), the Edge Architecture specification; RFC 6797, 7469, 7838, 9163, 9842, 8942; W3C Clear
/// Site Data, Reporting, Network Error Logging, Service Workers, FedCM login status; WHATWG HTML and Fetch.
pub const WITHHELD: [(&str, &str); 40] = [
    ("accept-ch", BROWSER_STATE),
    ("access-control-", READERS),
    ("activate-storage-access", BROWSER_STATE),
    ("alt-svc", ORIGIN),
    ("attribution-reporting-", REPORTS),
    ("cdn-cache-control", PROXY_CACHE),
    ("clear-site-data", BROWSER_STATE),
    ("cloudflare-cdn-cache-control", PROXY_CACHE),
    ("critical-ch", BROWSER_STATE),
    ("edge-control", PROXY_CACHE),
    ("elements-error", OURS),
    ("elements-request-id", OURS),
    ("expect-ct", ORIGIN),
    ("nel", REPORTS),
    ("netlify-cdn-cache-control", PROXY_CACHE),
    ("observe-browsing-topics", BROWSER_STATE),
    ("origin-agent-cluster", ORIGIN),
    ("public-key-pins", ORIGIN),
    ("public-key-pins-report-only", ORIGIN),
    ("report-to", REPORTS),
    ("reporting-endpoints", REPORTS),
    ("secure-session-", BROWSER_STATE),
    ("service-worker-allowed", ORIGIN),
    ("set-cookie2", BROWSER_STATE),
    ("set-login", BROWSER_STATE),
    ("strict-transport-security", ORIGIN),
    ("surrogate-control", PROXY_CACHE),
    ("timing-allow-origin", READERS),
    ("use-as-dictionary", BROWSER_STATE),
    ("vercel-cdn-cache-control", PROXY_CACHE),
    ("x-accel-", PROXY_FILE),
    ("x-envoy-degraded", PROXY_HEALTH),
    ("x-envoy-immediate-health-check-fail", PROXY_HEALTH),
    ("x-envoy-overloaded", PROXY_HEALTH),
    ("x-envoy-ratelimited", PROXY_HEALTH),
    ("x-lighttpd-", PROXY_FILE),
    ("x-litespeed-", PROXY_FILE),
    ("x-reproxy-", PROXY_FILE),
    ("x-sendfile", PROXY_FILE),
    ("x-sendfile2", PROXY_FILE),
];

/// `name` is in lower case.
pub fn is_withheld(name: &str) -> bool {
    let behind = WITHHELD.partition_point(|(known, _)| *known <= name);
    let nearest = behind.checked_sub(1).and_then(|at| WITHHELD.get(at));
    nearest.is_some_and(|(known, _)| name == *known || (known.ends_with('-') && name.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_so_that_it_can_be_searched() {
        assert!(WITHHELD.is_sorted());
        for (name, why) in WITHHELD {
            assert!(is_withheld(name) && !why.is_empty(), "{name}");
            assert!(!is_withheld(&name[..name.len() - 2]), "{name}");
        }
        for (name, withheld) in [
            ("x-accel-redirect", true),
            ("x-accel", false),
            ("x-sendfile3", false),
            ("nel", true),
            ("nelly", false),
            ("a", false),
            ("zzz", false),
            ("x-hubspot-ratelimit-remaining", false),
            ("access-control-allow-origin", true),
        ] {
            assert_eq!(is_withheld(name), withheld, "{name}");
        }
    }

    #[test]
    fn the_documentation_has_every_line() {
        let text = include_str!("../../../docs/passthrough.md");
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        for (name, why) in WITHHELD {
            let all = if name.ends_with('-') { "…" } else { "" };
            assert!(text.contains(&format!("| `{name}{all}` | {why} |\n")), "| `{name}{all}` | {why} |");
        }
        assert_eq!(told.len(), WITHHELD.len());
    }
}
