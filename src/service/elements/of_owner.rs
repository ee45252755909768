//! Whose elements: the one way to an element. Everybody has those of the catalogue, so that an owner is not looked at yet; what an
//! organization will have of its own is found behind these functions, and nowhere else.

use std::sync::Arc;

use super::view::{ElementText, ElementTexts};
use crate::catalog::Catalog;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::plain_text::shortened;
use crate::protocol::instance_token::CredentialNames;
use crate::service::Services;

/// Somebody who is not known, or not yet; a command of the operator.
pub const ANYBODY: Option<Owner> = None;

/// The elements, and what is made of them once. Looked at where nothing can be waited for (in a transaction, after a code was
/// spent), so all of it is in memory. Cheap to clone.
#[derive(Clone)]
pub struct Shelf(Arc<Shared>);

struct Shared {
    catalog: Catalog,
    texts: ElementTexts,
    credential_names: CredentialNames,
}

impl Shelf {
    /// # Errors
    /// An element that cannot be written as JSON.
    pub fn of(catalog: Catalog) -> Result<Self, serde_json::Error> {
        let texts = ElementTexts::of(&catalog)?;
        let credential_names = CredentialNames::of(catalog.iter().map(AsRef::as_ref));
        Ok(Self(Arc::new(Shared { catalog, texts, credential_names })))
    }
}

/// The elements of an owner, in ascending order of ids.
#[derive(Clone)]
pub struct Elements(Arc<Shared>);

impl Elements {
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Element>> {
        self.0.catalog.iter()
    }

    pub(super) fn texts(&self) -> &ElementTexts {
        &self.0.texts
    }
}

impl Services {
    /// By key, or by id where the text is a number.
    pub fn element_of(&self, owner: impl Into<Option<Owner>>, key_or_id: &str) -> Result<Arc<Element>, ApiError> {
        self.shelf_of(owner).catalog.get(key_or_id).cloned().ok_or_else(|| {
            let message = format!("No element found with key or id {}.", shortened(key_or_id));
            ApiError::new(Code::ElementNotFound, message)
        })
    }

    /// The one that a row names. None: it is no longer offered.
    pub fn element_by_id(&self, owner: impl Into<Option<Owner>>, id: i64) -> Option<Arc<Element>> {
        self.shelf_of(owner).catalog.by_id(id).cloned()
    }

    pub fn elements_of(&self, owner: impl Into<Option<Owner>>) -> Elements {
        Elements(Arc::clone(self.shelf_of(owner)))
    }

    /// An element inside an instance, as JSON.
    pub(in crate::service) fn element_text(&self, owner: impl Into<Option<Owner>>, id: i64) -> Option<ElementText> {
        self.shelf_of(owner).texts.get(id).cloned()
    }

    /// Where callers of the passthrough may put a token. Asked before anybody knows whose token it is.
    pub fn credential_names(&self) -> &CredentialNames {
        &self.shelf.0.credential_names
    }

    fn shelf_of(&self, _owner: impl Into<Option<Owner>>) -> &Arc<Shared> {
        &self.shelf.0
    }
}
