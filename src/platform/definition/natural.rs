//! What only one object of a kind can be in an account, by what its document says: the id of a setting or of an object
//! whose id is a name that people give, else its natural key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::KindDefinition;
use super::placeholder::{Root, Scope, Text};
use super::{compare, ids, object};
use crate::symbol;

/// What only one object of a kind can be in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Natural {
    /// Its id, as lockfiles hold it.
    Id(String),
    /// What only one object can have, in words.
    Key(String),
}

impl Natural {
    /// Whether it hangs on what is still to be made, or on a secret: then it says no place yet.
    pub fn is_open(&self) -> bool {
        let (Natural::Id(text) | Natural::Key(text)) = self;
        let forms = [r#"{"$ref":"#, r#"{"$secret":"#, r#"{\"$ref\":"#, r#"{\"$secret\":"#];
        forms.iter().any(|symbol| text.contains(symbol))
    }

    /// What it says, value by value: the values that place the object, and those it is found by. `None` for an id.
    pub fn parts(&self) -> Option<Vec<(String, Value)>> {
        let Natural::Key(mut text) = self.clone() else {
            return None;
        };
        let mut parts = Vec::new();
        while !text.is_empty() {
            let (path, rest) = text.split_once(" = ")?;
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            let value = values.next()?.ok()?;
            let rest = rest.get(values.byte_offset()..)?;
            parts.push((path.to_owned(), value));
            text = rest.strip_prefix(", ").unwrap_or(rest).to_owned();
        }
        Some(parts)
    }
}

impl KindDefinition {
    /// The values that place an object, by what it was to be.
    pub fn inputs_of_natural(&self, natural: &Natural) -> Option<BTreeMap<String, Value>> {
        let inputs: BTreeMap<String, Value> = match natural {
            Natural::Id(id) => ids::split(self, id)?.0,
            Natural::Key(_) => natural.parts()?.into_iter().collect(),
        };
        self.inputs
            .iter()
            .map(|name| Some((name.clone(), inputs.get(name)?.clone())))
            .collect()
    }

    /// Whether ids are unique within one account only: they are what people call the object, or where a setting is.
    pub fn has_natural_id(&self) -> bool {
        self.one || self.key.as_ref().is_some_and(says_all)
    }

    /// The place that a document claims. Values that are not known yet count by what they refer to.
    pub fn natural(&self, document: &Value) -> Option<Natural> {
        if self.gate {
            return None;
        }
        let inputs = self
            .inputs
            .iter()
            .map(|name| Some((name.clone(), Value::from(text(document.get(name)?)))));
        let inputs: BTreeMap<String, Value> = inputs.collect::<Option<_>>()?;
        if self.one {
            return Some(Natural::Id(ids::of(self, &inputs, "")));
        }
        let spec = object::spec(self, document);
        let scope = Scope {
            spec: Some(&spec),
            inputs: inputs.clone(),
            ..Scope::default()
        };
        if let Some(key) = self.key.as_ref().filter(|key| says_all(key)) {
            let own = key.value(&scope).ok()??;
            return Some(Natural::Id(ids::of(self, &inputs, &text(&own))));
        }
        let conditions = &self.find.as_ref()?.conditions;
        if conditions.is_empty() || !conditions.iter().all(|(_, text)| says_all(text)) {
            return None;
        }
        let below = inputs.iter().map(|(name, value)| (name.clone(), value.clone()));
        let mut parts: Vec<(String, Value)> = below.collect();
        for (path, text) in conditions {
            let value = text.value(&scope).ok()?;
            parts.extend(value.map(|value| (path.clone(), compare::canonical(self, path, &value))));
        }
        let parts = parts
            .iter()
            .map(|(path, value)| format!("{path} = {}", symbol::symbolic(value)));
        Some(Natural::Key(parts.collect::<Vec<_>>().join(", ")))
    }
}

/// Whether a text depends on the document alone.
fn says_all(text: &Text) -> bool {
    text.holes().all(|hole| hole.root == Root::Spec)
}

fn text(value: &Value) -> String {
    match symbol::symbolic(value) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::platform::definition::Definition;

    const KINDS: &str = r#"
platform = "p"
auth = { bearer = "{cred.key}" }
[resource.setting]
delete = "none"
one = true
inputs = ["studio"]
create = "PUT /studios/{studio}/limits"
read = "GET /studios/{studio}/limits"
[resource.named]
delete = "none"
create = "POST /named"
read = "GET /named/{id}"
key = "{spec.name}"
id = "name"
[resource.found]
delete = "none"
inputs = ["studio"]
list = { call = "GET /studios/{studio}/found", items = "items" }
find = { where = { name = "{spec.name}", size = "{spec.size?}" } }
same = { name = "lower" }
create = "POST /studios/{studio}/found"
read = "GET /found/{id}"
[resource.plain]
delete = "none"
create = "POST /plain"
read = "GET /plain/{id}"
"#;

    fn natural(kind: &str, document: &Value) -> Option<Natural> {
        let definition = Definition::parse("p.toml", &Arc::from(KINDS)).unwrap_or_else(|found| panic!("{found:#?}"));
        definition.kinds[kind].natural(document)
    }

    #[test]
    fn a_setting_is_where_its_inputs_say_and_a_named_object_is_its_name() {
        let id = |id: &str| Some(Natural::Id(id.to_owned()));
        assert_eq!(natural("setting", &json!({ "studio": 7, "max": 3 })), id("7"));
        assert_eq!(natural("named", &json!({ "name": "a/b" })), id("a%2Fb"));
        let key = Natural::Key("studio = \"7\", name = \"a\"".to_owned());
        assert_eq!(natural("found", &json!({ "studio": "7", "name": "a" })), Some(key));
        let other = natural("found", &json!({ "studio": "7", "name": "A" }));
        assert_eq!(
            other,
            natural("found", &json!({ "studio": "7", "name": "a" })),
            "as it is compared"
        );
        let sized = |size: Value| natural("found", &json!({ "studio": "7", "name": "a", "size": size }));
        assert_eq!(sized(json!(1)), sized(json!(1.0)));
        assert_ne!(sized(json!(1)), sized(json!(2)));
        let odd = json!({ "studio": "a = \"b\", c", "name": "x, size = 2", "size": 3 });
        let parts = natural("found", &odd).and_then(|natural| natural.parts());
        let part = |name: &str, value: Value| (name.to_owned(), value);
        let named = part("name", json!("x, size = 2"));
        assert_eq!(
            parts,
            Some(vec![
                part("studio", json!("a = \"b\", c")),
                named,
                part("size", json!(3.0))
            ])
        );
        assert_eq!(Natural::Key("no value".to_owned()).parts(), None);
        let open = symbol::Symbol::Base {
            tenant: "ana".to_owned(),
            version: "v1".to_owned(),
        };
        let open = json!({ "studio": "7", "name": format!("https://x/{}/in", open.embed()) });
        assert!(natural("found", &open).is_some_and(|natural| natural.is_open()));
        let parent = symbol::Symbol::id_of("ana/x".parse().unwrap()).embed();
        let placed = json!({ "studio": format!("x{parent}"), "name": "a" });
        for kind in ["found", "setting"] {
            assert!(
                natural(kind, &placed).is_some_and(|natural| natural.is_open()),
                "{kind}"
            );
        }
        assert!(natural("found", &odd).is_some_and(|natural| !natural.is_open()));
        assert_eq!(natural("plain", &json!({ "name": "a" })), None);
        assert_eq!(natural("setting", &json!({ "max": 3 })), None, "it says not where");
    }
}
