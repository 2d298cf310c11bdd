//! What can be sent, held against a schema: required fields nothing can fill, fields it does not know, values it does
//! not allow.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::facet::{types_of, values_of};
use super::sent::join;
use super::{Fault, Resolution, Schema, Sent, Why, rest};

impl Schema<'_> {
    /// What the contract refuses of what can be sent. With branches (`oneOf`, `anyOf`) one that takes it is enough; if
    /// none does, those of the nearest are given. In a `form` every single value is text, so types of single values
    /// are not compared.
    pub fn faults(&self, sent: &Sent, form: bool) -> Vec<Fault> {
        let check = Check {
            document: self.document(),
            form,
        };
        let mut faults = check.any_of(self.nodes().iter().copied(), sent, "", &mut HashSet::new());
        unknown(self, sent, "", &mut faults);
        faults
    }
}

/// Fields that no branch knows.
fn unknown(schema: &Schema<'_>, sent: &Sent, at: &str, faults: &mut Vec<Fault>) {
    let named: Vec<(String, &Sent)> = match sent {
        Sent::Object { fields, .. } => fields.iter().map(|(name, sent)| (name.clone(), sent)).collect(),
        Sent::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, sent)| (index.to_string(), sent))
            .collect(),
        _ => return,
    };
    let refused = |path: &str, faults: &[Fault]| faults.iter().any(|fault| fault.path == path);
    for (name, sent) in named.into_iter().filter(|(_, sent)| sent.is_sent()) {
        let path = join(at, &name);
        // A name may hold a dot; a path cannot say so, and then nothing is said.
        match schema.resolve(&name) {
            _ if name.contains('.') || name.is_empty() => {}
            Resolution::Missing { known, .. } if !refused(at, faults) => {
                faults.push(Fault {
                    path,
                    why: Why::Unknown { known },
                });
            }
            Resolution::Missing { .. } => {}
            Resolution::Found(_) | Resolution::Free => {
                if let Some(child) = schema.child(&name) {
                    unknown(&child, sent, &path, faults);
                }
            }
        }
    }
}

struct Check<'a> {
    document: &'a Value,
    form: bool,
}

/// The nodes looked at for one value: a reference in a circle adds nothing.
type Seen = HashSet<*const Value>;

impl<'a> Check<'a> {
    /// The faults of the branch that has the fewest.
    fn any_of(&self, nodes: impl Iterator<Item = &'a Value>, sent: &Sent, at: &str, seen: &mut Seen) -> Vec<Fault> {
        let mut best: Option<Vec<Fault>> = None;
        for node in nodes {
            let faults = self.node(node, sent, at, &mut seen.clone());
            if faults.is_empty() {
                return faults;
            }
            if best.as_ref().is_none_or(|best| weight(&faults) < weight(best)) {
                best = Some(faults);
            }
        }
        best.unwrap_or_default()
    }

