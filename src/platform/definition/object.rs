//! Objects between the platform's form and upa's: the mark put on and taken off, names the answers use, what is sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::kind::{KindDefinition, Marker};
use super::path;
use crate::digest::Digest;
use crate::lockfile::kept;

/// What the short form of a mark begins with.
const TAG: &str = " ~";

/// What an object carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    Nothing,
    /// A whole mark, and the attempt that wrote it where that is kept.
    Mark {
        mark: String,
        attempt: Option<String>,
    },
    /// The short form of a mark.
    Tag(String),
}

impl Carried {
    /// Whether it is this mark.
    pub fn is(&self, mark: &str) -> bool {
        match self {
            Carried::Nothing => false,
            Carried::Mark { mark: found, .. } => found == mark,
            Carried::Tag(tag) => *tag == short(mark),
        }
    }

    /// The whole mark, if it is one.
    pub fn mark(&self) -> Option<&str> {
        match self {
            Carried::Mark { mark, .. } => Some(mark),
            Carried::Nothing | Carried::Tag(_) => None,
        }
    }

    pub fn attempt(&self) -> Option<&str> {
        match self {
            Carried::Mark { attempt, .. } => attempt.as_deref(),
            Carried::Nothing | Carried::Tag(_) => None,
        }
    }
}

/// The short form of a mark: ten digits of its digest, for names that platforms keep short.
pub fn short(mark: &str) -> String {
    Digest::of_bytes(mark.as_bytes()).short().chars().take(10).collect()
}

/// What an object carries.
pub fn carried(kind: &KindDefinition, live: &Value) -> Carried {
    let text = |at: &str| path::at(live, at).and_then(Value::as_str);
    match &kind.marker {
        None => Carried::Nothing,
        Some(Marker::Field { field, attempt }) => whole(text(field), attempt.as_deref().and_then(text)),
        Some(Marker::Placed { at, .. } | Marker::Call { at, .. }) => placed(live, at),
        Some(Marker::Line { field }) => without_line(text(field).unwrap_or_default()).1,
        Some(Marker::Tag { field, .. }) => match text(field).and_then(without_tag) {
            Some((_, tag)) => Carried::Tag(tag.to_owned()),
            None => Carried::Nothing,
        },
    }
}

/// A name without the short form of a mark behind it, and that form.
fn without_tag(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(TAG).filter(|(_, tag)| is_tag(tag))
}

/// An object in upa's form: called as requests call it, without the mark that stands among people's words.
pub fn shown(kind: &KindDefinition, live: &Value) -> (Value, Carried) {
    let mut document = live.clone();
    for (name, answered) in &kind.alias {
        if let Some(value) = path::at(live, answered).cloned() {
            path::put(&mut document, name, value);
        }
    }
    let carried = carried(kind, live);
    let text = |at: &str| path::at(live, at).and_then(Value::as_str).unwrap_or_default();
    match &kind.marker {
        Some(Marker::Line { field }) if carried != Carried::Nothing => {
            path::put(&mut document, field, Value::from(without_line(text(field)).0));
        }
        Some(Marker::Tag { field, .. }) => {
            if let Some((name, _)) = without_tag(text(field)) {
                path::put(&mut document, field, Value::from(name));
            }
        }
        _ => {}
    }
    (document, carried)
}

fn whole(mark: Option<&str>, attempt: Option<&str>) -> Carried {
    match mark.filter(|mark| mark.starts_with("upa:")) {
        Some(mark) => Carried::Mark {
            mark: mark.to_owned(),
            attempt: attempt.map(str::to_owned),
        },
        None => Carried::Nothing,
    }
}

/// A mark among other values: a field, or one of a list of labels.
fn placed(live: &Value, at: &str) -> Carried {
    let texts = path::all(live, at).into_iter().flat_map(|value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect::<Vec<_>>(),
    });
    let mut texts = texts.filter(|text| text.starts_with("upa:"));
    whole(texts.next(), None)
}

