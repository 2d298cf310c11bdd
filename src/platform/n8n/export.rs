//! From a workflow as n8n holds it to an export that [`super::understand`] turns into the same workflow again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{document, doors, keep, nodes, understand};
use crate::export::{Surroundings, Take, overlay};
use crate::platform::compare::same;

/// Makes the webhook ids of an export: they stand for the tenant's own, which are secrets of a kind.
const WEBHOOK_IDS: Uuid = Uuid::from_u128(0x3c6c_1b0e_57a5_4b5e_8d35_92f4_0e6b_11d9);

/// The export: `observed` is the comparable part of a workflow, `id` its id in n8n.
pub fn export(id: &str, observed: &Value, known: &Surroundings) -> Value {
    let empty = Map::new();
    let current = known.current.as_ref();
    let template = current
        .and_then(|(template, _)| understand::workflow(template).ok())
        .unwrap_or(&empty);
    let rendered = current.map_or(&Value::Null, |(_, rendered)| rendered);
    let mut out = Map::new();
    for (key, value) in template
        .iter()
        .filter(|(key, _)| !nodes::WORKFLOW_KEYS.contains(&&***key))
    {
        out.insert(key.clone(), value.clone());
    }
    if current.is_none() {
        // Its siblings' files know it by the id it was exported with before.
        let exported = known.siblings.get(id).and_then(|own| own.exported.as_deref());
        out.insert("id".to_owned(), Value::from(exported.unwrap_or(id)));
    }
    let unnamed = current.is_some() && !template.contains_key("name");
    if !unnamed || rendered.get("name") != observed.get("name") {
        out.insert("name".to_owned(), name(template, rendered, observed, known));
    }
    let list = nodes_of(template, rendered, observed, known);
    if observed
        .get("nodeGroups")
        .and_then(Value::as_array)
        .is_some_and(|groups| !groups.is_empty())
    {
        out.insert("nodeGroups".to_owned(), keep::groups(observed, &list));
    }
    out.insert("nodes".to_owned(), list);
    out.insert(
        "connections".to_owned(),
        observed.get("connections").cloned().unwrap_or_else(|| json!({})),
    );
    out.insert("settings".to_owned(), settings(template, rendered, observed, known));
    Value::Object(out)
}

fn name(template: &Map<String, Value>, rendered: &Value, observed: &Value, known: &Surroundings) -> Value {
    let there = observed.get("name").cloned().unwrap_or_default();
    if let (Some(written), Some(rendered)) = (template.get("name"), rendered.get("name"))
        && *rendered == there
    {
        return written.clone();
    }
    let prefix = known.tenant.as_ref().map(|tenant| format!("{tenant} · "));
    match (there.as_str(), prefix) {
        (Some(name), Some(prefix)) => Value::from(name.strip_prefix(&prefix).unwrap_or(name)),
        _ => there,
    }
}

fn by_name(list: Option<&Value>) -> BTreeMap<&str, &Value> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|node| Some((node.get("name")?.as_str()?, node)))
        .collect()
}

fn nodes_of(template: &Map<String, Value>, rendered: &Value, observed: &Value, known: &Surroundings) -> Value {
    let (written, rendered) = (by_name(template.get("nodes")), by_name(rendered.get("nodes")));
    let there = observed.get("nodes").and_then(Value::as_array).into_iter().flatten();
    there
        .map(|node| {
            let name = node.get("name").and_then(Value::as_str).unwrap_or_default();
            let mut out = match (written.get(name), rendered.get(name)) {
                (Some(written), Some(rendered)) => known_node(written, rendered, node, known),
                _ => new_node(node, known),
            };
            if let (Some(map), Some(position)) = (out.as_object_mut(), node.get("position")) {
                map.insert("position".to_owned(), position.clone());
            }
            out
        })
        .collect()
}

