//! Bodies to send: workflows and their nodes.

use serde_json::Value;
use serde_json::json;

/// A workflow's body: a name and its nodes, not connected.
pub fn workflow(name: &str, nodes: Value) -> Value {
    json!({"name": name, "nodes": nodes, "connections": {}, "settings": {}})
}

/// The same with more members, or others.
pub fn with(mut body: Value, members: Value) -> Value {
    for (key, value) in members.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

/// A webhook node, complete with both ids.
pub fn webhook(name: &str, method: &str, path: &str) -> Value {
    with(
        node(
            name,
            "n8n-nodes-base.webhook",
            2.1,
            json!({
                "httpMethod": method, "path": path, "responseMode": "onReceived", "options": {},
            }),
        ),
        json!({"webhookId": uuid::Uuid::new_v4()}),
    )
}

/// Any node, with an id.
pub fn node(name: &str, of: &str, version: impl Into<Value>, parameters: Value) -> Value {
    let version: Value = version.into();
    json!({
        "id": format!("id-{name}"), "name": name, "type": of, "typeVersion": version, "position": [0, 0],
        "parameters": parameters,
    })
}

pub fn no_op(name: &str) -> Value {
    node(name, "n8n-nodes-base.noOp", 1, json!({}))
}

/// From one node to another.
pub fn connection(from: &str, to: &str) -> Value {
    json!({from: {"main": [[{"node": to, "type": "main", "index": 0}]]}})
}
