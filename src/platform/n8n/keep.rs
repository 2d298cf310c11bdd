//! A workflow in which some fields stay as somebody left them in n8n.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::edge;
use super::understand;
use crate::platform::fields::{self, Spot};

/// The document with what is observed at these fields, as [`super::document::differences`] names them. Edges whose node
/// is not there (because somebody removed it, or because one that was added does not stay) go with it.
pub fn keep(document: &Value, observed: &Value, kept: &BTreeSet<String>) -> Value {
    let mut out = document.clone();
    let Some(map) = out.as_object_mut() else { return out };
    if let (true, Some(name)) = (kept.contains("name"), observed.get("name")) {
        map.insert("name".to_owned(), name.clone());
    }
    map.insert("nodes".to_owned(), nodes(document, observed, kept));
    let settings = document.get("settings").cloned().unwrap_or_else(|| json!({}));
    if let Some(settings) = fields::keep("settings", &settings, observed.get("settings"), kept) {
        map.insert("settings".to_owned(), settings);
    }
    if kept
        .iter()
        .any(|field| field == "nodeGroups" || field.starts_with("nodeGroups."))
    {
        let groups = groups(observed, map.get("nodes").unwrap_or(&Value::Null));
        map.insert("nodeGroups".to_owned(), groups);
    }
    let connections = connections(document, observed, kept, map.get("nodes").unwrap_or(&Value::Null));
    map.insert("connections".to_owned(), connections);
    out
}

/// Where a field stands in a template: names, settings and what lies in a node. Nodes, edges and groups are no values.
pub fn locate(template: &Value, field: &str) -> Option<Spot> {
    let workflow = understand::workflow(template).ok()?;
    let is_it = |path: &[&str]| {
        let found = fields::locate(template, path, "").and_then(|spot| spot.value(template)?.as_object());
        found.is_some_and(|found| std::ptr::eq(found, workflow))
    };
    let wrapped: [&[&str]; 6] = [
        &[],
        &["0"],
        &["workflow"],
        &["data"],
        &["0", "workflow"],
        &["0", "data"],
    ];
    let start = wrapped.into_iter().find(|path| is_it(path))?;
    if field == "name" || field.starts_with("settings.") {
        return fields::locate(template, start, field);
    }
    let nodes = workflow.get("nodes").and_then(Value::as_array)?.iter().enumerate();
    let mut within = nodes.filter_map(|(index, node)| {
        let rest = field.strip_prefix(&format!("node \"{}\"", name(node)))?;
        Some((index.to_string(), rest.strip_prefix(" · ")?))
    });
    let (index, rest) = within.next()?;
    fields::locate(template, &[start, &["nodes", &index]].concat(), rest)
}

fn list<'a>(workflow: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    workflow.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn name(node: &Value) -> &str {
    node.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn nodes(document: &Value, observed: &Value, kept: &BTreeSet<String>) -> Value {
    let there: BTreeMap<&str, &Value> = list(observed, "nodes").map(|node| (name(node), node)).collect();
    let mut out = Vec::new();
    let mut wanted = BTreeSet::new();
    for node in list(document, "nodes") {
        wanted.insert(name(node));
        let field = format!("node \"{}\"", name(node));
        if kept.contains(&field) {
            continue;
        }
        let within: BTreeSet<String> = kept
            .iter()
            .filter_map(|kept| Some(kept.strip_prefix(&field)?.strip_prefix(" · ")?.to_owned()))
            .collect();
        let node = match there.get(name(node)) {
            Some(observed) if !within.is_empty() => fields::keep("", node, Some(observed), &within),
            _ => None,
        }
        .unwrap_or_else(|| node.clone());
        out.push(node);
    }
    let added = list(observed, "nodes").filter(|node| !wanted.contains(name(node)));
    out.extend(
        added
            .filter(|node| kept.contains(&format!("node \"{}\"", name(node))))
            .cloned(),
    );
    Value::Array(out)
}

/// Groups name their nodes by id, and the ids of what was observed are not those of the document.
pub fn groups(observed: &Value, nodes: &Value) -> Value {
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let ids: BTreeMap<&str, &Value> = nodes
        .iter()
        .filter_map(|node| Some((name(node), node.get("id")?)))
        .collect();
    let names: BTreeMap<&str, &str> = list(observed, "nodes")
        .filter_map(|node| Some((node.get("id")?.as_str()?, name(node))))
        .collect();
    let groups = list(observed, "nodeGroups").map(|group| {
        let mut group = group.clone();
        let members: Vec<&Value> = list(&group, "nodeIds")
            .filter_map(|id| ids.get(*names.get(id.as_str()?)?).copied())
            .collect();
        let members = json!(members);
        if let Some(map) = group.as_object_mut() {
            map.insert("nodeIds".to_owned(), members);
        }
        group
    });
    groups.collect()
}