    fn node(&self, node: &'a Value, sent: &Sent, at: &str, seen: &mut Seen) -> Vec<Fault> {
        let Some(map) = node.as_object().filter(|_| seen.insert(std::ptr::from_ref(node))) else {
            return Vec::new();
        };
        if let Some(fault) = self.single(map, sent, at) {
            return vec![fault];
        }
        let mut faults = Vec::new();
        let target = map
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|to| rest::find(self.document, to));
        let list = |key: &str| map.get(key).and_then(Value::as_array).into_iter().flatten();
        for node in target.into_iter().chain(list("allOf")) {
            faults.extend(self.node(node, sent, at, seen));
        }
        for word in ["oneOf", "anyOf"] {
            faults.extend(self.any_of(list(word), sent, at, seen));
        }
        match sent {
            Sent::Object { fields, open } => faults.extend(self.object(map, fields, *open, at)),
            Sent::List(items) => {
                for (index, sent) in items.iter().enumerate() {
                    let node = map.get("items").filter(|_| sent.is_sent());
                    faults.extend(
                        node.into_iter()
                            .flat_map(|node| self.node(node, sent, &join(at, &index.to_string()), &mut Seen::new())),
                    );
                }
            }
            _ => {}
        }
        // `allOf` may require the same field twice.
        let mut unique: Vec<Fault> = Vec::new();
        for fault in faults {
            if !unique.contains(&fault) {
                unique.push(fault);
            }
        }
        unique
    }

    /// Type and value.
    fn single(&self, map: &Map<String, Value>, sent: &Sent, at: &str) -> Option<Fault> {
        let kind = sent.kind()?;
        let types = types_of(map);
        let nullable = map.get("nullable") == Some(&Value::Bool(true));
        let scalar = |kind: &str| !matches!(kind, "object" | "array");
        let same = |taken: &&str| {
            *taken == kind || (*taken == "number" && kind == "integer") || (self.form && scalar(taken) && scalar(kind))
        };
        let taken = types.is_empty() || types.iter().any(same) || (kind == "null" && nullable);
        if !taken {
            let taken = types.into_iter().map(str::to_owned).collect();
            return Some(Fault {
                path: at.to_owned(),
                why: Why::Type { sent: kind, taken },
            });
        }
        let (Sent::Value(value), Some(taken)) = (sent, values_of(map)) else {
            return None;
        };
        let equal = |taken: &&Value| *taken == value || (self.form && plain(taken) == plain(value));
        (!taken.iter().any(equal) && !value.is_null()).then(|| Fault {
            path: at.to_owned(),
            why: Why::Value {
                sent: value.clone(),
                taken: taken.into_iter().cloned().collect(),
            },
        })
    }

    fn object(&self, map: &'a Map<String, Value>, fields: &BTreeMap<String, Sent>, open: bool, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let properties = map.get("properties").and_then(Value::as_object);
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        let required = map.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            // What is only in answers is required there alone (OpenAPI, "readOnly").
            let in_answers = property(name).is_some_and(|node| self.read_only(node));
            if !in_answers && !fields.get(name).map_or(open, Sent::is_sent) {
                faults.push(Fault {
                    path: join(at, name),
                    why: Why::NeverSent,
                });
            }
        }
        for (name, sent) in fields.iter().filter(|(_, sent)| sent.is_sent()) {
            if let Some(node) = property(name).or_else(|| map.get("additionalProperties")) {
                faults.extend(self.node(node, sent, &join(at, name), &mut Seen::new()));
            }
        }
        faults
    }

    fn read_only(&self, node: &Value) -> bool {
        let says = |node: &Value| node.get("readOnly") == Some(&Value::Bool(true));
        says(node) || says(rest::follow(self.document, node))
    }
}

