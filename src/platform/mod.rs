//! Platforms: what upa knows about them (pure), how it asks them, and how it writes to them.
//!
//! - [`Platform`] is knowledge without effects: kinds, what a template means, what differs. `plan` uses it.
//! - [`Observer`] asks an account what is there. It cannot write.
//! - [`Executor`] carries out one step of a change. Only `apply` is ever given one.
//!
//! Most platforms are data: a TOML file read by [`definition`] and run by [`rest`]. [`n8n`] is code, because a workflow
//! must be understood before it may be copied for another tenant.

pub mod account;
pub mod compare;
pub mod definition;
pub mod error;
pub mod exported;
pub mod fields;
pub mod http;
pub mod n8n;
pub mod registry;
pub mod rest;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use account::Account;
pub use error::PlatformError;
pub use registry::Registry;

use crate::digest::Digest;
use crate::export::Surroundings;
use crate::plan::Mover;
use crate::problem::Problem;
use crate::resource::{Address, Kind};
use crate::template::{Guard, Source};
use crate::workspace::version::{CredentialSlot, WebhookSlot};

/// What is true of every object of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindFacts {
    /// Objects are created as drafts, filled once everything they refer to exists, and then published.
    pub drafts: bool,
    /// Top-level fields that cannot be changed: a change means a new object.
    pub fixed: Vec<String>,
    /// Fields that are not returned: a change shows by the digest that was sent.
    pub unread: Vec<String>,
    /// Whether an object can carry our mark.
    pub marked: bool,
}

/// One template of a version, for [`Platform::prepare`].
pub struct Template<'a> {
    pub resource: &'a str,
    pub kind: Kind,
    pub source: &'a Source,
}

/// The templates of one version that belong to one platform, and what the version says about them.
pub struct Templates<'a> {
    /// Where the version file is, for hints.
    pub version_file: &'a str,
    pub templates: Vec<Template<'a>>,
    pub credentials: &'a BTreeMap<String, CredentialSlot>,
    pub webhooks: &'a BTreeMap<String, WebhookSlot>,
}

/// A template that is safe to render for any tenant: everything that pointed at the designer's own objects is an
/// expression now.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    pub template: Value,
    pub guard: Guard,
    /// How it is reached from outside.
    pub entries: Vec<EntryPoint>,
    /// The resources of the version that must run before this one can.
    pub calls: BTreeSet<String>,
    /// Warnings for people.
    pub warnings: Vec<Problem>,
}

/// An address under which a resource is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// What templates call it: `webhooks.<name>`.
    pub name: String,
    pub node: String,
    /// The HTTP method it listens to.
    pub method: String,
    /// What follows the tenant's base in its path.
    pub suffix: String,
    /// The address below the account's webhook URL: `{path}` is base and suffix, `{id}` the entry's own id.
    pub url: String,
    /// Whether a probe can tell that it is live.
    pub provable: bool,
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

    /// The credentials an account must have, by name.
    fn credentials(&self) -> Vec<String>;

    /// The base URL most accounts have, for hints.
    fn usual_base_url(&self) -> Option<&str>;

    /// Makes templates safe to render for any tenant, or says by name what cannot be made safe.
    fn prepare(&self, templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>>;

    /// What differs between a desired document (rendered; it may hold symbols nobody knows yet) and an observed one.
    /// `written` names the top-level fields upa wrote before: those that are no longer desired are differences too.
    fn compare(&self, kind: &Kind, desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange>;

    /// The top-level fields upa owns in a document.
    fn owned(&self, kind: &Kind, desired: &Value) -> Vec<String>;

    /// The part of an observed document that a desired one owns: what a digest of a reading covers.
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

    /// Whether a difference in this field shows only once the object is published again.
    fn needs_publish(&self, _field: &str) -> bool {
        false
    }

    /// Where an observed object is reached: method and URL path.
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
    /// An older version of what is there runs.
    Outdated,
    Stopped,
    /// Put away: it must be taken back before anything else.
    Archived,
    /// Objects of this kind do not run.
    NotApplicable,
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
    pub credentials: bool,
}

/// What could be learnt about one id.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    Present(Box<Object>),
    /// Proven not to be there.
    Absent,
    /// Not known. Never the same as absent.
    Unreadable(String),
}

/// What every reading of an unproven 404 says.
pub const SAYS_MISSING: &str = "says it does not exist";

impl Reading {
    /// Whether the platform answered that it is not there, which alone proves nothing: the key may not see it.
    pub fn is_said_missing(&self) -> bool {
        matches!(self, Reading::Unreadable(why) if why.contains(SAYS_MISSING))
    }
}

/// What an account answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// By kind and id: the ids that were asked for, and every object that carries one of our marks.
    pub objects: BTreeMap<(Kind, String), Reading>,
    /// Kinds whose list was read to its end.
    pub complete: BTreeSet<Kind>,
    pub credentials: Vec<Credential>,
    pub listeners: Vec<Listener>,
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
    Publish,
    Unpublish,
    Delete,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Create => "create",
            Step::Fill => "fill",
            Step::Publish => "publish",
            Step::Unpublish => "unpublish",
            Step::Delete => "delete",
        }
    }
}

/// One step, with everything it needs; nothing is left to decide.
#[derive(Debug, Clone)]
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
    /// Whether the object must carry our mark already; false only when it is adopted.
    pub marked: bool,
    /// Whether this run has just created it.
    pub fresh: bool,
    /// What the plan saw: if the object looks different now, somebody moved it in between.
    pub expected: Option<Digest>,
    /// Top-level fields that were written before and are wanted no longer.
    pub dropped: Vec<String>,
    /// Where it is reached once it runs: method and URL path.
    pub probes: Vec<(String, String)>,
    /// What to call this state in the platform's own history.
    pub label: String,
}

/// What the platform holds after a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Receipt {
    pub id: String,
    /// The object as read back; `None` once it is deleted.
    pub read: Option<Value>,
    /// Something worth telling although the step succeeded.
    pub note: Option<String>,
}

/// Carries out steps. Each may be repeated safely.
#[async_trait]
pub trait Executor: Send + Sync {
    async fn execute(&self, job: &Job) -> Result<Receipt, PlatformError>;
}
