//! How an organization presents itself to its customers.

use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::store::{Whose, principals};

#[derive(Debug, Clone)]
pub struct Presentation {
    pub name: String,
    /// An https address.
    pub logo: Option<String>,
    /// `#rrggbb`.
    pub colour: Option<String>,
    /// Where the organization wants people who come without a link.
    pub application: Option<String>,
}

impl Services {
    pub async fn presentation(&self, owner: Owner) -> Result<Presentation, ApiError> {
        let id = owner.organization;
        let settings = self.organization_settings(id).await?;
        let (brand, application) = (settings.choices.brand.clone(), settings.choices.application_url.clone());
        let name = match brand.display_name {
            Some(name) => name,
            None => self.store.read_for(Whose::of(id), move |conn| principals::organization_name(conn, id)).await?,
        };
        Ok(Presentation { name, logo: brand.logo_url, colour: brand.colour, application })
    }
}
