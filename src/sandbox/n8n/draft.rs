//! What a PUT makes of a draft: which changes are a new version, and how settings are merged.

use serde_json::Map;
use serde_json::Value;

use super::binding;
use super::nodes;
use super::session::Refusal;
use super::session::Session;
use super::structure;
use super::workflow::Workflow;
use super::workflow::new_uuid;
use crate::number;

/// Takes over what was sent; says whether the settings changed.
pub fn save(session: &Session<'_>, workflow: &mut Workflow) -> Result<bool, Refusal> {
    let body = &session.body;
    let mut sent = sent_nodes(body);
    binding::rebind(session.rows, &mut sent)?;
    let groups = body.get("nodeGroups");
    // Compared before ids are filled in: a node sent without its id makes a new version each time.
    let changed = !same_all(&sent, &workflow.nodes)
        || !same(&body["connections"], &workflow.connections)
        || groups.is_some_and(|sent| !same(sent, &workflow.groups));
    nodes::fill_ids(&mut sent);
    let nodes_changed = !same_all(&sent, &workflow.nodes);
    if changed {
        structure::check(&sent, &body["connections"]).map_err(|why| Refusal::new(400, why))?;
        workflow.index.version = new_uuid();
        workflow.connections = body["connections"].clone();
        workflow.groups = groups.cloned().unwrap_or_else(|| workflow.groups.clone());
    }
    workflow.nodes = sent;
    let settings = merged(&workflow.settings, sent_settings(body));
    let settings_changed = settings != workflow.settings;
    workflow.settings = settings;
    workflow.counter += u64::from(nodes_changed || settings_changed);
    workflow.index.name = session.text("name").unwrap_or_default().to_owned();
    workflow.index.updated = session.now;
    if let Some(description) = session.text("description") {
        workflow.description = Some(description.to_owned());
    }
    if let Some(data) = sent_static_data(body) {
        workflow.static_data = data;
    }
    if let Some(pinned) = body.get("pinData") {
        workflow.pinned = pinned.clone();
    }
    if changed {
        workflow.save_version(session.rows, session.now)?;
    }
    Ok(settings_changed)
}

pub fn sent_nodes(body: &Value) -> Vec<Value> {
    body["nodes"].as_array().cloned().unwrap_or_default()
}

/// The settings of a body without those n8n drops silently.
pub fn sent_settings(body: &Value) -> Map<String, Value> {
    let mut settings = body["settings"].as_object().cloned().unwrap_or_default();
    settings.retain(|key, _| !["binaryMode", "credentialResolverId", "redactionPolicy"].contains(&key.as_str()));
    settings
}

/// Static data may come as JSON inside a text.
pub fn sent_static_data(body: &Value) -> Option<Value> {
    match body.get("staticData")? {
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    }
}

/// What a PUT makes of the settings: omitted keys stay, reset values remove their key.
fn merged(old: &Map<String, Value>, sent: Map<String, Value>) -> Map<String, Value> {
    let mut merged = old.clone();
    merged.extend(sent);
    for key in ["errorWorkflow", "timezone"] {
        if merged.get(key).is_some_and(|value| value == "DEFAULT") {
            merged.remove(key);
        }
    }
    // -1 is the instance's default here as on a fresh n8n.
    if merged.get("executionTimeout").and_then(Value::as_f64) == Some(-1.0) {
        merged.remove("executionTimeout");
    }
    merged
}

fn same_all(one: &[Value], two: &[Value]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(a, b)| same(a, b))
}

/// Equality as JavaScript has it: 1 is 1.0.
fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(a), Value::Number(b)) => number::same(a, b),
        (Value::Array(a), Value::Array(b)) => same_all(a, b),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => one == two,
    }
}
