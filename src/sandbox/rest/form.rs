//! Forms, read as the platforms read them that take them: `a[b][0]=c`.

use serde_json::{Map, Value};

use crate::sandbox::http::decode;

/// The document a form says. What looks like a number or a truth is one, and an empty field is `null`: that is how such
/// platforms store them. The error says which field contradicts another.
pub(super) fn read(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the form is not UTF-8".to_owned())?;
    let mut document = Value::Object(Map::new());
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, true);
        put(&mut document, &keys(&name)?, typed(&decode(value, true)))
            .ok_or_else(|| format!("`{name}` is said twice"))?;
    }
    Ok(lists(document))
}

/// `a[b][0]` → `a`, `b`, `0`
fn keys(name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{name}` is not the name of a field");
    let (first, mut rest) = name.find('[').map_or((name, ""), |at| name.split_at(at));
    let mut keys = vec![first.to_owned()];
    while !rest.is_empty() {
        let (key, after) = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .ok_or_else(wrong)?;
        keys.push(key.to_owned());
        rest = after;
    }
    Ok(keys)
}

fn put(at: &mut Value, keys: &[String], value: Value) -> Option<()> {
    let (key, below) = keys.split_first()?;
    let map = at.as_object_mut()?;
    if below.is_empty() {
        return map.insert(key.clone(), value).is_none().then_some(());
    }
    put(
        map.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())),
        below,
        value,
    )
}

/// Objects whose keys count from 0 are lists.
fn lists(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let counts = (0..map.len()).all(|index| map.contains_key(&index.to_string()));
    if counts && !map.is_empty() {
        let mut parts: Vec<(usize, Value)> = map
            .into_iter()
            .filter_map(|(key, value)| Some((key.parse().ok()?, lists(value))))
            .collect();
        parts.sort_by_key(|(index, _)| *index);
        return parts.into_iter().map(|(_, value)| value).collect();
    }
    map.into_iter().map(|(key, value)| (key, lists(value))).collect()
}

fn typed(text: &str) -> Value {
    match text {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Value::from(number),
            _ => Value::from(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn brackets_nest() {
        assert_eq!(
            read(b"a[b][0]=1&a[b][1]=x%20y&c=true&d=&e=007").unwrap(),
            json!({"a": {"b": [1, "x y"]}, "c": true, "d": null, "e": "007"})
        );
        assert!(read(b"a=1&a[b]=2").is_err());
        assert!(read(b"a=1&a=2").is_err());
        assert!(read(b"a[b=2").is_err());
    }
}
