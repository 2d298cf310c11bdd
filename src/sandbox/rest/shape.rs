//! Answers put together: values at dotted paths, lists made where a path counts, documents laid over each other.

use serde_json::{Map, Value};

/// Puts a value at a dotted path. Where the path says `0` or `*` there is a list of one.
pub(super) fn place(target: &mut Value, path: &str, value: Value) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if first.is_empty() {
        *target = value;
        return;
    }
    let index = if first == "*" {
        Some(0)
    } else {
        first.parse::<usize>().ok()
    };
    let slot = match index {
        Some(index) => {
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            let Some(items) = target.as_array_mut() else { return };
            if items.len() <= index {
                items.resize(index + 1, Value::Null);
            }
            &mut items[index]
        }
        None => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Some(map) = target.as_object_mut() else { return };
            map.entry(first.to_owned()).or_insert(Value::Null)
        }
    };
    if rest.is_empty() {
        *slot = value;
    } else {
        place(slot, rest, value);
    }
}

/// Puts a list where a path leads to its elements: `data.things`, or `data.edges.*.node`.
pub(super) fn place_list(target: &mut Value, path: &str, items: Vec<Value>) {
    let Some((before, after)) = path.split_once('*') else {
        return place(target, path, Value::Array(items));
    };
    let (before, after) = (before.trim_end_matches('.'), after.trim_start_matches('.'));
    let wrapped = items.into_iter().map(|item| {
        let mut element = Value::Null;
        place(&mut element, after, item);
        element
    });
    place(target, before, wrapped.collect());
}

/// Lays a document over another: objects key by key; lists behind each other if they are to be `joined`.
pub(super) fn lay(under: &mut Value, over: Value, joined: bool) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(&key) {
                    Some(there) => lay(there, value, joined),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(under), Value::Array(over)) if joined => under.extend(over),
        (under, over) => *under = over,
    }
}

/// A value as text, as it stands in a URL.
pub(super) fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_make_lists_where_they_count() {
        let mut value = Value::Null;
        place(&mut value, "errors.0.message", json!("no"));
        place(&mut value, "errors.0.code", json!(7));
        assert_eq!(value, json!({"errors": [{"message": "no", "code": 7}]}));
        place_list(
            &mut value,
            "data.edges.*.node",
            vec![json!({"id": 1}), json!({"id": 2})],
        );
        assert_eq!(value["data"]["edges"][1]["node"]["id"], 2);
        let mut under = json!({"a": [1], "b": {"c": 1}});
        lay(&mut under, json!({"a": [2], "b": {"d": 2}}), true);
        assert_eq!(under, json!({"a": [1, 2], "b": {"c": 1, "d": 2}}));
    }
}
