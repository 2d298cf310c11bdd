//! Checks a parsed TOML file against a JSON Schema and words every violation for a person, at its line.
//!
//! The schemas come from the Rust types themselves (`schemars`) or, for a version's inputs, from the version file: one
//! mechanism for all of them, and `upa schema` prints exactly what is checked here.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::toml::Toml;
use super::{schema_cost, secret};
use crate::problem::{ENOUGH, Problem, did_you_mean, enough, listed};

/// A schema, compiled.
pub struct Schema {
    validator: Validator,
    schema: Value,
}

impl Schema {
    /// The schema of a Rust type.
    pub fn of<T: JsonSchema>() -> Self {
        let schema = schemars::schema_for!(T).to_value();
        Self::compile(schema).unwrap_or_else(|error| panic!("bug: schema of a built-in type: {error}"))
    }

    /// Compiles a schema of a version; the error says what is wrong with it.
    pub fn compile(schema: Value) -> Result<Self, String> {
        schema_cost::of_schema(&schema).map_err(|why| why.to_string())?;
        // Patterns of a pull request: matched in linear time, and no larger than the engine's own limit.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        match options.build(&schema) {
            Ok(validator) => Ok(Self { validator, schema }),
            Err(error) => Err(format!("{error} (at {})", error.instance_path())),
        }
    }

    /// The schema as JSON.
    pub fn json(&self) -> &Value {
        &self.schema
    }

    /// Everything in `toml` below `base` (a JSON pointer, empty for the whole file) that violates the schema.
    pub fn check(&self, toml: &Toml, base: &str) -> Vec<Problem> {
        let Some(instance) = toml.value.pointer(base) else {
            return self.missing(toml, base);
        };
        if let Err(why) = schema_cost::of_value(&self.schema, instance) {
            let problem = Problem::configuration(format!("this is too much to check against its schema: {why}"));
            return vec![
                problem
                    .at(toml.key(base))
                    .hint("give fewer or less deeply nested values, or a simpler schema"),
            ];
        }
        let errors: Vec<ValidationError<'_>> = self.validator.iter_errors(instance).collect();
        let is_choice = |error: &&ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Enum { .. });
        let choices = errors.iter().filter(is_choice);
        let choices: BTreeSet<String> = choices.map(|error| error.instance_path().to_string()).collect();
        // A value that is none of the choices need not be told that it has the wrong type as well.
        let said = |error: &ValidationError<'_>| {
            matches!(error.kind(), ValidationErrorKind::Type { .. }) && choices.contains(error.instance_path().as_str())
        };
        let told = errors.iter().filter(|error| !said(error));
        enough(&toml.file, told.flat_map(|error| self.word(error, toml, base)))
    }

    /// What of a value violates the schema; `None` where that is too much to check.
    pub(super) fn violations<'v>(&'v self, value: &'v Value) -> Option<Vec<ValidationError<'v>>> {
        schema_cost::of_value(&self.schema, value).ok()?;
        Some(self.validator.iter_errors(value).collect())
    }

    /// The values that would have been right at a violation, where they are listed.
    pub(super) fn choices(&self, error: &ValidationError<'_>) -> Vec<Value> {
        match error.kind() {
            ValidationErrorKind::Enum { options } => options.as_array().cloned().unwrap_or_default(),
            ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
                self.constants(error.schema_path().as_str())
            }
            _ => Vec::new(),
        }
    }

    /// The table itself is missing: everything it requires is.
    fn missing(&self, toml: &Toml, base: &str) -> Vec<Problem> {
        let empty = Value::Object(serde_json::Map::new());
        self.validator
            .iter_errors(&empty)
            .flat_map(|error| self.word(&error, toml, base))
            .collect()
    }

    fn word(&self, error: &ValidationError<'_>, toml: &Toml, base: &str) -> Vec<Problem> {
        let at = format!("{base}{}", error.instance_path());
        let name = dotted(&at);
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
                .iter()
                .take(ENOUGH + 1)
                .map(|key| self.unknown_key(error, toml, &at, key))
                .collect(),
            ValidationErrorKind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                if self.is_misspelt(error, property) {
                    return Vec::new();
                }
                let path = if name.is_empty() {
                    property.to_owned()
                } else {
                    format!("{name}.{property}")
                };
                vec![
                    Problem::configuration(format!("`{path}` is missing"))
                        .at(toml.key(&at))
                        .hint(match self.is_table(error.schema_path().as_str(), property) {
                            true if name.is_empty() => format!("add `[{property}]`"),
                            true => format!("add `{property} = {{ … }}`"),
                            false => format!("add `{property} = …`"),
                        }),
                ]
            }
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(kind) => kind.to_string(),
                    TypeKind::Multiple(kinds) => kinds
                        .iter()
                        .map(|kind| kind.to_string())
                        .collect::<Vec<_>>()
                        .join(" or "),
                };
                let found = type_name(error.instance());
                vec![
                    Problem::configuration(format!("`{name}` must be {}, not {found}", article(&expected)))
                        .at(toml.value_place(&at))
                        .hint(form(&expected)),
                ]
            }
            ValidationErrorKind::Enum { options } => {
                vec![enumeration(&name, error.instance(), options).at(toml.value_place(&at))]
            }
            ValidationErrorKind::AnyOf { .. } if self.is_secret(error.schema_path().as_str()) => {
                // What stands there may be a secret, so its line is named and not shown.
                let place = toml.key(&at).without_text();
                vec![secret::wrong_form(&name, error.instance()).at(place)]
            }
            // A table is meant to be the form that is a table: what is wrong inside it is what helps.
            ValidationErrorKind::AnyOf { context } if meant(context, error.instance_path().as_str()).is_some() => {
                let errors = meant(context, error.instance_path().as_str()).into_iter().flatten();
                errors.flat_map(|error| self.word(error, toml, base)).collect()
            }
            ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
                vec![self.no_variant(error, &name).at(toml.value_place(&at))]
            }
            _ => vec![
                Problem::configuration(format!("`{name}`: {error}"))
                    .at(toml.value_place(&at))
                    .hint(self.meaning(error.schema_path().as_str())),
            ],
        }
    }

    /// Whether a required property, whose absence was found at a place in the schema, is a table.
    fn is_table(&self, schema_path: &str, property: &str) -> bool {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let declared = self
            .schema_at(parent)
            .and_then(|table| table.get("properties")?.get(property));
        let target = declared
            .and_then(|declared| declared.get("$ref")?.as_str())
            .and_then(|target| self.schema.pointer(target.trim_start_matches('#')));
        target
            .or(declared)
            .is_some_and(|declared| declared.get("type").and_then(Value::as_str) == Some("object"))
    }

    /// Whether the choice at a place in the schema is between the forms of a reference to a secret.
    fn is_secret(&self, schema_path: &str) -> bool {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.schema_at(parent)
            .is_some_and(|about| about.get(secret::MARK).is_some())
    }

    /// What the schema says that a value is for, where it says anything.
    fn meaning(&self, schema_path: &str) -> String {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let about = self.schema_at(parent);
        let word = |key: &str| about?.get(key)?.as_str();
        match (word("title"), word("description")) {
            (Some(title), Some(description)) => format!("{title}: {description}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => "give a value that fits".to_owned(),
        }
    }

    /// An unknown key, with the known key it was probably meant to be.
    /// Whether a table lacks a key only because it is written otherwise, which its unknown key says already.
    fn is_misspelt(&self, error: &ValidationError<'_>, property: &str) -> bool {
        let known = self.known_keys(error.schema_path().as_str());
        let written = error.instance().as_object().into_iter().flat_map(serde_json::Map::keys);
        let mut unknown = written.filter(|key| !known.contains(key));
        unknown.any(|key| did_you_mean(key, known.iter().map(String::as_str)) == Some(property))
    }

    fn unknown_key(&self, error: &ValidationError<'_>, toml: &Toml, at: &str, key: &str) -> Problem {
        let known = self.known_keys(error.schema_path().as_str());
        let place = toml.key(&format!("{at}{}", super::toml::pointer([key])));
        let table = dotted(at);
        let message = if table.is_empty() {
            format!("unknown key `{key}`")
        } else {
            format!("unknown key `{key}` in `{table}`")
        };
        let problem = Problem::configuration(message).at(place);
        match did_you_mean(key, known.iter().map(String::as_str)) {
            Some(word) => problem.hint(format!("did you mean `{word}`?")),
            None => problem.hint(format!("known keys: {}", listed(known.iter().map(String::as_str)))),
        }
    }

    /// The `properties` beside the `additionalProperties` that was violated.
    pub(super) fn known_keys(&self, schema_path: &str) -> Vec<String> {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        // References are resolved by the validator; what stands in the path is the referring place.
        let mut table = self.schema.clone();
        for segment in parent.split('/').filter(|segment| !segment.is_empty()) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if segment == "$ref" {
                let target = table
                    .get("$ref")
                    .and_then(Value::as_str)
                    .unwrap_or("#")
                    .trim_start_matches('#');
                table = self.schema.pointer(target).cloned().unwrap_or_default();
            } else if let Value::Array(items) = &table {
                table = segment
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get(index))
                    .cloned()
                    .unwrap_or_default();
            } else {
                table = table.get(&segment).cloned().unwrap_or_default();
            }
        }
        let properties = table.get("properties").and_then(Value::as_object);
        properties.map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    fn no_variant(&self, error: &ValidationError<'_>, name: &str) -> Problem {
        let found = error.instance();
        let choices = self.constants(error.schema_path().as_str());
        if !choices.is_empty() {
            return enumeration(name, found, &Value::Array(choices));
        }
        Problem::configuration(format!(
            "`{name}` has none of the allowed forms: {} does not fit",
            shown(found)
        ))
        .hint(self.meaning(error.schema_path().as_str()))
    }

    /// A choice between constants is an enumeration whose values carry a description.
    fn constants(&self, schema_path: &str) -> Vec<Value> {
        let variants = self.schema_at(schema_path).and_then(Value::as_array);
        let constant = |variant: &Value| variant.get("const").cloned();
        variants.into_iter().flatten().filter_map(constant).collect()
    }

    fn schema_at(&self, schema_path: &str) -> Option<&Value> {
        let mut at = &self.schema;
        for segment in schema_path.split('/').filter(|segment| !segment.is_empty()) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            at = match segment.as_str() {
                "$ref" => self.schema.pointer(at.get("$ref")?.as_str()?.trim_start_matches('#'))?,
                other => match at {
                    Value::Array(items) => items.get(other.parse::<usize>().ok()?)?,
                    _ => at.get(other)?,
                },
            };
        }
        Some(at)
    }
}

