//! A reply that somebody recorded, read as one that came.

use chrono::{DateTime, Utc};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::send::{codings, head, plain};
use crate::protocol::{VendorFault, VendorReply};

/// Status line, headers and body, as `curl -i` writes them; of several heads the last counts. A body alone is one with status 200.
///
/// # Errors
/// It is larger than `most` when it is unpacked.
pub fn recorded(bytes: &[u8], most: usize, now: DateTime<Utc>) -> Result<VendorReply, VendorFault> {
    let (mut status, mut headers, mut rest) = (StatusCode::OK, HeaderMap::new(), bytes);
    while let Some((next, found, body)) = head_of(rest) {
        (status, headers, rest) = (next, found, body);
    }
    let mut reply = head(status, &headers, now);
    reply.body = plain(rest.to_vec(), &codings(&headers), most)?;
    reply.headers = headers;
    Ok(reply)
}

fn head_of(bytes: &[u8]) -> Option<(StatusCode, HeaderMap, &[u8])> {
    if !bytes.starts_with(b"HTTP/") {
        return None;
    }
    let (mut headers, mut status, mut rest) = (HeaderMap::new(), None, bytes);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        if line.is_empty() {
            break;
        }
        match (status, line.split_once(':')) {
            (None, _) => status = line.split(' ').nth(1).and_then(|text| StatusCode::from_bytes(text.as_bytes()).ok()),
            (Some(_), Some((name, value))) => {
                let value = HeaderValue::from_str(value.trim());
                if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
                    headers.append(name, value);
                }
            }
            (Some(_), None) => {}
        }
    }
    Some((status?, headers, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_reply_is_read_as_one_that_came() {
        let read = |text: &[u8]| recorded(text, 100, DateTime::UNIX_EPOCH).unwrap();
        let reply = read(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nRetry-After: 7\r\n\r\n<p>\n");
        assert_eq!((reply.status, reply.content_type.as_str(), reply.retry_after), (400, "text/html", Some(7)));
        assert_eq!(reply.body, b"<p>\n");
        // What a proxy answered first, and line ends as an editor leaves them.
        let reply = read(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 302\nlocation: /x\n\n");
        assert_eq!((reply.status, reply.location.as_deref(), reply.body.len()), (302, Some("/x"), 0));
        let reply = read(b"{\"access_token\":\"at\"}");
        assert_eq!((reply.status, reply.json().is_some()), (200, true));
        for (text, status) in [(&b""[..], 200), (b"HTTP/1.1", 200), (b"HTTP/1.1 9999\n", 200), (b"HTTP/1.1 204\n", 204)]
        {
            assert_eq!(read(text).status, status);
        }
        assert!(recorded(&[b'x'; 101], 100, DateTime::UNIX_EPOCH).is_ok(), "it is packed that is bounded");
    }
}
