//! `/connect/ligand.js` and its types: for pages of any origin, and the same for everybody.

use std::sync::LazyLock;

use actix_web::http::header::{self, ETAG, EntityTag, IfNoneMatch};
use actix_web::{HttpResponse, web};
use sha2::{Digest as _, Sha256};

use crate::http::unrouted::no_route;
use crate::http::urls::{SCRIPT, TYPES};
use crate::kernel::entropy::hex_of;

/// A text of the program with its validator.
struct Asset {
    kind: &'static str,
    text: &'static str,
    tag: EntityTag,
}

impl Asset {
    fn new(kind: &'static str, text: &'static str) -> Self {
        Self { kind, text, tag: EntityTag::new_strong(hex_of(&Sha256::digest(text))) }
    }
}

static LIGAND_JS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", include_str!("ligand.js")));
static LIGAND_D_TS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/plain; charset=utf-8", include_str!("ligand.d.ts")));

/// They stand before the pages, whose token would match their names.
pub fn routes(config: &mut web::ServiceConfig) {
    for (path, asset) in [(SCRIPT, &LIGAND_JS), (TYPES, &LIGAND_D_TS)] {
        let get = web::get().to(move |known: web::Header<IfNoneMatch>| async move { serve(asset, &known) });
        config.service(web::resource(path).route(get).default_service(web::to(no_route)));
    }
}

fn serve(asset: &Asset, known: &IfNoneMatch) -> HttpResponse {
    let is_known = match known {
        IfNoneMatch::Any => true,
        // Without the header there are no items.
        IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(&asset.tag)),
    };
    let mut reply = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    reply
        .insert_header((ETAG, asset.tag.to_string()))
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=86400"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if is_known { reply.finish() } else { reply.content_type(asset.kind).body(asset.text) }
}
