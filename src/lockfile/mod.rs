//! What upa remembers of a tenant: the ids it created, the webhook base it assigned, what it sent and what it read.
//!
//! One file per tenant (`tenants/<name>.lock`), canonical TOML: sorted, one block per address, no secret, no host, no
//! personal data. A resource is `applied` (the platform holds it), `pending` (a change is under way or was cut off) or
//! both. [`Lockfile::record`] folds what happened into it, whether it just happened or is read from a journal.

pub mod event;
mod format;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use event::Event;
pub use format::{FORMAT, kept, parse, write};

use crate::digest::Digest;
use crate::platform::{Natural, Step};
use crate::resource::{Address, Kind};

/// The lockfile of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lockfile {
    /// The format of the file; a newer one is refused untouched.
    pub format: u32,
    pub tenant: String,
    /// One table per provisioned version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, Provisioned>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<Address, Locked>,
}

/// What is remembered of a version a tenant is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    pub product: String,
    /// The revision everything was last brought to.
    pub revision: u32,
    /// The first segment of every webhook path.
    pub webhook_base_path: String,
    /// Random; every webhook id is derived from it, so that none can be guessed.
    pub base: Uuid,
    /// When the tenant was first complete on this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_at: Option<Timestamp>,
    /// Gates that are open although the request is complete, because what they cover is another since: until when each is to
    /// be approved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reopened: BTreeMap<String, Timestamp>,
    /// Whether everything stands still as its kind does while the tenant is suspended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    pub request: Request,
}

/// The provisioning, or deprovisioning, of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub request_id: Uuid,
    pub purpose: Purpose,
    pub state: RequestState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it must have ended: one that is open then fails. Before there were deadlines there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The version file it was made from, and at which commit.
    pub schema_ref: String,
    pub operator: String,
    /// How each integration of the version stood after the last run that touched the tenant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub integrations: BTreeMap<String, Integration>,
    /// What went wrong first in each of those that failed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, String>,
    /// Every state it has had, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Transition>,
    /// The last things that went wrong, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error_log: Vec<LoggedError>,
}

/// A state a request came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    pub at: Timestamp,
    pub state: RequestState,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    Provision,
    Deprovision,
}

/// Where a request stands. COMPLETED and FAILED are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestState {
    /// Announced, and nothing of it done.
    Pending,
    Provisioning,
    /// All is done but for what a person must check: see [`crate::gates`].
    AwaitingApproval,
    Completed,
    Failed,
}

impl RequestState {
    pub fn as_str(self) -> &'static str {
        match self {
            RequestState::Pending => "PENDING",
            RequestState::Provisioning => "PROVISIONING",
            RequestState::AwaitingApproval => "AWAITING_APPROVAL",
            RequestState::Completed => "COMPLETED",
            RequestState::Failed => "FAILED",
        }
    }
}

impl Request {
    /// One that is opened now, for so many hours, made from a version file and answered for by an operator.
    pub fn opened(
        (request_id, purpose): (Uuid, Purpose),
        now: Timestamp,
        hours: u32,
        (schema_ref, operator): (String, String),
    ) -> Self {
        let mut request = Self {
            request_id,
            purpose,
            state: RequestState::Pending,
            created_at: now,
            updated_at: now,
            deadline: Some(later(now, SignedDuration::from_hours(hours.into()))),
            schema_ref,
            operator,
            integrations: BTreeMap::new(),
            failures: BTreeMap::new(),
            history: Vec::new(),
            error_log: Vec::new(),
        };
        request.comes_to(RequestState::Pending, now);
        request
    }

    /// Comes to a state. One it is in already is none.
    pub fn comes_to(&mut self, state: RequestState, at: Timestamp) {
        if self.state != state || self.history.is_empty() {
            self.state = state;
            self.updated_at = at;
            self.history.push(Transition { at, state });
        }
    }

    pub fn is_open(&self) -> bool {
        !matches!(self.state, RequestState::Completed | RequestState::Failed)
    }

    /// Whether it is open although its time is up.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && self.deadline.is_some_and(|deadline| now > deadline)
    }

    /// Remembers that something went wrong.
    pub fn log(&mut self, error: LoggedError) {
        // A journal may be read again after the commit that already holds it.
        if !self.error_log.contains(&error) {
            self.error_log.push(error);
        }
        let surplus = self.error_log.len().saturating_sub(LONGEST_ERROR_LOG);
        self.error_log.drain(..surplus);
    }

    /// Whether an integration failed or is not finished.
    pub fn is_unsettled(&self) -> bool {
        let mut states = self.integrations.values();
        states.any(|state| matches!(state, Integration::Failed | Integration::Pending))
    }
}

