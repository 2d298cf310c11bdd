//! The templates of a version: as they are given to a platform, and as it makes them safe for any tenant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::problem::Problem;
use crate::resource::Kind;
use crate::template::{Guard, Source};
use crate::workspace::version::{CredentialSlot, WebhookSlot};

/// One template of a version, for [`super::Platform::prepare`].
pub struct Template<'a> {
    pub resource: &'a str,
    pub kind: Kind,
    pub source: &'a Source,
    /// Whether it runs while its tenant is active.
    pub active: bool,
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

/// What a platform would not take of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub why: String,
    /// What to do about it.
    pub hint: String,
}
