//! Every way we know to spell an inner address, tried on the connections of the passthrough and on the sender alike.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Dialer, Guard, Sender, client_config};
use crate::kernel::clock::SystemClock;
use crate::protocol::destination::Destination;
use crate::protocol::{VendorFault, VendorRequest};

const SPELLINGS: &[&str] = &[
    // Plain, short, decimal, octal, hexadecimal, mixed, padded.
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0177.0x0.0.1/",
    "https://0000177.0.0.01/",
    "https://127.0.0.1./",
    "https://127.255.255.254/",
    // Nowhere, and everywhere on this machine.
    "https://0.0.0.0/",
    "https://0/",
    "https://0x0/",
    "https://255.255.255.255/",
    // Inner networks, and the clouds' metadata.
    "https://10.0.0.1/",
    "https://10.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xA9FEA9FE/",
    "https://0251.0376.0251.0376/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    // IPv6, and IPv4 inside of it.
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[64:ff9b:1::10.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    // Users, ports, other digits and dots, capitals.
    "https://api.hubapi.com@127.0.0.1/",
    "https://api.hubapi.com:443@127.0.0.1/",
    "https://api.hubapi.com%40x@127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://127.0.0.1:8443/",
    "https://127.0.0.1#@api.hubapi.com/",
    "https://127.0.0.1\\@api.hubapi.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://１２７.0.0.1/",
    "HTTPS://0X7F.0.0.1/",
    // Names that lead inside, and names in the clear.
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://ⓛocalhost/",
    "http://api.hubapi.com/",
    "http://1.1.1.1/",
    // Other ways to call.
    "ftp://1.1.1.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
];

fn refused<T>(outcome: &Result<T, VendorFault>) -> bool {
    // A name that nobody knows leads nowhere either.
    matches!(outcome, Err(VendorFault::Address(_) | VendorFault::Unreachable { sent: false, .. }))
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_is_called() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guard = Guard::default();
    let tls = client_config().unwrap();
    let (dialer, sender) = (
        Dialer::new(guard.clone(), None, tls.clone()).unwrap(),
        Sender::new(guard.clone(), None, tls, Arc::new(SystemClock)).unwrap(),
    );
    let mut tried = 0;
    for spelling in SPELLINGS {
        // What cannot be read as an address is no address of any element.
        let Ok(url) = Url::parse(spelling) else { continue };
        tried += 1;
        let literal = !matches!(url.host(), Some(url::Host::Domain(_)));
        assert!(!literal || guard.check(&url).is_err(), "{spelling}");
        let dialled = dialer.connect(Destination::of(&url).origin()).await;
        assert!(refused(&dialled), "{spelling} was dialled");
        let request = VendorRequest {
            method: "GET".to_owned(),
            url,
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(5),
            largest_reply: 1,
            secrets: Vec::new(),
        };
        assert!(refused(&sender.send(&request).await), "{spelling} was sent to");
    }
    assert!(tried >= 60, "{tried}");
}

#[test]
fn of_a_name_with_several_addresses_only_the_public_ones_are_dialled() {
    let found = ["127.0.0.1:0", "1.1.1.1:0", "[::1]:0", "169.254.169.254:0", "[2606:4700::1111]:0", "10.0.0.1:0"];
    let found = found.map(|text| text.parse::<SocketAddr>().unwrap());
    let good: Vec<String> = Guard::default().good(found.into_iter()).iter().map(ToString::to_string).collect();
    assert_eq!(good, ["1.1.1.1:0", "[2606:4700::1111]:0"]);
}
