//! A schema, looked at along dotted paths: what stands at `a.b`, `0` or `*`, through references, branches and circles.

use std::collections::{BTreeSet, HashSet, VecDeque};

use serde_json::{Map, Value};

use super::facet::{Facet, anything, properties, said_nothing, step, types_of, values_of};
use super::rest;

/// What stands at a place of an answer or a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// The contract describes it.
    Found(Facts),
    /// The contract allows anything there, so nothing can be said.
    Free,
    /// The contract describes what stands around it, and it is not there.
    Missing {
        /// The path up to and with the part that is not there.
        at: String,
        /// What stands where the path ends (`string`, `array`, …), as far as the contract says.
        inside: Vec<String>,
        /// The names that are there.
        known: Vec<String>,
    },
}

/// What a contract says about a value; with branches, what any of them says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// JSON types (`string`, `integer`, `object`, …), without `null`. Empty: any.
    pub types: Vec<String>,
    /// May it be `null`?
    pub nullable: bool,
    /// The values it can only have; empty: any.
    pub values: Vec<Value>,
    /// The longest text it takes, in characters.
    pub max_length: Option<u64>,
    /// Is it only in answers?
    pub read_only: bool,
    /// Is it only in requests?
    pub write_only: bool,
}

/// A place of a contract's schema; several nodes where it branches.
#[derive(Debug, Clone)]
pub struct Schema<'a> {
    document: &'a Value,
    nodes: Vec<&'a Value>,
}

impl<'a> Schema<'a> {
    pub(super) fn new(document: &'a Value, nodes: Vec<&'a Value>) -> Self {
        Self { document, nodes }
    }

