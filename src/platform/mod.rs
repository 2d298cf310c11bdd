//! Platforms: what upa knows about them (pure), how it asks them, and how it writes to them.
//!
//! - [`Platform`] is knowledge without effects: kinds, what a template means, what differs. `plan` uses it.
//! - [`Observer`] asks an account what is there. It cannot write.
//! - [`Executor`] carries out one step of a change. Only `apply` is ever given one.
//!
//! Most platforms are data: a TOML file read by [`definition`] and run by [`rest`]. [`n8n`] is code, because a workflow
//! must be understood before it may be copied for another tenant.

pub mod account;
pub mod clock;
pub mod compare;
pub mod contract;
pub mod definition;
pub mod error;
pub mod exported;
pub mod fields;
pub mod hidden;
pub mod http;
pub mod limits;
pub mod moved;
pub mod n8n;
mod prepared;
mod reading;
pub mod registry;
pub mod rest;
mod search;
pub mod suspension;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use account::Account;
pub use clock::Clock;
pub use definition::auth::CredentialNames;
pub use definition::natural::Natural;
pub use error::PlatformError;
pub use n8n::NAME as N8N;
pub use prepared::{EntryPoint, Prepared, Refusal, Template, Templates};
pub use reading::{Cause, Reading, Unread};
pub use registry::Registry;
pub use search::{Rival, Search};
pub use suspension::Suspension;

use crate::digest::Digest;
use crate::export::Surroundings;
use crate::plan::Mover;
use crate::problem::Problem;
use crate::resource::{Address, Kind};
use crate::secret::Secret;

/// What is true of every object of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KindFacts {
    /// Objects are created as drafts, filled once everything they refer to exists, and then published.
    pub drafts: bool,
    /// Top-level fields that cannot be changed: a change means a new object. `*`: none can.
    pub fixed: Vec<String>,
    /// Dotted paths that are not returned, or returned otherwise: a change shows by what was sent.
    pub unread: Vec<String>,
    /// Dotted paths where secrets go: never compared with what is returned, as `unread`. See [`hidden`] for the paths.
    pub secret: Vec<String>,
    /// Dotted paths of what is not shown again and goes along with the creation alone: no change sends it.
    pub create_only: Vec<String>,
    /// Whether an object can carry our mark; if not, the lockfile alone says that it is ours.
    pub marked: bool,
    /// Whether an object of ours may be without the mark: a second call brings it, or one that was adopted cannot get it.
    pub marked_later: bool,
    /// Whether a call of its own brings the mark to an object that lacks it.
    pub marked_by_call: bool,
    /// Ids are unique within one account only: names that people give, or the place of a setting.
    pub natural_id: bool,
    /// Values of the document that place the object: fixed for life.
    pub inputs: Vec<String>,
    /// Whether anything of an object can be changed.
    pub updates: bool,
    /// Whether an object must be waited for after it is created or changed.
    pub waits: bool,
    /// Nothing is created: it is waited for.
    pub gate: bool,
    /// It costs money.
    pub costs: bool,
    /// Why deleting it must be confirmed.
    pub keep: Option<String>,
    /// It cannot be deleted: it is left behind.
    pub left_behind: bool,
    /// A create with an unknown outcome can only be settled by a person.
    pub asks_when_lost: bool,
    /// It exists with its parent, and creating it sets it.
    pub setting: bool,
    /// Dotted path of the field that only the tenant it is made for can have: it holds the tenant's webhook address.
    pub proof_address: Option<String>,
    /// A create with an unknown outcome is repeated with the same attempt, which the platform recognises.
    pub repeats_create: bool,
    /// Values for other resources.
    pub outs: BTreeMap<String, OutFacts>,
    /// It expires: the output that says when, and how long before that it is replaced.
    pub renew: Option<(String, Duration)>,
    /// What suspending its tenant means for it.
    pub suspension: Suspension,
}

/// What is true of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutFacts {
    /// It is never written down.
    pub secret: bool,
}

impl KindFacts {
    /// The paths that are never compared with what is returned.
    pub fn hidden(&self) -> Vec<String> {
        self.unread.iter().chain(&self.secret).cloned().collect()
    }
}

/// One difference between what Git wants and what is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where, in words a person knows from the platform: `node "Settings" · parameters.url`.
    pub field: String,
    /// What is there; `None` = nothing.
    pub before: Option<Value>,
    /// What Git wants; `None` = nothing.
    pub after: Option<Value>,
    /// Who moved, once somebody has found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mover: Option<Mover>,
}

/// Knowledge about a platform. Pure: no method waits, reads or writes anything.
pub trait Platform: Send + Sync {
    fn name(&self) -> &str;

    /// The facts about a kind; `None` when the platform has no such kind.
    fn facts(&self, kind: &Kind) -> Option<KindFacts>;

    /// The names of its kinds, for messages.
    fn kinds(&self) -> Vec<String>;

    /// The credentials an account must have, by name; several sets where there are several ways to sign in.
    fn credentials(&self) -> Vec<CredentialNames>;

