//! What a request's head keeps alive: address and header values are parts of the buffer that the connection read them into,
//! with as much of the body as came along, and the framework keeps the last heads of every thread for requests to come.

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{self, HeaderValue};

use super::body::SMALL;

/// Gives the head of a request with a large body memory of its own, so that the buffer goes when the body was read.
pub fn detach(request: &mut ServiceRequest) {
    if matches!(request.parts().1, Payload::None) {
        return;
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length <= SMALL) {
        return;
    }
    if let Ok(uri) = request.uri().to_string().parse() {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    request.headers_mut().retain(|_, value| {
        if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = own;
        }
        true
    });
}
