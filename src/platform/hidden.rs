//! The parts of a document that a platform does not show again, or shows otherwise: they are never compared, never
//! digested as read, and recorded by what was sent.
//!
//! A path is dotted; `*` stands for any one segment, and alone for the whole document.

use std::collections::BTreeMap;

use serde_json::Value;

/// Whether a dotted field is at or below one of the paths.
pub fn covers(paths: &[String], field: &str) -> bool {
    paths.iter().any(|path| {
        let mut segments = field.split('.');
        path.split('.').all(|wanted| {
            segments
                .next()
                .is_some_and(|segment| wanted == "*" || wanted == segment)
        })
    })
}

/// The document without what the paths cover, and without the tables that held nothing else.
pub fn without(document: &Value, paths: &[String]) -> Value {
    if paths.is_empty() {
        return document.clone();
    }
    strip("", document, paths).unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

fn strip(field: &str, value: &Value, paths: &[String]) -> Option<Value> {
    if !field.is_empty() && covers(paths, field) {
        return None;
    }
    match value {
        Value::Object(map) if !map.is_empty() => {
            let kept: serde_json::Map<_, _> = map
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), strip(&join(field, key), value, paths)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        // Items keep their places: what is covered in one becomes null.
        Value::Array(items) => {
            let kept = items.iter().enumerate();
            let kept = kept.map(|(index, item)| strip(&join(field, &index.to_string()), item, paths));
            Some(kept.map(Option::unwrap_or_default).collect())
        }
        other => Some(other.clone()),
    }
}

/// Every leaf that the paths cover, by its dotted field.
pub fn leaves(document: &Value, paths: &[String]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    if !paths.is_empty() {
        collect("", document, paths, &mut found);
    }
    found
}

fn collect(field: &str, value: &Value, paths: &[String], found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                collect(&join(field, key), value, paths, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                collect(&join(field, &index.to_string()), item, paths, found);
            }
        }
        leaf => {
            if covers(paths, field) {
                found.insert(field.to_owned(), leaf.clone());
            }
        }
    }
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() {
        key.to_owned()
    } else {
        format!("{field}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below() {
        let hidden = paths(&["server.secret", "keys.*.value"]);
        for (field, covered) in [
            ("server.secret", true),
            ("server.secret.x", true),
            ("server.secrets", false),
            ("server", false),
            ("keys.0.value", true),
            ("keys.0.name", false),
            ("keys.value", false),
        ] {
            assert_eq!(covers(&hidden, field), covered, "{field}");
        }
        assert!(covers(&paths(&["*"]), "a.b") && !covers(&[], "a"));
    }

    #[test]
    fn what_is_covered_goes_and_what_held_nothing_else_too() {
        let document = json!({"a": {"s": 1}, "b": {"s": 1, "t": {}}, "l": [{"s": 1}, {"u": 2}]});
        let hidden = paths(&["a.s", "b.s", "l.*.s"]);
        assert_eq!(
            without(&document, &hidden),
            json!({"b": {"t": {}}, "l": [null, {"u": 2}]})
        );
        assert_eq!(without(&document, &paths(&["*"])), json!({}));
        assert_eq!(without(&document, &[]), document);
        assert_eq!(
            leaves(&document, &hidden).into_keys().collect::<Vec<_>>(),
            ["a.s", "b.s", "l.0.s"]
        );
        assert_eq!(leaves(&document, &paths(&["*"])).len(), 5);
    }
}
