//! What a request says: a declared call taken apart again, placeholder by placeholder.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::shape::{bare, place};
use crate::platform::compare::same;
use crate::platform::definition::path;
use crate::platform::definition::placeholder::{Hole, Root, Text};
use crate::sandbox::http::decode;

/// The values a request has where its call has placeholders.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) id: Option<String>,
    pub(super) inputs: BTreeMap<String, Value>,
    /// The fields of the document, called as requests call them.
    pub(super) spec: Map<String, Value>,
    pub(super) owner: Option<String>,
    /// What stands for a mark that is placed by hand.
    pub(super) marker: Option<Value>,
    /// By dotted path: what the call takes from the object, an element of a list, or an output.
    pub(super) live: BTreeMap<String, Value>,
    pub(super) item: BTreeMap<String, Value>,
    pub(super) out: BTreeMap<String, Value>,
    /// Every text of the query with its one placeholder and the value: what a list is asked for.
    pub(super) asked: Vec<(Hole, Value)>,
    /// What stands in the body beside fields of the document, with its place.
    leaves: Vec<(String, Value)>,
    /// Where in the body the object is.
    root: Option<String>,
    /// How much of the request was written in the definition literally: the more, the more exactly it is this call.
    pub(super) literal: usize,
}

impl Said {
    /// What a request says that says only where.
    pub(super) fn placed(inputs: &BTreeMap<String, Value>) -> Self {
        Self {
            inputs: inputs.clone(),
            ..Self::default()
        }
    }

