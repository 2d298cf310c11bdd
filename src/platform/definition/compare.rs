//! What differs between a desired and an observed object of a kind, by the kind's own rules of sameness.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::file::{KeyedFile, Same};
use super::kind::KindDefinition;
use super::{object, path};
use crate::number::{self, Decimal};
use crate::platform::compare::{self, Owned};
use crate::platform::{FieldChange, fields, hidden};

/// The differences at every path upa wrote; `written` are top-level fields it wrote before and wants no longer.
pub fn differences(kind: &KindDefinition, desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange> {
    let mut out = Vec::new();
    let desired = object::spec(kind, desired);
    let wanted: Vec<&str> = desired
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
        .collect();
    let unseen = kind.hidden();
    let (seen, observed) = (hidden::without(&desired, &unseen), hidden::without(observed, &unseen));
    below(kind, "", &seen, &observed, &mut out);
    // Sorted, so that what lies within something that is gone follows it and is not said again.
    for key in written.iter().collect::<BTreeSet<_>>() {
        let top = key.split('.').next().unwrap_or_default();
        let known = wanted.contains(&top) && path::at(&desired, key).is_some();
        let said = out.iter().any(|change| within(key, &change.field));
        let hidden = unseen.iter().any(|path| within(key, path));
        if known || said || hidden || kind.inputs.iter().any(|input| input == top) {
            continue;
        }
        if let Some(value) = path::at(&observed, key).filter(|value| !is_empty(value)) {
            out.push(compare::change(key, Some(value), None));
        }
    }
    out
}

/// Every key that is written, at any depth but within lists that have an order or an identity of their own.
pub fn owned(kind: &KindDefinition, desired: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    fields::written("", desired, &mut paths);
    let own = kind.sets.iter().chain(kind.lists.keys()).chain(kind.same.keys());
    let own: Vec<&String> = own.collect();
    paths.retain(|path| !own.iter().any(|own| path != *own && within(path, own)));
    paths
}

/// Whether a dotted field is `path` or below it.
fn within(field: &str, path: &str) -> bool {
    field == path || field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

fn below(kind: &KindDefinition, field: &str, desired: &Value, observed: &Value, out: &mut Vec<FieldChange>) {
    let special = |field: &str, desired: &Value, observed: &Value, out: &mut Vec<FieldChange>| {
        if let Some(rule) = kind.same.get(field) {
            if !same(*rule, desired, observed) {
                out.push(compare::change(field, Some(observed), Some(desired)));
            }
            return true;
        }
        let (Value::Array(wanted), Value::Array(found)) = (desired, observed) else {
            return false;
        };
        if let Some(keyed) = kind.lists.get(field) {
            parts(kind, field, keyed, wanted, found, out);
            return true;
        }
        if kind.sets.iter().any(|set| set == field) {
            if !is_same_set(kind, field, wanted, found) {
                out.push(compare::change(field, Some(observed), Some(desired)));
            }
            return true;
        }
        false
    };
    compare::differences(field, desired, Some(observed), Owned::Written, &special, out);
}

/// A list whose parts are told apart by a field.
fn parts(
    kind: &KindDefinition,
    field: &str,
    keyed: &KeyedFile,
    wanted: &[Value],
    found: &[Value],
    out: &mut Vec<FieldChange>,
) {
    let by_key = |parts: &'_ [Value]| -> BTreeMap<String, Value> {
        let keyed = parts.iter().enumerate().map(|(index, part)| {
            (
                object::key_of(part, &keyed.by).unwrap_or_else(|| index.to_string()),
                part.clone(),
            )
        });
        keyed.collect()
    };
    let (wanted, found) = (by_key(wanted), by_key(found));
    for (key, part) in &wanted {
        let name = format!("{field}.{key}");
        match found.get(key) {
            Some(there) => below(kind, &name, part, there, out),
            None => out.push(compare::change(&name, None, Some(part))),
        }
    }
    for (key, part) in found.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
        out.push(compare::change(&format!("{field}.{key}"), Some(part), None));
    }
}

