//! Webhook registrations: which live workflow answers which method and path.
//!
//! The table is keyed by method and *written* path, as n8n's is. For a path with `:param` the public address starts
//! with the node's `webhookId`, yet the key does not: two live workflows cannot share such a path even when their
//! addresses differ, and n8n notices only after it has answered 200 (seen on 2.41.1).

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::super::clock::Moment;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::cache;
use super::nodes;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hook {
    pub method: String,
    /// As registered: no slash at either end.
    pub path: String,
    pub workflow: String,
    pub node: String,
    /// The first part of the public address of a path with `:param`.
    pub webhook_id: Option<String>,
    pub form: bool,
}

impl Hook {
    fn key(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The key of the second table, by which a `:param` path is found from its address.
    fn address(&self) -> Option<String> {
        self.webhook_id.as_ref().map(|id| format!("{id}/{}", self.key()))
    }

    /// Does a request for the rest of the address, after the id, reach this hook? Segments that are not parameters
    /// must occur; n8n does not ask where.
    fn admits(&self, rest: &[&str]) -> bool {
        let own: Vec<&str> = self.path.split('/').collect();
        own.len() == rest.len()
            && own
                .iter()
                .filter(|part| !part.starts_with(':'))
                .all(|part| rest.contains(part))
    }
}

/// The hooks a version registers.
pub fn of_version(workflow: &str, nodes: &[Value]) -> Vec<Hook> {
    nodes
        .iter()
        .filter(|node| nodes::is_enabled(node))
        .flat_map(|node| of_node(workflow, node))
        .collect()
}

fn of_node(workflow: &str, node: &Value) -> Vec<Hook> {
    let parameters = &node["parameters"];
    let webhook_id = node["webhookId"].as_str().unwrap_or_default();
    let written = |value: &Value| normal(value.as_str().unwrap_or_default()).to_owned();
    let or_id = |path: String| {
        if path.is_empty() { webhook_id.to_owned() } else { path }
    };
    let both = || vec!["GET".to_owned(), "POST".to_owned()];
    let (path, methods, form) = match nodes::type_of(node) {
        nodes::WEBHOOK => {
            let methods = match &parameters["httpMethod"] {
                Value::String(method) => vec![method.clone()],
                Value::Array(all) => all.iter().filter_map(|m| m.as_str().map(str::to_owned)).collect(),
                _ => vec!["GET".to_owned()],
            };
            (or_id(written(&parameters["path"])), methods, false)
        }
        nodes::FORM_TRIGGER => {
            let own = written(&parameters["path"]);
            let path = if own.is_empty() {
                written(&parameters["options"]["path"])
            } else {
                own
            };
            (or_id(path), both(), true)
        }
        nodes::CHAT_TRIGGER => (format!("{webhook_id}/chat"), both(), false),
        _ => return Vec::new(),
    };
    let dynamic = path.starts_with(':') || path.contains("/:");
    let hook = |method: String| Hook {
        method,
        path: path.clone(),
        workflow: workflow.to_owned(),
        node: node["name"].as_str().unwrap_or_default().to_owned(),
        webhook_id: dynamic.then(|| webhook_id.to_owned()),
        form,
    };
    methods.into_iter().map(hook).collect()
}

/// A path as it is registered: trimmed, without one slash at either end.
fn normal(path: &str) -> &str {
    let path = path.trim();
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

/// What the check before publishing sees: another workflow, or another node of this one, on the same address.
pub fn conflict(rows: &Rows, workflow: &str, wanted: &[Hook], now: Moment) -> Result<bool, StoreError> {
    for (at, hook) in wanted.iter().enumerate() {
        let again = |other: &Hook| other.key() == hook.key() && other.webhook_id == hook.webhook_id;
        if wanted[..at].iter().any(again) {
            return Ok(true);
        }
        let address = match &hook.webhook_id {
            Some(id) => format!("{id}/{}", hook.path),
            None => hook.path.clone(),
        };
        if cache::find(rows, &hook.method, &address, now)?.is_some_and(|live| live.workflow != workflow) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The hook that answers a request for this path (decoded, below `/webhook/`).
pub fn find(rows: &Rows, method: &str, path: &str) -> Result<Option<Hook>, StoreError> {
    let fixed: Option<Hook> = rows.get("hook", &format!("{method} {path}"))?;
    if let Some(hook) = fixed.filter(|hook| hook.webhook_id.is_none()) {
        return Ok(Some(hook));
    }
    let found = with_params(rows, path)?;
    Ok(found.into_iter().find(|hook| hook.method == method))
}

/// The methods this path answers.
pub fn methods(rows: &Rows, path: &str) -> Result<Vec<String>, StoreError> {
    let mut methods = Vec::new();
    for method in ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] {
        let hook: Option<Hook> = rows.get("hook", &format!("{method} {path}"))?;
        if hook.is_some_and(|hook| hook.webhook_id.is_none()) {
            methods.push(method.to_owned());
        }
    }
    if methods.is_empty() {
        let found = with_params(rows, path)?;
        methods.extend(found.into_iter().take(1).map(|hook| hook.method));
    }
    Ok(methods)
}

/// Hooks with parameters that admit this address; the one with the most fixed parts first.
fn with_params(rows: &Rows, path: &str) -> Result<Vec<Hook>, StoreError> {
    let Some((id, rest)) = path.split_once('/') else {
        return Ok(Vec::new());
    };
    let rest: Vec<&str> = rest.split('/').collect();
    let all: Vec<(String, Hook)> = rows.scan("address", &format!("{id}/"))?;
    let mut found: Vec<Hook> = all
        .into_iter()
        .map(|(_, hook)| hook)
        .filter(|hook| hook.admits(&rest))
        .collect();
    let fixed = |hook: &Hook| hook.path.split('/').filter(|part| !part.starts_with(':')).count();
    found.sort_by_key(|hook| std::cmp::Reverse(fixed(hook)));
    Ok(found)
}

/// Registers what is free or the workflow's own; names the node whose key another workflow holds, if one does.
pub fn claim(rows: &Rows, workflow: &str, wanted: &[Hook]) -> Result<Option<String>, StoreError> {
    let mut taken = None;
    for hook in wanted {
        let holder: Option<Hook> = rows.get("hook", &hook.key())?;
        if holder.is_some_and(|holder| holder.workflow != workflow) {
            taken = Some(hook.node.clone());
            continue;
        }
        rows.put("hook", &hook.key(), hook)?;
        cache::forget(rows, hook)?;
        if let Some(address) = hook.address() {
            rows.put("address", &address, hook)?;
        }
    }
    Ok(taken)
}

/// Takes a workflow's hooks away, but for those in `kept`.
pub fn release(rows: &Rows, workflow: &str, held: &[Hook], kept: &[Hook]) -> Result<(), StoreError> {
    for hook in held {
        if kept
            .iter()
            .any(|kept| kept.key() == hook.key() && kept.webhook_id == hook.webhook_id)
        {
            continue;
        }
        let holder: Option<Hook> = rows.get("hook", &hook.key())?;
        if holder.is_some_and(|holder| holder.workflow == workflow) {
            rows.remove("hook", &hook.key())?;
            if let Some(address) = hook.address() {
                rows.remove("address", &address)?;
            }
        }
    }
    Ok(())
}