    /// What the body says about the object besides the document: words of the definition, the mark. `usual` is where the
    /// object is in the body of `create`, for bodies that hold nothing of the document.
    pub(super) fn beside(&self, usual: &str) -> Map<String, Value> {
        let root = self.root.as_deref().unwrap_or(usual);
        let mut object = Value::Object(Map::new());
        for (at, value) in &self.leaves {
            let below = match root {
                "" => Some(at.as_str()),
                root => at.strip_prefix(root).and_then(|rest| rest.strip_prefix('.')),
            };
            if let Some(below) = below.filter(|below| !below.is_empty()) {
                place(&mut object, below, value.clone());
            }
        }
        match object {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// Takes a path apart; `None` if it is another one.
    pub(super) fn path(&mut self, call: &Text, sent: &str) -> Option<()> {
        let wanted = segments(call);
        let sent: Vec<&str> = sent.split('/').collect();
        if wanted.len() != sent.len() {
            return None;
        }
        for (parts, segment) in wanted.iter().zip(sent) {
            let found = fit(parts, &decode(segment, false))?;
            if found.is_empty() {
                self.literal += 100;
            }
            for (hole, value) in found {
                if value.is_empty() {
                    return None;
                }
                self.bind(&hole, Value::from(value)).ok()?;
            }
        }
        Some(())
    }

    /// Takes the value of a query parameter apart.
    pub(super) fn parameter(&mut self, name: &str, call: &Text, sent: &str) -> Result<(), String> {
        let parts = parts(call, true);
        let found = fit(&parts, sent).ok_or_else(|| format!("query parameter `{name}` is not `{}`", call.shape()))?;
        self.literal += 10;
        for (hole, value) in found {
            self.bind(&hole, Value::from(&*value))?;
            self.asked.push((hole, Value::from(value)));
        }
        Ok(())
    }

    /// Takes a body apart. `at` is where it is in the whole body.
    pub(super) fn body(&mut self, template: &Value, sent: &Value, at: &str) -> Result<(), String> {
        let place = |key: &str| match at {
            "" => key.to_owned(),
            at => format!("{at}.{key}"),
        };
        match template {
            Value::String(text) => match Text::parse(text) {
                Ok(text) => self.text(&text, sent, at),
                Err(_) => self.word(template, sent, at),
            },
            Value::Object(template) => {
                let Some(sent) = sent.as_object() else {
                    return Err(format!("`{at}` must be an object"));
                };
                for (key, template) in template {
                    match sent.get(key) {
                        Some(sent) => self.body(template, sent, &place(key))?,
                        None if may_be_missing(template) => {}
                        None => return Err(format!("`{}` is missing", place(key))),
                    }
                }
                match sent.keys().find(|key| !template.contains_key(*key)) {
                    Some(key) => Err(format!("property {} should not exist", place(key))),
                    None => Ok(()),
                }
            }
            Value::Array(template) => {
                let wrong = || format!("`{at}` is not the list it should be");
                let Some(mut sent) = sent.as_array().map(Vec::as_slice) else {
                    return Err(wrong());
                };
                for (index, element) in template.iter().enumerate() {
                    let left = template.len() - index;
                    match sent.split_first() {
                        Some((first, rest)) if sent.len() == left || !may_be_missing(element) => {
                            self.body(element, first, &place(&index.to_string()))?;
                            sent = rest;
                        }
                        _ if may_be_missing(element) => {}
                        _ => return Err(wrong()),
                    }
                }
                if sent.is_empty() { Ok(()) } else { Err(wrong()) }
            }
            literal => self.word(literal, sent, at),
        }
    }

    fn word(&mut self, literal: &Value, sent: &Value, at: &str) -> Result<(), String> {
        if !same(literal, sent) && bare(literal) != bare(sent) {
            return Err(format!("`{at}` must be {literal}"));
        }
        self.literal += 1;
        self.leaves.push((at.to_owned(), literal.clone()));
        Ok(())
    }

    fn text(&mut self, text: &Text, sent: &Value, at: &str) -> Result<(), String> {
        let parts = parts(text, false);
        if let [Part::Hole(hole)] = parts.as_slice() {
            if hole.root == Root::Spec {
                let root = match hole.path.as_str() {
                    "" => Some(at),
                    path if path == at => Some(""),
                    path => at.strip_suffix(path).and_then(|root| root.strip_suffix('.')),
                };
                self.root = self.root.take().or_else(|| root.map(str::to_owned));
            } else {
                self.leaves.push((at.to_owned(), sent.clone()));
            }
            return self.bind(hole, sent.clone());
        }
        if text.holes().next().is_none() {
            let literal: String = parts.iter().map(Part::written).collect();
            return self.word(&Value::from(literal), sent, at);
        }
        let found = fit(&parts, &bare(sent)).ok_or_else(|| format!("`{at}` is not `{}`", text.shape()))?;
        self.leaves.push((at.to_owned(), sent.clone()));
        for (hole, value) in found {
            self.bind(&hole, Value::from(value))?;
        }
        Ok(())
    }

    fn bind(&mut self, hole: &Hole, value: Value) -> Result<(), String> {
        let contradicts = || format!("`{}` is said twice, and differently", hole.name());
        let known = match &hole.root {
            Root::Id => self.id.replace(bare(&value)).map(Value::from),
            Root::Owner => self.owner.replace(bare(&value)).map(Value::from),
            Root::Input(name) => self.inputs.insert(name.clone(), Value::from(bare(&value))),
            Root::Live => self.live.insert(hole.path.clone(), value.clone()),
            Root::Item => self.item.insert(hole.path.clone(), value.clone()),
            Root::Out => self.out.insert(hole.path.clone(), value.clone()),
            Root::Spec if hole.path.is_empty() => {
                let Value::Object(map) = value else {
                    return Err("the body must be a JSON object".to_owned());
                };
                self.spec.extend(map);
                return Ok(());
            }
            Root::Spec => {
                let mut spec = Value::Object(std::mem::take(&mut self.spec));
                let known = path::at(&spec, &hole.path).cloned();
                path::put(&mut spec, &hole.path, value.clone());
                if let Value::Object(map) = spec {
                    self.spec = map;
                }
                known
            }
            Root::Marker => self.marker.replace(value.clone()),
            // The attempt and what is made of the document say nothing of their own.
            _ => None,
        };
        match known {
            Some(known) if bare(&known) != bare(&value) => Err(contradicts()),
            _ => Ok(()),
        }
    }
}

/// Where in a body the object is: where the document stands, or where its fields have their own names.
pub(super) fn root(template: &Value) -> String {
    fn below(template: &Value, at: &str) -> Option<String> {
        match template {
            Value::String(text) => {
                let text = Text::parse(text).ok()?;
                let hole = text.holes().find(|hole| hole.root == Root::Spec)?;
                match hole.path.as_str() {
                    "" => Some(at.to_owned()),
                    path if path == at => Some(String::new()),
                    path => Some(at.strip_suffix(path)?.strip_suffix('.')?.to_owned()),
                }
            }
            Value::Object(map) => map.iter().find_map(|(key, value)| match at {
                "" => below(value, key),
                at => below(value, &format!("{at}.{key}")),
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, value)| below(value, &format!("{at}.{index}"))),
            _ => None,
        }
    }
    below(template, "").unwrap_or_default()
}

/// Whether a body sends the whole document in one piece.
pub(super) fn is_whole(template: &Value) -> bool {
    match template {
        Value::String(text) => text == "{spec}",
        Value::Object(map) => map.values().any(is_whole),
        Value::Array(items) => items.iter().any(is_whole),
        _ => false,
    }
}

/// The top-level fields of the document a body names one by one.
pub(super) fn named(template: &Value) -> Vec<String> {
    let holes = crate::platform::definition::placeholder::holes(template).unwrap_or_default();
    let fields = holes
        .into_iter()
        .filter(|hole| hole.root == Root::Spec && !hole.path.is_empty());
    fields
        .map(|hole| hole.path.split('.').next().unwrap_or_default().to_owned())
        .collect()
}

fn may_be_missing(template: &Value) -> bool {
    let Value::String(text) = template else { return false };
    Text::parse(text).is_ok_and(|text| text.holes().any(|hole| hole.optional && hole.default.is_none()))
}

/// A piece of a text, as it is once it was decoded.
#[derive(Debug, Clone)]
enum Part {
    Written(String),
    Hole(Hole),
}

impl Part {
    fn written(&self) -> &str {
        match self {
            Part::Written(text) => text,
            Part::Hole(_) => "",
        }
    }
}

fn parts(text: &Text, encoded: bool) -> Vec<Part> {
    let parts = text.parts().map(|part| match part {
        Ok(text) if encoded => Part::Written(decode(text, true)),
        Ok(text) => Part::Written(text.to_owned()),
        Err(hole) => Part::Hole(hole.clone()),
    });
    parts.collect()
}

/// The segments of a path.
fn segments(path: &Text) -> Vec<Vec<Part>> {
    let mut segments = vec![Vec::new()];
    for part in path.parts() {
        match part {
            Ok(text) => {
                for (index, piece) in text.split('/').enumerate() {
                    if index > 0 {
                        segments.push(Vec::new());
                    }
                    if let (Some(segment), false) = (segments.last_mut(), piece.is_empty()) {
                        segment.push(Part::Written(decode(piece, false)));
                    }
                }
            }
            Err(hole) => segments
                .last_mut()
                .into_iter()
                .for_each(|segment| segment.push(Part::Hole(hole.clone()))),
        }
    }
    segments
}

/// The values of the placeholders, if the text can be made from these parts.
fn fit(parts: &[Part], text: &str) -> Option<Vec<(Hole, String)>> {
    match parts {
        [] => text.is_empty().then(Vec::new),
        [Part::Written(literal), rest @ ..] => fit(rest, text.strip_prefix(literal.as_str())?),
        [Part::Hole(hole)] => Some(vec![(hole.clone(), text.to_owned())]),
        [Part::Hole(hole), rest @ ..] => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            let mut found = ends.filter_map(|end| Some((end, fit(rest, &text[end..])?)));
            let (end, mut others) = found.next()?;
            others.insert(0, (hole.clone(), text[..end].to_owned()));
            Some(others)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(template: Value, sent: Value) -> Result<Said, String> {
        let mut said = Said::default();
        said.body(&template, &sent, "").map(|()| said)
    }

    #[test]
    fn a_body_is_taken_apart() {
        let template = json!({"branch": "{spec}", "annotation": "{marker}", "n": [1], "zone": "{zone}"});
        let sent = json!({"branch": {"name": "x"}, "annotation": {"upa": "me"}, "n": [1], "zone": "z"});
        let found = said(template, sent).unwrap();
        assert_eq!(Value::Object(found.spec.clone()), json!({"name": "x"}));
        assert_eq!(found.inputs["zone"], "z");
        assert_eq!(found.root.as_deref(), Some("branch"));
        assert!(found.beside("").is_empty());
    }

    #[test]
    fn words_beside_the_document_belong_to_the_object() {
        let template = json!({"file": {"name": "{spec.name}", "ttl": "{spec.ttl?}", "type": "sheet", "props": {"upa": "{owner}"}}});
        let found = said(
            template.clone(),
            json!({"file": {"name": "x", "type": "sheet", "props": {"upa": "me"}}}),
        )
        .unwrap();
        assert_eq!(Value::Object(found.spec.clone()), json!({"name": "x"}));
        assert_eq!(found.owner.as_deref(), Some("me"));
        assert_eq!(
            Value::Object(found.beside("")),
            json!({"type": "sheet", "props": {"upa": "me"}})
        );
        assert_eq!(root(&template), "file");
        for wrong in [
            json!({"file": {"name": "x", "type": "doc", "props": {"upa": "me"}}}),
            json!({"file": {"type": "sheet", "props": {"upa": "me"}}}),
            json!({"file": {"name": "x", "type": "sheet", "props": {"upa": "me"}, "more": 1}}),
        ] {
            assert!(said(template.clone(), wrong).is_err());
        }
    }

    #[test]
    fn paths_and_queries_are_taken_apart() {
        let mut said = Said::default();
        let path = Text::parse("/a/{zone}/{id}:stop").unwrap();
        assert!(said.path(&path, "/a/z%2F1/x").is_none());
        said.path(&path, "/a/z%2F1/7:stop").unwrap();
        assert_eq!(
            (said.inputs["zone"].as_str(), said.id.as_deref()),
            (Some("z/1"), Some("7"))
        );
        let query = Text::parse("has {{key='upa' and value='{owner}'}}").unwrap();
        said.parameter("q", &query, "has {key='upa' and value='me'}").unwrap();
        assert_eq!(said.owner.as_deref(), Some("me"));
        assert!(said.parameter("q", &query, "has nothing").is_err());
    }
}
