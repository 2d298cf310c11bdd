//! The one small syntax for values in calls: `{id}`, `{spec.name}`, `{spec.branch?}`, `{spec.role|owner}`, `{{` for a brace.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path;

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Hole(Hole),
}

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    pub root: Root,
    /// What follows the root, dotted.
    pub path: String,
    /// `?`: what holds it is left out when there is no value.
    pub optional: bool,
    /// `|text`: stands in when there is no value.
    pub default: Option<String>,
}

/// What a placeholder reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The document without its inputs.
    Spec,
    /// The dotted paths of everything in the document, with commas between: what Google calls a field mask.
    Fields,
    /// The object as it is now.
    Live,
    /// One element of `wait.each`.
    Item,
    /// An output that was recorded.
    Out,
    /// A credential of the account.
    Cred,
    Id,
    /// The mark.
    Owner,
    /// The attempt to create the object: a UUID, new for every try.
    Attempt,
    /// What `marker.value` says.
    Marker,
    /// One of the kind's inputs.
    Input(String),
}

impl Text {
    /// Reads a text; the error says what is wrong with which placeholder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(at);
            literal.push_str(before);
            if behind.starts_with("{{") || behind.starts_with("}}") {
                literal.push_str(&behind[..1]);
                rest = &behind[2..];
                continue;
            }
            if let Some(after) = behind.strip_prefix('}') {
                literal.push('}');
                rest = after;
                continue;
            }
            let Some(end) = behind.find('}') else {
                return Err(format!("`{text}`: a `{{` is not closed (write `{{{{` for a brace)"));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Hole(Hole::parse(&behind[1..end], text)?));
            rest = &behind[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }

    /// The text with something written before it.
    pub fn after(&self, prefix: &str) -> Self {
        let prefix = std::iter::once(Piece::Literal(prefix.to_owned()));
        Self {
            pieces: prefix.chain(self.pieces.iter().cloned()).collect(),
        }
    }

    /// The placeholders in it.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Literal(_) => None,
        })
    }

    /// The text with its values; `None` when an optional one is missing. The error names the one that has no value.
    pub fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, Unfilled> {
        self.join(scope, str::to_owned)
    }

    /// The same for a part of a URL: values are percent-encoded, what the definition wrote is not.
    pub fn encoded(&self, scope: &Scope<'_>) -> Result<Option<String>, Unfilled> {
        self.join(scope, crate::platform::http::encode)
    }

    fn join(&self, scope: &Scope<'_>, form: impl Fn(&str) -> String) -> Result<Option<String>, Unfilled> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Hole(hole) => match scope.value(hole)? {
                    Some(Value::String(text)) => out.push_str(&form(&text)),
                    Some(other) => out.push_str(&form(&other.to_string())),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(out))
    }

    /// The value: a text that is nothing but a placeholder keeps the type of its value.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, Unfilled> {
        match self.pieces.as_slice() {
            [Piece::Hole(hole)] if scope.clears(hole) => Ok(Some(Value::Null)),
            [Piece::Hole(hole)] => scope.value(hole),
            _ => Ok(self.text(scope)?.map(Value::from)),
        }
    }

    /// The text with every placeholder replaced by `{}`: the shape of a path, for messages and for matching requests.
    pub fn shape(&self) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Hole(_) => "{}",
        });
        pieces.collect()
    }

    /// The parts of the text: what is written, and placeholders.
    pub fn parts(&self) -> impl Iterator<Item = Result<&str, &Hole>> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => Ok(text.as_str()),
            Piece::Hole(hole) => Err(hole),
        })
    }

    /// The credential a text is about, where it is nothing but `{cred.name}`; and whether it may be missing.
    pub fn credential(&self) -> Option<(&str, bool)> {
        match self.pieces.as_slice() {
            [Piece::Hole(hole)] if hole.root == Root::Cred => Some((&hole.path, hole.optional)),
            _ => None,
        }
    }
}

impl Hole {
    fn parse(inside: &str, text: &str) -> Result<Self, String> {
        let (name, default) = match inside.split_once('|') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (inside, None),
        };
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (root, below) = name.split_once('.').unwrap_or((name, ""));
        let wants_path = matches!(root, "live" | "item" | "out" | "cred");
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*'))
        };
        if !is_word(root) || (!below.is_empty() && !is_word(below)) || (wants_path && below.is_empty()) {
            return Err(format!("`{text}`: `{{{inside}}}` is not a placeholder"));
        }
        let root = match root {
            "spec" => Root::Spec,
            "fields" => Root::Fields,
            "live" => Root::Live,
            "item" => Root::Item,
            "out" => Root::Out,
            "cred" => Root::Cred,
            "id" => Root::Id,
            "owner" => Root::Owner,
            "attempt" => Root::Attempt,
            "marker" => Root::Marker,
            input => Root::Input(input.to_owned()),
        };
        Ok(Self {
            root,
            path: below.to_owned(),
            optional,
            default,
        })
    }

    /// As a person writes it.
    pub fn name(&self) -> String {
        let root = match &self.root {
            Root::Spec => "spec",
            Root::Fields => "fields",
            Root::Live => "live",
            Root::Item => "item",
            Root::Out => "out",
            Root::Cred => "cred",
            Root::Id => "id",
            Root::Owner => "owner",
            Root::Attempt => "attempt",
            Root::Marker => "marker",
            Root::Input(name) => name,
        };
        match self.path.as_str() {
            "" => root.to_owned(),
            path => format!("{root}.{path}"),
        }
    }
}

