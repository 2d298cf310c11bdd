//! An object of a platform described as data, as the template that renders to it.

use serde_json::{Map, Value};

use super::Object;
use super::definition::KindDefinition;
use super::definition::kind::Marker;
use crate::export::{Surroundings, Take, overlay};

/// Top-level fields that say when and for whom an object was made, as most platforms call them.
const SET_BY_PLATFORMS: [&str; 8] = [
    "createdAt",
    "updatedAt",
    "created_at",
    "updated_at",
    "created",
    "updated",
    "orgId",
    "organizationId",
];

/// What the template writes already; of an object without one everything but what the platform set by itself.
pub fn export(kind: Option<&KindDefinition>, object: &Object, known: &Surroundings) -> Value {
    let inverse = |_: &str, value: &Value| known.value(value);
    if let Some((template, rendered)) = &known.current {
        return overlay(template, rendered, &object.document, Take::Written, &inverse);
    }
    let mut document = known.value(&object.document);
    let marks = match kind.and_then(|kind| kind.marker.as_ref()) {
        Some(Marker::Field { field, attempt }) => attempt.iter().chain([field]).collect(),
        // The others stand among people's words and were taken off when it was read, or are sent by hand.
        _ => Vec::new(),
    };
    let own = kind
        .into_iter()
        .flat_map(|kind| kind.gone.iter().map(|gone| &gone.at).chain([&kind.id]));
    for path in marks.into_iter().chain(own) {
        take(&mut document, path);
    }
    if let Some(map) = document.as_object_mut() {
        map.retain(|key, value| !SET_BY_PLATFORMS.contains(&&**key) && !value.is_null());
    }
    document
}

/// Takes a dotted path away, and what is empty then.
fn take(document: &mut Value, path: &str) {
    let (key, below) = match path.split_once('.') {
        Some((key, below)) => (key, Some(below)),
        None => (path, None),
    };
    let Some(map) = document.as_object_mut() else { return };
    let gone = match (below, map.get_mut(key)) {
        (Some(below), Some(inner)) => {
            take(inner, below);
            inner.as_object().is_some_and(Map::is_empty)
        }
        _ => true,
    };
    if gone {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_goes_with_what_is_empty_then() {
        let mut document = json!({"metadata": {"upa": 1}, "a": {"b": 1, "c": 2}, "id": 3});
        for path in ["metadata.upa", "a.b", "id", "nothing.there"] {
            take(&mut document, path);
        }
        assert_eq!(document, json!({"a": {"c": 2}}));
    }
}
