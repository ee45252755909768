//! Who looks at a page: the services, and the link behind the token in the address.

use std::net::IpAddr;

use actix_web::HttpRequest;

use crate::http::extract::{Parameters, address, services};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::connect::Link;

/// A token of ours (`url_token`).
const LENGTH: usize = 43;

pub struct Visitor {
    pub services: Services,
    pub address: Option<IpAddr>,
    pub parameters: Parameters,
}

impl Visitor {
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let (services, address) = (services(request)?, address(request));
        Ok(Self { services, address, parameters: Parameters::of(request) })
    }

    /// The link of the address. Who asks for too many that do not exist is told to wait.
    pub async fn link(&self, request: &HttpRequest) -> Result<Link, ApiError> {
        let token = request.match_info().get("token").unwrap_or_default();
        let link = if token.len() == LENGTH { self.services.link_of_token(&Secret::new(token)).await? } else { None };
        match link {
            Some(link) => self.services.with_allowed_addresses(link).await,
            None => {
                self.services.link_limits.note_miss(self.address)?;
                Err(Code::LinkNotFound.into())
            }
        }
    }

    /// The page was opened as a popup.
    pub fn popup(&self) -> bool {
        self.parameters.get("display") == Some(POPUP)
    }
}

pub const POPUP: &str = "popup";
