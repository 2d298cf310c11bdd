//! Workflows as values: what counts in an observed one, and what differs from a desired one.
//!
//! Diffs go node by node and edge by edge. Positions, cached names and whatever n8n fills in by itself never show.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{doors, nodes};
use crate::platform::FieldChange;
use crate::platform::compare::{self, Owned, nothing_special};

/// The telemetry tag that holds the mark.
pub const MARK: &str = "upa.owner";
/// The telemetry tag that holds the attempt.
pub const ATTEMPT: &str = "upa.attempt";

/// The part of a workflow (as n8n answers it) that can be written, in a form that compares.
pub fn comparable(workflow: &Value) -> Value {
    let mut out = Map::new();
    for key in nodes::WORKFLOW_KEYS {
        if let Some(value) = workflow.get(key).filter(|value| !value.is_null()) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(settings) = out.get_mut("settings").and_then(Value::as_object_mut) {
        let foreign = own_tags(settings.get("customTelemetryTags"), false);
        if foreign.is_empty() {
            settings.remove("customTelemetryTags");
        } else {
            settings.insert("customTelemetryTags".to_owned(), Value::Array(foreign));
        }
    }
    Value::Object(out)
}

/// The value of one of our tags.
pub fn tag<'a>(workflow: &'a Value, key: &str) -> Option<&'a str> {
    let tags = workflow.pointer("/settings/customTelemetryTags")?.as_array()?;
    tags.iter()
        .find(|tag| tag.get("key").and_then(Value::as_str) == Some(key))?
        .get("value")?
        .as_str()
}

/// The tags that are upa's (`ours`), or those that are not.
fn own_tags(tags: Option<&Value>, ours: bool) -> Vec<Value> {
    let is_ours = |tag: &Value| {
        tag.get("key")
            .and_then(Value::as_str)
            .is_some_and(|key| key.starts_with("upa."))
    };
    let tags = tags.and_then(Value::as_array).into_iter().flatten();
    tags.filter(|tag| is_ours(tag) == ours).cloned().collect()
}

/// Makes the ids of nodes and groups from the mark: no two workflows share one, and a repeated write changes none.
const LOCAL_IDS: Uuid = Uuid::from_u128(0x5b1e_0f5e_6f0c_4f0a_9c0b_6a5d_0e3c_1a77);

/// The body of a write: the document with the mark in it, and with ids of its own for nodes and groups.
pub fn body(document: &Value, mark: &str, attempt: &str) -> Value {
    let mut body = document.clone();
    own_ids(&mut body, mark);
    if let Some(map) = body.as_object_mut() {
        let settings = map.entry("settings").or_insert_with(|| json!({}));
        if let Some(settings) = settings.as_object_mut() {
            let mut tags = own_tags(settings.get("customTelemetryTags"), false);
            tags.push(json!({"key": MARK, "value": mark}));
            tags.push(json!({"key": ATTEMPT, "value": attempt}));
            settings.insert("customTelemetryTags".to_owned(), Value::Array(tags));
        }
    }
    body
}

/// Ids of nodes and groups mean something only within their workflow, yet a designer's are not a tenant's.
fn own_ids(body: &mut Value, mark: &str) {
    let own = |what: &str| Value::from(Uuid::new_v5(&LOCAL_IDS, format!("{mark}/{what}").as_bytes()).to_string());
    let mut ids = BTreeMap::new();
    for node in body
        .get_mut("nodes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(map) = node.as_object_mut() else { continue };
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
        let id = own(&format!("node/{name}"));
        if let Some(Value::String(before)) = map.insert("id".to_owned(), id.clone()) {
            ids.insert(before, id);
        }
    }
    let groups = body
        .get_mut("nodeGroups")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for (index, group) in groups.enumerate() {
        let Some(group) = group.as_object_mut() else { continue };
        group.insert("id".to_owned(), own(&format!("group/{index}")));
        for member in group
            .get_mut("nodeIds")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(id) = member.as_str().and_then(|id| ids.get(id)) {
                *member = id.clone();
            }
        }
    }
}

/// Groups by the names of their nodes, because ids say nothing.
fn groups(workflow: &Value) -> Vec<Value> {
    let nodes = workflow.get("nodes").and_then(Value::as_array).into_iter().flatten();
    let names: BTreeMap<&str, &str> = nodes
        .filter_map(|node| Some((node.get("id")?.as_str()?, node.get("name")?.as_str()?)))
        .collect();
    let groups = workflow
        .get("nodeGroups")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let normal = groups.filter_map(Value::as_object).map(|group| {
        let mut out = group.clone();
        out.remove("id");
        out.retain(|_, value| !value.is_null());
        let members = group
            .get("nodeIds")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let mut members: Vec<&str> = members.map(|id| names.get(id).copied().unwrap_or(id)).collect();
        members.sort_unstable();
        out.insert("nodeIds".to_owned(), json!(members));
        Value::Object(out)
    });
    normal.collect()
}

