//! `tenants/<name>.toml`: one customer, as Git wants it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::gates::Approval;

/// The whole file. The file's stem is the tenant's name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tenants/<name>.toml: one customer")]
pub struct TenantFile {
    /// What is provisioned: a folder of `versions/`.
    pub product: String,
    /// Which version of it: a file in that folder.
    pub version: String,
    pub tier: Tier,
    #[serde(default)]
    pub status: Status,
    /// Who answers for this tenant.
    #[schemars(length(min = 1, max = 200))]
    pub operator: String,
    /// Free words to select tenants by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Which account to use for a platform, where it is not the default.
    #[serde(default)]
    pub accounts: BTreeMap<String, String>,
    /// What the version asks for; checked against its schema.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// Existing credentials of the platform, by the name they have there.
    #[serde(default)]
    pub credentials: BTreeMap<String, CredentialChoice>,
    /// Existing objects to take over, by id.
    #[serde(default)]
    pub adopt: BTreeMap<String, String>,
    /// What may be lost for good: addresses, and the id of the object at each. What a deprovisioned tenant names here, or
    /// an empty table where nothing of it needs a name, lets all of it go.
    #[serde(default)]
    pub confirm: Option<BTreeMap<String, String>>,
    /// The gates of the version that somebody has passed; `upa approve` writes them.
    #[serde(default)]
    pub approvals: BTreeMap<String, Approval>,
}

/// Where a tenant stands in the promotion of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Template,
    Demo,
    Client,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Tier::Template => "template",
            Tier::Demo => "demo",
            Tier::Client => "client",
        })
    }
}

/// What should be true of a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything runs.
    #[default]
    Active,
    /// Nothing runs, everything is kept.
    Suspended,
    /// Everything is taken down and deleted.
    Deprovisioned,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Deprovisioned => "deprovisioned",
        })
    }
}

/// A credential, by name; with `shared = true` when other tenants may use it too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CredentialChoice {
    Name(String),
    Shared(SharedCredential),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedCredential {
    pub name: String,
    pub shared: bool,
}

impl CredentialChoice {
    pub fn name(&self) -> &str {
        match self {
            CredentialChoice::Name(name) => name,
            CredentialChoice::Shared(choice) => &choice.name,
        }
    }

    pub fn shared(&self) -> bool {
        matches!(self, CredentialChoice::Shared(SharedCredential { shared: true, .. }))
    }
}
