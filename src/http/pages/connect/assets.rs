//! Style sheets and scripts: ours alone.

use actix_web::{HttpRequest, HttpResponse};

use super::colour;
use super::visitor::Visitor;
use crate::http::pages::assets::file;
use crate::http::pages::frame::headers;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// By name: media type and text.
const ASSETS: [(&str, &str, &str); 3] = [
    ("page.css", "text/css; charset=utf-8", include_str!("../page.css")),
    ("result.js", "text/javascript; charset=utf-8", include_str!("result.js")),
    ("send_on.js", "text/javascript; charset=utf-8", include_str!("send_on.js")),
];

pub async fn asset(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let name = request.match_info().get("file").unwrap_or_default();
    let found = ASSETS.iter().find(|(known, _, _)| *known == name);
    let (_, media_type, text) = found.ok_or_else(|| ApiError::from(Code::RouteNotFound))?;
    Ok(file(media_type, text))
}

/// The colour of the link's organization.
pub async fn brand(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let visitor = Visitor::of(&request)?;
    let link = visitor.link(&request).await?;
    let presentation = visitor.services.presentation(link.owner()).await?;
    let style = presentation.colour.as_deref().and_then(colour::style).unwrap_or_default();
    // Its address holds the link's token: no cache keeps it.
    let mut response = HttpResponse::Ok();
    for header in headers(&visitor.services.public_url) {
        response.insert_header(header);
    }
    Ok(response.content_type("text/css; charset=utf-8").body(style))
}
