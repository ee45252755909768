//! `ligand elements trust`: the operator's word that a changed file is the same vendor's.

use super::{Ended, database, print, services_with, told};
use crate::config::Trust;
use crate::service::elements::of_owner::ANYBODY;

pub async fn trust(Trust { storage, catalogue, key }: Trust) -> Ended {
    let services = services_with(&storage, catalogue.elements_dir.as_deref()).await?;
    let ended = match services.element_of(ANYBODY, &key) {
        Ok(element) => services.trust_element(&element).await.map_err(|error| told(&error)),
        Err(_) => Err(format!("there is no element {key}: give the directory of its file as --elements-dir")),
    };
    database::close(&services.store, ended).await?;
    print(&format!("what is stored for {key} is sent where its file says, by running servers within seconds"))
}
