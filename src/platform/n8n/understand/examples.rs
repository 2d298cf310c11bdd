//! Small exports for the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::prepare;
use crate::platform::{Prepared, Template, Templates};
use crate::problem::Problem;
use crate::resource::Kind;
use crate::template::Source;
use crate::workspace::version::{CredentialSlot, WebhookSlot};

/// A version: its exports by resource, and what it declares.
#[derive(Debug, Default)]
pub struct Version {
    pub exports: Vec<(&'static str, Value)>,
    pub credentials: BTreeMap<String, CredentialSlot>,
    pub webhooks: BTreeMap<String, WebhookSlot>,
    /// The resources that run.
    pub active: Vec<&'static str>,
}

impl Version {
    pub fn of(exports: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self {
            exports: exports.into_iter().collect(),
            ..Self::default()
        }
    }

    pub fn active(mut self, resource: &'static str) -> Self {
        self.active.push(resource);
        self
    }

    pub fn credential(mut self, slot: &str, kind: &str, template_name: &str) -> Self {
        let platform = "n8n".to_owned();
        let (kind, template_name) = (kind.to_owned(), template_name.to_owned());
        self.credentials.insert(
            slot.to_owned(),
            CredentialSlot {
                platform,
                kind,
                template_name,
            },
        );
        self
    }

    pub fn webhook(mut self, name: &str, resource: &str, node: &str) -> Self {
        let (resource, node) = (resource.to_owned(), node.to_owned());
        self.webhooks.insert(name.to_owned(), WebhookSlot { resource, node });
        self
    }

    pub fn prepare(&self) -> Result<BTreeMap<String, Prepared>, Vec<Problem>> {
        let sources: Vec<(&str, Source)> = self
            .exports
            .iter()
            .map(|(resource, value)| {
                let text: Arc<str> = Arc::from(format!("{value:#}"));
                (*resource, Source::parse(&format!("{resource}.json"), &text).unwrap())
            })
            .collect();
        prepare(&Templates {
            version_file: "versions/p/v1.toml",
            templates: sources
                .iter()
                .map(|(resource, source)| Template {
                    resource,
                    kind: Kind::new("n8n.workflow"),
                    source,
                    active: self.active.contains(resource),
                })
                .collect(),
            credentials: &self.credentials,
            webhooks: &self.webhooks,
        })
    }

    /// What is refused: message and hint of every problem.
    pub fn refused(&self) -> Vec<String> {
        let problems = self.prepare().map(|_| Vec::new()).unwrap_or_else(|problems| problems);
        assert!(!problems.is_empty(), "nothing was refused");
        for problem in &problems {
            assert!(
                problem.hint.as_ref().is_some_and(|hint| hint.len() > 8),
                "no usable hint: {problem:?}"
            );
            assert!(problem.place.is_some(), "no place: {problem:?}");
        }
        problems
            .into_iter()
            .map(|problem| format!("{} ({})", problem.message, problem.hint.unwrap_or_default()))
            .collect()
    }

    /// Asserts that exactly one thing is refused, and that message and hint contain all of `words`.
    pub fn refuses(&self, words: &[&str]) {
        let refused = self.refused();
        assert_eq!(refused.len(), 1, "{refused:#?}");
        for word in words {
            assert!(refused[0].contains(word), "{word:?} is not in {refused:#?}");
        }
    }

    /// The prepared templates, or a panic with the problems.
    pub fn ready(&self) -> BTreeMap<String, Prepared> {
        self.prepare()
            .unwrap_or_else(|problems| panic!("refused: {problems:#?}"))
    }

    /// One node of one prepared template.
    pub fn node(&self, resource: &str, name: &str) -> Value {
        let ready = self.ready();
        let nodes = ready[resource].template["nodes"].as_array().unwrap().clone();
        nodes.into_iter().find(|node| node["name"] == name).unwrap()
    }

    pub fn warnings(&self) -> Vec<String> {
        self.ready()
            .into_values()
            .flat_map(|ready| ready.warnings)
            .map(|warning| warning.message.to_string())
            .collect()
    }
}

/// An export with these nodes.
pub fn export(name: &str, id: &str, nodes: Vec<Value>) -> Value {
    json!({"id": id, "name": name, "nodes": nodes, "connections": {}, "settings": {}, "active": true,
        "meta": {"instanceId": "f".repeat(64)}, "pinData": {"x": [{"json": {}}]}, "tags": [], "versionId": "7d4f0f1e-0000-4000-8000-00000000dddd"})
}

/// A node.
pub fn node(name: &str, kind: &str, parameters: Value) -> Value {
    json!({"id": format!("id of {name}"), "name": name, "type": kind, "typeVersion": 1, "position": [0, 0], "parameters": parameters})
}

/// The same with more keys.
pub fn with(mut node: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        node[key] = value.clone();
    }
    node
}

pub const WEBHOOK: &str = "n8n-nodes-base.webhook";
pub const CALL: &str = "n8n-nodes-base.executeWorkflow";
