//! What it costs to check a value against a schema, counted before it is done: a schema of a few lines that refers to
//! itself twice at each of forty levels would be checked for years.
//!
//! The count follows every keyword that applies another schema, as a validator does, and ends at [`MOST`].

use serde_json::{Map, Value};

/// How many schemas may be applied, in the schema itself and for one file: a few thousand times what a large version needs.
/// A choice of an `enum`, and a byte that a pattern is matched with, count like one.
const MOST: usize = 200_000;

/// How deep schemas may apply each other. What validates recurses just as deep.
const DEEPEST: usize = 400;

/// Keywords that apply schemas to the value itself: one schema, or several in a list or table.
const IN_PLACE: [&str; 9] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependencies",
];
/// Keywords that apply schemas to what lies in the value.
const BELOW: [&str; 10] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "contains",
    "additionalItems",
    "unevaluatedItems",
];
/// What a validator evaluates after it has evaluated everything that stands beside it once more.
const AGAIN: [&str; 2] = ["unevaluatedProperties", "unevaluatedItems"];
/// Ways to refer to a schema, or to change what a reference means, that are not followed here.
const UNSUPPORTED: [&str; 5] = [
    "$id",
    "$dynamicRef",
    "$recursiveRef",
    "$dynamicAnchor",
    "$recursiveAnchor",
];

/// Why a schema may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TooMuch {
    /// Too many schemas would be applied.
    Schemas,
    /// It refers to a schema in a way that cannot be counted, as written.
    Reference(String),
}

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TooMuch::Schemas => write!(f, "its references and combinations unfold to more than {MOST} schemas"),
            TooMuch::Reference(written) => write!(f, "`{written}`: only `$ref = \"#/…\"` can refer to another schema"),
        }
    }
}

/// Counts the schema alone, with every reference unfolded once.
pub fn of_schema(schema: &Value) -> Result<(), TooMuch> {
    let mut count = Count {
        root: schema,
        left: MOST,
        depth: 0,
        open: Vec::new(),
    };
    count.schema(schema)
}

/// Counts what checking a value applies.
pub fn of_value(schema: &Value, value: &Value) -> Result<(), TooMuch> {
    let mut count = Count {
        root: schema,
        left: MOST,
        depth: 0,
        open: Vec::new(),
    };
    count.value(schema, value)
}

struct Count<'a> {
    root: &'a Value,
    left: usize,
    depth: usize,
    /// The references that are being unfolded.
    open: Vec<&'a str>,
}

impl<'a> Count<'a> {
    /// One schema more, and the schemas that it applies.
    fn spend(&mut self, applied: impl FnOnce(&mut Self) -> Result<(), TooMuch>) -> Result<(), TooMuch> {
        self.pay(1)?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(TooMuch::Schemas);
        }
        applied(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn pay(&mut self, schemas: usize) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(schemas).ok_or(TooMuch::Schemas)?;
        Ok(())
    }

    fn target(&self, map: &'a Map<String, Value>) -> Result<Option<(&'a str, &'a Value)>, TooMuch> {
        if let Some(keyword) = UNSUPPORTED.iter().find(|keyword| map.contains_key(**keyword)) {
            return Err(TooMuch::Reference((*keyword).to_owned()));
        }
        let Some(reference) = map.get("$ref").and_then(Value::as_str) else {
            return Ok(None);
        };
        let target = reference
            .strip_prefix('#')
            // A validator decodes it.
            .filter(|pointer| !pointer.contains('%'))
            .and_then(|pointer| self.root.pointer(pointer));
        match target {
            Some(target) => Ok(Some((reference, target))),
            None => Err(TooMuch::Reference(format!("$ref = \"{reference}\""))),
        }
    }

    fn schema(&mut self, schema: &'a Value) -> Result<(), TooMuch> {
        self.spend(|count| count.schema_applies(schema))
    }

