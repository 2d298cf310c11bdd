//! Fields by the names differences give them: keeping what is there in some, and finding one in a template.
//!
//! Everything here walks documents in the way of [`super::compare::differences`], so that a name means the same.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compare::join;

/// A document with what is observed in place of what is wanted, at these fields; `None` = nothing stands there.
pub fn keep(field: &str, document: &Value, observed: Option<&Value>, fields: &BTreeSet<String>) -> Option<Value> {
    if fields.contains(field) {
        return observed.cloned();
    }
    match (document, observed) {
        (Value::Object(document), Some(Value::Object(observed))) => {
            let mut out = Map::new();
            for (key, value) in document {
                if let Some(value) = keep(&join(field, key), value, observed.get(key), fields) {
                    out.insert(key.clone(), value);
                }
            }
            let added = observed.iter().filter(|(key, _)| !document.contains_key(*key));
            for (key, value) in added.filter(|(key, _)| fields.contains(&join(field, key))) {
                out.insert(key.clone(), value.clone());
            }
            Some(Value::Object(out))
        }
        (Value::Array(document), Some(Value::Array(observed))) if document.len() == observed.len() => {
            let pairs = document.iter().zip(observed).enumerate();
            let items = pairs.map(|(index, (document, observed))| {
                keep(&join(field, &index.to_string()), document, Some(observed), fields)
                    .unwrap_or_else(|| document.clone())
            });
            Some(items.collect())
        }
        _ => Some(document.clone()),
    }
}

/// Every key that is written, at any depth: one that is wanted no longer is noticed wherever it stood.
pub fn written(field: &str, document: &Value, out: &mut Vec<String>) {
    match document {
        Value::Object(map) => {
            for (key, value) in map {
                let path = join(field, key);
                written(&path, value, out);
                out.push(path);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                written(&join(field, &index.to_string()), item, out);
            }
        }
        _ => {}
    }
}

/// Where a field stands in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The keys and indexes that lead to the last value that exists.
    pub path: Vec<String>,
    /// The key below it that does not exist.
    pub missing: Option<String>,
}

impl Spot {
    /// The value there, if there is one.
    pub fn value<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        if self.missing.is_some() {
            return None;
        }
        self.path.iter().try_fold(document, |at, segment| step(at, segment))
    }
}

/// Finds a dotted field below `start`. Keys may contain dots themselves, so the longest that fits is taken.
pub fn locate(document: &Value, start: &[&str], field: &str) -> Option<Spot> {
    let mut path: Vec<String> = start.iter().map(|segment| (*segment).to_owned()).collect();
    let mut at = start.iter().try_fold(document, |at, segment| step(at, segment))?;
    let mut rest = field;
    while !rest.is_empty() {
        let key = match at {
            Value::Object(map) => map
                .keys()
                .filter(|key| leads(key, rest))
                .max_by_key(|key| key.len())
                .cloned(),
            Value::Array(items) => {
                let index = rest.split('.').next().unwrap_or_default();
                index
                    .parse()
                    .ok()
                    .filter(|index: &usize| *index < items.len())
                    .map(|_| index.to_owned())
            }
            _ => return None,
        };
        let Some(key) = key else {
            return at.is_object().then(|| Spot {
                path,
                missing: Some(rest.to_owned()),
            });
        };
        at = step(at, &key)?;
        rest = rest.get(key.len()..)?.trim_start_matches('.');
        path.push(key);
    }
    Some(Spot { path, missing: None })
}

fn leads(key: &str, rest: &str) -> bool {
    rest.strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn step<'a>(at: &'a Value, segment: &str) -> Option<&'a Value> {
    match at {
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        other => other.get(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::compare::{Owned, differences, nothing_special};
    use proptest::prelude::*;
    use serde_json::json;

    fn names(document: &Value, observed: &Value, owned: Owned) -> BTreeSet<String> {
        let mut out = Vec::new();
        differences("", document, Some(observed), owned, &nothing_special, &mut out);
        out.into_iter().map(|change| change.field).collect()
    }

    #[test]
    fn a_field_is_found_although_keys_have_dots() {
        let document = json!({"a": {"b.c": [1, {"d": 2}]}, "a.b": 3});
        let found = |field: &str| locate(&document, &[], field).map(|spot| (spot.path.join("/"), spot.missing));
        assert_eq!(found("a.b.c.1.d"), None, "the longest key that fits is a number");
        assert_eq!(found("a.b"), Some(("a.b".to_owned(), None)));
        let document = json!({"a": {"b.c": [1, {"d": 2}]}});
        let found = |field: &str| locate(&document, &[], field).map(|spot| (spot.path.join("/"), spot.missing));
        assert_eq!(found("a.b.c.1.d"), Some(("a/b.c/1/d".to_owned(), None)));
        assert_eq!(found("a.x.y"), Some(("a".to_owned(), Some("x.y".to_owned()))));
        assert_eq!(found("a.b.c.7"), None);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), (0..3_i32).prop_map(Value::from)];
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
        fn keeping_every_difference_leaves_none(a in documents(), b in documents()) {
            for owned in [Owned::Whole, Owned::Written] {
                let fields = names(&a, &b, owned);
                let kept = keep("", &a, Some(&b), &fields).unwrap();
                prop_assert_eq!(names(&kept, &b, owned), BTreeSet::new());
            }
        }

        #[test]
        fn keeping_one_difference_leaves_the_others(a in documents(), b in documents(), pick in any::<prop::sample::Index>()) {
            let all = names(&a, &b, Owned::Whole);
            prop_assume!(!all.is_empty());
            let one: BTreeSet<String> = all.iter().nth(pick.index(all.len())).cloned().into_iter().collect();
            let Some(kept) = keep("", &a, Some(&b), &one) else { return Ok(()) };
            let left = names(&kept, &b, Owned::Whole);
            prop_assert_eq!(left, all.difference(&one).cloned().collect::<BTreeSet<_>>());
        }
    }
}