    pub(super) fn document(&self) -> &'a Value {
        self.document
    }

    pub(super) fn nodes(&self) -> &[&'a Value] {
        &self.nodes
    }

    /// What stands at a dotted path (`a.b`, `0` for an element, `*` for every element, empty for the whole). With
    /// branches (`oneOf`, `anyOf`, `allOf`) one that has it is enough.
    pub fn resolve(&self, path: &str) -> Resolution {
        let mut at = self.clone();
        let mut free = false;
        let mut walked = 0;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            walked += part.len() + usize::from(walked > 0);
            let facets = at.facets();
            let (next, open) = step(&facets, part);
            free |= open;
            if next.is_empty() {
                return match free {
                    true => Resolution::Free,
                    false => Resolution::Missing {
                        at: path.get(..walked).unwrap_or(path).to_owned(),
                        inside: at.facts().types,
                        known: at.names(),
                    },
                };
            }
            at.nodes = next;
        }
        match at.open() {
            true => Resolution::Free,
            false => Resolution::Found(at.facts()),
        }
    }

    /// The place one part further down: `None` where the contract describes nothing there.
    pub(super) fn child(&self, part: &str) -> Option<Self> {
        let (nodes, _) = step(&self.facets(), part);
        (!nodes.is_empty()).then_some(Self {
            document: self.document,
            nodes,
        })
    }

    /// The names that may stand here.
    pub fn names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self
            .facets()
            .iter()
            .filter_map(properties)
            .flat_map(Map::keys)
            .collect();
        names.into_iter().cloned().collect()
    }

    /// What is said about the value itself.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        let (mut types, mut listed, mut bounded, mut values) = (BTreeSet::new(), true, true, Vec::new());
        for Facet { map, joined } in self.facets() {
            let said = types_of(map);
            let silent = joined || said_nothing(map);
            let yes = |key: &str| map.get(key) == Some(&Value::Bool(true));
            facts.nullable |= yes("nullable") || said.contains(&"null");
            facts.read_only |= yes("readOnly");
            facts.write_only |= yes("writeOnly");
            match map.get("maxLength").and_then(Value::as_u64) {
                Some(longest) => facts.max_length = Some(longest.max(facts.max_length.unwrap_or(0))),
                None => bounded &= silent || !(said.is_empty() || said.contains(&"string")),
            }
            match values_of(map) {
                Some(some) => values.extend(some.into_iter().cloned()),
                None => listed &= silent || said == ["null"],
            }
            types.extend(said.into_iter().filter(|name| *name != "null").map(str::to_owned));
        }
        facts.types = types.into_iter().collect();
        facts.values = if listed { values } else { Vec::new() };
        facts.max_length = facts.max_length.filter(|_| bounded);
        facts
    }

    /// Does the contract say nothing about the value?
    fn open(&self) -> bool {
        let facets = self.facets();
        facets.iter().any(|facet| facet.says_anything_goes()) || facets.iter().all(|facet| said_nothing(facet.map))
    }

    /// Every node that says something about this place: references and branches followed, each once.
    fn facets(&self) -> Vec<Facet<'a>> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut open: VecDeque<(&'a Value, bool)> = self.nodes.iter().map(|node| (*node, false)).collect();
        while let Some((node, joined)) = open.pop_front() {
            if !seen.insert(std::ptr::from_ref(node)) {
                continue;
            }
            let Some(map) = node.as_object() else {
                // `true` is 3.1's way to say "anything".
                found.extend((node == &Value::Bool(true)).then_some(Facet {
                    map: anything(),
                    joined,
                }));
                continue;
            };
            let target = map
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| rest::find(self.document, to));
            let list = |key: &str| map.get(key).and_then(Value::as_array).into_iter().flatten();
            let branches = list("oneOf").count() + list("anyOf").count() + list("allOf").count();
            let more = target.is_some() || branches > 0;
            found.push(Facet {
                map,
                joined: joined || more,
            });
            open.extend(target.map(|node| (node, joined)));
            open.extend(list("allOf").map(|node| (node, true)));
            open.extend(list("oneOf").chain(list("anyOf")).map(|node| (node, joined)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn look(schema: Value, path: &str) -> Resolution {
        let document = json!({ "components": { "schemas": {
            "Node": { "type": "object", "properties": { "name": { "type": "string", "maxLength": 40 }, "next": { "$ref": "#/components/schemas/Node" } } },
            "Loop": { "allOf": [{ "$ref": "#/components/schemas/Loop" }, { "$ref": "#/components/schemas/Node" }] },
            "Cat": { "type": "object", "required": ["kind"], "properties": { "kind": { "enum": ["cat"], "type": "string" }, "lives": { "type": "integer" } } },
            "Dog": { "type": "object", "properties": { "kind": { "enum": ["dog"], "type": "string" }, "tail": { "type": "object" } } }
        } }, "it": schema });
        document
            .get("it")
            .map(|node| Schema::new(&document, vec![node]).resolve(path))
            .unwrap_or(Resolution::Free)
    }

    fn types(schema: Value, path: &str) -> String {
        match look(schema, path) {
            Resolution::Found(facts) => facts.types.join("|"),
            Resolution::Free => "free".to_owned(),
            Resolution::Missing { at, inside, known } => {
                format!("no {at} in {} of {}", inside.join("|"), known.join(","))
            }
        }
    }

    #[test]
    fn properties_elements_and_references_in_circles() {
        let node = || json!({ "$ref": "#/components/schemas/Node", "description": "a note" });
        assert_eq!(types(node(), ""), "object");
        assert_eq!(types(node(), "next.next.next.next.name"), "string");
        assert_eq!(types(node(), "next.nme"), "no next.nme in object of name,next");
        assert_eq!(types(node(), "name.first"), "no name.first in string of ");
        let list = || json!({ "type": "array", "items": node() });
        assert_eq!(types(list(), "0.name"), "string");
        assert_eq!(types(list(), "*.next.name"), "string");
        assert_eq!(types(list(), "name"), "no name in array of ");
        assert_eq!(
            types(json!({ "$ref": "#/components/schemas/Loop" }), "next.name"),
            "string"
        );
        assert_eq!(
            types(json!({ "$ref": "#/components/schemas/Loop" }), "prev"),
            "no prev in object of name,next"
        );
    }

    #[test]
    fn a_branch_that_has_it_is_enough() {
        let pets = |word: &str| json!({ word: [{ "$ref": "#/components/schemas/Cat" }, { "$ref": "#/components/schemas/Dog" }] });
        for word in ["oneOf", "anyOf", "allOf"] {
            assert_eq!(types(pets(word), "lives"), "integer", "{word}");
            assert_eq!(
                types(pets(word), "claws"),
                "no claws in object of kind,lives,tail",
                "{word}"
            );
            assert_eq!(types(pets(word), "tail.length"), "free", "{word}");
        }
        let Resolution::Found(facts) = look(pets("oneOf"), "kind") else {
            panic!("not found")
        };
        assert_eq!(facts.values, [json!("cat"), json!("dog")]);
    }

    #[test]
    fn anything_goes_only_where_the_contract_says_so() {
        assert_eq!(types(json!({}), "a.b"), "free");
        assert_eq!(types(json!({ "description": "whatever" }), ""), "free");
        assert_eq!(types(json!({ "type": "object" }), "a.b"), "free");
        assert_eq!(
            types(
                json!({ "type": "object", "additionalProperties": true, "properties": { "a": { "type": "string" } } }),
                "b"
            ),
            "free"
        );
        assert_eq!(
            types(
                json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
                "b"
            ),
            "integer"
        );
        assert_eq!(
            types(
                json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
                "b.c"
            ),
            "no b.c in integer of "
        );
        assert_eq!(
            types(json!({ "type": "object", "additionalProperties": false }), "b"),
            "no b in object of "
        );
        assert_eq!(types(json!({ "type": "array" }), "0.a"), "free");
        // One branch leaves it open; the other does not close it.
        assert_eq!(
            types(
                json!({ "anyOf": [{ "$ref": "#/components/schemas/Cat" }, { "type": "object" }] }),
                "claws"
            ),
            "free"
        );
        // What joins a described object adds nothing by saying nothing.
        let joined =
            json!({ "allOf": [{ "$ref": "#/components/schemas/Cat" }, { "type": "object" }, { "description": "a" }] });
        assert_eq!(types(joined, "claws"), "no claws in object of kind,lives");
        let required = json!({ "type": "object", "properties": { "a": {} }, "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] });
        assert_eq!(types(required, "c"), "no c in object of a");
    }

    #[test]
    fn the_spellings_of_both_versions() {
        let facts = |schema| match look(schema, "a") {
            Resolution::Found(facts) => facts,
            other => panic!("{other:?}"),
        };
        let old = facts(
            json!({ "properties": { "a": { "type": "string", "nullable": true, "maxLength": 5, "readOnly": true } } }),
        );
        let new =
            facts(json!({ "properties": { "a": { "type": ["string", "null"], "maxLength": 5, "readOnly": true } } }));
        assert_eq!(old, new);
        assert!(old.nullable && old.read_only && !old.write_only);
        assert_eq!((old.types, old.max_length), (vec!["string".to_owned()], Some(5)));
        let by = json!({ "type": "object", "patternProperties": { "^x_": { "type": "integer" } } });
        assert_eq!(types(by.clone(), "x_a"), "integer");
        assert_eq!(types(by, "y"), "no y in object of ");
        let tuple = json!({ "type": "array", "prefixItems": [{ "type": "string" }], "items": { "type": "integer" } });
        assert_eq!(
            (types(tuple.clone(), "0"), types(tuple, "1")),
            ("string".to_owned(), "integer".to_owned())
        );
    }
}
