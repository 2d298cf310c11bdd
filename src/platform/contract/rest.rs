//! An OpenAPI description: references followed one at a time, calls found by their shape.

use std::collections::BTreeSet;

use serde_json::Value;

use super::paths::{self, NoOperation};
use super::{Operation, Schema};

/// References may point at references; a chain longer than this is a circle.
const CHAIN: usize = 32;

/// The methods a path can have, as OpenAPI writes them.
const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/// An OpenAPI 3 description.
#[derive(Debug, Clone)]
pub struct Rest {
    document: Value,
}

impl Rest {
    pub(super) fn new(document: Value) -> Self {
        Self { document }
    }

    /// The addresses the vendor serves, as written (`https://api.vendor.com/v2`, `/api/v1`, `{url}/api`).
    pub fn servers(&self) -> Vec<&str> {
        let servers = self.document.get("servers").and_then(Value::as_array);
        let url = |server| Value::get(server, "url").and_then(Value::as_str);
        servers.into_iter().flatten().filter_map(url).collect()
    }

    /// The call a definition means: `path` is a path (`/calendars/{id}/acl`) or a whole address; what stands after `?`
    /// is not looked at. Placeholders may have any name; the contract's paths are tried as they are and below the path
    /// of every server.
    ///
    /// # Errors
    /// [`NoOperation`] says whether the path or the method is unknown, and what is near.
    pub fn operation(&self, method: &str, path: &str) -> Result<Operation<'_>, NoOperation> {
        let method = method.to_ascii_lowercase();
        let (template, item) = paths::find(self, &method, path)?;
        let item = self.follow(item);
        match item.get(&method).filter(|_| METHODS.contains(&method.as_str())) {
            Some(node) => Ok(Operation::new(self, template, item, node)),
            None => Err(NoOperation::Method {
                path: template.to_owned(),
                methods: METHODS
                    .iter()
                    .filter(|known| item.get(**known).is_some())
                    .map(|known| known.to_uppercase())
                    .collect(),
            }),
        }
    }

    /// Every path with what stands below it.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Value)> {
        let paths = self.document.get("paths").and_then(Value::as_object);
        paths.into_iter().flatten().map(|(path, item)| (path.as_str(), item))
    }

    pub(super) fn schema<'a>(&'a self, node: &'a Value) -> Schema<'a> {
        Schema::new(&self.document, vec![node])
    }

    pub(super) fn schemas<'a>(&'a self, nodes: Vec<&'a Value>) -> Schema<'a> {
        Schema::new(&self.document, nodes)
    }

    /// What a node refers to, or the node itself.
    pub(super) fn follow<'a>(&'a self, node: &'a Value) -> &'a Value {
        follow(&self.document, node)
    }
}

/// What `node` refers to, through references to references; the node where there is none, or where they lead nowhere.
pub(super) fn follow<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    let mut at = node;
    for _ in 0..CHAIN {
        match at
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|target| find(document, target))
        {
            Some(next) => at = next,
            None => return at,
        }
    }
    at
}

/// The node a reference names; `None` for another file and for what is not there.
pub(super) fn find<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    match document.pointer(pointer) {
        Some(node) => Some(node),
        None if pointer.contains('%') => document.pointer(&decoded(pointer)),
        None => None,
    }
}

/// `%7B` and its like in a reference; what is no such code stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// References that lead nowhere, outside of examples.
pub(super) fn dangling(document: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![document];
    while let Some(node) = open.pop() {
        match node {
            Value::Object(map) => {
                if let Some(target) = map.get("$ref").and_then(Value::as_str)
                    && find(document, target).is_none()
                {
                    found.insert(target.to_owned());
                }
                let data = |key: &str| {
                    matches!(key, "example" | "examples" | "default" | "enum" | "const") || key.starts_with("x-")
                };
                open.extend(map.iter().filter(|(key, _)| !data(key)).map(|(_, value)| value));
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found.into_iter().collect()
}