/// What n8n reports of every node by name, without what does not count.
fn nodes_by_name(workflow: &Value) -> BTreeMap<&str, Value> {
    let nodes = workflow.get("nodes").and_then(Value::as_array).into_iter().flatten();
    nodes
        .filter_map(|node| Some((node.get("name")?.as_str()?, normal_node(node))))
        .collect()
}

/// A node without what says nothing about what it does, in the form in which nodes are compared.
pub fn normal_node(node: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in node.as_object().into_iter().flatten() {
        match key.as_str() {
            "id" | "name" | "position" => {}
            // The name beside the id is n8n's to write: it follows the credential's real name.
            "credentials" => {
                let ids = value.as_object().into_iter().flatten().map(|(kind, reference)| {
                    let id = reference.get("id").unwrap_or(reference);
                    (kind.clone(), id.clone())
                });
                let ids: Map<String, Value> = ids.collect();
                if !ids.is_empty() {
                    out.insert(key.clone(), Value::Object(ids));
                }
            }
            "disabled" | "notesInFlow" | "executeOnce" | "alwaysOutputData" | "retryOnFail" | "continueOnFail"
                if value == &Value::Bool(false) => {}
            "parameters" => {
                let parameters = without_caches(value);
                if parameters != json!({}) && !parameters.is_null() {
                    out.insert(key.clone(), parameters);
                }
            }
            // The editor leaves an empty text behind.
            "notes" if value == "" => {}
            _ if value.is_null() => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

/// What a resource locator shows in the editor is a cache, and follows what it points at.
pub fn without_caches(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let locator = map.contains_key("__rl");
            map.iter()
                .filter(|(key, _)| !(locator && key.starts_with("cachedResult")))
                .map(|(key, value)| (key.clone(), without_caches(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.iter().map(without_caches).collect(),
        other => other.clone(),
    }
}

/// Every edge of a workflow as a line a person can read.
fn edges(workflow: &Value) -> BTreeMap<String, ()> {
    let mut edges = BTreeMap::new();
    for (from, outputs) in workflow
        .get("connections")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        for (kind, slots) in outputs.as_object().into_iter().flatten() {
            for (index, ends) in slots.as_array().into_iter().flatten().enumerate() {
                for end in ends.as_array().into_iter().flatten() {
                    edges.insert(edge(from, kind, index, end), ());
                }
            }
        }
    }
    edges
}

/// One edge as a line a person can read.
pub fn edge(from: &str, kind: &str, output: usize, end: &Value) -> String {
    let to = end.get("node").and_then(Value::as_str).unwrap_or_default();
    let input = end.get("index").and_then(Value::as_u64).unwrap_or_default();
    let mut edge = format!("\"{from}\" → \"{to}\"");
    if kind != "main" {
        edge.push_str(&format!(" ({kind})"));
    }
    let into = end.get("type").and_then(Value::as_str).unwrap_or(kind);
    if into != kind {
        edge.push_str(&format!(" (into {into})"));
    }
    if output > 0 || input > 0 {
        edge.push_str(&format!(" (output {output}, input {input})"));
    }
    edge
}

/// What differs. `written` lists what was written before, as `settings.<key>` for settings.
pub fn differences(desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange> {
    let mut out = Vec::new();
    if let Some(name) = desired.get("name") {
        compare::differences(
            "name",
            name,
            observed.get("name"),
            Owned::Whole,
            &nothing_special,
            &mut out,
        );
    }
    let (wanted, there) = (nodes_by_name(desired), nodes_by_name(observed));
    for (name, node) in &wanted {
        let field = format!("node \"{name}\"");
        match there.get(name) {
            None => out.push(compare::change(&field, None, Some(node))),
            Some(observed) => {
                let mut observed = observed.clone();
                // n8n invents a webhook id where the type has webhooks and none was sent: random, so nobody else's.
                if node.get("webhookId").is_none()
                    && let Some(map) = observed.as_object_mut()
                {
                    map.remove("webhookId");
                }
                node_differences(&field, node, &observed, &mut out);
            }
        }
    }
    for (name, node) in there.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
        out.push(compare::change(&format!("node \"{name}\""), Some(node), None));
    }
    let (wanted, there) = (edges(desired), edges(observed));
    for edge in wanted.keys().filter(|edge| !there.contains_key(*edge)) {
        out.push(compare::change(
            &format!("edge {edge}"),
            None,
            Some(&json!("connected")),
        ));
    }
    for edge in there.keys().filter(|edge| !wanted.contains_key(*edge)) {
        out.push(compare::change(
            &format!("edge {edge}"),
            Some(&json!("connected")),
            None,
        ));
    }
    settings_differences(desired, observed, written, &mut out);
    let was_written = written.iter().any(|key| key == "nodeGroups");
    if desired.get("nodeGroups").is_some() || was_written {
        let (wanted, there) = (json!(groups(desired)), json!(groups(observed)));
        compare::differences(
            "nodeGroups",
            &wanted,
            Some(&there),
            Owned::Whole,
            &nothing_special,
            &mut out,
        );
    }
    out
}

fn node_differences(field: &str, desired: &Value, observed: &Value, out: &mut Vec<FieldChange>) {
    let mut changes = Vec::new();
    compare::differences(
        "",
        desired,
        Some(observed),
        Owned::Whole,
        &nothing_special,
        &mut changes,
    );
    out.extend(changes.into_iter().map(|change| FieldChange {
        field: format!("{field} · {}", change.field),
        ..change
    }));
}

fn settings_differences(desired: &Value, observed: &Value, written: &[String], out: &mut Vec<FieldChange>) {
    let empty = Map::new();
    let wanted = desired.get("settings").and_then(Value::as_object).unwrap_or(&empty);
    let there = observed.get("settings").and_then(Value::as_object).unwrap_or(&empty);
    for (key, value) in wanted {
        if nodes::unsets(key, value) && !there.contains_key(key) {
            continue;
        }
        compare::differences(
            &format!("settings.{key}"),
            value,
            there.get(key),
            Owned::Whole,
            &nothing_special,
            out,
        );
    }
    for key in dropped_settings(desired, written) {
        let is_reset = |value: &Value| nodes::reset_value(key).is_some_and(|reset| compare::same(&reset, value));
        if let Some(value) = there.get(key).filter(|value| !is_reset(value)) {
            out.push(compare::change(&format!("settings.{key}"), Some(value), None));
        }
    }
}

/// Settings that were written before and are wanted no longer.
pub fn dropped_settings<'a>(desired: &'a Value, written: &'a [String]) -> impl Iterator<Item = &'a str> {
    written
        .iter()
        .filter_map(|key| key.strip_prefix("settings."))
        .filter(|key| {
            desired
                .pointer("/settings")
                .is_none_or(|settings| settings.get(*key).is_none())
        })
}

/// The top-level fields a document owns.
pub fn owned(desired: &Value) -> Vec<String> {
    let map = desired.as_object().into_iter().flatten();
    map.flat_map(|(key, value)| match (key.as_str(), value.as_object()) {
        ("settings", Some(settings)) => settings.keys().map(|key| format!("settings.{key}")).collect(),
        _ => vec![key.clone()],
    })
    .collect()
}

/// The part of an observed workflow that is compared with a desired one, in normal form.
pub fn owned_part(desired: &Value, observed: &Value) -> Value {
    let settings: Map<String, Value> = desired
        .get("settings")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| Some((key.clone(), observed.pointer("/settings")?.get(key)?.clone())))
        .collect();
    let wanted = nodes_by_name(desired);
    let mut nodes = nodes_by_name(observed);
    for (name, node) in &mut nodes {
        let has_id = wanted.get(name).is_some_and(|node| node.get("webhookId").is_some());
        if !has_id && let Some(map) = node.as_object_mut() {
            map.remove("webhookId");
        }
    }
    let mut part = json!({
        "name": observed.get("name"),
        "nodes": nodes,
        "edges": edges(observed).into_keys().collect::<Vec<_>>(),
        "settings": settings,
    });
    if let (Some(map), true) = (part.as_object_mut(), desired.get("nodeGroups").is_some()) {
        map.insert("nodeGroups".to_owned(), json!(groups(observed)));
    }
    part
}

/// Before a write: node by node, the webhook ids n8n invented are kept, or it would invent new ones each time.
pub fn keep_invented_ids(document: &mut Value, observed: &Value) {
    let known: BTreeMap<&str, &Value> = observed
        .get("nodes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|node| Some((node.get("name")?.as_str()?, node.get("webhookId")?)))
        .collect();
    for node in document
        .get_mut("nodes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(map) = node.as_object_mut() else { continue };
        let invented = map
            .get("name")
            .and_then(Value::as_str)
            .and_then(|name| known.get(name).copied());
        if let (false, Some(id)) = (map.contains_key("webhookId"), invented) {
            map.insert("webhookId".to_owned(), id.clone());
        }
    }
}

/// What a workflow occupies in n8n's table of webhooks: method and written path, of its draft and of what is live.
pub fn listeners(workflow: &Value) -> Vec<(String, String)> {
    let versions = [workflow.get("nodes"), workflow.pointer("/activeVersion/nodes")];
    let nodes = versions.into_iter().flatten().filter_map(Value::as_array).flatten();
    let mut out: Vec<(String, String)> = nodes
        .flat_map(doors::doors)
        .map(|door| (door.method, door.path))
        .collect();
    out.sort();
    out.dedup();
    out
}

/// Whether two versions of a workflow do different things: nodes and edges, not positions.
pub fn logic_differs(a: &Value, b: &Value) -> bool {
    let (a_nodes, b_nodes) = (nodes_by_name(a), nodes_by_name(b));
    let same_nodes = a_nodes.len() == b_nodes.len()
        && a_nodes
            .iter()
            .all(|(name, node)| b_nodes.get(name).is_some_and(|other| compare::same(node, other)));
    !same_nodes || edges(a) != edges(b)
}