/// A node that the template has.
fn known_node(written: &Value, rendered: &Value, observed: &Value, known: &Surroundings) -> Value {
    if document::normal_node(rendered) == without_invented_id(rendered, document::normal_node(observed)) {
        return written.clone();
    }
    let observed = document::without_caches(observed);
    let fresh = new_node(&observed, known);
    let inverse = |key: &str, value: &Value| inverse(key, value, known);
    let mut out = overlay(written, rendered, &observed, Take::Whole, &inverse);
    let Some(map) = out.as_object_mut() else { return fresh };
    for (key, value) in written.as_object().into_iter().flatten() {
        // Ids are the designer's; what n8n leaves away because it is as by default may stay.
        if key == "id" || key == "webhookId" || (value == &Value::Bool(false) && !map.contains_key(key)) {
            map.insert(key.clone(), value.clone());
        }
    }
    if written.get("id").is_none() {
        map.remove("id");
    }
    if written.get("webhookId").is_none() {
        map.remove("webhookId");
    }
    if let Some(credentials) = observed.get("credentials") {
        let same_ids = |kind: &str, reference: &Value| {
            let id = |node: &Value| node.pointer("/credentials")?.get(kind)?.get("id").cloned();
            id(rendered).is_some_and(|id| Some(&id) == reference.get("id"))
        };
        let references = credentials.as_object().into_iter().flatten().map(|(kind, reference)| {
            let written = written
                .pointer("/credentials")
                .and_then(|credentials| credentials.get(kind));
            let chosen = written.filter(|_| same_ids(kind, reference)).cloned();
            (
                kind.clone(),
                chosen.unwrap_or_else(|| credential(kind, reference, known)),
            )
        });
        let references: Map<String, Value> = references.collect();
        map.insert("credentials".to_owned(), Value::Object(references));
    }
    // A path is the tenant's own until it is stripped of what stands before it.
    if let Some(path) = fresh
        .pointer("/parameters/path")
        .filter(|_| is_moved(rendered, &observed, "/parameters/path"))
    {
        set_path(map, &["parameters", "path"], path);
    }
    let options = "/parameters/options/path";
    if let Some(path) = fresh
        .pointer(options)
        .filter(|_| is_moved(rendered, &observed, options))
    {
        set_path(map, &["parameters", "options", "path"], path);
    }
    out
}

