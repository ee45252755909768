//! The vendor of the proxy run: it answers a request by its path with bytes that are ready, and costs as little as it can.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Paths with their replies; `/1k` and `/64k` have bodies of that size.
pub async fn serve() -> SocketAddr {
    let replies: Replies = Arc::new(
        [("/1k", text(1 << 10)), ("/64k", text(64 << 10)), (CONTACTS, contacts())]
            .map(|(path, body)| (path, reply(&body)))
            .into(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&replies)));
        }
    });
    address
}

/// A page of a hundred objects.
pub const CONTACTS: &str = "/crm/v3/objects/contacts";

type Replies = Arc<Vec<(&'static str, Vec<u8>)>>;

/// Requests without a body, one at a time, until the connection ends.
async fn answer(mut stream: TcpStream, replies: Replies) {
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(read) if read > 0 => filled += read,
            _ => return,
        }
        let request = &buffer[..filled];
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let path = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let found = replies.iter().find(|(known, _)| path.starts_with(known.as_bytes()));
        // Whatever else is asked, as the verification of a key, is fine too.
        let (_, reply) = found.unwrap_or(&replies[0]);
        if stream.write_all(reply).await.is_err() {
            return;
        }
        filled = 0;
    }
}

fn reply(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

fn text(bytes: usize) -> String {
    let text = json!({ "data": "x" }).to_string();
    text.replace('x', &"x".repeat(bytes - text.len() + 1))
}

fn contacts() -> String {
    let contact = |number: u32| {
        json!({
            "id": (number + 1000).to_string(),
            "properties": {
                "createdate": "2026-03-01T12:00:00.123Z",
                "email": format!("contact{number}@customer.example"),
                "firstname": "Jo",
                "hs_object_id": (number + 1000).to_string(),
                "lastmodifieddate": "2026-03-02T12:00:00.123Z",
                "lastname": format!("Contact {number}"),
            },
            "createdAt": "2026-03-01T12:00:00.123Z",
            "updatedAt": "2026-03-02T12:00:00.123Z",
            "archived": false,
        })
    };
    let results: Vec<_> = (0..100).map(contact).collect();
    json!({ "results": results, "paging": { "next": { "after": "1100", "link": "?after=1100" } } }).to_string()
}