/// A value as a form writes it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How far a branch is from what is sent: another value or type is a sign that this branch is not the one that is meant.
fn weight(faults: &[Fault]) -> usize {
    faults
        .iter()
        .map(|fault| if fault.why == Why::NeverSent { 1 } else { 4 })
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(value: Value) -> Sent {
        match value {
            Value::String(text) if text == "{}" => Sent::Any,
            Value::String(text) if text == "!" => Sent::Never,
            Value::String(text) if text.contains("{}") => Sent::Text,
            Value::Array(items) => Sent::List(items.into_iter().map(sent).collect()),
            Value::Object(map) => Sent::Object {
                open: map.contains_key("..."),
                fields: map
                    .into_iter()
                    .filter(|(name, _)| name != "...")
                    .map(|(name, value)| (name, sent(value)))
                    .collect(),
            },
            other => Sent::Value(other),
        }
    }

    fn faults_of(schema: Value, value: Value, form: bool) -> Vec<String> {
        let document = json!({ "it": schema, "components": {
            "Base": { "type": "object", "required": ["id", "name"], "properties": { "id": { "type": "string", "readOnly": true }, "name": { "type": "string" } } },
            "Tree": { "type": "object", "required": ["leaf"], "properties": { "leaf": { "type": "string" }, "tree": { "$ref": "#/components/Tree" } } },
            "Cat": { "type": "object", "required": ["kind", "lives"], "properties": { "kind": { "enum": ["cat"] }, "lives": { "type": "integer" } } },
            "Dog": { "type": "object", "required": ["kind", "tail", "nose", "ear"], "properties": { "kind": { "enum": ["dog"] }, "tail": {}, "nose": {}, "ear": {} } }
        } });
        let schema = Schema::new(&document, document.get("it").into_iter().collect());
        schema.faults(&sent(value), form).iter().map(Fault::to_string).collect()
    }

    fn faults(schema: Value, value: Value) -> Vec<String> {
        faults_of(schema, value, false)
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn what_is_required_must_be_reachable() {
        let base = || json!({ "allOf": [{ "$ref": "#/components/Base" }, { "required": ["size"] }, { "required": ["size"] }], "properties": { "size": { "type": "integer" } } });
        assert_eq!(faults(base(), json!("{}")), NONE);
        assert_eq!(faults(base(), json!({ "...": 1 })), NONE);
        assert_eq!(
            faults(base(), json!({})),
            [
                "`name` is required, and nothing can fill it",
                "`size` is required, and nothing can fill it"
            ]
        );
        assert_eq!(
            faults(base(), json!({ "...": 1, "name": "!", "size": 3 })),
            ["`name` is required, and nothing can fill it"]
        );
        assert_eq!(faults(base(), json!({ "name": "a {}", "size": "{}" })), NONE);
    }

    #[test]
    fn nested_and_recursive_bodies() {
        let tree = || json!({ "$ref": "#/components/Tree" });
        assert_eq!(
            faults(tree(), json!({ "leaf": "a", "tree": { "leaf": "b", "tree": "{}" } })),
            NONE
        );
        assert_eq!(
            faults(tree(), json!({ "leaf": "a", "tree": { "tree": { "leaves": "b" } } })),
            [
                "`tree.leaf` is required, and nothing can fill it",
                "`tree.tree.leaf` is required, and nothing can fill it",
                "`tree.tree.leaves` is not taken; known there: leaf, tree"
            ]
        );
        let list = json!({ "type": "array", "items": { "$ref": "#/components/Tree" } });
        assert_eq!(
            faults(list, json!([{ "leaf": "a" }, {}])),
            ["`1.leaf` is required, and nothing can fill it"]
        );
    }

    #[test]
    fn one_branch_is_enough_and_the_nearest_is_named() {
        for word in ["oneOf", "anyOf"] {
            let pets = || json!({ word: [{ "$ref": "#/components/Cat" }, { "$ref": "#/components/Dog" }] });
            assert_eq!(faults(pets(), json!({ "kind": "cat", "lives": 7 })), NONE);
            assert_eq!(
                faults(pets(), json!({ "kind": "dog", "tail": 1, "nose": 1, "ear": 1 })),
                NONE
            );
            assert_eq!(
                faults(pets(), json!({ "kind": "cat" })),
                ["`lives` is required, and nothing can fill it"]
            );
            assert_eq!(
                faults(pets(), json!({ "kind": "dog", "tail": 1 })),
                [
                    "`nose` is required, and nothing can fill it",
                    "`ear` is required, and nothing can fill it"
                ]
            );
            assert_eq!(
                faults(pets(), json!({ "kind": "cow", "lives": 1 })),
                ["`kind` is \"cow\", and taken is only \"cat\""]
            );
        }
    }

    #[test]
    fn types_and_values_of_what_never_changes() {
        let one = |schema: Value| json!({ "type": "object", "properties": { "a": schema } });
        assert_eq!(
            faults(one(json!({ "type": "integer" })), json!({ "a": "x" })),
            ["`a` is sent as string, and taken as integer"]
        );
        assert_eq!(
            faults(one(json!({ "type": "integer" })), json!({ "a": "x{}" })),
            ["`a` is sent as string, and taken as integer"]
        );
        assert_eq!(faults(one(json!({ "type": "integer" })), json!({ "a": "{}" })), NONE);
        assert_eq!(faults(one(json!({ "type": "number" })), json!({ "a": 1 })), NONE);
        assert_eq!(
            faults(one(json!({ "type": "string", "nullable": true })), json!({ "a": null })),
            NONE
        );
        assert_eq!(
            faults(one(json!({ "type": "string" })), json!({ "a": { "b": 1 } })),
            ["`a` is sent as object, and taken as string"]
        );
        assert_eq!(
            faults(one(json!({ "enum": ["x", "y"] })), json!({ "a": "z" })),
            ["`a` is \"z\", and taken is only \"x\", \"y\""]
        );
        assert_eq!(faults(json!({ "type": "object" }), json!({ "a": { "b": 1 } })), NONE);
        assert_eq!(
            faults(json!({ "type": "array" }), json!({})),
            ["the body is sent as object, and taken as array"]
        );
    }

    #[test]
    fn in_a_form_every_value_is_text() {
        let schema = || json!({ "type": "object", "properties": { "a": { "type": "integer", "enum": [1] }, "b": { "type": "object" } } });
        assert_eq!(faults_of(schema(), json!({ "a": "1" }), true), NONE);
        assert_eq!(
            faults_of(schema(), json!({ "a": "2" }), true),
            ["`a` is \"2\", and taken is only 1"]
        );
        assert_eq!(
            faults_of(schema(), json!({ "b": "x" }), true),
            ["`b` is sent as string, and taken as object"]
        );
    }
}
