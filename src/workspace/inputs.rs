//! Inputs that are secret. A version declares one with JSON Schema's own word, `writeOnly = true`; a tenant then says
//! where the secret is, and never the secret.

use std::collections::BTreeSet;

use schemars::JsonSchema as _;
use serde_json::{Map, Value};

use super::secret::SecretRef;
use super::secret_rules::SecretRules;
use super::toml::pointer;
use super::{Tenant, Version, VersionFile};
use crate::problem::{Problem, listed};

const WORD: &str = "writeOnly";

/// The words that may stand beside `writeOnly`: any other would ask something of a value that nobody has when files are
/// checked.
const BESIDE: [&str; 5] = ["type", "title", "description", "$comment", WORD];

/// Whether an input of a version is secret.
pub fn is_secret(version: &VersionFile, name: &str) -> bool {
    version
        .inputs
        .get("properties")
        .and_then(|properties| properties.get(name))
        .is_some_and(is_write_only)
}

fn is_write_only(schema: &Value) -> bool {
    schema.get(WORD) == Some(&Value::Bool(true))
}

/// Where the secret is that a tenant gives for an input, if the version declares it secret.
pub fn reference(tenant: &Tenant, version: &VersionFile, name: &str) -> Option<SecretRef> {
    let given = tenant.file.inputs.get(name).filter(|_| is_secret(version, name))?;
    // A list would be read as the fields of a table in their order.
    given.as_object()?;
    serde_json::from_value(given.clone()).ok()
}

/// Replaces the schema of every secret input by the one of a reference.
pub(super) fn with_references(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for property in properties.values_mut().filter(|property| is_write_only(property)) {
        let mut reference = forms();
        for word in ["title", "description"] {
            if let (Some(text), Some(map)) = (property.get(word), reference.as_object_mut()) {
                map.insert(word.to_owned(), text.clone());
            }
        }
        *property = reference;
    }
}

/// The schema of a reference, complete in itself: it goes into the schema of a version.
fn forms() -> Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    SecretRef::json_schema(&mut generator).to_value()
}

/// What is wrong with the secret inputs a version declares.
pub(super) fn check(version: &Version) -> Vec<Problem> {
    let mut problems = Vec::new();
    let empty = Map::new();
    let inputs = &version.file.inputs;
    let properties = inputs.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let secrets = properties.iter().filter(|(_, schema)| is_write_only(schema));
    for (name, schema) in secrets.clone() {
        let place = |word: &str| version.toml.key(&pointer(["inputs", "properties", name, word]));
        if schema.get("type").is_some_and(|kind| kind != "string") {
            let problem = Problem::configuration(format!("input `{name}`: a secret is a text"));
            problems.push(problem.at(place("type")).hint("write `type = \"string\"`"));
        }
        for word in schema.as_object().into_iter().flat_map(Map::keys) {
            if !BESIDE.contains(&word.as_str()) {
                let problem = Problem::configuration(format!(
                    "input `{name}` is secret, and nobody has its value when files are checked: `{word}` cannot be"
                ));
                problems.push(problem.at(place(word)).hint(format!("remove `{word}`")));
            }
        }
    }
    let elsewhere = inputs.iter().any(|(key, value)| key != "properties" && mentions(value))
        || properties
            .values()
            .any(|schema| !is_write_only(schema) && mentions(schema));
    if elsewhere {
        let problem = Problem::configuration("only an input as a whole can be secret, not a part of one");
        problems.push(
            problem
                .at(version.toml.key("/inputs"))
                .hint("make it an input of its own: `properties.NAME = { type = \"string\", writeOnly = true }`"),
        );
    }
    problems
}

/// Whether a schema says `writeOnly` anywhere.
fn mentions(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => is_write_only(schema) || map.values().any(mentions),
        Value::Array(items) => items.iter().any(mentions),
        _ => false,
    }
}

/// What is wrong with the references a tenant gives, beyond their form: also what is not its own to name. `tenants` are the
/// names of all there are, `own` is what upa.toml itself uses.
pub(super) fn wrong_references(
    tenant: &Tenant,
    version: &Version,
    rules: &SecretRules,
    tenants: &BTreeSet<&str>,
    own: &BTreeSet<SecretRef>,
) -> Vec<Problem> {
    let names = tenant.file.inputs.keys();
    names
        .filter_map(|name| {
            let source = reference(tenant, &version.file, name)?;
            let at = pointer(["inputs", name]);
            let wrong = source.problem(&tenant.toml, &at);
            let wrong = wrong.or_else(|| rules.misplaced(&source, &tenant.toml, &at));
            wrong.or_else(|| {
                let (why, hint) = rules.foreign(&source, &tenant.name, tenants, own)?;
                let problem = Problem::configuration(format!("`inputs.{name}`: {why}"));
                Some(problem.at(tenant.toml.value_place(&at)).hint(hint))
            })
        })
        .collect()
}

/// The refusal of a secret where the platform would show it.
pub fn misplaced(address: &str, field: &str, name: &str, allowed: &[String]) -> Problem {
    let problem = Problem::configuration(format!(
        "{address}: `{name}` is secret, and `{field}` is a field that the platform shows to everybody who sees the object"
    ));
    problem.hint(if allowed.is_empty() {
        "this kind has no field for secrets: use a credential of the platform".to_owned()
    } else {
        format!(
            "fields of this kind that may hold a secret: {}",
            listed(allowed.iter().map(String::as_str))
        )
    })
}
