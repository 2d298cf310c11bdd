//! `upa.toml`: accounts and the rules of the workspace.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;
use super::secret_rules::SecretRules;

/// The whole file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "upa.toml: the workspace")]
pub struct Settings {
    pub workspace: Section,
    /// Where objects live. An account named like its platform is that platform's default.
    #[serde(default)]
    pub accounts: BTreeMap<String, Account>,
    /// Seat belts: a plan that exceeds one is refused until its digest is named.
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub git: Git,
    /// Who may name which secret.
    #[serde(default)]
    pub secrets: SecretRules,
}

/// The workspace itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Part of the mark that every remote object carries. Changing it makes every object a stranger's.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 40))]
    pub name: String,
    /// The key of the fingerprints by which values are compared that no platform shows again; at least 16 characters.
    #[serde(default)]
    #[schemars(with = "SecretRef")]
    pub fingerprint_key: Option<SecretRef>,
}

/// One place on a platform.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The platform it belongs to; by default the account's own name.
    pub platform: Option<String>,
    /// Where the API is, without the API's own path. HTTPS, except on loopback.
    pub base_url: Option<String>,
    /// Where webhooks are reached from outside, if not at `base_url`.
    pub webhook_url: Option<String>,
    /// Where else the API is, by the names the platform's definition gives its further hosts.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// Whose key it must be: what the platform answers to the definition's `whoami`.
    pub identity: Option<String>,
    /// What the platform's definition asks for, by name.
    #[serde(default)]
    pub credentials: BTreeMap<String, SecretRef>,
    #[serde(default)]
    pub limits: Limits,
    /// Whether this account lives in the embedded sandbox.
    #[serde(default)]
    pub sandbox: bool,
}

/// How hard an account may be driven.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls in flight at once.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: Option<usize>,
    /// Calls started per second.
    #[schemars(range(min = 1, max = 1000))]
    pub per_second: Option<u32>,
}

/// Thresholds. They count only once a plan touches ten objects or more.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The share of the recorded objects that one plan may delete.
    #[schemars(range(min = 0, max = 100))]
    pub max_delete_percent: u32,
    /// The share of the recorded objects that one plan may create again.
    #[schemars(range(min = 0, max = 100))]
    pub max_recreate_percent: u32,
    /// How long a request may stay open, in hours: one that still waits then has failed, and says so.
    #[schemars(range(min = 1, max = 8760))]
    pub request_hours: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_delete_percent: 20,
            max_recreate_percent: 10,
            request_hours: 24,
        }
    }
}

/// Where lockfiles are committed, and who else is told.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// The remote that holds the truth: runs take their lease there, read the lockfiles from it and push them to it.
    /// Without it everything stays in this clone.
    #[schemars(regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_./-]*$"))]
    pub remote: Option<String>,
    /// The branch of the remote that says what is wanted: only what it holds is applied. By default the remote's
    /// default branch.
    pub branch: Option<String>,
    /// The branch that holds the lockfiles; by default `branch`.
    pub lock_branch: Option<String>,
    /// How long a run's claim on the remote lasts without being renewed, in seconds; 600 by default.
    #[schemars(range(min = 4, max = 86400))]
    pub lease_seconds: Option<u32>,
}
