//! `[gates]` of a version: what a person must have checked before a tenant counts as complete; and `[approvals]` of a
//! tenant, which say that somebody did.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::toml::pointer;
use super::version::Scope;
use super::{Tenant, Version};
use crate::platform::definition::check::duration;
use crate::problem::{Problem, did_you_mean, listed};

/// One gate, as a version demands it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateSpec {
    /// The resources that are checked. None of them may be shared by tenants.
    #[schemars(length(min = 1))]
    pub covers: Vec<String>,
    /// What the person is to do.
    #[schemars(length(min = 1))]
    pub prompt: String,
    #[serde(default)]
    pub per: Per,
    #[serde(default)]
    pub before: Before,
    #[serde(default)]
    pub reopen: Reopen,
    /// How long a request waits for the approval before it fails: `12h`, `14d`.
    #[serde(default = "usual_deadline")]
    pub deadline: String,
}

/// For whom one approval counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Every tenant needs its own.
    #[default]
    Tenant,
    /// One tenant's counts for all on the same revision.
    Revision,
}

/// What waits for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Before {
    /// The request: it is not COMPLETED before.
    #[default]
    Complete,
}

/// What makes an approval outdated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reopen {
    /// Any change of what it covers.
    #[default]
    Change,
    /// Only that another object takes the place of one it covers.
    Replace,
}

/// The word of a person, in a tenant's file; written by `upa approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who checked it.
    #[schemars(length(min = 1, max = 200))]
    pub by: String,
    /// When, RFC 3339.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The digest of what was checked.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub of: String,
}

fn usual_deadline() -> String {
    "14d".to_owned()
}

impl GateSpec {
    /// How long a request waits for it.
    pub fn patience(&self) -> Option<Duration> {
        duration(&self.deadline).filter(|time| !time.is_zero())
    }
}

/// What is wrong with the gates of a version.
pub fn check(version: &Version) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, gate) in &version.file.gates {
        let at = |key: &str| version.toml.value_place(&pointer(["gates", name, key]));
        if gate.covers.is_empty() {
            problems.push(
                Problem::configuration(format!("gate `{name}` covers nothing"))
                    .at(at("covers"))
                    .hint("name the resources that are to be checked"),
            );
        }
        for (number, covered) in gate.covers.iter().enumerate() {
            let place = version
                .toml
                .value_place(&pointer(["gates", name, "covers", &number.to_string()]));
            let known = || version.file.resources.keys().map(String::as_str);
            match version.file.resources.get(covered) {
                None => problems.push(
                    Problem::configuration(format!("gate `{name}`: there is no resource `{covered}`"))
                        .at(place)
                        .hint(match did_you_mean(covered, known()) {
                            Some(word) => format!("did you mean `{word}`?"),
                            None => format!("resources of this version: {}", listed(known())),
                        }),
                ),
                Some(spec) if spec.scope == Scope::Account => problems.push(
                    Problem::configuration(format!(
                        "gate `{name}` covers `{covered}`, which tenants share: no tenant can answer for it"
                    ))
                    .at(place)
                    .hint("let it cover what belongs to the tenant"),
                ),
                Some(_) => {}
            }
        }
        if gate.prompt.trim().is_empty() {
            problems.push(
                Problem::configuration(format!("gate `{name}` does not say what is to be checked"))
                    .at(at("prompt"))
                    .hint("write what the person is to do: `prompt = \"Call the number and book an appointment\"`"),
            );
        }
        if gate.patience().is_none() {
            problems.push(
                Problem::configuration(format!("gate `{name}`: `{}` is no length of time", gate.deadline))
                    .at(at("deadline"))
                    .hint("write `12h` or `14d`"),
            );
        }
    }
    problems
}

/// Approvals of gates that the tenant's version does not have.
pub fn check_approvals(tenant: &Tenant, version: &Version) -> Vec<Problem> {
    let unknown = tenant
        .file
        .approvals
        .keys()
        .filter(|name| !version.file.gates.contains_key(*name));
    let known = || version.file.gates.keys().map(String::as_str);
    unknown
        .map(|name| {
            let path = &version.toml.file;
            let problem = Problem::warning(format!("approval of `{name}`: {path} has no such gate"))
                .at(tenant.toml.key(&pointer(["approvals", name])));
            problem.hint(match did_you_mean(name, known()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => "remove the table; it approves nothing".to_owned(),
            })
        })
        .collect()
}
