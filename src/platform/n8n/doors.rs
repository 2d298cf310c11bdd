//! Where nodes are reached from outside: which types, at which address, by which methods.
//!
//! Read from the node descriptions of n8n 2.41.1 and measured there in November 2026. All addresses are kept in one table by
//! method and written path, so a form and a webhook cannot share a path although their URLs differ.

use serde_json::Value;

/// How a node is reached from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// `/webhook/<path>`, or `/webhook/<webhookId>/<path>` when the path has a `:parameter`.
    Webhook,
    /// `/form/<path>`, or `/form/<webhookId>` without a path.
    Form,
    /// `/webhook/<webhookId>/chat`.
    Chat,
    /// `/mcp/<path>`.
    Mcp,
    /// By its webhook id alone, in a way only the node type knows.
    ById,
}

/// The address and the methods of an entrance.
pub struct Shape {
    /// Below the webhook URL; `{path}` and `{id}` stand for the node's own.
    pub url: &'static str,
    pub methods: Vec<String>,
    /// Whether a preflight shows that it is live, on n8n and on the sandbox. The others are not probed: an MCP server
    /// and a form of version 1 because the sandbox does not serve them, a trigger of a service because only its type
    /// knows its address (`POST /webhook/<id>/webhook` for 73 of the 76 that come with n8n).
    pub provable: bool,
}

/// Where a type keeps its path, below its parameters. Forms moved it with version 2.2; n8n ignores the other place.
pub fn path_pointer(entrance: Entrance, version: f64) -> Option<&'static str> {
    match entrance {
        Entrance::Webhook | Entrance::Mcp => Some("/path"),
        Entrance::Form if version < 2.2 => Some("/path"),
        Entrance::Form => Some("/options/path"),
        Entrance::Chat | Entrance::ById => None,
    }
}

/// Whether a path has a `:parameter`.
pub fn has_parameters(path: &str) -> bool {
    path.split('/').any(|segment| segment.starts_with(':'))
}

/// What an entrance looks like.
pub fn shape(entrance: Entrance, version: f64, by_path: bool, has_parameters: bool, parameters: &Value) -> Shape {
    let all = |methods: &[&str]| methods.iter().map(|method| (*method).to_owned()).collect();
    match entrance {
        Entrance::Webhook => Shape {
            url: match (by_path, has_parameters) {
                (true, true) => "/webhook/{id}/{path}",
                (true, false) => "/webhook/{path}",
                // Without a path n8n registers the webhook id.
                (false, _) => "/webhook/{id}",
            },
            provable: methods(parameters).is_some(),
            methods: methods(parameters).unwrap_or_else(|| all(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])),
        },
        Entrance::Form => Shape {
            url: match (by_path, version < 2.0) {
                (true, true) => "/webhook/{path}/n8n-form",
                (true, false) => "/form/{path}",
                (false, _) => "/form/{id}",
            },
            methods: all(&["GET", "POST"]),
            provable: version >= 2.0,
        },
        Entrance::Chat => Shape {
            url: "/webhook/{id}/chat",
            methods: all(&["POST"]),
            provable: true,
        },
        Entrance::Mcp => Shape {
            url: if version < 2.0 {
                "/mcp/{path}/sse"
            } else {
                "/mcp/{path}"
            },
            methods: all(if version < 2.0 {
                &["GET"]
            } else {
                &["GET", "POST", "DELETE"]
            }),
            provable: false,
        },
        Entrance::ById => Shape {
            url: "/webhook/{id}/webhook",
            methods: all(&["POST"]),
            provable: false,
        },
    }
}

/// The methods a webhook node listens to; `None` when n8n computes them.
fn methods(parameters: &Value) -> Option<Vec<String>> {
    match parameters.get("httpMethod") {
        Some(Value::String(method)) if method.starts_with('=') || method.contains("<%=") => None,
        Some(Value::String(method)) => Some(vec![method.clone()]),
        Some(Value::Array(methods)) => Some(methods.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ if parameters.get("multipleMethods") == Some(&Value::Bool(true)) => {
            Some(vec!["GET".to_owned(), "POST".to_owned()])
        }
        _ => Some(vec!["GET".to_owned()]),
    }
}

/// One method at one address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    pub method: String,
    /// The written path: with the method, what n8n keeps only once.
    pub path: String,
    /// Below the webhook URL.
    pub url: String,
    pub provable: bool,
}

