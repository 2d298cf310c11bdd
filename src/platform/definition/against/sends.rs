//! What a call can send, before there is a document: its body's template as the contract's [`Sent`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::KindDefinition;
use super::super::call::Call;
use super::super::kind::Marker;
use super::super::placeholder::{Hole, Root, Text};
use crate::platform::contract::Sent;

/// What `call` can send as its body (or its GraphQL variables); `None` if it sends nothing. `creates`: the mark is in it.
pub(super) fn body(kind: &KindDefinition, call: &Call, creates: bool) -> Option<Sent> {
    call.body.as_ref().map(|body| template(kind, call, creates, body))
}

/// Where the whole document stands in a body, as dotted paths.
pub(super) fn places_of_spec(body: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        let below = |name: &str| {
            if at.is_empty() {
                name.to_owned()
            } else {
                format!("{at}.{name}")
            }
        };
        match value {
            Value::String(text) if Text::parse(text).is_ok_and(|text| is_spec(&text)) => found.push(at.to_owned()),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, item)| walk(item, &below(&index.to_string()), found)),
            Value::Object(map) => map.iter().for_each(|(name, value)| walk(value, &below(name), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(body, "", &mut found);
    found
}

fn is_spec(text: &Text) -> bool {
    only(text).is_some_and(|hole| hole.root == Root::Spec && hole.path.is_empty())
}

/// The placeholder a text consists of.
fn only(text: &Text) -> Option<&Hole> {
    let mut parts = text.parts();
    match (parts.next(), parts.next()) {
        (Some(Err(hole)), None) => Some(hole),
        _ => None,
    }
}

fn template(kind: &KindDefinition, call: &Call, creates: bool, value: &Value) -> Sent {
    let below = |value: &Value| template(kind, call, creates, value);
    match value {
        Value::String(text) => match Text::parse(text) {
            Ok(text) => string(kind, call, creates, &text),
            Err(_) => Sent::Text,
        },
        Value::Array(items) => Sent::List(items.iter().map(below).collect()),
        Value::Object(map) => Sent::Object {
            fields: map.iter().map(|(name, value)| (name.clone(), below(value))).collect(),
            open: false,
        },
        other => Sent::Value(other.clone()),
    }
}

fn string(kind: &KindDefinition, call: &Call, creates: bool, text: &Text) -> Sent {
    let Some(hole) = only(text) else {
        let literal: Option<String> = text.parts().map(Result::ok).collect();
        return literal.map_or(Sent::Text, |text| Sent::Value(Value::from(text)));
    };
    match (&hole.root, &kind.marker) {
        (Root::Spec, _) if hole.path.is_empty() => spec(kind, call, creates),
        (Root::Marker, Some(Marker::Placed { value, .. })) => template(kind, call, creates, value),
        (Root::Owner | Root::Attempt, _) => Sent::Text,
        _ => Sent::Any,
    }
}

/// The document: whatever the operator writes, without what places the object or is dropped, with the mark.
fn spec(kind: &KindDefinition, call: &Call, creates: bool) -> Sent {
    let mut fields = BTreeMap::new();
    for name in kind.inputs.iter().chain(&call.drop) {
        fields.insert(name.clone(), Sent::Never);
    }
    if creates {
        for path in marks(kind) {
            put(&mut fields, path);
        }
    }
    Sent::Object { fields, open: true }
}

/// Where the mark is written in a document.
pub(super) fn marks(kind: &KindDefinition) -> Vec<&str> {
    match &kind.marker {
        Some(Marker::Field { field, attempt }) => std::iter::once(field).chain(attempt).map(String::as_str).collect(),
        Some(Marker::Line { field } | Marker::Tag { field, .. }) => vec![field],
        Some(Marker::Placed { .. } | Marker::Call { .. }) | None => Vec::new(),
    }
}

/// A text at a dotted path, in objects that may hold more.
fn put(fields: &mut BTreeMap<String, Sent>, path: &str) {
    let Some((first, rest)) = path.split_once('.') else {
        fields.insert(path.to_owned(), Sent::Text);
        return;
    };
    let below = fields.entry(first.to_owned()).or_insert_with(|| Sent::Object {
        fields: BTreeMap::new(),
        open: true,
    });
    if let Sent::Object { fields, .. } = below {
        put(fields, rest);
    }
}
