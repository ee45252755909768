//! A change of an element's file is a change of host for all its instances: what was stored for one file goes to the places of
//! another only when these are the same, when it is given anew, or when the operator says that it is the same vendor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::audit::Deed;
use crate::service::elements::of_owner::ANYBODY;
use crate::store::StoreFault;
use crate::store::instances::Stored;
use crate::store::secret_places::{self, SecretPlace};
use crate::store::time::UtcTime;

/// What the database knows of the files that elements had, by element id. Cheap to clone; not looked at on a warm path.
#[derive(Debug, Clone, Default)]
pub struct KnownPlaces(Arc<RwLock<BTreeMap<i64, Known>>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    /// What secrets were given for that do not say so.
    first: String,
    /// All, and those to which everybody's may go.
    all: BTreeSet<String>,
    trusted: BTreeSet<String>,
}

impl KnownPlaces {
    /// Whether anything that was stored may be held back. A look at memory, for who shows instances.
    fn may_hold(&self, element: &Element) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let now = element.secret_places.as_str();
        known.get(&element.id).is_none_or(|known| !known.trusted.contains(now) && known.all.iter().any(|it| it != now))
    }

    fn of(&self, element: i64) -> Option<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&element).cloned()
    }

    /// Whether something differs from before.
    fn set(&self, rows: Vec<SecretPlace>) -> bool {
        let mut known = BTreeMap::<i64, Known>::new();
        for row in rows {
            let of_element = known.entry(row.element_id).or_default();
            if of_element.all.is_empty() {
                of_element.first.clone_from(&row.fingerprint);
            }
            if row.same_vendor {
                of_element.trusted.insert(row.fingerprint.clone());
            }
            of_element.all.insert(row.fingerprint);
        }
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let differs = *kept != known;
        *kept = known;
        differs
    }
}

impl Services {
    /// At the start, and when the change feed says so. What is loaded here and was never seen before is written down.
    pub async fn read_secret_places(&self) -> Result<(), StoreFault> {
        let rows = self.store.read(secret_places::list).await?;
        let is_new = |element: &&Arc<Element>| {
            let same = |row: &SecretPlace| row.element_id == element.id && row.fingerprint == element.secret_places;
            !rows.iter().any(same)
        };
        let elements = self.elements_of(ANYBODY);
        let new: Vec<&Arc<Element>> = elements.iter().filter(is_new).collect();
        for element in &new {
            if rows.iter().any(|row| row.element_id == element.id) {
                tracing::warn!(
                    element = element.key,
                    "ELEMENT CHANGED: its file sends secrets elsewhere than before, so those of its instances stay here until \
                     each is connected anew, or until you say that it is the same vendor (ligand elements trust)"
                );
            }
        }
        let now = UtcTime(self.now());
        let new: Vec<_> = new.into_iter().map(|element| place_of(element, now)).collect();
        let rows = if new.is_empty() || self.standstill.is_clone() {
            rows
        } else {
            self.store.write(move |conn| secret_places::note(conn, new.clone())).await?;
            self.store.read(secret_places::list).await?
        };
        if self.known_places.set(rows) {
            self.warm.clear();
            // They show whether an instance is held.
            self.rendered.clear();
        }
        Ok(())
    }

    /// The operator says that the element's file leads to the vendor that all its secrets were given for.
    pub async fn trust_element(&self, element: &Element) -> Result<(), ApiError> {
        let trail = self.audit(&self.operator(None), Deed::ElementTrusted, element.id).await?;
        let (place, now) = (place_of(element, UtcTime(self.now())), self.now());
        let trusted = self.store.write(move |conn| {
            secret_places::note(conn, vec![place.clone()])?;
            secret_places::trust(conn, (place.element_id, &place.fingerprint), now, &trail)
        });
        Ok(trusted.await?)
    }

    /// `given_for`: what a stored secret says of itself.
    pub(in crate::service) fn refuse_changed_element(
        &self,
        element: &Element,
        given_for: Option<&str>,
    ) -> Result<(), ApiError> {
        let now = element.secret_places.as_str();
        if given_for == Some(now) {
            return Ok(());
        }
        let may_go = match (self.known_places.of(element.id), given_for) {
            (Some(known), given_for) => known.trusted.contains(now) || given_for.unwrap_or(&known.first) == now,
            (None, given_for) => given_for.is_none(),
        };
        if may_go {
            return Ok(());
        }
        let message = format!(
            "{} is reached elsewhere than when this was stored, so nothing stored is sent there: send the secrets anew, or let \
             the operator say that it is the same vendor (`ligand elements trust {}`).",
            element.name, element.key
        );
        Err(ApiError::new(Code::SecretNeededForNewHost, message))
    }

    pub(in crate::service) fn may_be_held(&self, owner: Owner, element: i64) -> bool {
        self.element_by_id(owner, element).is_some_and(|element| self.known_places.may_hold(&element))
    }

    /// Why nothing of an instance goes to its vendor, though the vendor has not refused it, and what to do about it.
    pub(in crate::service) fn held(
        &self,
        owner: Owner,
        (element, instance): (i64, i64),
        sealed: &[u8],
    ) -> Option<String> {
        let element = self.element_by_id(owner, element).filter(|element| self.known_places.may_hold(element))?;
        let credential = self.opened_credential((owner.organization, instance), sealed).ok()?;
        self.refuse_changed_element(&element, credential.given_for()).err().map(|error| error.message)
    }

    /// The same of an instance's credential and configuration.
    pub(in crate::service) fn refuse_element_changed_since(
        &self,
        element: &Element,
        stored: &Stored,
    ) -> Result<(), ApiError> {
        let credential = self.credential_of(&stored.instance, &stored.credential)?;
        self.refuse_changed_element(element, credential.given_for())
    }
}

fn place_of(element: &Element, created_at: UtcTime) -> SecretPlace {
    SecretPlace {
        element_id: element.id,
        fingerprint: element.secret_places.clone(),
        same_vendor: false,
        created_at,
        is_first: false,
    }
}
