//! A platform described as data: what its TOML may say, read and checked.
//!
//! Built-in definitions are in `catalog/`; a workspace may add its own in `platforms/`. [`super::rest`] runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::compare::{self, Owned};
use super::{FieldChange, KindFacts, Object, Platform, Prepared, Templates};
use super::{exported, fields};
use crate::export::Surroundings;
use crate::problem::Problem;
use crate::resource::Kind;
use crate::template::Guard;
use crate::workspace::schema::{self, Schema};
use crate::workspace::toml::Toml;

/// The definitions that are built in: file name and text.
pub const CATALOG: [(&str, &str); 1] = [("vapi.toml", include_str!("catalog/vapi.toml"))];

/// The schema of a definition, as `upa schema platform` prints it.
pub static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<DefinitionFile>);

/// A platform.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "platforms/<name>.toml: a platform described as data")]
pub struct DefinitionFile {
    /// The first part of its kinds.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*$"))]
    pub platform: String,
    /// Where most accounts are. Only shown in messages: hosts come from accounts alone.
    pub usual_base: Option<String>,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub errors: Errors,
    /// Its kinds of objects.
    pub resource: BTreeMap<String, KindDefinition>,
}

/// How a call proves who makes it. `{cred.x}` is filled by the account's `credentials.x`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// `Authorization: Bearer …`.
    pub bearer: Option<String>,
    /// Fixed headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Where an error answer says what is wrong.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// Dotted path of the message.
    pub message: Option<String>,
}

/// One kind of object.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindDefinition {
    pub list: ListCall,
    pub create: CallText,
    pub read: CallText,
    pub update: CallText,
    pub delete: CallText,
    /// Dotted path of the id in an object.
    #[serde(default = "id")]
    pub id: String,
    /// What else than a 404 says that an object is gone.
    pub gone: Option<Gone>,
    /// Where the mark stands in an object.
    pub marker: Option<Marker>,
    /// Top-level fields whose change means a new object.
    #[serde(default)]
    pub fixed: Vec<String>,
    /// Dotted paths that are not returned, or returned otherwise.
    #[serde(default)]
    pub unread: Vec<String>,
    /// What the platform evaluates in a text: a tenant's value may not contain it.
    #[serde(default)]
    pub evaluates: Vec<String>,
}

fn id() -> String {
    "id".to_owned()
}

/// `METHOD /path`, with `{id}` where the id goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct CallText {
    #[schemars(skip)]
    pub method: HttpMethod,
    #[schemars(skip)]
    pub path: String,
}

/// A method, as `reqwest` knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpMethod(pub Method);

impl JsonSchema for HttpMethod {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpMethod".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl TryFrom<String> for CallText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a call: expected `METHOD /path`, such as `GET /assistant/{{id}}`");
        let (method, path) = text.split_once(' ').ok_or_else(wrong)?;
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method);
        if !known || !path.starts_with('/') {
            return Err(wrong());
        }
        for placeholder in path.split('{').skip(1) {
            if placeholder.split('}').next() != Some("id") {
                return Err(format!("`{text}`: the only placeholder a call knows is `{{id}}`"));
            }
        }
        Ok(Self {
            method: HttpMethod(method.parse().map_err(|_| wrong())?),
            path: path.to_owned(),
        })
    }
}

/// A call that lists every object of a kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCall {
    pub call: CallText,
    /// Dotted path of the list in the answer; empty = the answer itself.
    #[serde(default)]
    pub items: String,
    /// How many objects a page holds at most.
    pub size: usize,
    /// The query parameter that asks for this size.
    pub size_param: Option<String>,
    pub next: Next,
}

/// How the next page is asked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Next {
    /// A value of the last object goes into a parameter.
    After { after: String, param: String },
    /// The answer holds a cursor that goes into a parameter.
    Cursor { cursor: String, param: String },
    /// Pages are counted from 1.
    Page { page: String },
}

/// A field that says that an object is gone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    pub at: String,
    pub is: Value,
}

