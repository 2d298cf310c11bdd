//! n8n: the one platform whose documents need understanding.
//!
//! - [`understand`]: an exported workflow becomes a template that is safe for any tenant (pure).
//! - [`document`]: what counts in a workflow, and what differs (pure).
//! - [`observe`]: asking an instance; `list`: its lists, to their end. [`execute`]: writing to it. [`probe`]: whether a webhook really answers.
//! - [`nodes`]: measured facts about keys, settings and node types. [`doors`]: where a node is reached from outside.

pub mod api;
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
pub mod understand;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::Spot;
use super::{CredentialNames, FieldChange, KindFacts, Object, Platform, Prepared, Suspension, Templates};
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

#[cfg(test)]
mod properties;