/// Checks a file against the schema of `T` and, if it conforms, reads it as `T`.
pub fn read<T: JsonSchema + DeserializeOwned>(schema: &Schema, toml: &Toml) -> Result<T, Vec<Problem>> {
    let problems = schema.check(toml, "");
    if !problems.is_empty() {
        return Err(problems);
    }
    toml.typed()
        .map_err(|(why, place)| vec![Problem::configuration(why).at(place)])
}

/// The errors of the one form whose type fits the value, if it is one.
fn meant<'e>(
    forms: &'e [Vec<ValidationError<'static>>],
    instance_path: &str,
) -> Option<&'e Vec<ValidationError<'static>>> {
    let fits = |errors: &&Vec<ValidationError<'static>>| {
        let has_wrong_type = |error: &ValidationError<'_>| {
            matches!(
                error.kind(),
                ValidationErrorKind::Type { .. } | ValidationErrorKind::Constant { .. }
            ) && error.instance_path().as_str() == instance_path
        };
        !errors.iter().any(has_wrong_type)
    };
    let mut fitting = forms.iter().filter(fits);
    fitting.next().filter(|_| fitting.next().is_none())
}

fn enumeration(name: &str, found: &Value, options: &Value) -> Problem {
    let options: Vec<String> = options.as_array().into_iter().flatten().map(bare).collect();
    let problem = Problem::configuration(format!(
        "`{name}` must be one of {}, not {}",
        listed(options.iter().map(String::as_str)),
        shown(found)
    ));
    match found
        .as_str()
        .and_then(|typed| did_you_mean(typed, options.iter().map(String::as_str)))
    {
        Some(word) => problem.hint(format!("did you mean `{word}`?")),
        None => problem.hint("choose one of them"),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value short enough for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn dotted(pointer: &str) -> String {
    let parts: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
        .collect();
    parts.join(".")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}

/// How a value of a type is written.
fn form(kind: &str) -> &'static str {
    match kind {
        "string" => "write text in quotes: `\"…\"`",
        "integer" => "write a whole number, without quotes",
        "number" => "write a number, without quotes",
        "boolean" => "write `true` or `false`, without quotes",
        "array" => "write a list: `[…, …]`",
        "object" => "write a table: `{ key = … }`",
        _ => "write a value of one of these types",
    }
}

fn article(kind: &str) -> String {
    match kind {
        "object" => "a table".to_owned(),
        "integer" | "array" => format!("an {kind}"),
        other => format!("a {other}"),
    }
}