/// Calls `see` with every edge: its text, where it begins (node, kind and output), and its end.
fn each_edge<'a>(workflow: &'a Value, mut see: impl FnMut(String, (&'a str, &'a str, usize), &'a Value)) {
    let connections = workflow.get("connections").and_then(Value::as_object);
    for (from, outputs) in connections.into_iter().flatten() {
        for (kind, slots) in outputs.as_object().into_iter().flatten() {
            for (index, ends) in slots.as_array().into_iter().flatten().enumerate() {
                for end in ends.as_array().into_iter().flatten() {
                    see(edge(from, kind, index, end), (from, kind, index), end);
                }
            }
        }
    }
}

fn connections(document: &Value, observed: &Value, kept: &BTreeSet<String>, nodes: &Value) -> Value {
    let names: BTreeSet<&str> = nodes.as_array().into_iter().flatten().map(name).collect();
    let mut out = Map::new();
    let mut add = |(from, kind, index): (&str, &str, usize), end: &Value| {
        let to = end.get("node").and_then(Value::as_str).unwrap_or_default();
        if !names.contains(from) || !names.contains(to) {
            return;
        }
        let outputs = out.entry(from.to_owned()).or_insert_with(|| json!({}));
        let Some(slots) = outputs.as_object_mut().and_then(|outputs| {
            outputs
                .entry(kind.to_owned())
                .or_insert_with(|| json!([]))
                .as_array_mut()
        }) else {
            return;
        };
        // Outputs that lead nowhere hold their place.
        while slots.len() <= index {
            slots.push(json!([]));
        }
        if let Some(ends) = slots.get_mut(index).and_then(Value::as_array_mut) {
            ends.push(end.clone());
        }
    };
    let mut wanted = BTreeSet::new();
    each_edge(document, |text, from, end| {
        let field = format!("edge {text}");
        if !kept.contains(&field) {
            add(from, end);
        }
        wanted.insert(field);
    });
    each_edge(observed, |text, from, end| {
        let field = format!("edge {text}");
        if kept.contains(&field) && !wanted.contains(&field) {
            add(from, end);
        }
    });
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::n8n::document::differences;

    fn node(name: &str, more: Value) -> Value {
        let mut node = json!({"id": format!("id {name}"), "name": name, "type": "t", "typeVersion": 1, "position": [0, 0], "parameters": {}});
        for (key, value) in more.as_object().unwrap() {
            node[key] = value.clone();
        }
        node
    }

    fn to(node: &str) -> Value {
        json!({"main": [[{"node": node, "type": "main", "index": 0}]]})
    }

    fn wanted() -> Value {
        json!({
            "name": "W",
            "nodes": [node("A", json!({"parameters": {"x": 1, "y": {"z": 2}}})), node("B", json!({})), node("C", json!({}))],
            "connections": {"A": to("B"), "B": to("C")},
            "settings": {"executionOrder": "v1", "timezone": "UTC"},
            "nodeGroups": [{"id": "g", "name": "G", "nodeIds": ["id A", "id B"]}],
        })
    }

    fn moved() -> Value {
        json!({
            "name": "Mine",
            "nodes": [
                node("A", json!({"id": "a", "parameters": {"x": 7, "y": {"z": 8}}, "disabled": true})),
                node("C", json!({"id": "c"})),
                node("D", json!({"id": "d"})),
            ],
            "connections": {"A": {"main": [[], [{"node": "D", "type": "main", "index": 0}]]}, "D": to("C")},
            "settings": {"executionOrder": "v1", "timezone": "Europe/Madrid"},
            "nodeGroups": [{"id": "g", "name": "G", "nodeIds": ["d", "c"]}],
        })
    }

    fn fields(document: &Value) -> Vec<String> {
        let mut fields: Vec<String> = differences(document, &moved(), &[])
            .into_iter()
            .map(|change| change.field)
            .collect();
        fields.sort();
        fields
    }

    #[test]
    fn everything_can_be_kept() {
        let all: BTreeSet<String> = fields(&wanted()).into_iter().collect();
        assert!(all.len() > 10, "{all:#?}");
        assert_eq!(fields(&keep(&wanted(), &moved(), &all)), Vec::<String>::new());
    }

    /// Whatever is kept does not differ any more, and what is enforced is as Git says, in every case.
    #[test]
    fn each_can_be_kept_by_itself() {
        let all = fields(&wanted());
        for one in &all {
            let kept = keep(&wanted(), &moved(), &BTreeSet::from([one.clone()]));
            let left = fields(&kept);
            // An edge cannot stay without its node: it is Git's business as before.
            let hangs = one.starts_with("edge") && one.contains("\"D\"");
            assert_eq!(left.contains(one), hangs, "{one}: {left:#?}");
            let ends: Vec<&Value> = kept["connections"]
                .as_object()
                .unwrap()
                .values()
                .flat_map(|outputs| outputs["main"].as_array().unwrap())
                .flat_map(|ends| ends.as_array().unwrap())
                .collect();
            let names: Vec<&Value> = kept["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| &node["name"])
                .collect();
            assert!(ends.iter().all(|end| names.contains(&&end["node"])), "{one}: {kept:#}");
        }
    }

    #[test]
    fn nothing_kept_is_the_document_itself() {
        assert_eq!(keep(&wanted(), &moved(), &BTreeSet::new()), wanted());
    }
}