/// Where a node (as n8n stores it) is reached. n8n does not register disabled ones.
pub fn doors(node: &Value) -> Vec<Door> {
    let kind = node.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some(entrance) = super::nodes::entrance(kind).filter(|_| node.get("disabled") != Some(&Value::Bool(true)))
    else {
        return Vec::new();
    };
    let version = node.get("typeVersion").and_then(Value::as_f64).unwrap_or(1.0);
    let parameters = node.get("parameters").unwrap_or(&Value::Null);
    let id = node.get("webhookId").and_then(Value::as_str).unwrap_or_default();
    let path = path_pointer(entrance, version)
        .and_then(|pointer| parameters.pointer(pointer))
        .and_then(Value::as_str);
    // One slash at either end does not count.
    let path = path.unwrap_or_default().trim().trim_matches('/');
    let shape = shape(entrance, version, !path.is_empty(), has_parameters(path), parameters);
    let url = shape.url.replace("{id}", id).replace("{path}", path);
    let path = if path.is_empty() {
        url.trim_start_matches("/webhook/").trim_start_matches("/form/")
    } else {
        path
    };
    let computed = path.starts_with('=');
    shape
        .methods
        .into_iter()
        .map(|method| Door {
            method,
            path: path.to_owned(),
            url: url.clone(),
            provable: shape.provable && !computed,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `METHOD written-path url`, with `!` where nothing can be proved.
    fn of(kind: &str, version: f64, parameters: Value) -> Vec<String> {
        let node = json!({"type": kind, "typeVersion": version, "webhookId": "W", "parameters": parameters});
        let show = |door: Door| {
            format!(
                "{}{} {} {}",
                if door.provable { "" } else { "!" },
                door.method,
                door.path,
                door.url
            )
        };
        doors(&node).into_iter().map(show).collect()
    }

    #[test]
    fn doors_are_where_n8n_registers_them() {
        let (webhook, form) = ("n8n-nodes-base.webhook", "n8n-nodes-base.formTrigger");
        let (chat, mcp) = (
            "@n8n/n8n-nodes-langchain.chatTrigger",
            "@n8n/n8n-nodes-langchain.mcpTrigger",
        );
        for (kind, version, parameters, expected) in [
            (
                webhook,
                2.1,
                json!({"path": "/a/b/", "httpMethod": "PUT"}),
                vec!["PUT a/b /webhook/a/b"],
            ),
            (
                webhook,
                2.1,
                json!({"path": "u/:id"}),
                vec!["GET u/:id /webhook/W/u/:id"],
            ),
            (webhook, 2.1, json!({"path": ""}), vec!["GET W /webhook/W"]),
            (
                webhook,
                2.1,
                json!({"path": "={{ 1 }}"}),
                vec!["!GET ={{ 1 }} /webhook/={{ 1 }}"],
            ),
            (
                webhook,
                2.1,
                json!({"path": "a", "multipleMethods": true}),
                vec!["GET a /webhook/a", "POST a /webhook/a"],
            ),
            (
                form,
                1.0,
                json!({"path": "f"}),
                vec!["!GET f /webhook/f/n8n-form", "!POST f /webhook/f/n8n-form"],
            ),
            (form, 2.1, json!({"path": "f"}), vec!["GET f /form/f", "POST f /form/f"]),
            (
                form,
                2.2,
                json!({"path": "old", "options": {"path": "f"}}),
                vec!["GET f /form/f", "POST f /form/f"],
            ),
            (form, 2.5, json!({}), vec!["GET W /form/W", "POST W /form/W"]),
            (chat, 1.1, json!({}), vec!["POST W/chat /webhook/W/chat"]),
            (mcp, 1.0, json!({"path": "m"}), vec!["!GET m /mcp/m/sse"]),
            ("n8n-nodes-base.set", 3.4, json!({"path": "a"}), vec![]),
        ] {
            assert_eq!(
                of(kind, version, parameters.clone()),
                expected,
                "{kind} {version} {parameters}"
            );
        }
        let off = json!({"type": webhook, "disabled": true, "parameters": {"path": "a"}});
        assert_eq!(doors(&off), []);
    }
}