/// A placeholder that must have a value has none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{0}}}` has no value")]
pub struct Unfilled(pub String);

/// What placeholders stand for in one call.
#[derive(Debug, Clone, Default)]
pub struct Scope<'a> {
    pub spec: Option<&'a Value>,
    pub live: Option<&'a Value>,
    pub item: Option<&'a Value>,
    pub out: Option<&'a BTreeMap<String, Value>>,
    pub id: Option<&'a str>,
    pub owner: &'a str,
    pub attempt: &'a str,
    pub marker: Option<Value>,
    pub inputs: BTreeMap<String, Value>,
    /// The account's, by name.
    pub credentials: Option<&'a BTreeMap<String, crate::secret::Secret>>,
}

impl Scope<'_> {
    /// Whether the document says that an optional field is to be empty: then that is sent, not nothing.
    fn clears(&self, hole: &Hole) -> bool {
        let field = || path::at(self.spec?, &hole.path);
        hole.root == Root::Spec && hole.optional && hole.default.is_none() && field() == Some(&Value::Null)
    }

    fn value(&self, hole: &Hole) -> Result<Option<Value>, Unfilled> {
        let below = |value: Option<&Value>| path::at(value?, &hole.path).filter(|found| !found.is_null()).cloned();
        let found = match &hole.root {
            Root::Spec => below(self.spec),
            Root::Fields => self.spec.map(|spec| Value::from(path::leaves(spec).join(","))),
            Root::Live => below(self.live),
            Root::Item => below(self.item),
            Root::Out => self.out.and_then(|out| out.get(&hole.path)).cloned(),
            Root::Cred => self
                .credentials
                .and_then(|all| all.get(&hole.path))
                .map(|secret| Value::from(secret.expose())),
            Root::Id => self.id.map(Value::from),
            Root::Owner => Some(Value::from(self.owner)),
            Root::Attempt => Some(Value::from(self.attempt)),
            Root::Marker => self.marker.clone(),
            Root::Input(name) => self.inputs.get(name).cloned(),
        };
        match (found, &hole.default) {
            (Some(value), _) => Ok(Some(value)),
            (None, Some(default)) => Ok(Some(Value::from(&**default))),
            (None, None) if hole.optional => Ok(None),
            (None, None) => Err(Unfilled(hole.name())),
        }
    }
}

/// Every text in a JSON document with its placeholders filled; a key whose optional value is missing is left out.
pub fn fill(template: &Value, scope: &Scope<'_>) -> Result<Option<Value>, Unfilled> {
    Ok(Some(match template {
        Value::String(text) => match Text::parse(text) {
            Ok(text) => return text.value(scope),
            Err(_) => template.clone(),
        },
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                out.extend(fill(item, scope)?);
            }
            Value::Array(out)
        }
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                if let Some(value) = fill(value, scope)? {
                    out.insert(key.clone(), value);
                }
            }
            Value::Object(out)
        }
        other => other.clone(),
    }))
}

/// Every placeholder in a JSON document, and every text that is none.
pub fn holes(template: &Value) -> Result<Vec<Hole>, String> {
    let mut found = Vec::new();
    match template {
        Value::String(text) => found.extend(Text::parse(text)?.holes().cloned()),
        Value::Array(items) => {
            for item in items {
                found.extend(holes(item)?);
            }
        }
        Value::Object(map) => {
            for value in map.values() {
                found.extend(holes(value)?);
            }
        }
        _ => {}
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_keep_their_type_and_are_encoded_in_urls() {
        let spec = json!({"name": "a b/c", "n": 3, "list": [1]});
        let scope = Scope {
            spec: Some(&spec),
            id: Some("x y"),
            ..Scope::default()
        };
        let body = json!({"all": "{spec}", "n": "{spec.n}", "no": "{spec.no?}", "d": "{spec.no|1}", "t": "n={spec.n}"});
        assert_eq!(
            fill(&body, &scope).unwrap().unwrap(),
            json!({"all": spec, "n": 3, "d": "1", "t": "n=3"})
        );
        let cleared = json!({"ttl": null});
        let scope_of_cleared = Scope {
            spec: Some(&cleared),
            ..Scope::default()
        };
        assert_eq!(
            fill(&json!({"ttl": "{spec.ttl?}", "x": "{spec.x?}"}), &scope_of_cleared)
                .unwrap()
                .unwrap(),
            json!({"ttl": null})
        );
        let path = Text::parse("/things/{id}?name={spec.name}").unwrap();
        assert_eq!(path.encoded(&scope).unwrap().unwrap(), "/things/x%20y?name=a%20b%2Fc");
        assert_eq!(path.shape(), "/things/{}?name={}");
        assert_eq!(
            fill(&json!("{spec.missing}"), &scope).unwrap_err(),
            Unfilled("spec.missing".to_owned())
        );
    }

    #[test]
    fn braces_are_doubled() {
        let text = Text::parse("has {{key='upa' and value='{owner}'}}").unwrap();
        let scope = Scope {
            owner: "me",
            ..Scope::default()
        };
        assert_eq!(text.text(&scope).unwrap().unwrap(), "has {key='upa' and value='me'}");
    }

    #[test]
    fn what_is_no_placeholder_is_said() {
        for wrong in ["{", "{}", "{a b}", "{spec.}x{", "{live}"] {
            assert!(Text::parse(wrong).is_err(), "{wrong}");
        }
    }
}
