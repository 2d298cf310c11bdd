//! Who has a resource, and how many: whether `when`, `each` and `scope` say something a tenant can fulfil.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Version;
use super::toml::pointer;
use super::version::{Condition, Each, ResourceSpec, Scope};
use crate::platform::Registry;
use crate::problem::{Place, Problem, did_you_mean, listed};
use crate::resource::Kind;
use crate::template::{Piece, expression};

/// Checks every resource of a version.
pub fn check(version: &Version, registry: &Registry) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, spec) in &version.file.resources {
        let resource = Resource { version, name };
        if let Some(condition) = &spec.when {
            problems.extend(resource.when(condition));
        }
        if let Some(each) = &spec.each {
            problems.extend(resource.each(each));
        }
        problems.extend(resource.scope(spec, registry));
    }
    problems
}

struct Resource<'a> {
    version: &'a Version,
    name: &'a str,
}

impl Resource<'_> {
    /// Where one of its keys has its value.
    fn at(&self, below: &[&str]) -> Place {
        let path = ["resources", self.name].into_iter().chain(below.iter().copied());
        self.version.toml.value_place(&pointer(path))
    }

    fn when(&self, condition: &Condition) -> Vec<Problem> {
        let (key, value) = match (&condition.is, &condition.is_not) {
            (Some(value), None) => ("is", value),
            (None, Some(value)) => ("is_not", value),
            (Some(_), Some(_)) | (None, None) => {
                let problem =
                    Problem::configuration(format!("`when` of `{}` must have one of `is` and `is_not`", self.name));
                return vec![
                    problem
                        .at(self.at(&["when"]))
                        .hint("write `when = { input = \"…\", is = \"…\" }`"),
                ];
            }
        };
        if value.is_array() || value.is_object() {
            let problem = Problem::configuration(format!(
                "`{key}` must be a text, a number or a boolean: a condition is plain equality"
            ));
            return vec![
                problem
                    .at(self.at(&["when", key]))
                    .hint("write one value; for another, make a second resource"),
            ];
        }
        let Some(properties) = properties(&self.version.file.inputs) else {
            return Vec::new();
        };
        let Some(schema) = properties.get(&condition.input) else {
            return vec![unknown_input(properties, &condition.input).at(self.at(&["when", "input"]))];
        };
        match impossible(schema, value) {
            None => Vec::new(),
            Some((why, hint)) => {
                let input = &condition.input;
                let problem = Problem::configuration(format!("`{input}` is never {value}: {why}"));
                vec![problem.at(self.at(&["when", key])).hint(hint)]
            }
        }
    }

    fn each(&self, each: &Each) -> Vec<Problem> {
        let written = match each {
            Each::Texts(_) => self.at(&["each"]),
            Each::Tables(_) => self.at(&["each", "in"]),
        };
        let Some(path) = each.path() else {
            let problem = Problem::configuration(format!("`{}` is no input", each.list()));
            return vec![
                problem
                    .at(written)
                    .hint("name a list the tenant gives: `each = \"inputs.domains\"`"),
            ];
        };
        let mut problems = Vec::new();
        if let (Some(properties), [input, below @ ..]) = (properties(&self.version.file.inputs), &*path) {
            match properties.get(*input) {
                None => problems.push(unknown_input(properties, input).at(written)),
                Some(schema) if below.is_empty() => {
                    if let Some((why, hint)) = no_list(schema, each) {
                        let problem = Problem::configuration(format!("`{}` {why}", each.list()));
                        problems.push(problem.at(written).hint(hint));
                    }
                }
                Some(_) => {}
            }
        }
        let prepared = self.version.prepared.get(self.name);
        if let Some(entry) = prepared.and_then(|prepared| prepared.entries.first()) {
            let problem = Problem::configuration(format!(
                "`{}` cannot be repeated: all its copies would listen at one webhook (node \"{}\")",
                self.name, entry.node
            ));
            problems.push(
                problem.at(self.at(&["each"])).hint(
                    "keep the webhook in a workflow of its own, which is there once, and repeat what it works with",
                ),
            );
        }
        problems
    }

    fn scope(&self, spec: &ResourceSpec, registry: &Registry) -> Option<Problem> {
        if spec.scope != Scope::Account {
            return None;
        }
        if spec.each.is_some() {
            let problem = Problem::configuration(format!(
                "`{}` is one object for all tenants, so no tenant's list can repeat it",
                self.name
            ));
            return Some(problem.at(self.at(&["each"])).hint("remove `each`, or the scope"));
        }
        (!can_be_shared(spec, registry)).then(|| {
            let problem = Problem::configuration(format!(
                "`{}` works for one tenant, as every {} does, so it cannot have the scope `account`",
                self.name, spec.kind
            ));
            problem
                .at(self.at(&["scope"]))
                .hint("remove `scope`, or say `scope = \"tenant\"`")
        })
    }
}

