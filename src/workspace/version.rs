//! `versions/<product>/<version>.toml`: the provisioning schema of one version of a product.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::drift::DriftRule;
use super::gates::GateSpec;
use super::tenant::Tier;
use crate::platform::compare::same;

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
    /// What a person must have checked before a request is complete; `upa approve` says that somebody did.
    #[serde(default)]
    pub gates: BTreeMap<String, GateSpec>,
    /// What a request reports on, each by a name: resources, or `webhooks.<name>` for the resource that listens there. What
    /// belongs to none is reported as `other`. Without any, a request reports on nothing.
    #[serde(default)]
    pub integrations: BTreeMap<String, Vec<String>>,
    /// What `upa show` prints as the tenant's configuration, besides what it knows itself.
    #[serde(default)]
    pub record: Map<String, Value>,
    /// The digest of this file without `revision`, `stage`, `definition`, `[[drift]]` and `[files]`; `upa release` writes it.
    pub definition: Option<String>,
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
    /// No new tenants; those who are on it stay.
    Retired,
}

impl Stage {
    /// Whether tenants of a tier may be on a version of this stage. Of a retired one that is said of those who are on it.
    pub fn keeps(self, tier: Tier) -> bool {
        match self {
            Stage::Draft => tier == Tier::Template,
            Stage::Demo => tier <= Tier::Demo,
            Stage::Released | Stage::Retired => true,
        }
    }

    /// Whether a tenant of a tier who is not on a version of this stage may come to it.
    pub fn admits(self, tier: Tier) -> bool {
        self != Stage::Retired && self.keeps(tier)
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
    /// Only tenants whose input says so have it: `{ input = "crm", is = "hubspot" }`, or `is_not`. A template of theirs and
    /// of others says what stands there without it: `<%= resources.x.id ?? "" %>`.
    pub when: Option<Condition>,
    /// One object for each element of a list the tenant gives: `"inputs.domains"`, or `{ in = "inputs.domains", key =
    /// "name" }` for a list of tables. Templates read it as `each.value` and `each.key`.
    pub each: Option<Each>,
    /// Whether it runs while the tenant is active; for kinds that can run.
    #[serde(default)]
    pub active: bool,
}

impl ResourceSpec {
    /// Whether a tenant with these inputs has it.
    pub fn is_for(&self, inputs: &Map<String, Value>) -> bool {
        self.when.as_ref().is_none_or(|condition| condition.holds(inputs))
    }

    /// The platform of its kind.
    pub fn platform(&self) -> &str {
        self.kind.split('.').next().unwrap_or_default()
    }
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
    /// One for all tenants that use it on an account, as long as there is one of them. Its template may only use
    /// `version`, `accounts`, `files` and other resources of this scope.
    Account,
}

/// Which tenants have a resource: plain equality of one input. An input that a tenant does not give is equal to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The name of an input.
    pub input: String,
    /// The tenants whose input is this text, number or boolean.
    pub is: Option<Value>,
    /// The tenants whose input is anything else.
    pub is_not: Option<Value>,
}

impl Condition {
    /// Whether a tenant's inputs fulfil it.
    pub fn holds(&self, inputs: &Map<String, Value>) -> bool {
        let given = inputs.get(&self.input);
        let equals = |wanted: &Value| given.is_some_and(|given| same(given, wanted));
        self.is.as_ref().is_none_or(equals) && !self.is_not.as_ref().is_some_and(equals)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.is, &self.is_not) {
            (Some(value), _) => write!(f, "{} is {value}", self.input),
            (None, Some(value)) => write!(f, "{} is not {value}", self.input),
            (None, None) => f.write_str(&self.input),
        }
    }
}

/// The list a resource is repeated for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Each {
    /// `"inputs.<name>"`: a list of texts, each its own key.
    Texts(String),
    /// A list of tables.
    Tables(EachTable),
}

/// A list of tables, each with a field that tells it from the others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachTable {
    /// `"inputs.<name>"`.
    #[serde(rename = "in")]
    pub list: String,
    /// The field that tells one from the others, whatever their order.
    pub key: String,
}

impl Each {
    /// Where the list is, as written.
    pub fn list(&self) -> &str {
        match self {
            Each::Texts(list) | Each::Tables(EachTable { list, .. }) => list,
        }
    }

    /// The names below `inputs`; `None` if it is no path there.
    pub fn path(&self) -> Option<Vec<&str>> {
        let path: Vec<&str> = self.list().strip_prefix("inputs.")?.split('.').collect();
        path.iter().all(|segment| !segment.is_empty()).then_some(path)
    }

    /// The field that is the key; `None` when the elements are their own keys.
    pub fn key(&self) -> Option<&str> {
        match self {
            Each::Texts(_) => None,
            Each::Tables(table) => Some(&table.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_condition_is_equality_and_nothing_given_equals_nothing() {
        let condition = |text: Value| serde_json::from_value::<Condition>(text).unwrap();
        let inputs = |value: Value| value.as_object().cloned().unwrap();
        let is = condition(json!({"input": "crm", "is": "hubspot"}));
        let is_not = condition(json!({"input": "crm", "is_not": "hubspot"}));
        for (given, holds) in [
            (json!({"crm": "hubspot"}), true),
            (json!({"crm": "other"}), false),
            (json!({"crm": ["hubspot"]}), false),
            (json!({}), false),
        ] {
            assert_eq!(is.holds(&inputs(given.clone())), holds, "{given}");
            assert_eq!(is_not.holds(&inputs(given.clone())), !holds, "{given}");
        }
        assert!(condition(json!({"input": "n", "is": 1})).holds(&inputs(json!({"n": 1.0}))));
        assert!(!condition(json!({"input": "n", "is": true})).holds(&inputs(json!({"n": "true"}))));
    }
}
