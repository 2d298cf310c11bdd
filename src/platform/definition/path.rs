//! Dotted paths in JSON: `a.b`, `0` for an index, `*` for every element.

use serde_json::{Map, Value};

/// The value at a dotted path; the empty path is the value itself. `*` is the first element.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    all(value, path).into_iter().next()
}

/// Every value at a dotted path.
pub fn all<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        found = found
            .into_iter()
            .flat_map(|at| -> Vec<&Value> {
                match (at, segment) {
                    (Value::Array(items), "*") => items.iter().collect(),
                    (Value::Object(map), "*") => map.values().collect(),
                    (Value::Array(items), index) => index
                        .parse::<usize>()
                        .ok()
                        .and_then(|index| items.get(index))
                        .into_iter()
                        .collect(),
                    (other, key) => other.get(key).into_iter().collect(),
                }
            })
            .collect();
    }
    found
}

/// Puts a value at a dotted path, making objects on the way.
pub fn put(target: &mut Value, path: &str, value: Value) {
    let mut at = target;
    for segment in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry(segment.to_owned()).or_insert(Value::Null);
    }
    *at = value;
}

/// The dotted paths of all values that are no objects, in the order of the document. A list is one value.
pub fn leaves(value: &Value) -> Vec<String> {
    let Value::Object(map) = value else {
        return Vec::new();
    };
    let below = |(key, value): (&String, &Value)| match value {
        Value::Object(inner) if !inner.is_empty() => {
            leaves(value).into_iter().map(|path| format!("{key}.{path}")).collect()
        }
        _ => vec![key.clone()],
    };
    map.iter().flat_map(below).collect()
}

/// Takes away what is at a dotted path, everywhere it matches.
pub fn remove(target: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match target {
        Value::Object(map) if rest.is_empty() && first == "*" => map.clear(),
        Value::Object(map) if rest.is_empty() => {
            map.remove(first);
        }
        Value::Object(map) if first == "*" => map.values_mut().for_each(|value| remove(value, rest)),
        Value::Object(map) => {
            if let Some(value) = map.get_mut(first) {
                remove(value, rest);
            }
        }
        Value::Array(items) if first == "*" && !rest.is_empty() => {
            items.iter_mut().for_each(|value| remove(value, rest));
        }
        Value::Array(items) if !rest.is_empty() => {
            if let Some(value) = first.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                remove(value, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_are_read_and_written() {
        let mut value = json!({"a": 1, "l": [{"x": 1}, {"x": 2}]});
        put(&mut value, "b.c", json!(2));
        assert_eq!(at(&value, "b.c"), Some(&json!(2)));
        assert_eq!(at(&value, ""), Some(&value));
        assert_eq!(all(&value, "l.*.x"), [&json!(1), &json!(2)]);
        assert_eq!(at(&value, "l.1.x"), Some(&json!(2)));
        assert_eq!(at(&value, "l.2.x"), None);
        assert_eq!(leaves(&value), ["a", "b.c", "l"]);
        remove(&mut value, "l.*.x");
        remove(&mut value, "b");
        assert_eq!(value, json!({"a": 1, "l": [{}, {}]}));
    }
}
