//! Workflows as answers: each endpoint shows a slightly different part (seen on 2.41.1).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::super::store::Rows;
use super::super::store::StoreError;
use super::session::OWNER;
use super::session::OWNER_NAME;
use super::session::PROJECT;
use super::tag;
use super::workflow::Event;
use super::workflow::Index;
use super::workflow::Version;
use super::workflow::Workflow;

/// The parts that only some endpoints show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts {
    pub tags: bool,
    pub shared: bool,
    /// The active version with its publish history, or null.
    pub active: bool,
    pub parent_folder: bool,
    pub without_pinned: bool,
}

pub const CREATED: Parts = Parts {
    parent_folder: true,
    ..READ
};
pub const READ: Parts = Parts {
    tags: true,
    shared: true,
    active: true,
    parent_folder: false,
    without_pinned: false,
};
pub const UPDATED: Parts = Parts { shared: false, ..READ };
pub const PUBLISHED: Parts = Parts {
    tags: false,
    shared: false,
    ..READ
};
pub const UNPUBLISHED: Parts = Parts { tags: false, ..READ };
pub const DELETED: Parts = Parts {
    tags: false,
    active: false,
    ..READ
};

pub fn workflow(rows: &Rows, workflow: &Workflow, parts: Parts) -> Result<Value, StoreError> {
    let mut shown = head(&workflow.index);
    let index = &workflow.index;
    let mut show = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    show("description", json!(workflow.description));
    show("versionCounter", json!(workflow.counter));
    show("sourceWorkflowId", Value::Null);
    show("nodes", json!(workflow.nodes));
    show("connections", workflow.connections.clone());
    show("nodeGroups", workflow.groups.clone());
    show("settings", json!(workflow.settings));
    show("staticData", workflow.static_data.clone());
    show("meta", Value::Null);
    if !parts.without_pinned {
        show("pinData", workflow.pinned.clone());
    }
    if parts.tags {
        show("tags", tag::shown(rows, &index.tags)?);
    }
    if parts.shared {
        show("shared", json!([shared(index, true)]));
    }
    if parts.parent_folder {
        show("parentFolder", Value::Null);
    }
    if parts.active {
        let active = match &index.active_version {
            Some(id) => Version::load(rows, workflow.id(), id)?,
            None => None,
        };
        let active = match active {
            Some(live) => {
                let events = Event::of_version(rows, workflow.id(), &live.version)?;
                let mut shown = version(&live);
                shown["autosaved"] = json!(false);
                shown["workflowPublishHistory"] = history(workflow.id(), &events);
                shown
            }
            None => Value::Null,
        };
        show("activeVersion", active);
    }
    Ok(Value::Object(shown))
}

/// The fields every view begins with.
fn head(index: &Index) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut show = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    show("id", json!(index.id));
    show("name", json!(index.name));
    show("active", json!(index.active_version.is_some()));
    show("activeVersionId", json!(index.active_version));
    show("createdAt", json!(index.created.to_string()));
    show("updatedAt", json!(index.updated.to_string()));
    show("isArchived", json!(index.archived));
    show("versionId", json!(index.version));
    show("triggerCount", json!(index.triggers));
    shown
}

fn shared(index: &Index, with_project: bool) -> Value {
    let at = index.shared.to_string();
    let mut shown = json!({
        "role": "workflow:owner", "workflowId": index.id, "projectId": PROJECT, "createdAt": at, "updatedAt": at,
    });
    if with_project {
        shown["project"] = json!({
            "id": PROJECT, "name": format!("{OWNER_NAME} <owner@sandbox.invalid>"), "type": "personal", "icon": null,
            "description": null, "customTelemetryTags": [], "creatorId": OWNER,
            "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
        });
    }
    shown
}

pub fn version(version: &Version) -> Value {
    let mut shown = version_line(version);
    shown["nodes"] = json!(version.nodes);
    shown["connections"] = version.connections.clone();
    shown["nodeGroups"] = version.groups.clone();
    shown
}

/// A version as the history lists it: without its contents.
pub fn version_line(version: &Version) -> Value {
    json!({
        "versionId": version.version, "workflowId": version.workflow, "authors": OWNER_NAME, "name": version.name,
        "description": version.description, "createdAt": version.created.to_string(),
        "updatedAt": version.updated.to_string(),
    })
}

fn history(workflow: &str, events: &[Event]) -> Value {
    let line = |event: &Event| {
        json!({
            "id": event.number, "workflowId": workflow, "versionId": event.version, "event": event.event,
            "userId": OWNER, "createdAt": event.at.to_string(),
        })
    };
    events.iter().map(line).collect()
}

/// The bulk of a list entry as JSON text: the members after the head, without the braces.
pub fn entry(workflow: &Workflow, active: Option<&Version>) -> Vec<u8> {
    let active = active.map_or(Value::Null, |live| {
        let mut shown = version(live);
        shown["autosaved"] = json!(false);
        shown
    });
    let bulk = json!({
        "nodes": workflow.nodes, "connections": workflow.connections, "nodeGroups": workflow.groups,
        "settings": workflow.settings, "staticData": workflow.static_data, "meta": null,
        "shared": [shared(&workflow.index, false)], "activeVersion": active,
    });
    let text = bulk.to_string().into_bytes();
    text[1..text.len() - 1].to_vec()
}

/// One list entry, from its short row and its ready text.
pub fn list_entry(index: &Index, entry: &[u8], tags: Value, pinned: Option<&[u8]>) -> Vec<u8> {
    let mut shown = head(index);
    shown.insert("tags".to_owned(), tags);
    let mut text = Value::Object(shown).to_string().into_bytes();
    text.pop();
    text.push(b',');
    text.extend_from_slice(entry);
    if let Some(pinned) = pinned {
        text.extend_from_slice(b",\"pinData\":");
        text.extend_from_slice(pinned);
    }
    text.push(b'}');
    text
}