    /// The hosts an account must name besides its base URL, each with the address it usually has.
    fn hosts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The base URL most accounts have, for hints.
    fn usual_base_url(&self) -> Option<&str>;

    /// Makes templates safe to render for any tenant, or says by name what cannot be made safe.
    fn prepare(&self, templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>>;

    /// What the platform would not take of a document as a tenant gets it. What is not known yet (a symbol) is left out.
    fn refuses(&self, _kind: &Kind, _document: &Value) -> Vec<Refusal> {
        Vec::new()
    }

    /// What differs between a desired document (rendered; it may hold symbols nobody knows yet) and an observed one.
    /// `written` names the top-level fields upa wrote before: those that are no longer desired are differences too.
    fn compare(&self, kind: &Kind, desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange>;

    /// The top-level fields upa owns in a document.
    fn owned(&self, kind: &Kind, desired: &Value) -> Vec<String>;

    /// The part of an observed document that a desired one owns: what a digest of a reading covers. What
    /// [`KindFacts::hidden`] names is no part of it, or the digest of a secret would be recorded.
    fn owned_part(&self, kind: &Kind, desired: &Value, observed: &Value) -> Value;

    /// The desired document with what is observed at these fields, as [`Platform::compare`] names them: so that a write
    /// leaves them as somebody made them on the platform.
    fn keep(&self, _kind: &Kind, desired: &Value, observed: &Value, kept: &BTreeSet<String>) -> Value {
        fields::keep("", desired, Some(observed), kept).unwrap_or_else(|| desired.clone())
    }

    /// Where a field, as [`Platform::compare`] names it, stands in a template; `None` for what is no single value there.
    fn locate(&self, _kind: &Kind, template: &Value, field: &str) -> Option<fields::Spot> {
        fields::locate(template, &[], field)
    }

    /// A template that renders to an object as it is: see [`crate::export`].
    fn export(&self, kind: &Kind, object: &Object, known: &Surroundings) -> Value;

    /// What the id of an object of this document begins with (of a setting: the id): the values that place it. `None` while
    /// one of them is not known.
    fn place_in_id(&self, _kind: &Kind, _document: &Value) -> Option<String> {
        Some(String::new())
    }

    /// An id as lockfiles write it, however it is spelled.
    fn canonical_id(&self, _kind: &Kind, id: &str) -> String {
        id.to_owned()
    }

    /// The place that a document claims in its account, if only one object can be there. Values that are not known yet
    /// count by what they refer to.
    fn natural(&self, _kind: &Kind, _document: &Value) -> Option<Natural> {
        None
    }

    /// Whether a difference in this field shows only once the object is published again.
    fn needs_publish(&self, _field: &str) -> bool {
        false
    }

    /// Where an observed object is reached, if a probe can tell that it is: method and URL path.
    fn listening(&self, _kind: &Kind, _observed: &Value) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Whether an object runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// What is there runs.
    Running,
    /// What is there was published, and one of its webhooks does not answer. Seen only where that is asked for.
    Silent,
    /// An older version of what is there runs.
    Outdated,
    Stopped,
    /// Put away: it must be taken back before anything else.
    Archived,
    /// Objects of this kind do not run.
    NotApplicable,
}

impl Activity {
    /// Whether it must be taken down before it is deleted.
    pub fn is_published(self) -> bool {
        matches!(self, Activity::Running | Activity::Silent | Activity::Outdated)
    }
}

/// An object as its platform shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub id: String,
    /// What a person calls it there.
    pub title: String,
    /// The comparable part of it.
    pub document: Value,
    pub activity: Activity,
    /// The mark it carries, if it is one of upa's.
    pub mark: Option<String>,
    /// The attempt that created it.
    pub attempt: Option<String>,
    /// Its outputs that are no secret and stand in the object itself.
    pub out: BTreeMap<String, Value>,
}

/// An existing credential of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: String,
    pub name: String,
    pub kind: String,
}

/// A webhook somebody listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub method: String,
    /// Normalised path.
    pub path: String,
    pub object: String,
    pub title: String,
}

/// What an account is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The kinds to list.
    pub kinds: BTreeSet<Kind>,
    /// Ids that must be answered one way or the other, even when a list lacks them.
    pub ids: BTreeMap<Kind, BTreeSet<String>>,
    /// The marks whose objects are wanted, whatever their id.
    pub mark_prefix: String,
    /// The marks of all addresses that are wanted or recorded: for platforms that keep only a short form of them.
    pub marks: BTreeSet<String>,
    /// Objects whose id nobody knows.
    pub wanted: Vec<Wanted>,
    pub credentials: bool,
    /// Whether every kind is to be listed to its end, whatever that costs.
    pub whole: bool,
    /// Whether the webhooks of what is ours are asked whether they answer. That runs nothing and needs no key.
    pub webhooks: bool,
}

