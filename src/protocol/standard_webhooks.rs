//! How notices are signed: the Standard Webhooks specification (standardwebhooks.com), symmetric signatures.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use url::Url;
use zeroize::Zeroizing;

use super::VendorRequest;
use crate::kernel::entropy::{Entropy, bytes};
use crate::kernel::secret::Secret;

/// The specification advises 15 to 30 s.
pub const PATIENCE: Duration = Duration::from_secs(15);
const PREFIX: &str = "whsec_";

/// 32 random bytes, as the specification spells a secret.
pub fn new_secret(entropy: &dyn Entropy) -> Secret {
    let key = Zeroizing::new(bytes::<32>(entropy));
    Secret::new(format!("{PREFIX}{}", *Zeroizing::new(STANDARD.encode(key.as_slice()))))
}

/// One attempt to deliver a message. `secrets`: one signature for each, so that the receiver may know either.
pub fn request(url: Url, id: &str, body: &str, at: DateTime<Utc>, secrets: &[Secret]) -> VendorRequest {
    let timestamp = at.timestamp().to_string();
    let signatures: Vec<_> = secrets.iter().filter_map(|secret| signature(secret, id, &timestamp, body)).collect();
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signatures.join(" ")),
    ];
    VendorRequest {
        method: "POST".to_owned(),
        url,
        headers: headers.map(|(name, value)| (name.to_owned(), Secret::new(value))).to_vec(),
        body: Some(Secret::new(body)),
        timeout: PATIENCE,
        largest_reply: 0,
        secrets: Vec::new(),
    }
}

/// None for what is no secret of this kind.
fn signature(secret: &Secret, id: &str, timestamp: &str, body: &str) -> Option<String> {
    let key = Zeroizing::new(STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?);
    let mac = Hmac::<Sha256>::new_from_slice(&key).ok()?.chain_update(format!("{id}.{timestamp}.{body}"));
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SeededEntropy;

    /// The example of the specification's own libraries.
    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn sent(secrets: &[Secret]) -> VendorRequest {
        let at = DateTime::from_timestamp(1_614_265_330, 999_000_000).unwrap();
        let url = "https://receiver.example/hook?key=hunter2".parse().unwrap();
        request(url, "msg_p5jXN8AQM9LWM0D4loKWxJek", "{\"test\": 2432232314}", at, secrets)
    }

    fn header(request: &VendorRequest, name: &str) -> String {
        let header = request.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.expose().to_owned()).unwrap()
    }

    #[test]
    fn the_example_of_the_libraries_comes_out() {
        let request = sent(&[Secret::new(EXAMPLE)]);
        assert_eq!(header(&request, "webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(header(&request, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(header(&request, "webhook-timestamp"), "1614265330");
        assert_eq!(format!("{request:?}"), "POST https://receiver.example/hook");
    }

    #[test]
    fn each_secret_signs_and_the_signatures_stand_side_by_side() {
        let secrets = [new_secret(&SeededEntropy::new(1)), Secret::new(EXAMPLE)];
        assert_eq!(secrets[0].expose().len(), PREFIX.len() + 44);
        let both = header(&sent(&secrets), "webhook-signature");
        let each = secrets.map(|secret| header(&sent(&[secret]), "webhook-signature"));
        assert_eq!(both, each.join(" "));
        assert_ne!(each[0], each[1]);
    }
}
