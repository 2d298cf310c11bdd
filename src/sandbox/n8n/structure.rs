//! "Workflow structure is invalid": nodes need a name, a type and a place, connections need their nodes.
//!
//! Runs on what has the right shape already, after ids were filled in; all issues are reported, in two stages
//! (first the parts, then how they refer to each other), as n8n does.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use super::shape::kind;

/// One finding: where, zod's code, zod's words.
struct Issue(String, &'static str, String);

pub fn check(nodes: &[Value], connections: &Value) -> Result<(), String> {
    let mut issues = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        parts_of_node(at, node, &mut issues);
    }
    parts_of_connections(connections, &mut issues);
    if issues.is_empty() {
        let names = names(nodes, &mut issues);
        references(connections, &names, &mut issues);
    }
    if issues.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = issues
        .iter()
        .map(|Issue(path, code, message)| format!("{path} ({code}): {message}"))
        .collect();
    Err(format!("Workflow structure is invalid. {}", lines.join("; ")))
}

fn parts_of_node(at: usize, node: &Value, issues: &mut Vec<Issue>) {
    text(format!("nodes[{at}].name"), node.get("name"), issues);
    text(format!("nodes[{at}].type"), node.get("type"), issues);
    let path = format!("nodes[{at}].position");
    match node.get("position").and_then(Value::as_array) {
        None => issues.push(Issue(path, "invalid_type", "Required".to_owned())),
        Some(place) if place.len() < 2 => {
            let message = "Array must contain at least 2 element(s)".to_owned();
            issues.push(Issue(path, "too_small", message));
        }
        Some(place) if place.len() > 2 => {
            let message = "Array must contain at most 2 element(s)".to_owned();
            issues.push(Issue(path, "too_big", message));
        }
        Some(_) => {}
    }
}

/// A text that is there and not empty.
fn text(path: String, value: Option<&Value>, issues: &mut Vec<Issue>) {
    match value {
        None => issues.push(Issue(path, "invalid_type", "Required".to_owned())),
        Some(Value::String(text)) if text.is_empty() => {
            let message = "String must contain at least 1 character(s)".to_owned();
            issues.push(Issue(path, "too_small", message));
        }
        Some(Value::String(_)) => {}
        Some(other) => issues.push(wrong(path, "string", other)),
    }
}

fn wrong(path: String, expected: &str, value: &Value) -> Issue {
    let message = format!("Expected {expected}, received {}", kind(value));
    Issue(path, "invalid_type", message)
}

/// `connections` is source → type → outputs → targets; an output without targets may be null.
fn parts_of_connections(connections: &Value, issues: &mut Vec<Issue>) {
    for (source, types) in connections.as_object().into_iter().flatten() {
        let path = format!("connections.{source}");
        let Some(types) = types.as_object() else {
            issues.push(wrong(path, "object", types));
            continue;
        };
        for (of, outputs) in types {
            let path = format!("{path}.{of}");
            let Some(outputs) = outputs.as_array() else {
                issues.push(wrong(path, "array", outputs));
                continue;
            };
            for (output, targets) in outputs.iter().enumerate() {
                parts_of_output(&format!("{path}[{output}]"), targets, issues);
            }
        }
    }
}

fn parts_of_output(path: &str, targets: &Value, issues: &mut Vec<Issue>) {
    if targets.is_null() {
        return;
    }
    let Some(targets) = targets.as_array() else {
        issues.push(wrong(path.to_owned(), "array", targets));
        return;
    };
    for (at, target) in targets.iter().enumerate() {
        let path = format!("{path}[{at}]");
        if !target.is_object() {
            issues.push(wrong(path, "object", target));
            continue;
        }
        text(format!("{path}.node"), target.get("node"), issues);
        text(format!("{path}.type"), target.get("type"), issues);
        let path = format!("{path}.index");
        match target.get("index") {
            None => issues.push(Issue(path, "invalid_type", "Required".to_owned())),
            Some(Value::Number(number)) if number.as_i64().is_some_and(|n| n < 0) => {
                let message = "Number must be greater than or equal to 0".to_owned();
                issues.push(Issue(path, "too_small", message));
            }
            Some(Value::Number(number)) if number.is_f64() => {
                let message = "Expected integer, received float".to_owned();
                issues.push(Issue(path, "invalid_type", message));
            }
            Some(Value::Number(_)) => {}
            Some(other) => issues.push(wrong(path, "number", other)),
        }
    }
}

/// Node names, with duplicates of names and ids reported.
fn names<'n>(nodes: &'n [Value], issues: &mut Vec<Issue>) -> BTreeSet<&'n str> {
    let mut names = BTreeSet::new();
    let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let name = node["name"].as_str().unwrap_or_default();
        let id = node["id"].as_str().unwrap_or_default();
        match holders.get(id) {
            Some(first) if !id.is_empty() => {
                let message = format!("Nodes \"{first}\" and \"{name}\" share the node ID \"{id}\"");
                issues.push(Issue(format!("nodes[{at}].id"), "duplicate_node_id", message));
            }
            _ => {
                holders.insert(id, name);
            }
        }
        if !names.insert(name) {
            let message = format!("Duplicate node name \"{name}\"");
            issues.push(Issue(format!("nodes[{at}].name"), "duplicate_node_name", message));
        }
    }
    names
}

fn references(connections: &Value, names: &BTreeSet<&str>, issues: &mut Vec<Issue>) {
    for (source, types) in connections.as_object().into_iter().flatten() {
        if !names.contains(source.as_str()) {
            let message = format!("Connection source \"{source}\" does not reference an existing node");
            let path = format!("connections.{source}");
            issues.push(Issue(path, "unknown_connection_source", message));
        }
        for (of, outputs) in types.as_object().into_iter().flatten() {
            for (output, targets) in outputs.as_array().into_iter().flatten().enumerate() {
                for (at, target) in targets.as_array().into_iter().flatten().enumerate() {
                    let node = target["node"].as_str().unwrap_or_default();
                    if !names.contains(node) {
                        let path = format!("connections.{source}.{of}[{output}][{at}].node");
                        let message = format!("Connection target \"{node}\" does not reference an existing node");
                        issues.push(Issue(path, "unknown_connection_target", message));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sound_workflow_passes() {
        let nodes = [json!({"name": "A", "type": "t", "position": [0, 0]})];
        let connections = json!({"A": {"main": [null, [{"node": "A", "type": "main", "index": 0}]]}});
        assert_eq!(check(&nodes, &connections), Ok(()));
    }

    #[test]
    fn parts_come_before_references() {
        let nodes = [
            json!({"name": "A", "type": "t", "position": [0]}),
            json!({"name": "A", "type": "t", "position": [0, 0]}),
        ];
        assert_eq!(
            check(&nodes, &json!({})),
            Err("Workflow structure is invalid. nodes[0].position (too_small): \
                 Array must contain at least 2 element(s)"
                .to_owned())
        );
    }
}