/// An object that may be there although nobody knows its id.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub address: Address,
    pub kind: Kind,
    pub mark: String,
    /// The document, with symbols where a value is not known; null where nobody wants it any more.
    pub document: Value,
    /// The place it was to have, of what a run tried to create and nobody wants any more.
    pub natural: Option<Natural>,
    /// When a run tried to create it and was cut off, in milliseconds since 1970.
    pub tried: Option<u64>,
    /// The attempt of that run.
    pub attempt: Option<String>,
}

/// What an account answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// By kind and id: the ids that were asked for, and every object that carries one of our marks.
    pub objects: BTreeMap<(Kind, String), Reading>,
    /// Kinds whose list was read to its end.
    pub complete: BTreeSet<Kind>,
    /// What looking for each wanted object found, where the platform tells more than by lists.
    pub searches: BTreeMap<Address, Search>,
    pub credentials: Vec<Credential>,
    pub listeners: Vec<Listener>,
    /// Whose account it is, where the platform tells it: a portal, an organisation, a user.
    pub owner: Option<String>,
    /// How long was waited already for objects that a run may just have created.
    pub waited: Duration,
    /// What its clock said beside this one, where it told it.
    pub clock: Option<Clock>,
    /// Why it is not known whether its webhooks answer, where that was asked and could not be told.
    pub deaf: Option<String>,
    /// Why the account could not be read, if so.
    pub failure: Option<PlatformError>,
}

/// Asks an account. Cannot write.
#[async_trait]
pub trait Observer: Send + Sync {
    async fn observe(&self, question: &Question) -> Answer;
}

/// A part of bringing one resource about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Create,
    Fill,
    /// Polling until the platform is done with it.
    Wait,
    Publish,
    /// Deleting the object that this one replaces.
    Retire,
    Unpublish,
    Delete,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Create => "create",
            Step::Fill => "fill",
            Step::Wait => "wait",
            Step::Publish => "publish",
            Step::Retire => "retire",
            Step::Unpublish => "unpublish",
            Step::Delete => "delete",
        }
    }
}

/// One step, with everything it needs; nothing is left to decide. It does not print its document, which may hold secrets.
#[derive(Clone)]
pub struct Job {
    pub address: Address,
    pub kind: Kind,
    pub step: Step,
    /// The object; empty only for `Create`.
    pub id: String,
    /// The document to write, all symbols resolved (`Create` of a draft: the unknown ones blank).
    pub document: Value,
    pub mark: String,
    /// Which attempt to create it this is.
    pub attempt: String,
    /// The objects it replaces, which carry the same mark until they are deleted.
    pub replaces: BTreeSet<String>,
    /// Whether the object must carry our mark already; false only when it is adopted.
    pub marked: bool,
    /// Whether this run has just created it.
    pub fresh: bool,
    /// What the plan saw: if the object looks different now, somebody moved it in between.
    pub expected: Option<Digest>,
    /// The document as the plan saw it, to say what moved since; of an object that is to be deleted what upa wrote in it,
    /// and it stays if any of that is another.
    pub seen: Option<Value>,
    /// Top-level fields that were written before and are wanted no longer.
    pub dropped: Vec<String>,
    /// Where it is reached once it runs: method and URL path.
    pub probes: Vec<(String, String)>,
    /// What to call this state in the platform's own history.
    pub label: String,
    /// The outputs that are recorded.
    pub out: BTreeMap<String, Value>,
    /// A setting of an object that may be a stranger's: what is there is never overwritten.
    pub gentle: bool,
    /// For `Create`: an object was recorded, and is said to be gone. One like it may show that the record is wrong.
    pub again: bool,
    /// Something was there already and was left as it is.
    pub left: bool,
    /// For `Wait`: the operations that its creation started, as far as it takes to ask for each again.
    pub operations: Vec<Value>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("address", &self.address)
            .field("kind", &self.kind)
            .field("step", &self.step)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the platform holds after a step.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    pub id: String,
    /// The object as read back; `None` once it is deleted.
    pub read: Option<Value>,
    /// Something worth telling although the step succeeded.
    pub note: Option<String>,
    /// Outputs that became known.
    pub out: BTreeMap<String, Value>,
    /// Outputs that must not be written down.
    pub secrets: BTreeMap<String, Secret>,
    /// Something else was there and was left as it is: see [`Job::gentle`].
    pub left: bool,
    /// For `Create`: the operations it started, for a following `Wait`.
    pub operations: Vec<Value>,
    /// Whose account it is, where the platform told it by now.
    pub owner: Option<String>,
}

/// Carries out steps. Each may be repeated safely.
#[async_trait]
pub trait Executor: Send + Sync {
    async fn execute(&self, job: &Job) -> Result<Receipt, PlatformError>;

    /// A secret output of an object, asked for again.
    async fn output(&self, kind: &Kind, id: &str, name: &str) -> Result<Secret, PlatformError> {
        let _ = id;
        let why = format!("a {kind} has no output `{name}` that can be asked for again");
        Err(PlatformError::new(error::ErrorKind::Refused, "output", why))
    }
}