/// Whether one object can serve several tenants: what runs is reached, named and stopped for one of them.
pub fn can_be_shared(spec: &ResourceSpec, registry: &Registry) -> bool {
    let kind = Kind::new(&*spec.kind);
    let facts = registry.of_kind(&kind).and_then(|platform| platform.facts(&kind));
    facts.is_none_or(|facts| !facts.drafts)
}

/// The inputs a version describes; `None` when it allows any.
fn properties(inputs: &Map<String, Value>) -> Option<&Map<String, Value>> {
    inputs.get("properties")?.as_object()
}

fn unknown_input(properties: &Map<String, Value>, name: &str) -> Problem {
    let problem = Problem::configuration(format!("there is no input `{name}`"));
    match did_you_mean(name, properties.keys().map(String::as_str)) {
        Some(word) => problem.hint(format!("did you mean `{word}`?")),
        None => problem.hint(format!(
            "inputs of this version: {}",
            listed(properties.keys().map(String::as_str))
        )),
    }
}

/// Why an input can never have a value, and what to write instead.
fn impossible(schema: &Value, value: &Value) -> Option<(String, String)> {
    let same = |known: &Value| crate::platform::compare::same(known, value);
    let constant = schema.get("const").map(std::slice::from_ref);
    let choices = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    if let Some(choices) = constant.or(choices) {
        if choices.iter().any(same) {
            return None;
        }
        let shown: Vec<String> = choices
            .iter()
            .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned))
            .collect();
        let words = || shown.iter().map(String::as_str);
        let hint = match value.as_str().and_then(|typed| did_you_mean(typed, words())) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "choose one of them".to_owned(),
        };
        return Some((format!("it is one of {}", listed(words())), hint));
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |kind: &&str| match (*kind, value) {
        ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    };
    if types.iter().any(fits) {
        return None;
    }
    let kinds = types.join(" or ");
    Some((
        format!("it is a {kinds}"),
        format!("write a {kinds}, or change the input's `type`"),
    ))
}

/// Why a schema is not that of a list that `each` can go through.
fn no_list(schema: &Value, each: &Each) -> Option<(String, String)> {
    let kind = schema.get("type").and_then(Value::as_str)?;
    if kind != "array" {
        return Some((
            format!("is no list but a {kind}"),
            "name an input of the type `array`".to_owned(),
        ));
    }
    let items = schema.get("items")?;
    match (each, items.get("type").and_then(Value::as_str)?) {
        (Each::Texts(list), "object") => Some((
            "is a list of tables, and nothing says what tells one from another".to_owned(),
            format!("name the field: `each = {{ in = \"{list}\", key = \"…\" }}`"),
        )),
        (Each::Texts(_), kind) if kind != "string" => Some((
            format!("is a list of {kind}s"),
            "only texts and tables can be told apart".to_owned(),
        )),
        (Each::Tables(table), "object") => {
            let fields = items.get("properties")?.as_object()?;
            (!fields.contains_key(&table.key)).then(|| {
                let known = listed(fields.keys().map(String::as_str));
                (
                    format!("is a list of tables without a field `{}`", table.key),
                    format!("their fields: {known}"),
                )
            })
        }
        (Each::Tables(table), _) => Some((
            "is no list of tables".to_owned(),
            format!("write `each = \"{}\"`", table.list),
        )),
        (Each::Texts(_), _) => None,
    }
}

/// The resources whose templates use a credential; the version's record counts as one of everybody's.
pub fn users_of_credential<'a>(version: &'a Version, slot: &str) -> Vec<&'a str> {
    users(version, "credentials", slot)
}