/// So much later; the last moment there is, where that is beyond it: a deadline too far away is not one that never was.
pub fn later(from: Timestamp, time: SignedDuration) -> Timestamp {
    from.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// How an integration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Integration {
    /// The tenant has nothing of it: its inputs ask for none.
    NotAsked,
    /// Not finished, although nothing of it failed: what it waits for did, or the run was interrupted.
    Pending,
    /// All of it is as Git wants it.
    Completed,
    /// Something of it failed.
    Failed,
}

impl Integration {
    pub fn as_str(self) -> &'static str {
        match self {
            Integration::NotAsked => "NOT_ASKED",
            Integration::Pending => "PENDING",
            Integration::Completed => "COMPLETED",
            Integration::Failed => "FAILED",
        }
    }
}

/// Something that went wrong in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedError {
    pub at: Timestamp,
    pub address: String,
    pub step: String,
    pub message: String,
}

/// How many errors a request remembers.
pub const LONGEST_ERROR_LOG: usize = 20;

/// What is remembered of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    pub kind: Kind,
    pub account: String,
    /// Of the account, so that an id is never used against another instance.
    pub fingerprint: String,
    /// Whose account it was, where the platform tells it (a portal, an organisation, a user): the key of another one sees
    /// other objects at the same place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// Objects that the present one replaced and that are not deleted yet: their ids, and their outputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retiring: BTreeMap<String, BTreeMap<String, Value>>,
}

/// A change that was begun and not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    pub run: Uuid,
    /// Written into the object that is created, so that it can be told from a copy of itself.
    pub attempt: Uuid,
    /// The step that was begun last.
    pub step: Step,
    /// The object, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The objects it refers to: see [`Applied::needs`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Address>,
    /// The place it is to have, where only one object can be there: no other run may begin one at it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural: Option<Natural>,
    /// The look before its creation, which found nothing that it could be taken for. Without it nothing that is there now is
    /// proven to be what the creation made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    /// What only the answer of its creation told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub out: BTreeMap<String, Value>,
    /// What the platform said it is still doing then: of each operation what it takes to ask for it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Value>,
}

/// A look that found nothing, and what it bounds: both times are of the platform's clock, where its answers tell the time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// What is there was created after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The call that creates has ended by then; only known once it is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What the platform holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    pub id: String,
    /// Of the document as Git wanted it.
    pub sent: Digest,
    /// Of the owned part as the platform showed it afterwards.
    pub read: Digest,
    /// The top-level fields that were written.
    pub keys: BTreeSet<String>,
    /// The commit it was rendered from.
    pub commit: String,
    pub revision: u32,
    /// The objects it refers to, also shared ones: none of them may go before it does.
    #[serde(default, alias = "uses", skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Address>,
    /// The id that `[adopt]` named when it was last written: it may have been replaced since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// It was there when the answer to its creation was lost, and nothing proves that upa made it: it is used, and neither
    /// changed nor deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// Git wanted it not to run, or as it is while its tenant is suspended: that it does so is nobody's doing on the platform.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Its outputs that are no secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub out: BTreeMap<String, Value>,
    /// What was sent where the platform does not show it again: the digest of every such field, secrets by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, Digest>,
    /// The keyed fingerprints of those that hold a secret, if there was a key. See [`crate::fingerprint`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

impl Lockfile {
    pub fn new(tenant: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            tenant: tenant.into(),
            versions: BTreeMap::new(),
            resources: BTreeMap::new(),
        }
    }

    /// The id recorded for an address, finished or not.
    pub fn id(&self, address: &Address) -> Option<&str> {
        self.resources.get(address)?.id()
    }

    /// How many objects it holds.
    pub fn objects(&self) -> usize {
        self.resources.values().filter(|locked| locked.id().is_some()).count()
    }

    /// The objects that it uses and that nothing proves to be upa's.
    pub fn unproven(&self) -> impl Iterator<Item = (&Address, &Locked)> {
        self.resources.iter().filter(|(_, locked)| locked.is_unproven())
    }

    /// What is remembered of a version of a product.
    pub fn provisioned(&self, product: &str, version: &str) -> Option<&Provisioned> {
        self.versions.get(version).filter(|known| known.product == product)
    }

    /// Whether the tenant is on a version of a product, or on its way to it: what was taken down leaves only a record.
    pub fn is_on(&self, product: &str, version: &str) -> bool {
        let left = |known: &Provisioned| known.request.purpose == Purpose::Deprovision && self.resources.is_empty();
        self.provisioned(product, version).is_some_and(|known| !left(known))
    }

    pub fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.resources.is_empty()
    }
}

