//! `versions/<product>/<version>.toml`: the provisioning schema of one version of a product.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::drift::DriftRule;
use super::tenant::Tier;

/// The whole file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "versions/<product>/<version>.toml: what a version is made of")]
pub struct VersionFile {
    pub product: String,
    pub version: String,
    /// Counts the releases of this version; `upa release` bumps it.
    #[schemars(range(min = 0))]
    pub revision: u32,
    pub stage: Stage,
    /// The versions a tenant may come from.
    #[serde(default)]
    pub upgrade_from: Vec<String>,
    /// A JSON Schema (2020-12) for the tenant's `[inputs]`.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// The credentials the templates use, and what a tenant must name.
    #[serde(default)]
    pub credentials: BTreeMap<String, CredentialSlot>,
    /// Names for the webhooks of the templates.
    #[serde(default)]
    pub webhooks: BTreeMap<String, WebhookSlot>,
    /// The objects a tenant consists of.
    pub resources: BTreeMap<String, ResourceSpec>,
    /// What `upa show` prints as the tenant's configuration, besides what it knows itself.
    #[serde(default)]
    pub record: Map<String, Value>,
    /// What becomes of fields that somebody changes on the platform; without a rule Git wins.
    #[serde(default)]
    pub drift: Vec<DriftRule>,
    /// What this revision is, by digest; `upa release` writes it.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// Which tiers may use a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Template tenants only.
    Draft,
    /// Template and demo tenants.
    Demo,
    /// Everybody.
    Released,
    /// Nobody new; those who are on it stay.
    Retired,
}

impl Stage {
    /// Whether tenants of a tier may be on a version of this stage.
    pub fn admits(self, tier: Tier) -> bool {
        match self {
            Stage::Draft => tier == Tier::Template,
            Stage::Demo => tier <= Tier::Demo,
            Stage::Released | Stage::Retired => true,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Draft => "draft",
            Stage::Demo => "demo",
            Stage::Released => "released",
            Stage::Retired => "retired",
        }
    }
}

/// A credential the templates use.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialSlot {
    pub platform: String,
    /// The platform's name for this type of credential.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name it has in the exported templates.
    pub template_name: String,
}

/// Which node of which resource a webhook's name stands for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSlot {
    pub resource: String,
    pub node: String,
}

/// One object a version asks for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// `<platform>.<object>`.
    pub kind: String,
    /// The file it is made from, in the version's folder of `templates/`.
    pub template: String,
    #[serde(default)]
    pub scope: Scope,
    /// Whether it runs while the tenant is active; for kinds that can run.
    #[serde(default)]
    pub active: bool,
}

/// How long a resource lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// As long as the tenant is on this version.
    #[default]
    Version,
    /// As long as the tenant exists.
    Tenant,
}
