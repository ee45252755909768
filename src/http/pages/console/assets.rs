//! The console's own style and script, on top of those of the customers' pages.

use actix_web::{HttpRequest, HttpResponse};

use super::problems;
use crate::http::pages::assets::file;

pub const STYLE: &str = "/console/assets/console.css";
pub const SCRIPT: &str = "/console/assets/console.js";

pub async fn asset(request: HttpRequest) -> HttpResponse {
    match request.match_info().get("file") {
        Some("console.css") => file("text/css; charset=utf-8", include_str!("console.css")),
        Some("console.js") => file("text/javascript; charset=utf-8", include_str!("console.js")),
        _ => problems::nothing_here(request).await,
    }
}
