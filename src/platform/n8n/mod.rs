//! n8n: the one platform whose documents need understanding.
//!
//! - [`understand`]: an exported workflow becomes a template that is safe for any tenant (pure).
//! - [`document`]: what counts in a workflow, and what differs (pure).
//! - [`observe`]: asking an instance; `list`: its lists, to their end. [`execute`]: writing to it. [`probe`]: whether a webhook really answers.
//! - [`publishable`]: what n8n does not publish, or publishes and never runs; `cron`: the expressions it runs.
//! - [`nodes`]: measured facts about keys, settings and node types. [`doors`]: where a node is reached from outside.

pub mod api;
mod cron;
pub mod document;
pub mod doors;
pub mod execute;
pub mod export;
pub mod keep;
mod list;
mod listen;
pub mod nodes;
pub mod observe;
pub mod probe;
pub mod publishable;
pub mod understand;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::Spot;
use super::{CredentialNames, FieldChange, KindFacts, Object, Platform, Prepared, Refusal, Suspension, Templates};
use crate::export::Surroundings;
use crate::problem::Problem;
use crate::resource::Kind;

/// The kind of a workflow.
/// Its name.
pub const NAME: &str = "n8n";
pub const WORKFLOW: &str = "n8n.workflow";

/// Knowledge about n8n.
pub struct N8n;

impl Platform for N8n {
    fn name(&self) -> &str {
        "n8n"
    }

    fn facts(&self, kind: &Kind) -> Option<KindFacts> {
        (kind.as_str() == WORKFLOW).then(|| KindFacts {
            drafts: true,
            marked: true,
            updates: true,
            suspension: Suspension::stops(),
            ..KindFacts::default()
        })
    }

    fn kinds(&self) -> Vec<String> {
        vec![WORKFLOW.to_owned()]
    }

    fn credentials(&self) -> Vec<CredentialNames> {
        vec![CredentialNames {
            required: vec!["api_key".to_owned()],
            ..CredentialNames::default()
        }]
    }

    fn usual_base_url(&self) -> Option<&str> {
        None
    }

    fn prepare(&self, templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>> {
        understand::prepare(templates)
    }

    fn compare(&self, _kind: &Kind, desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange> {
        document::differences(desired, observed, written)
    }

    fn owned(&self, _kind: &Kind, desired: &Value) -> Vec<String> {
        document::owned(desired)
    }

    fn owned_part(&self, _kind: &Kind, desired: &Value, observed: &Value) -> Value {
        document::owned_part(desired, observed)
    }

    fn keep(&self, _kind: &Kind, desired: &Value, observed: &Value, kept: &BTreeSet<String>) -> Value {
        keep::keep(desired, observed, kept)
    }

    fn locate(&self, _kind: &Kind, template: &Value, field: &str) -> Option<Spot> {
        keep::locate(template, field)
    }

    fn export(&self, _kind: &Kind, object: &Object, known: &Surroundings) -> Value {
        export::export(&object.id, &object.document, known)
    }

    fn refuses(&self, _kind: &Kind, document: &Value) -> Vec<Refusal> {
        refusals(document)
    }

    fn needs_publish(&self, field: &str) -> bool {
        // Name and settings take effect at once; only nodes and edges have a published version.
        field.starts_with("node") || field.starts_with("edge")
    }

    fn listening(&self, _kind: &Kind, observed: &Value) -> Vec<(String, String)> {
        let nodes = observed.get("nodes").and_then(Value::as_array).into_iter().flatten();
        let doors = nodes.flat_map(doors::doors).filter(|door| door.provable);
        doors.map(|door| (door.method, door.url)).collect()
    }
}

/// What n8n would not take, or not run, of a workflow as a tenant gets it.
fn refusals(document: &Value) -> Vec<Refusal> {
    let known = |value: &Value| crate::symbol::symbols(value).is_empty();
    let mut found = Vec::new();
    let name = document.get("name").filter(|name| known(name)).and_then(Value::as_str);
    if let Some(name) = name.filter(|name| name.chars().count() > publishable::LONGEST_NAME) {
        found.push(Refusal {
            why: format!(
                "the workflow's name would have {} characters, and n8n takes {}: `{name}`",
                name.chars().count(),
                publishable::LONGEST_NAME
            ),
            hint: "give the workflow a shorter name in its template: the tenant's stands before it".to_owned(),
        });
    }
    let zone = document.pointer("/settings/timezone").filter(|zone| known(zone));
    let zone = zone.and_then(Value::as_str).filter(|zone| *zone != "DEFAULT");
    if let Some(zone) = zone.filter(|zone| !publishable::is_timezone(zone)) {
        found.push(Refusal {
            why: format!("`settings.timezone` would be `{zone}`, which is no time zone"),
            hint: understand::publishing::timezone_hint(zone),
        });
    }
    let nodes = document.get("nodes").and_then(Value::as_array).into_iter().flatten();
    for node in nodes.filter(|node| known(node)) {
        let name = node["name"].as_str().unwrap_or_default();
        for (expression, why) in publishable::dead_schedules(node) {
            found.push(Refusal {
                why: format!("node \"{name}\": n8n never runs the cron expression `{expression}`: {why}"),
                hint: "five fields: minute, hour, day of the month, month, day of the week".to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod properties;
