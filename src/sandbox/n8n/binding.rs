//! How saving a workflow rewrites the credentials its nodes name.
//!
//! n8n looks a reference up by id and type, then by name and type, and stores what it found; a client that does not
//! compare afterwards can end up on another tenant's credential. A reference *without* an id is the worst case: its
//! lookup matches any credential of the type and takes the oldest (seen on 2.41.1).

use serde_json::Value;
use serde_json::json;

use super::super::store::Rows;
use super::super::store::StoreError;
use super::credential::Credential;
use super::nodes;

pub fn rebind(rows: &Rows, nodes: &mut [Value]) -> Result<(), StoreError> {
    let named = |node: &Value| nodes::is_enabled(node) && node["credentials"].is_object();
    if !nodes.iter().any(named) {
        return Ok(());
    }
    let known = Credential::all(rows)?;
    for node in nodes.iter_mut().filter(|node| named(node)) {
        let references = node["credentials"].as_object_mut().into_iter().flatten();
        for (of, reference) in references {
            if let Some(bound) = bound(&known, of, reference) {
                *reference = json!({"id": bound.id, "name": bound.name});
            }
        }
    }
    Ok(())
}

/// The credential n8n puts in the place of a reference; `None` leaves it as it was sent.
fn bound<'c>(known: &'c [Credential], of: &str, reference: &Value) -> Option<&'c Credential> {
    let mut typed = known.iter().filter(|credential| credential.of == of);
    match reference {
        Value::String(name) => only(known, of, name),
        Value::Object(members) => {
            let name = || members.get("name").and_then(Value::as_str);
            match members.get("id") {
                None => typed.next(),
                Some(Value::Null) => only(known, of, name()?),
                Some(id) => typed
                    .find(|credential| *id == credential.id.as_str())
                    .or_else(|| only(known, of, name()?)),
            }
        }
        _ => None,
    }
}

/// The credential of this type and name, if it is the only one.
fn only<'c>(known: &'c [Credential], of: &str, name: &str) -> Option<&'c Credential> {
    let mut same = known
        .iter()
        .filter(|credential| credential.of == of && credential.name == name);
    let first = same.next()?;
    same.next().is_none().then_some(first)
}