/// Where the mark stands.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// Dotted path of the field that holds the mark.
    pub field: String,
    /// Dotted path of the field that holds the attempt that created the object.
    pub attempt: Option<String>,
}

/// A definition that has been checked.
#[derive(Debug)]
pub struct Definition {
    pub file: DefinitionFile,
    credentials: Vec<String>,
}

impl Definition {
    /// Reads and checks a definition.
    pub fn parse(file: &str, text: &Arc<str>) -> Result<Self, Vec<Problem>> {
        let toml = Toml::parse(file, text)?;
        let definition: DefinitionFile = schema::read(&SCHEMA, &toml)?;
        let mut credentials = Vec::new();
        let headers = definition.auth.bearer.iter().chain(definition.auth.headers.values());
        let mut problems = Vec::new();
        for text in headers {
            match credential_of(text) {
                Ok(Some(name)) => credentials.push(name),
                Ok(None) => {}
                Err(why) => problems.push(
                    Problem::configuration(why)
                        .at(toml.key("/auth"))
                        .hint("name one credential in it: `{cred.api_key}`"),
                ),
            }
        }
        for (name, kind) in &definition.resource {
            let pointer = |key: &str| format!("/resource/{name}/{key}");
            for (key, call) in [("read", &kind.read), ("update", &kind.update), ("delete", &kind.delete)] {
                if !call.path.contains("{id}") {
                    let problem = Problem::configuration(format!(
                        "`{key}` of `{name}` does not say which object: its path has no `{{id}}`"
                    ));
                    problems.push(
                        problem
                            .at(toml.value_place(&pointer(key)))
                            .hint("write `{id}` where the id goes, as in `GET /things/{id}`"),
                    );
                }
            }
        }
        if problems.is_empty() {
            Ok(Self {
                file: definition,
                credentials,
            })
        } else {
            Err(problems)
        }
    }

    /// The definition of one kind.
    pub fn kind(&self, kind: &Kind) -> Option<&KindDefinition> {
        (kind.platform() == self.file.platform).then(|| self.file.resource.get(kind.object()))?
    }
}

/// The name in a text that is nothing but `{cred.name}`; `None` for a text without placeholders.
pub fn credential_of(text: &str) -> Result<Option<String>, String> {
    if !text.contains('{') {
        return Ok(None);
    }
    let name = text.strip_prefix("{cred.").and_then(|rest| rest.strip_suffix('}'));
    match name.filter(|name| !name.is_empty() && !name.contains(['{', '}'])) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(format!("`{text}`: expected `{{cred.<name>}}` and nothing else")),
    }
}

/// The value at a dotted path; the empty path is the value itself.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .filter(|segment| !segment.is_empty())
        .try_fold(value, |at, segment| match at {
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            other => other.get(segment),
        })
}

/// Puts a value at a dotted path, making objects on the way.
pub fn put(target: &mut Value, path: &str, value: Value) {
    let mut at = target;
    for segment in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry(segment.to_owned()).or_insert(Value::Null);
    }
    *at = value;
}

impl Platform for Definition {
    fn name(&self) -> &str {
        &self.file.platform
    }

    fn facts(&self, kind: &Kind) -> Option<KindFacts> {
        let definition = self.kind(kind)?;
        Some(KindFacts {
            drafts: false,
            fixed: definition.fixed.clone(),
            unread: definition.unread.clone(),
            marked: definition.marker.is_some(),
        })
    }

    fn kinds(&self) -> Vec<String> {
        self.file
            .resource
            .keys()
            .map(|kind| format!("{}.{kind}", self.file.platform))
            .collect()
    }

    fn credentials(&self) -> Vec<String> {
        self.credentials.clone()
    }

    fn usual_base_url(&self) -> Option<&str> {
        self.file.usual_base.as_deref()
    }

