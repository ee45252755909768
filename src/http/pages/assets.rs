//! Style sheets and scripts are files of this program.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// For ten minutes: a new version is seen soon.
pub fn file(media_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CACHE_CONTROL, "max-age=600"))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(text)
}
