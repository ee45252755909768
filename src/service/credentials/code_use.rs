//! A code goes to the vendor once (RFC 6749 section 4.1.2): whoever brings it, by whichever call, to whichever process. Strict
//! vendors answer a second time by ending what the first one brought.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::provision::Provisioning;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::VendorFault;
use crate::service::Services;
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::organization::rooms::Taken;
use crate::service::process::flight::Lateness;
use crate::service::process::leases::signs_of_life;
use crate::service::process::liveness::{Death, Watch};
use crate::store::leases::Seen;
use crate::store::limits::Limit;
use crate::store::spent_codes::{self, Claimant, CodeClaim, CodeHashes, CodeUse, Outcome, Standing};
use crate::store::{AnyConn, StoreFault};
use crate::vault::lookup::Purpose;

/// Between two looks at another call's use.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A code that this call alone may send.
pub(super) struct HeldCode {
    pub used: CodeUse,
    /// A process that died had it before.
    again: bool,
    _room: Option<Taken>,
}

/// While this is there, its code is seen to be in use.
#[derive(Clone)]
pub struct CodeAlive(#[expect(dead_code, reason = "it is dropped")] Arc<DropGuard>);

/// Who is first with a code.
pub(super) enum First {
    ThisCall(HeldCode),
    /// The same request made or changed this instance with it.
    Instance(i64),
}

/// What a token call leaves of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The vendor did not look at it.
    Unspent,
    Spent(Outcome),
}

impl Fate {
    pub fn of(fault: &VendorFault) -> Self {
        match fault {
            VendorFault::Refused { .. } => Self::Spent(Outcome::Refused),
            // Before the code comes the client (RFC 6749 section 3.2.1), and before both whether the vendor works at all. Where it
            // took the code and failed then, nobody has what a second try may end.
            VendorFault::Configuration { .. } | VendorFault::Unavailable { .. } => Self::Unspent,
            // Nobody reads a code that a redirect of the token URL was the answer to.
            VendorFault::Strange { seen, .. } if (300..400).contains(&seen.status) => Self::Unspent,
            VendorFault::Unreachable { sent, .. } if !sent => Self::Unspent,
            VendorFault::Proxy(_)
            | VendorFault::Address(_)
            | VendorFault::Clone
            | VendorFault::HostOfAnotherApp(_)
            | VendorFault::Template(_) => Self::Unspent,
            _ => Self::Spent(Outcome::Unknown),
        }
    }
}

impl HeldCode {
    /// The refusal of a code that a process had before which died: the vendor may have taken it then.
    pub fn explained(&self, fault: VendorFault) -> VendorFault {
        match fault {
            VendorFault::Refused { status, code, message, terminal, .. } if self.again => {
                let hint = "A server that sent this code before ended before the answer was stored, so it may be used up: send \
                            the user to the vendor again.";
                VendorFault::Refused { status, code, message, terminal, hint: Some(hint.to_owned()) }
            }
            fault => fault,
        }
    }
}

impl Services {
    /// Takes the code for this call. While another one has it, it is waited for as long as its token call may take.
    pub(super) async fn first_with_code(
        &self,
        input: &Provisioning,
        code: &Secret,
        lateness: &Lateness,
    ) -> Result<First, ApiError> {
        let (owner, vendor) = (input.owner, &input.element.name);
        let named = Secret::new(format!("{}\0{}", input.element.id, code.expose()));
        let hashes: Arc<[CodeHashes]> = self
            .lookup
            .under_each(|lookup| CodeHashes {
                code: lookup.hash(Purpose::Code, &named),
                request: lookup.hash_bytes(Purpose::Request, &input.request),
            })
            .into();
        let id = self.store.next_id().await?;
        // Who comes back from the vendor to a link is not turned away.
        let room = match input.started {
            Some(_) => None,
            None => Some(self.claim(owner.organization, Limit::IdempotencyKeys, 1).await),
        };
        let mut claimant = Claimant {
            owner,
            id,
            process: self.process,
            instance: lateness.instance(),
            now: self.now(),
            dead: input.dead,
            has_room: room.as_ref().is_none_or(Result::is_ok),
        };
        let limit = Duration::from_secs(input.element.timeout).saturating_add(PATIENCE);
        let deadline = Instant::now().checked_add(limit);
        let mut watch = None;
        loop {
            let asked = Instant::now();
            let known = Arc::clone(&hashes);
            let claimed = self.commit(owner, move |conn| spent_codes::claim(conn, claimant, &known)).await;
            let standing = match claimed {
                Ok(CodeClaim::Mine { used, again }) => {
                    let room = room.and_then(Result::ok);
                    return Ok(First::ThisCall(HeldCode { used, again, _room: room }));
                }
                Ok(CodeClaim::NoRoom) => {
                    return Err(room.and_then(Result::err).unwrap_or_else(|| Code::LimitReached.into()));
                }
                Ok(CodeClaim::Not(standing)) => standing,
                // Two at once: the unique code lets one through.
                Err(StoreFault::Conflict(_)) if deadline.is_some_and(|deadline| asked < deadline) => continue,
                Err(fault) => {
                    self.forget_code_later(owner, &hashes, id);
                    return Err(fault.into());
                }
            };
            let waited = self.wait_for_code(claimant, &hashes, &mut watch, standing, (input, deadline)).await?;
            match waited {
                Waited::Ended { outcome: Outcome::Kept, instance: Some(instance), same: true } => {
                    return Ok(First::Instance(instance));
                }
                Waited::Ended { outcome, instance, .. } => return Err(used_before(vendor, outcome, instance)),
                Waited::Free { dead } => claimant.dead = dead.or(claimant.dead),
            }
        }
    }

