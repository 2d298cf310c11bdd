//! Structural comparison of JSON documents, for people and for decisions.

use serde_json::Value;

use super::FieldChange;
use crate::number;

/// Whether two values mean the same: numbers by their exact value (`1` is `1.0`), everything else literally.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number::same(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// How much of what is observed counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// Everything: a key only the platform has is a difference.
    Whole,
    /// Only what is desired: the platform may add.
    Written,
}

/// A place where a platform has its own idea of sameness: given field, desired and observed, it adds what differs and says
/// whether the place was its own.
pub type Special<'a> = dyn Fn(&str, &Value, &Value, &mut Vec<FieldChange>) -> bool + 'a;

/// No such place.
pub fn nothing_special(_: &str, _: &Value, _: &Value, _: &mut Vec<FieldChange>) -> bool {
    false
}

/// Collects the differences at and below `field`.
pub fn differences(
    field: &str,
    desired: &Value,
    observed: Option<&Value>,
    owned: Owned,
    special: &Special<'_>,
    out: &mut Vec<FieldChange>,
) {
    if observed.is_some_and(|observed| special(field, desired, observed, out)) {
        return;
    }
    match (desired, observed) {
        (Value::Object(desired), Some(Value::Object(observed))) => {
            for (key, value) in desired {
                differences(&join(field, key), value, observed.get(key), owned, special, out);
            }
            if owned == Owned::Whole {
                for (key, value) in observed.iter().filter(|(key, _)| !desired.contains_key(*key)) {
                    out.push(change(&join(field, key), Some(value), None));
                }
            }
        }
        (Value::Array(desired), Some(Value::Array(observed))) if desired.len() == observed.len() => {
            for (index, (desired, observed)) in desired.iter().zip(observed).enumerate() {
                differences(
                    &join(field, &index.to_string()),
                    desired,
                    Some(observed),
                    owned,
                    special,
                    out,
                );
            }
        }
        (Value::Null, None) => {}
        (desired, Some(observed)) if same(desired, observed) => {}
        (desired, observed) => out.push(change(field, observed, Some(desired))),
    }
}

/// One difference.
pub fn change(field: &str, before: Option<&Value>, after: Option<&Value>) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
        mover: None,
    }
}

/// The name of what lies below a field.
pub fn join(field: &str, key: &str) -> String {
    if field.is_empty() {
        key.to_owned()
    } else {
        format!("{field}.{key}")
    }
}

/// The part of `observed` that `desired` has a word about.
pub fn part(desired: &Value, observed: &Value) -> Value {
    match (desired, observed) {
        (Value::Object(desired), Value::Object(observed)) => desired
            .iter()
            .filter_map(|(key, desired)| Some((key.clone(), part(desired, observed.get(key)?))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        (Value::Array(desired), Value::Array(observed)) if desired.len() == observed.len() => desired
            .iter()
            .zip(observed)
            .map(|(desired, observed)| part(desired, observed))
            .collect(),
        _ => observed.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fields(desired: Value, observed: Value, owned: Owned) -> Vec<String> {
        let mut out = Vec::new();
        differences("", &desired, Some(&observed), owned, &nothing_special, &mut out);
        out.into_iter().map(|change| change.field).collect()
    }

    #[test]
    fn what_the_platform_added_is_no_difference_unless_all_is_owned() {
        let (desired, observed) = (json!({"a": {"b": 1}}), json!({"a": {"b": 1.0, "c": 2}, "d": 3}));
        assert!(fields(desired.clone(), observed.clone(), Owned::Written).is_empty());
        assert_eq!(fields(desired, observed, Owned::Whole), ["a.c", "d"]);
    }

    #[test]
    fn leaves_are_named() {
        let (desired, observed) = (json!({"a": [1, {"b": 2}], "n": null}), json!({"a": [1, {"b": 3}]}));
        assert_eq!(fields(desired, observed, Owned::Written), ["a.1.b"]);
        assert_eq!(fields(json!({"a": [1]}), json!({"a": [1, 2]}), Owned::Written), ["a"]);
        assert_eq!(fields(json!({"a": null}), json!({"a": 1}), Owned::Written), ["a"]);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (0..3_u64).prop_map(|near| Value::from((1_u64 << 53) + near)),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_difference_means_the_owned_part_is_what_is_desired(desired in documents(), observed in documents()) {
            let mut out = Vec::new();
            differences("", &desired, Some(&observed), Owned::Written, &nothing_special, &mut out);
            prop_assert_eq!(out.is_empty(), same(&part(&desired, &observed), &desired));
        }

        #[test]
        fn a_document_never_differs_from_itself(document in documents()) {
            let mut out = Vec::new();
            differences("", &document, Some(&document), Owned::Whole, &nothing_special, &mut out);
            prop_assert!(out.is_empty());
        }
    }
}
