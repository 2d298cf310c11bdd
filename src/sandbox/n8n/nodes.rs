//! What the sandbox does with nodes: their ids, their triggers, and what is refused of them in n8n's words. The facts about
//! node types are [`crate::platform::n8n::publishable`]'s.

use serde_json::Value;
use serde_json::json;

use super::workflow::new_uuid;
pub use crate::platform::n8n::publishable::is_known;
use crate::platform::n8n::publishable::{connected, dead_schedules, has_webhooks, is_looked_at, is_start, issues};

pub const WEBHOOK: &str = "n8n-nodes-base.webhook";
pub const FORM_TRIGGER: &str = "n8n-nodes-base.formTrigger";
pub const CHAT_TRIGGER: &str = "@n8n/n8n-nodes-langchain.chatTrigger";
pub const EXECUTE_WORKFLOW: &str = "n8n-nodes-base.executeWorkflow";
const EXECUTE_WORKFLOW_TRIGGER: &str = "n8n-nodes-base.executeWorkflowTrigger";
const ERROR_TRIGGER: &str = "n8n-nodes-base.errorTrigger";

/// A node's type; every stored node has one.
pub fn type_of(node: &Value) -> &str {
    node["type"].as_str().unwrap_or_default()
}

pub fn is_enabled(node: &Value) -> bool {
    node["disabled"] != json!(true)
}

/// Gives an id to each node without one, and a `webhookId` to each node whose type has webhooks.
pub fn fill_ids(nodes: &mut [Value]) {
    for node in nodes {
        let missing = |node: &Value, key: &str| node[key].as_str().is_none_or(str::is_empty);
        if missing(node, "id") {
            node["id"] = json!(new_uuid());
        }
        if has_webhooks(type_of(node)) && missing(node, "webhookId") {
            node["webhookId"] = json!(new_uuid());
        }
    }
}

/// n8n's `triggerCount` of a live version: the triggers that started; called workflows and error handlers do not count.
pub fn count_triggers(nodes: &[Value]) -> u64 {
    let counts = |node: &&Value| {
        let of = type_of(node);
        let trigger = is_start(of) && (of.ends_with("Trigger") || of == WEBHOOK);
        let started = is_enabled(node) && !is_broken(node);
        trigger && started && of != EXECUTE_WORKFLOW_TRIGGER && of != ERROR_TRIGGER
    };
    nodes.iter().filter(counts).count() as u64
}

/// A schedule that cannot start, with the reason the synchronous mode gives.
pub fn broken_trigger(nodes: &[Value]) -> Option<String> {
    nodes
        .iter()
        .any(is_broken)
        .then(|| "There was a problem activating the workflow: \"Invalid cron expression\"".to_owned())
}

fn is_broken(node: &Value) -> bool {
    !dead_schedules(node).is_empty()
}

/// Why this version may not be published, in n8n's words; `None` when it may.
pub fn refusal(nodes: &[Value], connections: &Value) -> Option<String> {
    if !nodes.iter().any(|node| is_enabled(node) && is_start(type_of(node))) {
        return Some(
            "Workflow cannot be activated because it has no trigger node. At least one trigger, webhook, or polling \
             node is required."
                .to_owned(),
        );
    }
    let mut lines = Vec::new();
    let connected = connected(connections);
    for node in nodes {
        let issues = issues(node);
        if is_looked_at(node, &connected) && !issues.is_empty() {
            let name = node["name"].as_str().unwrap_or_default();
            lines.push(format!("Node \"{name}\":\n  - {}", issues.join("\n  - ")));
        }
    }
    let plural = if lines.len() == 1 { "" } else { "s" };
    (!lines.is_empty()).then(|| {
        format!(
            "Cannot publish workflow: {} node{plural} have configuration issues:\n\n{}",
            lines.len(),
            lines.join("\n\n")
        )
    })
}