impl Locked {
    /// The objects it is recorded with: what is there, what was begun, and what is still to be deleted.
    pub fn ids(&self) -> BTreeSet<&str> {
        let applied = self.applied.iter().map(|applied| applied.id.as_str());
        let pending = self.pending.iter().filter_map(|pending| pending.id.as_deref());
        let retiring = self.retiring.keys().map(String::as_str);
        applied.chain(pending).chain(retiring).collect()
    }

    /// The objects it refers to, as it is and as it is being made.
    pub fn needs(&self) -> impl Iterator<Item = &Address> {
        let applied = self.applied.iter().flat_map(|applied| &applied.needs);
        let pending = self.pending.iter().flat_map(|pending| &pending.needs);
        applied.chain(pending)
    }

    /// Whether nothing proves that upa made the object.
    pub fn is_unproven(&self) -> bool {
        self.applied.as_ref().is_some_and(|applied| applied.unproven)
    }

    /// What is recorded of the outputs.
    pub fn out(&self) -> BTreeMap<String, Value> {
        let applied = self.applied.iter().flat_map(|applied| &applied.out);
        let pending = self.pending.iter().flat_map(|pending| &pending.out);
        let all = applied.chain(pending);
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether a replacement was begun and is not known to be done: the object that is recorded may be gone, and another
    /// may be there.
    pub fn is_being_replaced(&self) -> bool {
        let (Some(applied), Some(pending)) = (&self.applied, &self.pending) else {
            return false;
        };
        match &pending.id {
            Some(id) => *id != applied.id || pending.step == Step::Delete,
            None => pending.step == Step::Create,
        }
    }

    pub fn id(&self) -> Option<&str> {
        let applied = self.applied.as_ref().map(|applied| applied.id.as_str());
        applied.or_else(|| self.pending.as_ref()?.id.as_deref())
    }
}

impl Provisioned {
    /// The id under which a node is reached: derived from the random base, so nobody can guess it.
    pub fn entry_id(&self, resource: &str, node: &str) -> String {
        entry_id(&self.base, resource, node)
    }
}

/// See [`Provisioned::entry_id`].
pub fn entry_id(base: &Uuid, resource: &str, node: &str) -> String {
    Uuid::new_v5(base, format!("{resource}/{node}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn request(state: RequestState, deadline: Option<&str>) -> Request {
        Request {
            request_id: Uuid::from_u128(1),
            purpose: Purpose::Provision,
            state,
            created_at: time("2026-11-27T00:00:00Z"),
            updated_at: time("2026-11-27T00:00:00Z"),
            deadline: deadline.map(time),
            schema_ref: String::new(),
            operator: String::new(),
            integrations: BTreeMap::new(),
            failures: BTreeMap::new(),
            history: Vec::new(),
            error_log: Vec::new(),
        }
    }

    #[test]
    fn every_state_it_comes_to_is_remembered_once() {
        let mut request = request(RequestState::Pending, None);
        for (state, at) in [
            (RequestState::Pending, "2026-11-27T00:00:00Z"),
            (RequestState::Provisioning, "2026-11-27T00:00:01Z"),
            (RequestState::Provisioning, "2026-11-27T00:00:02Z"),
            (RequestState::Failed, "2026-11-27T00:00:03Z"),
        ] {
            request.comes_to(state, time(at));
        }
        let states: Vec<&str> = request.history.iter().map(|one| one.state.as_str()).collect();
        assert_eq!(states, ["PENDING", "PROVISIONING", "FAILED"]);
        assert_eq!(request.updated_at, time("2026-11-27T00:00:03Z"));
    }

    #[test]
    fn only_what_is_open_is_overdue() {
        let deadline = Some("2026-11-28T00:00:00Z");
        let (before, after) = (time("2026-11-27T23:59:59Z"), time("2026-11-28T00:00:01Z"));
        for state in [
            RequestState::Pending,
            RequestState::Provisioning,
            RequestState::AwaitingApproval,
        ] {
            assert!(request(state, deadline).is_overdue(after));
            assert!(!request(state, deadline).is_overdue(before));
            assert!(!request(state, None).is_overdue(after));
        }
        for state in [RequestState::Completed, RequestState::Failed] {
            assert!(!request(state, deadline).is_overdue(after));
        }
    }
}