/// The resources whose templates read `<root>.<name>`.
fn users<'a>(version: &'a Version, root: &str, name: &str) -> Vec<&'a str> {
    let resources = version.prepared.iter();
    resources
        .filter(|(_, prepared)| mentions(version, &prepared.template, root, name))
        .map(|(resource, _)| resource.as_str())
        .collect()
}

/// The conditions under which an input is read, in words; `None` when every tenant's objects read it, or nothing does.
pub fn condition_of_input(version: &Version, input: &str) -> Option<String> {
    condition_of(version, &users(version, "inputs", input))
}

/// The conditions under which a credential is needed, in words; `None` when every tenant needs it.
pub fn condition_of_credential(version: &Version, slot: &str) -> Option<String> {
    condition_of(version, &users_of_credential(version, slot))
}

/// The conditions of some resources, in words; `None` when one of them has none.
fn condition_of(version: &Version, users: &[&str]) -> Option<String> {
    let conditions = users.iter().map(|user| {
        let spec = version.file.resources.get(*user)?;
        spec.when.as_ref().map(Condition::to_string)
    });
    let conditions: BTreeSet<String> = conditions.collect::<Option<_>>()?;
    let conditions: Vec<String> = conditions.into_iter().collect();
    (!conditions.is_empty()).then(|| conditions.join(" or "))
}

/// Whether a template reads `<root>.<name>`, itself or in a file it brings in.
fn mentions(version: &Version, template: &Value, root: &str, name: &str) -> bool {
    match template {
        Value::String(text) => expression::pieces(text)
            .unwrap_or_default()
            .iter()
            .any(|piece| match piece {
                Piece::Text(_) => false,
                Piece::Value(path, ..) => match (path.root(), &*path.rest()) {
                    (found, [first, ..]) if found == root => *first == name,
                    ("files", [file]) => version
                        .texts
                        .get(*file)
                        .is_some_and(|text| text.contains("<%=") && in_text(text, root, name)),
                    _ => false,
                },
            }),
        Value::Array(items) => items.iter().any(|item| mentions(version, item, root, name)),
        Value::Object(map) => map.values().any(|item| mentions(version, item, root, name)),
        _ => false,
    }
}

fn in_text(text: &str, root: &str, name: &str) -> bool {
    let pieces = expression::pieces(text).unwrap_or_default();
    pieces.iter().any(
        |piece| matches!(piece, Piece::Value(path, ..) if path.root() == root && path.rest().first() == Some(&name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_input_can_be() {
        for (schema, value, possible) in [
            (json!({"enum": ["a", "b"]}), json!("a"), true),
            (json!({"enum": ["a", "b"]}), json!("c"), false),
            (json!({"const": 3}), json!(3.0), true),
            (json!({"type": "string"}), json!(true), false),
            (json!({"type": ["string", "boolean"]}), json!(true), true),
            (json!({"type": "integer"}), json!(1.5), false),
            (json!({"type": "integer"}), json!(2), true),
            (json!({"$ref": "#/$defs/x"}), json!("anything"), true),
        ] {
            assert_eq!(impossible(&schema, &value).is_none(), possible, "{schema} {value}");
        }
    }

    #[test]
    fn what_can_be_gone_through() {
        let texts = Each::Texts("inputs.x".to_owned());
        let tables: Each = serde_json::from_value(json!({"in": "inputs.x", "key": "name"})).unwrap();
        for (schema, with_texts, with_tables) in [
            (json!({"type": "array"}), true, true),
            (json!({"type": "string"}), false, false),
            (json!({"type": "array", "items": {"type": "string"}}), true, false),
            (json!({"type": "array", "items": {"type": "integer"}}), false, false),
            (json!({"type": "array", "items": {"type": "object"}}), false, true),
            (
                json!({"type": "array", "items": {"type": "object", "properties": {"nmae": {}}}}),
                false,
                false,
            ),
        ] {
            assert_eq!(no_list(&schema, &texts).is_none(), with_texts, "{schema}");
            assert_eq!(no_list(&schema, &tables).is_none(), with_tables, "{schema}");
        }
    }
}