    fn schema_applies(&mut self, schema: &'a Value) -> Result<(), TooMuch> {
        let Some(map) = schema.as_object() else { return Ok(()) };
        for _ in 0..evaluations(map) {
            if let Some((reference, target)) = self.target(map)?
                && !self.open.contains(&reference)
            {
                self.open.push(reference);
                self.schema(target)?;
                self.open.pop();
            }
            for keyword in IN_PLACE.iter().chain(&BELOW) {
                for below in map.get(*keyword).into_iter().flat_map(|found| schemas(keyword, found)) {
                    self.schema(below)?;
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, schema: &'a Value, value: &Value) -> Result<(), TooMuch> {
        self.spend(|count| count.value_is_checked(schema, value))
    }

    fn value_is_checked(&mut self, schema: &'a Value, value: &Value) -> Result<(), TooMuch> {
        let Some(map) = schema.as_object() else { return Ok(()) };
        self.pay(map.get("enum").and_then(Value::as_array).map_or(0, Vec::len))?;
        // A pattern takes the length of the text times its own size, which has a limit.
        if let (Some(text), true) = (value.as_str(), map.contains_key("pattern")) {
            self.pay(text.len())?;
        }
        for _ in 0..evaluations(map) {
            if let Some((_, target)) = self.target(map)? {
                self.value(target, value)?;
            }
            for keyword in IN_PLACE {
                for applied in map.get(keyword).into_iter().flat_map(|found| schemas(keyword, found)) {
                    self.value(applied, value)?;
                }
            }
        }
        for keyword in BELOW {
            let Some(found) = map.get(keyword) else { continue };
            match value {
                Value::Object(values) if keyword == "propertyNames" => {
                    for name in values.keys() {
                        self.value(found, &Value::from(name.as_str()))?;
                    }
                }
                Value::Object(values) if keyword == "properties" => {
                    for (name, applied) in found.as_object().into_iter().flatten() {
                        if let Some(value) = values.get(name) {
                            self.value(applied, value)?;
                        }
                    }
                }
                // Which of several patterns fit is not looked at: all of them might.
                Value::Object(values) if keyword == "patternProperties" => {
                    let patterns = found.as_object().map_or(0, Map::len);
                    self.pay(patterns.saturating_mul(values.keys().map(String::len).sum()))?;
                    self.all(schemas(keyword, found), values.values())?;
                }
                Value::Object(values) => self.all(schemas(keyword, found), values.values())?,
                Value::Array(values) => self.all(schemas(keyword, found), values.iter())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn all<'v>(
        &mut self,
        applied: Vec<&'a Value>,
        values: impl Iterator<Item = &'v Value> + Clone,
    ) -> Result<(), TooMuch> {
        for schema in applied {
            for value in values.clone() {
                self.value(schema, value)?;
            }
        }
        Ok(())
    }
}

/// How often what stands in a schema is evaluated.
fn evaluations(map: &Map<String, Value>) -> usize {
    1 + AGAIN.iter().filter(|keyword| map.contains_key(**keyword)).count()
}

/// The schemas that a keyword applies: itself, or those in its list or table.
fn schemas<'a>(keyword: &str, found: &'a Value) -> Vec<&'a Value> {
    let is_table = matches!(
        keyword,
        "properties" | "patternProperties" | "dependentSchemas" | "dependencies"
    );
    match found {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) if is_table => map.values().collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `levels` schemas, each of which applies the next one twice by this keyword.
    fn doubled(levels: usize, twice: impl Fn(Value) -> Value) -> Value {
        let mut defs = Map::new();
        for level in 0..levels {
            let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
            defs.insert(format!("l{level}"), twice(next));
        }
        defs.insert(format!("l{levels}"), json!({ "type": "object" }));
        json!({ "$ref": "#/$defs/l0", "$defs": defs })
    }

    #[test]
    fn what_is_doubled_again_and_again_is_refused_before_it_is_compiled() {
        let in_place = |keyword: &'static str| move |next: Value| json!({ keyword: [next, next] });
        for keyword in ["allOf", "anyOf", "oneOf"] {
            assert_eq!(
                of_schema(&doubled(40, in_place(keyword))),
                Err(TooMuch::Schemas),
                "{keyword}"
            );
            assert_eq!(of_schema(&doubled(10, in_place(keyword))), Ok(()), "{keyword}");
        }
        let below = doubled(40, |next| json!({ "properties": { "a": next, "b": next } }));
        assert_eq!(of_schema(&below), Err(TooMuch::Schemas));
        let again = doubled(40, |next| json!({ "allOf": [next], "unevaluatedProperties": false }));
        assert_eq!(of_schema(&again), Err(TooMuch::Schemas));
        let conditional = doubled(40, |next| json!({ "if": next, "then": next }));
        assert_eq!(of_schema(&conditional), Err(TooMuch::Schemas));
    }

    #[test]
    fn a_recursion_that_doubles_with_each_level_of_a_value_is_refused_for_a_deep_value_alone() {
        let schema = json!({ "properties": { "a": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] } } });
        assert_eq!(of_schema(&schema), Ok(()));
        let deep = (0..40).fold(json!({}), |below, _| json!({ "a": below }));
        assert_eq!(of_value(&schema, &deep), Err(TooMuch::Schemas));
        let shallow = (0..4).fold(json!({}), |below, _| json!({ "a": below }));
        assert_eq!(of_value(&schema, &shallow), Ok(()));
        let for_ever = json!({ "allOf": [{ "$ref": "#" }] });
        assert_eq!(of_value(&for_ever, &json!({})), Err(TooMuch::Schemas));
    }

    #[test]
    fn choices_and_long_texts_count() {
        let text = Value::from("a".repeat(1_000));
        let many = Value::from(vec![text; 300]);
        assert_eq!(
            of_value(&json!({ "items": { "pattern": "^a*$" } }), &many),
            Err(TooMuch::Schemas)
        );
        assert_eq!(of_value(&json!({ "items": { "type": "string" } }), &many), Ok(()));
        let choices = json!({ "items": { "enum": vec![1; 1_000] } });
        assert_eq!(of_value(&choices, &many), Err(TooMuch::Schemas));
        let names = json!({ "a".repeat(150_000): 1, "b".repeat(150_000): 1 });
        assert_eq!(
            of_value(&json!({ "propertyNames": { "pattern": "a" } }), &names),
            Err(TooMuch::Schemas)
        );
        assert_eq!(
            of_value(&json!({ "patternProperties": { "a": {} } }), &names),
            Err(TooMuch::Schemas)
        );
    }

    #[test]
    fn a_reference_that_cannot_be_followed_is_refused() {
        for schema in [
            json!({ "$ref": "#named", "$defs": { "a": { "$anchor": "named" } } }),
            json!({ "$ref": "https://example.test/schema" }),
            json!({ "$dynamicRef": "#" }),
            // The validator decodes the one, and resolves what stands in the other from there.
            json!({ "$ref": "#/%24defs/a", "$defs": { "a": {} }, "%24defs": { "a": {} } }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$id": "urn:a", "$ref": "#/$defs/b" }, "b": {} } }),
        ] {
            assert!(matches!(of_schema(&schema), Err(TooMuch::Reference(_))), "{schema}");
        }
    }
}