fn is_moved(rendered: &Value, observed: &Value, pointer: &str) -> bool {
    match (rendered.pointer(pointer), observed.pointer(pointer)) {
        (Some(rendered), Some(observed)) => !same(rendered, observed),
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn set_path(map: &mut Map<String, Value>, path: &[&str], value: &Value) {
    let Some((last, above)) = path.split_last() else { return };
    let mut at = map;
    for key in above {
        let Some(next) = at.get_mut(*key).and_then(Value::as_object_mut) else {
            return;
        };
        at = next;
    }
    at.insert((*last).to_owned(), value.clone());
}

/// n8n gives an id to what can have one; where the template asks for none that id means nothing.
fn without_invented_id(rendered: &Value, mut observed: Value) -> Value {
    if rendered.get("webhookId").is_none()
        && let Some(map) = observed.as_object_mut()
    {
        map.remove("webhookId");
    }
    observed
}

/// A node that nobody has a template of.
fn new_node(observed: &Value, known: &Surroundings) -> Value {
    let kind = observed.get("type").and_then(Value::as_str).unwrap_or_default();
    let mut out = Map::new();
    for (key, value) in observed.as_object().into_iter().flatten() {
        let value = match key.as_str() {
            _ if value.is_null() => continue,
            "webhookId" => match webhook_id(observed, value, known) {
                Some(id) => id,
                None => continue,
            },
            "credentials" => {
                let references = value.as_object().into_iter().flatten();
                references
                    .map(|(kind, reference)| (kind.clone(), credential(kind, reference, known)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            "parameters" => parameters(kind, observed, value, known),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

/// The id under which a node is reached, in an export. One that n8n invented by itself is left out: upa gave the others.
fn webhook_id(node: &Value, id: &Value, known: &Surroundings) -> Option<Value> {
    if known.tenant.is_none() {
        return Some(id.clone());
    }
    let own = id
        .as_str()
        .is_some_and(|id| known.entries.iter().any(|entry| entry == id));
    let name = node.get("name").and_then(Value::as_str).unwrap_or_default();
    own.then(|| Value::from(Uuid::new_v5(&WEBHOOK_IDS, name.as_bytes()).to_string()))
}

/// Parameters with the tenant's part taken from the path, and everything else of the tenant's made an expression.
fn parameters(kind: &str, node: &Value, value: &Value, known: &Surroundings) -> Value {
    let version = node.get("typeVersion").and_then(Value::as_f64).unwrap_or(1.0);
    let pointer = nodes::entrance(kind).and_then(|entrance| doors::path_pointer(entrance, version));
    let path = pointer
        .and_then(|pointer| value.pointer(pointer))
        .and_then(Value::as_str);
    let path = path.map(|path| own_part(path, known).to_owned());
    let mut out = inverse("parameters", value, known);
    if let (Some(pointer), Some(path), Some(map)) = (pointer, path, out.as_object_mut()) {
        let keys: Vec<&str> = pointer.split('/').skip(1).collect();
        set_path(map, &keys, &Value::from(path));
    }
    out
}

/// A webhook path without what is the tenant's.
fn own_part<'a>(path: &'a str, known: &Surroundings) -> &'a str {
    let before = known.bases.iter().chain(&known.entries);
    before
        .filter_map(|base| path.strip_prefix(base.as_str())?.strip_prefix('/'))
        .next()
        .unwrap_or(path)
}

/// A credential by the name the templates have for it.
fn credential(kind: &str, reference: &Value, known: &Surroundings) -> Value {
    let id = reference.get("id").and_then(Value::as_str).unwrap_or_default();
    match known.credentials.get(&(kind.to_owned(), id.to_owned())) {
        Some(name) => json!({ "name": name }),
        None => reference.clone(),
    }
}

/// A value with siblings named as templates name them, and the tenant's ids and addresses as expressions.
fn inverse(key: &str, value: &Value, known: &Surroundings) -> Value {
    match value {
        Value::String(id) if key == "workflowId" => match known.siblings.get(id) {
            Some(sibling) => Value::from(sibling.reference()),
            None => value.clone(),
        },
        Value::Object(map) => map
            .iter()
            .filter(|(inner, _)| !(map.contains_key("__rl") && inner.starts_with("cachedResult")))
            .map(|(inner, item)| {
                let target = key == "workflowId" && inner == "value";
                let value = inverse(if target { "workflowId" } else { inner }, item, known);
                (inner.clone(), value)
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| inverse("", item, known)).collect(),
        other => known.value(other),
    }
}

fn settings(template: &Map<String, Value>, rendered: &Value, observed: &Value, known: &Surroundings) -> Value {
    let written = template.get("settings").unwrap_or(&Value::Null);
    let rendered = rendered.get("settings").unwrap_or(&Value::Null);
    let mut out = Map::new();
    for (key, value) in observed
        .get("settings")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let by_default = nodes::reset_value(key).is_some_and(|reset| same(&reset, value));
        let value = match (written.get(key), rendered.get(key)) {
            (Some(written), Some(rendered)) if same(rendered, value) => written.clone(),
            // What upa set back itself, because a template does not say it any more, says nothing.
            (None, _) if (by_default && known.current.is_some()) || value.is_null() => continue,
            _ => setting(key, value, known),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

fn setting(key: &str, value: &Value, known: &Surroundings) -> Value {
    let sibling = |id: &str| {
        known
            .siblings
            .get(id)
            .map_or_else(|| id.to_owned(), |sibling| sibling.reference())
    };
    match (key, value.as_str()) {
        ("errorWorkflow", Some(id)) => Value::from(sibling(id)),
        ("callerIds", Some(ids)) => {
            let ids: BTreeSet<String> = ids.split(',').map(|id| sibling(id.trim())).collect();
            Value::from(ids.into_iter().collect::<Vec<_>>().join(","))
        }
        _ => known.value(value),
    }
}