/// Whether two lists hold the same, in any order; of each element only what is desired counts.
fn is_same_set(kind: &KindDefinition, field: &str, wanted: &[Value], found: &[Value]) -> bool {
    let mut left: Vec<&Value> = found.iter().collect();
    wanted.len() == found.len()
        && wanted.iter().all(|element| {
            let same = left.iter().position(|other| {
                let mut differences = Vec::new();
                below(kind, &format!("{field}.*"), element, other, &mut differences);
                differences.is_empty()
            });
            same.map(|index| left.swap_remove(index)).is_some()
        })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Whether an answer's value at a dotted path is the one that is meant, by the field's own rule of sameness.
pub fn is_meant(kind: &KindDefinition, path: &str, found: &Value, wanted: &Value) -> bool {
    let field = kind.alias.iter().find(|(_, answered)| *answered == path);
    let field = field.map_or(path, |(field, _)| field);
    match kind.same.get(field) {
        Some(rule) => same(*rule, wanted, found),
        None => compare::same(found, wanted),
    }
}

/// A value as all values are written that mean the same at a dotted path of a document.
pub fn canonical(kind: &KindDefinition, path: &str, value: &Value) -> Value {
    let field = kind.alias.iter().find(|(_, answered)| *answered == path);
    let field = field.map_or(path, |(field, _)| field);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match kind.same.get(field) {
        Some(Same::Lower) => Value::from(text.to_lowercase()),
        Some(Same::Fqdn) => Value::from(text.trim_end_matches('.').to_ascii_lowercase()),
        Some(Same::Trimdot) => Value::from(text.trim_end_matches('.')),
        Some(Same::Number) => match (text.trim().parse::<f64>(), Decimal::parse(text.trim())) {
            (Ok(double), Some(exact)) if Decimal::parse(&double.to_string()) != Some(exact.clone()) => {
                Value::from(exact.to_string())
            }
            (Ok(double), _) => Value::from(double),
            (Err(_), _) => value.clone(),
        },
        Some(Same::Json) => serde_json::from_str(&text).unwrap_or_else(|_| value.clone()),
        // As other numbers have always been written in lockfiles.
        None => match value.as_f64().zip(value.as_number()) {
            Some((double, exact)) if number::is_double(exact) => Value::from(double),
            _ => value.clone(),
        },
    }
}

/// Whether two values mean the same.
fn same(rule: Same, a: &Value, b: &Value) -> bool {
    if compare::same(a, b) {
        return true;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (a, b) = (text(a), text(b));
    match rule {
        Same::Fqdn => a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.')),
        Same::Trimdot => a.trim_end_matches('.') == b.trim_end_matches('.'),
        Same::Lower => a.to_lowercase() == b.to_lowercase(),
        Same::Number => matches!((Decimal::parse(a.trim()), Decimal::parse(b.trim())), (Some(a), Some(b)) if a == b),
        Same::Json => {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
            matches!((parsed(&a), parsed(&b)), (Some(a), Some(b)) if compare::same(&a, &b))
        }
    }
}

/// The part of an observed object that a desired one has a word about and that is returned as it was written.
pub fn owned_part(kind: &KindDefinition, desired: &Value, observed: &Value) -> Value {
    hidden::without(&compare::part(&object::spec(kind, desired), observed), &kind.hidden())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sameness_has_five_rules() {
        for (rule, a, b, c) in [
            (
                Same::Fqdn,
                json!("App.Example."),
                json!("app.example"),
                json!("app.example.org"),
            ),
            (Same::Trimdot, json!("a."), json!("a"), json!("A")),
            (Same::Lower, json!("ES"), json!("es"), json!("en")),
            (Same::Number, json!("5"), json!(5.0), json!(6)),
            (Same::Json, json!("{\"a\":1}"), json!("{ \"a\" : 1 }"), json!("{}")),
        ] {
            assert!(same(rule, &a, &b), "{rule:?}");
            assert!(!same(rule, &a, &c), "{rule:?}");
        }
    }

    #[test]
    fn numbers_that_one_double_holds_are_not_the_same() {
        let (one, other) = (json!(9_007_199_254_740_993_u64), json!("9007199254740992"));
        assert!(!same(Same::Number, &one, &other));
        assert!(same(Same::Number, &one, &json!("9007199254740993.0")));
        let definition = "platform = 'p'\nauth = { bearer = '{cred.key}' }\n[resource.a]\ncreate = 'POST /a'\nread = 'GET /a/{id}'\ndelete = 'none'\nsame = { n = 'number' }\n";
        let definition = crate::platform::definition::Definition::parse("p.toml", &definition.into()).unwrap();
        let kind = &definition.kinds["a"];
        for path in ["n", "m"] {
            let of = |value: &Value| canonical(kind, path, value);
            assert_ne!(of(&one), of(&json!(9_007_199_254_740_992_u64)), "{path}");
            assert_eq!(of(&json!(5)), of(&json!(5.0)), "{path}");
        }
        assert_eq!(
            canonical(kind, "n", &one),
            canonical(kind, "n", &json!("9007199254740993.0"))
        );
    }
}
