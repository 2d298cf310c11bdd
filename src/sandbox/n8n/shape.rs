//! The shape of request bodies, checked as strictly as n8n does, with its words.
//!
//! n8n checks with zod and reports the first issue only: fields in the order of the schema, each before its
//! siblings' unknown keys (seen on 2.41.1). Shapes are data, so that a body's strictness can be read off.

use serde_json::Map;
use serde_json::Value;

#[derive(Debug)]
pub enum Shape {
    Text,
    /// At most so many characters.
    TextUpTo(usize),
    Number,
    Flag,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    /// An object with any keys.
    Record,
    Strict(&'static [Field]),
    /// An object whose unknown keys are ignored.
    Open(&'static [Field]),
    OrNull(&'static Shape),
    /// Must be absent.
    ReadOnly,
    /// `connections`: n8n has its own words for it.
    Connections,
    /// `staticData`: an object, or a text that is JSON.
    ObjectOrJson,
    /// A chosen credential id: 1 to 16 of `[A-Za-z0-9_-]`.
    CredentialId,
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub required: bool,
    pub shape: Shape,
}

pub const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: true,
        shape,
    }
}

pub const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: false,
        shape,
    }
}

/// The first thing wrong with a request body, in n8n's words.
pub fn check(shape: &Shape, body: &Value) -> Result<(), String> {
    let mut path = Vec::new();
    first_issue(shape, body, &mut path).map_or(Ok(()), |issue| {
        let path: String = path.iter().map(|step| format!("/{step}")).collect();
        Err(format!("request/body{path} {issue}"))
    })
}

/// Leaves `path` at the place of the issue.
fn first_issue(shape: &Shape, value: &Value, path: &mut Vec<String>) -> Option<String> {
    let wrong = |expected: &str| Some(format!("Expected {expected}, received {}", kind(value)));
    match (shape, value) {
        (Shape::OrNull(_), Value::Null) => None,
        (Shape::OrNull(inner), _) => first_issue(inner, value, path),
        (Shape::Text, Value::String(_))
        | (Shape::Number, Value::Number(_))
        | (Shape::Flag, Value::Bool(_))
        | (Shape::Record | Shape::Connections | Shape::ObjectOrJson, Value::Object(_)) => None,
        (Shape::TextUpTo(most), Value::String(text)) => {
            (text.chars().count() > *most).then(|| format!("String must contain at most {most} character(s)"))
        }
        (Shape::CredentialId, Value::String(text)) => credential_id(text),
        (Shape::OneOf(allowed), Value::String(text)) => {
            (!allowed.contains(&text.as_str())).then(|| one_of(allowed, text))
        }
        (Shape::OneOf(allowed), _) => wrong(&quoted(allowed)),
        (Shape::ObjectOrJson, Value::String(text)) => {
            let json = serde_json::from_str::<Value>(text).is_ok();
            (!json).then(|| "must be a JSON string".to_owned())
        }
        (Shape::ObjectOrJson, _) => Some("Invalid input".to_owned()),
        (Shape::Connections, _) => Some("must be object".to_owned()),
        (Shape::ReadOnly, _) => Some("is read-only".to_owned()),
        (Shape::List(each), Value::Array(items)) => items.iter().enumerate().find_map(|(at, item)| {
            path.push(at.to_string());
            first_issue(each, item, path).or_else(|| pop(path))
        }),
        (Shape::Strict(fields), Value::Object(object)) => {
            field_issue(fields, object, path).or_else(|| unknown_keys(fields, object))
        }
        (Shape::Open(fields), Value::Object(object)) => field_issue(fields, object, path),
        (Shape::Text | Shape::TextUpTo(_) | Shape::CredentialId, _) => wrong("string"),
        (Shape::Number, _) => wrong("number"),
        (Shape::Flag, _) => wrong("boolean"),
        (Shape::List(_), _) => wrong("array"),
        (Shape::Record | Shape::Strict(_) | Shape::Open(_), _) => wrong("object"),
    }
}

fn field_issue(fields: &[Field], object: &Map<String, Value>, path: &mut Vec<String>) -> Option<String> {
    fields.iter().find_map(|field| match object.get(field.name) {
        Some(value) => {
            path.push(field.name.to_owned());
            first_issue(&field.shape, value, path).or_else(|| pop(path))
        }
        // The one field n8n checks with a function of its own, which sees `undefined` like any wrong value.
        None if matches!(field.shape, Shape::Connections) => {
            path.push(field.name.to_owned());
            Some("must be object".to_owned())
        }
        None if field.required => Some(format!("must have required property '{}'", field.name)),
        None => None,
    })
}

fn pop(path: &mut Vec<String>) -> Option<String> {
    path.pop();
    None
}

fn unknown_keys(fields: &[Field], object: &Map<String, Value>) -> Option<String> {
    let unknown: Vec<String> = object
        .keys()
        .filter(|key| fields.iter().all(|field| field.name != key.as_str()))
        .map(|key| format!("'{key}'"))
        .collect();
    (!unknown.is_empty()).then(|| format!("Unrecognized key(s) in object: {}", unknown.join(", ")))
}

/// zod's words for a value outside an enumeration; also used for query parameters.
pub fn one_of(allowed: &[&str], received: &str) -> String {
    format!(
        "Invalid enum value. Expected {}, received '{received}'",
        quoted(allowed)
    )
}

fn quoted(allowed: &[&str]) -> String {
    let quoted: Vec<String> = allowed.iter().map(|word| format!("'{word}'")).collect();
    quoted.join(" | ")
}

fn credential_id(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() {
        Some("String must contain at least 1 character(s)".to_owned())
    } else if text.chars().count() > 16 {
        Some("String must contain at most 16 character(s)".to_owned())
    } else if !text.chars().all(plain) {
        Some("Use only letters, digits, underscores, and hyphens for the ID".to_owned())
    } else {
        None
    }
}

/// zod's name for the type of a JSON value.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NODE: Shape = Shape::Strict(&[optional("name", Shape::Text), optional("id", Shape::Text)]);
    const BODY: Shape = Shape::Strict(&[
        optional("id", Shape::ReadOnly),
        required("name", Shape::Text),
        required("nodes", Shape::List(&NODE)),
    ]);

    fn issue(body: Value) -> String {
        check(&BODY, &body).expect_err("should be refused")
    }

    #[test]
    fn reports_the_first_issue_in_the_order_of_the_schema() {
        assert_eq!(issue(json!({})), "request/body must have required property 'name'");
        assert_eq!(issue(json!([])), "request/body Expected object, received array");
        assert_eq!(issue(json!({"id": 1, "zz": 1})), "request/body/id is read-only");
        assert_eq!(
            issue(json!({"zz": 1, "name": "n", "nodes": [{"name": "a"}, {"foo": 1}]})),
            "request/body/nodes/1 Unrecognized key(s) in object: 'foo'"
        );
        assert_eq!(
            issue(json!({"zz": 1, "name": "n", "nodes": []})),
            "request/body Unrecognized key(s) in object: 'zz'"
        );
        assert_eq!(check(&BODY, &json!({"name": "n", "nodes": [{"id": "x"}]})), Ok(()));
    }
}
