//! The hosts that an organization's OAuth app was stored for: where these are the customer's to name, its secret goes nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::app_input::with_said;
use super::partner_app::{PartnerApp, own_client};
use super::provision::{Provisioning, with_values};
use crate::catalog::element::{AuthenticationType, Element};
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::{MAX_PAGE_SIZE, Page};
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::keys::unopened::unless_unopened;
use crate::store::instances::{self, Filter, Stored};

const MOST_HOSTS: usize = 1000;

/// What a change of an app says about its hosts. `said`: the addresses that it names itself. `before`: the app that is stored; `secret`: the one that was sent.
pub(super) fn hosts_of(
    element: &Element,
    oauth2: &OAuth2,
    (sent, said): (Option<&[String]>, &BTreeMap<String, String>),
    (before, secret): (Option<&PartnerApp>, Option<&Secret>),
) -> Result<Option<Vec<String>>, ApiError> {
    let refused = |message: String| Err(ApiError::new(Code::BadBody, message));
    if !oauth2.binds_apps_to_hosts() {
        return match sent.is_some_and(|hosts| !hosts.is_empty()) {
            true => refused(format!("One app serves all hosts of {}: leave hosts away.", element.name)),
            false => Ok(None),
        };
    }
    let example = oauth2.token.url.as_str();
    let known = before.and_then(|app| app.hosts.clone()).unwrap_or_default();
    let own = with_said(element, said, |values| {
        let urls = oauth2.client_urls().filter(|url| url.has_variable_host()).filter_map(|url| values.url(url).ok());
        urls.map(|url| element.hosts.server_of(&url)).collect::<Vec<_>>()
    });
    // An app that names its addresses is for these.
    let sent = match sent {
        Some(sent) => Some([sent, own.as_slice()].concat()),
        None => (!said.is_empty()).then_some(own),
    };
    if sent.as_deref().map_or(before.is_none(), <[String]>::is_empty) && !has_own_host(element, oauth2) {
        return refused(format!("hosts is missing: name the hosts that the app was made for, as in {example}."));
    }
    let Some(sent) = sent else { return Ok(Some(known)) };
    let named: BTreeSet<String> = sent.iter().map(|host| host.trim().to_ascii_lowercase()).collect();
    if named.len() > MOST_HOSTS {
        return refused(format!("hosts must not name more than {MOST_HOSTS}."));
    }
    let fits = |host: &String| oauth2.client_urls().any(|url| url.may_lead_to(host, &element.hosts));
    if named.iter().any(|host| !fits(host)) {
        return refused(format!(
            "hosts must be whole host names of {}, without https:// and path, as in {example}.",
            element.name
        ));
    }
    // Who does not know the secret must not lead it elsewhere.
    let asked = before.is_some() && !oauth2.has_public_clients();
    if asked && secret.is_none() && named.iter().any(|host| !known.contains(host)) {
        let message = "The app gets another host, and its secret was given for the old ones: send clientSecret anew in \
                       the same request.";
        return Err(ApiError::new(Code::SecretNeededForNewHost, message));
    }
    Ok(Some(named.into_iter().collect()))
}

/// Whether the element's file itself names a host where the app is of use.
fn has_own_host(element: &Element, oauth2: &OAuth2) -> bool {
    let default = |name: &str| element.variables.get(name).and_then(|variable| variable.default.clone());
    oauth2.token.url.url(default, &element.hosts).is_ok()
}

impl Services {
    /// The organization's app speaks where it was stored for alone, whoever names another host.
    pub(super) fn refuse_app_elsewhere(&self, input: &Provisioning) -> Result<(), ApiError> {
        let element = &input.element;
        let oauth2 = element.authentication.oauth2.as_ref();
        let (Some(oauth2), Some(app)) = (oauth2, &input.app) else { return Ok(()) };
        self.refuse_changed_element(element, app.given_for.as_deref())?;
        with_values(element, &input.configuration, input.told_by_caller().as_ref(), |values| {
            input.client().refuse_foreign_host(oauth2, values)
        })
    }

    /// The hosts of the instances that use the organization's app and are in order: what an app is bound to that was stored when
    /// apps had no hosts.
    pub(super) async fn hosts_in_use(&self, owner: Owner, element: &Element) -> Result<Vec<String>, ApiError> {
        let filter = Filter { element_id: Some(element.id), ..Filter::default() };
        let (mut hosts, mut after) = (BTreeSet::new(), 0);
        loop {
            let (filter, page) = (filter.clone(), Page { after, size: MAX_PAGE_SIZE });
            let (rows, page) =
                self.store.read_for(owner, move |conn| instances::list(conn, owner, &filter, page)).await?;
            let more = rows.len() > usize::try_from(page.size).unwrap_or(usize::MAX);
            for stored in &rows {
                hosts.extend(unless_unopened(self.hosts_of_instance(element, stored))?.into_iter().flatten());
            }
            match rows.last().filter(|_| more) {
                Some(last) => after = last.instance.id,
                None => return Ok(hosts.into_iter().collect()),
            }
        }
    }

    /// None for one that does not use the app, or serves nobody.
    fn hosts_of_instance(&self, element: &Element, stored: &Stored) -> Result<Vec<String>, ApiError> {
        let configuration = self.configuration_of(stored)?;
        let with_oauth = stored.instance.authentication_type == AuthenticationType::OAuth2.as_str();
        let Some(oauth2) = element.authentication.oauth2.as_ref().filter(|_| with_oauth) else { return Ok(Vec::new()) };
        if own_client(&configuration).is_some() {
            return Ok(Vec::new());
        }
        let credential = self.credential_of(&stored.instance, &stored.credential)?;
        // What serves nobody is no proof that the secret belongs there.
        let serves = stored.instance.enabled && stored.instance.invalid_reason.is_none();
        if !serves || self.refuse_changed_element(element, credential.given_for()).is_err() {
            return Ok(Vec::new());
        }
        let urls = oauth2.client_urls().filter(|url| url.has_variable_host());
        let urls = urls.filter_map(|url| {
            with_values(element, &configuration, Some(credential.replied()), |values| values.url(url)).ok()
        });
        Ok(urls.map(|url| element.hosts.server_of(&url)).collect())
    }
}