fn is_tag(tag: &str) -> bool {
    tag.len() == 10 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A text without the line that is the mark.
fn without_line(text: &str) -> (&str, Carried) {
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    let mut words = last.split_whitespace();
    match whole(words.next(), words.next()) {
        Carried::Nothing => (text, Carried::Nothing),
        carried => (before.trim_end_matches('\n'), carried),
    }
}

/// A text with the mark as its last line.
fn with_line(text: &str, mark: &str, attempt: &str) -> String {
    let line = format!("{mark} {attempt}");
    if text.is_empty() {
        line
    } else {
        format!("{text}\n\n{line}")
    }
}

/// The name cannot carry the mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has {length} characters, and with upa's mark behind it the platform takes {most}")]
pub struct TooLong {
    pub field: String,
    pub length: usize,
    pub most: usize,
}

/// What is sent for a document: without its inputs, with the mark where it stands in the object. Text that carries the
/// mark and is not in the document stays as it is in `live`.
pub fn marked(
    kind: &KindDefinition,
    document: &Value,
    live: Option<&Value>,
    mark: &str,
    attempt: &str,
) -> Result<Value, TooLong> {
    let mut spec = spec(kind, document);
    let text = |spec: &Value, field: &str| {
        let own = path::at(spec, field).and_then(Value::as_str);
        own.or_else(|| path::at(live?, field)?.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    match &kind.marker {
        Some(Marker::Field { field, attempt: at }) => {
            path::put(&mut spec, field, Value::from(mark));
            if let Some(at) = at {
                path::put(&mut spec, at, Value::from(attempt));
            }
        }
        Some(Marker::Line { field }) => {
            let text = text(&spec, field);
            path::put(&mut spec, field, Value::from(with_line(&text, mark, attempt)));
        }
        Some(Marker::Tag { field, longest }) => {
            let name = text(&spec, field);
            let tag = format!("{TAG}{}", short(mark));
            let (length, room) = (name.chars().count(), longest.map(|most| most.saturating_sub(tag.len())));
            if let Some(most) = room.filter(|most| length > *most) {
                return Err(TooLong {
                    field: field.clone(),
                    length,
                    most,
                });
            }
            path::put(&mut spec, field, Value::from(format!("{name}{tag}")));
        }
        Some(Marker::Placed { .. } | Marker::Call { .. }) | None => {}
    }
    Ok(spec)
}

/// A document without the values that place the object.
pub fn spec(kind: &KindDefinition, document: &Value) -> Value {
    match document {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !kind.inputs.contains(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Takes out the fields that have no value while the object is suspended, where `null` is no word for it: what is created
/// or replaced whole does not have what is not sent.
pub fn without_cleared(kind: &KindDefinition, spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    for field in kind.suspend.cleared() {
        if map.get(field).is_some_and(Value::is_null) {
            map.remove(field);
        }
    }
}

/// Gives parts of keyed lists what the live parts have and an update must not lose.
pub fn carry(kind: &KindDefinition, spec: &mut Value, live: &Value) {
    for (name, keyed) in kind.lists.iter().filter(|(_, keyed)| !keyed.carry.is_empty()) {
        let known: BTreeMap<String, &Value> = path::at(live, name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|part| Some((key_of(part, &keyed.by)?, part)))
            .collect();
        let Some(parts) = spec.get_mut(name).and_then(Value::as_array_mut) else {
            continue;
        };
        for part in parts {
            let Some(live) = key_of(part, &keyed.by).and_then(|key| known.get(&key).copied()) else {
                continue;
            };
            for (from, to) in &keyed.carry {
                if let (Some(value), None) = (path::at(live, from), path::at(part, to)) {
                    path::put(part, to, value.clone());
                }
            }
        }
    }
}

/// What tells a part of a keyed list from the others.
pub fn key_of(part: &Value, by: &str) -> Option<String> {
    path::at(part, by).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The title people know it by.
pub fn title(kind: &KindDefinition, document: &Value) -> String {
    path::at(document, &kind.title)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Whether an answer says that the object is gone.
pub fn is_gone(kind: &KindDefinition, live: &Value) -> bool {
    kind.gone
        .as_ref()
        .is_some_and(|gone| path::at(live, &gone.at) == Some(&gone.is))
}

/// The values of a JSON text or object under named groups, or as it is without a pattern.
pub fn output(out: &super::kind::Out, value: &Value) -> Option<Value> {
    let Some(pattern) = &out.pattern else {
        return kept(value);
    };
    let text = value.as_str()?;
    let groups = pattern.captures(text)?;
    let named: Map<String, Value> = pattern
        .capture_names()
        .flatten()
        .filter_map(|name| Some((name.to_owned(), Value::from(groups.name(name)?.as_str()))))
        .collect();
    if named.is_empty() {
        return groups
            .get(1)
            .or_else(|| groups.get(0))
            .map(|found| Value::from(found.as_str()));
    }
    Some(Value::Object(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_off_as_it_was_put_on() {
        for text in ["", "Citas de Welcs", "dos\nlíneas"] {
            let marked = with_line(text, "upa:w/t/cal", "a1");
            let (rest, carried) = without_line(&marked);
            assert_eq!(rest, text);
            assert!(carried.is("upa:w/t/cal"));
            assert_eq!(carried.attempt(), Some("a1"));
        }
        assert_eq!(without_line("a\nb").1, Carried::Nothing);
    }
}