    fn prepare(&self, templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>> {
        let mut prepared = BTreeMap::new();
        let mut problems = Vec::new();
        for template in &templates.templates {
            if !template.source.value.is_object() {
                let place = crate::problem::Place::file(&*template.source.file);
                problems.push(
                    Problem::configuration(format!("a {} is a JSON object", template.kind))
                        .at(place)
                        .hint("write `{ … }`"),
                );
            }
            let evaluates = self
                .kind(&template.kind)
                .map(|kind| kind.evaluates.clone())
                .unwrap_or_default();
            let ready = Prepared {
                template: template.source.value.clone(),
                guard: Guard {
                    leading: Vec::new(),
                    containing: evaluates,
                },
                ..Prepared::default()
            };
            prepared.insert(template.resource.to_owned(), ready);
        }
        if problems.is_empty() {
            Ok(prepared)
        } else {
            Err(problems)
        }
    }

    fn compare(&self, kind: &Kind, desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange> {
        let mut out = Vec::new();
        compare::differences("", desired, Some(observed), Owned::Written, &mut out);
        let unread = self.kind(kind).map(|kind| kind.unread.as_slice()).unwrap_or_default();
        out.retain(|change| !unread.iter().any(|path| under(&change.field, path)));
        // Sorted, so that what lies within something that is gone follows it and is not said again.
        for key in written.iter().collect::<BTreeSet<_>>() {
            let said = out.iter().any(|change| under(key, &change.field));
            let hidden = unread.iter().any(|path| under(key, path));
            if !said
                && !hidden
                && at(desired, key).is_none()
                && let Some(value) = at(observed, key).filter(|value| !value.is_null())
            {
                out.push(compare::change(key, Some(value), None));
            }
        }
        out
    }

    fn owned(&self, _kind: &Kind, desired: &Value) -> Vec<String> {
        let mut paths = Vec::new();
        fields::written("", desired, &mut paths);
        paths
    }

    fn owned_part(&self, _kind: &Kind, desired: &Value, observed: &Value) -> Value {
        compare::part(desired, observed)
    }

    fn export(&self, kind: &Kind, object: &Object, known: &Surroundings) -> Value {
        exported::export(self.kind(kind), object, known)
    }
}

/// Whether a dotted field is `path` or below it.
fn under(field: &str, path: &str) -> bool {
    field == path || field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Definition, Vec<Problem>> {
        Definition::parse("p.toml", &Arc::from(text))
    }

    #[test]
    fn the_catalog_is_sound() {
        for (file, text) in CATALOG {
            let definition = Definition::parse(file, &Arc::from(text)).unwrap();
            assert_eq!(format!("{}.toml", definition.name()), file);
        }
    }

    #[test]
    fn a_wrong_definition_is_refused_at_its_line() {
        let base = include_str!("catalog/vapi.toml");
        for (from, to, message) in [
            ("unread", "unraed", "unknown key `unraed`"),
            ("GET /assistant/{id}", "GET /assistant/{no}", "{id}"),
            (
                "DELETE /assistant/{id}",
                "DELETE /assistant",
                "does not say which object",
            ),
            ("{cred.api_key}", "{env.X}", "expected `{cred.<name>}`"),
        ] {
            let problems = parse(&base.replacen(from, to, 1)).unwrap_err();
            assert!(problems.iter().any(|p| p.message.contains(message)), "{problems:?}");
        }
    }

    #[test]
    fn unread_paths_do_not_count_and_removed_keys_do() {
        let definition = parse(include_str!("catalog/vapi.toml")).unwrap();
        let kind = Kind::new("vapi.assistant");
        let desired = json!({"server": {"url": "u", "secret": "s"}});
        let observed = json!({"server": {"url": "u"}, "voice": {"provider": "x"}, "id": "1"});
        assert!(definition.compare(&kind, &desired, &observed, &[]).is_empty());
        let changes = definition.compare(&kind, &desired, &observed, &["voice".to_owned()]);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].field, "voice");
    }

    #[test]
    fn paths() {
        let mut value = json!({"a": 1});
        put(&mut value, "b.c", json!(2));
        assert_eq!(at(&value, "b.c"), Some(&json!(2)));
        assert_eq!(at(&value, ""), Some(&value));
    }
}