    /// Looks until another use has come to an end, or its process is dead.
    async fn wait_for_code(
        &self,
        who: Claimant,
        hashes: &Arc<[CodeHashes]>,
        watch: &mut Option<Watch>,
        mut standing: Standing,
        (input, deadline): (&Provisioning, Option<Instant>),
    ) -> Result<Waited, ApiError> {
        let mut asked = Instant::now();
        loop {
            match standing {
                Standing::Ended { outcome, instance, same } => return Ok(Waited::Ended { outcome, instance, same }),
                Standing::LeftBehind => return Ok(Waited::Free { dead: None }),
                // Of those who waited none goes on by itself: they would come to the vendor one after the other.
                Standing::Unused => return Err(not_taken()),
                Standing::UnderWay { seen, since, instance } => {
                    let spends = self.now().signed_duration_since(since) < input.spends_for();
                    match self.watch(watch, seen, asked) {
                        Some(Death::Silent) if spends => return Err(under_way(instance)),
                        Some(Death::Known | Death::Silent) => return Ok(Waited::Free { dead: Some(holder(seen)) }),
                        None if deadline.is_none_or(|deadline| asked >= deadline) => return Err(under_way(instance)),
                        None => {}
                    }
                }
            }
            tokio::time::sleep(Watch::pause(watch.as_ref(), LOOK_EVERY)).await;
            asked = Instant::now();
            let (owner, known) = (who.owner, Arc::clone(hashes));
            standing = self.store.read_for(owner, move |conn| spent_codes::look(conn, who, &known)).await?;
        }
    }

    /// Signs of life for whoever comes with the same code, from its token call to the commit of what it brings.
    pub(super) fn keep_code_alive(&self, held: &HeldCode) -> CodeAlive {
        let (id, process, store) = (held.used.id, self.process, self.store.clone());
        let beat = move |conn: &mut AnyConn| spent_codes::beat(conn, id, process);
        let over = CancellationToken::new();
        let alive = over.clone().drop_guard();
        self.detached.accompany(async move {
            tokio::select! {
                () = signs_of_life(&store, "a code", beat) => {}
                () = over.cancelled() => {}
            }
        });
        CodeAlive(Arc::new(alive))
    }

    /// Writes down what a token call left of its code.
    pub(super) async fn end_code(&self, owner: Owner, used: &CodeUse, fate: Fate, lateness: &Lateness) {
        let used = used.clone();
        let write = move |conn: &mut AnyConn| match fate {
            Fate::Unspent => spent_codes::release(conn, owner, &used),
            Fate::Spent(outcome) => spent_codes::settle(conn, owner, &used, outcome),
        };
        let ending = self.commit_until_decided(owner, "the end of a code", write);
        let _ = lateness.within(PATIENCE, || waits_for_database(None), ending).await;
    }

    /// The vendor took the code, and what it brought is not kept.
    pub(in crate::service) async fn let_code_go(&self, owner: Owner, used: Option<&CodeUse>, lateness: &Lateness) {
        if let Some(used) = used {
            self.end_code(owner, used, Fate::Spent(Outcome::LetGo), lateness).await;
        }
    }

    /// Whether the code was taken is not known, and it was not sent: when the database is back it is free.
    fn forget_code_later(&self, owner: Owner, hashes: &Arc<[CodeHashes]>, id: i64) {
        let (services, hashes) = (self.clone(), Arc::clone(hashes));
        self.detached.start(async move {
            for hash in hashes.iter().map(|it| it.code.clone()) {
                let used = CodeUse { hash, id };
                services.end_code(owner, &used, Fate::Unspent, &Lateness::unheard()).await;
            }
        });
    }
}

enum Waited {
    Ended { outcome: Outcome, instance: Option<i64>, same: bool },
    Free { dead: Option<i64> },
}

fn holder(seen: Seen) -> i64 {
    seen.lease.holder
}

fn used_before(vendor: &str, outcome: Outcome, instance: Option<i64>) -> ApiError {
    let what = match (outcome, instance) {
        (Outcome::Kept, Some(id)) => {
            format!("This code was used for the instance {id}, by another request than this one")
        }
        (Outcome::Kept, None) | (Outcome::LetGo, _) => {
            format!("{vendor} took this code before, and what it brought was not kept")
        }
        (Outcome::Refused, _) => format!("{vendor} was sent this code before, and refused it"),
        (Outcome::Unknown, _) => format!("{vendor} was sent this code before, and nobody knows whether it took it"),
    };
    let instance = instance.filter(|_| outcome == Outcome::Kept);
    ApiError::new(Code::CodeUsed, format!("{what}: send the user to the vendor again for a new one."))
        .of_instance(instance)
}

fn under_way(instance: Option<i64>) -> ApiError {
    let message = "Another call uses this code, and its end is not known yet: ask again in a moment.";
    ApiError::new(Code::CodeUsed, message).of_instance(instance).with_retry_after(1)
}

fn not_taken() -> ApiError {
    let message =
        "Another call came with this code at the same time, and the vendor did not take it: send the code again.";
    ApiError::new(Code::CodeUsed, message).with_retry_after(1)
}
