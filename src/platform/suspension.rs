//! What suspending a tenant means for a kind of object: n8n's workflows are unpublished, and a definition says of each of
//! its kinds whether it is stopped, written otherwise, removed, or goes on.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::problem::listed;

/// What suspending and resuming mean for a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspension {
    pub how: How,
    /// What follows for people outside, if that is not plain.
    pub note: Option<String>,
}

/// How an object of a suspended tenant stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It does not: nothing is done. With the reason, if one is stated.
    Keeps(Option<String>),
    /// It is stopped by a step of its own, and started again by another.
    Stops,
    /// These top-level fields have another value, or none, for as long as it is suspended.
    Writes {
        set: Map<String, Value>,
        clear: Vec<String>,
    },
    /// It is deleted, and created again.
    Removes,
}

impl Default for How {
    fn default() -> Self {
        How::Keeps(None)
    }
}

/// [`How`], as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    Keeps,
    Stops,
    Writes,
    Removes,
}

impl Suspension {
    pub fn stops() -> Self {
        Self {
            how: How::Stops,
            note: None,
        }
    }

    pub fn keeps(why: impl Into<String>) -> Self {
        Self {
            how: How::Keeps(Some(why.into())),
            note: None,
        }
    }

    pub fn effect(&self) -> Effect {
        match self.how {
            How::Keeps(_) => Effect::Keeps,
            How::Stops => Effect::Stops,
            How::Writes { .. } => Effect::Writes,
            How::Removes => Effect::Removes,
        }
    }

    /// A document as it is wanted while its tenant is suspended. A field without a value is `null`, so that one that
    /// somebody gives it on the platform is a difference.
    pub fn overlay(&self, document: Value) -> Value {
        let (How::Writes { set, clear }, Value::Object(mut map)) = (&self.how, document.clone()) else {
            return document;
        };
        map.extend(clear.iter().map(|field| (field.clone(), Value::Null)));
        map.extend(set.clone());
        Value::Object(map)
    }

    /// What happens when the tenant is suspended (`suspends`) or resumed, of an object that a person knows by name.
    pub fn words(&self, suspends: bool) -> String {
        let what = match (&self.how, suspends) {
            (How::Keeps(Some(why)), _) => format!("keeps running: {why}"),
            (How::Keeps(None), _) => "keeps running: its definition does not say how it is suspended".to_owned(),
            (How::Stops, true) => "is stopped".to_owned(),
            (How::Stops, false) => "is started again".to_owned(),
            (How::Writes { set, clear }, true) => {
                let sets = named("sets", set.keys());
                let clears = named("clears", clear.iter());
                let both: Vec<String> = sets.into_iter().chain(clears).collect();
                both.join(", ")
            }
            (How::Writes { .. }, false) => "is written as Git says again".to_owned(),
            (How::Removes, true) => "is deleted, and created again when the tenant is active".to_owned(),
            (How::Removes, false) => "is created again".to_owned(),
        };
        match self.note.as_ref().filter(|_| suspends) {
            Some(note) => format!("{what}; {note}"),
            None => what,
        }
    }
}

fn named<'a>(verb: &str, fields: impl ExactSizeIterator<Item = &'a String>) -> Option<String> {
    (fields.len() > 0).then(|| format!("{verb} {}", listed(fields.map(String::as_str))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn writes(set: Value, clear: &[&str]) -> Suspension {
        let Value::Object(set) = set else { panic!("a table") };
        Suspension {
            how: How::Writes {
                set,
                clear: clear.iter().map(|field| (*field).to_owned()).collect(),
            },
            note: Some("callers are hung up".to_owned()),
        }
    }

    #[test]
    fn only_fields_that_are_written_otherwise_change_the_document() {
        let document = json!({"a": {"x": 1}, "b": 2, "c": 3});
        let overlay = writes(json!({"a": {"y": 1}, "d": 4}), &["b", "e"]).overlay(document.clone());
        assert_eq!(overlay, json!({"a": {"y": 1}, "b": null, "c": 3, "d": 4, "e": null}));
        for other in [Suspension::default(), Suspension::stops()] {
            assert_eq!(other.overlay(document.clone()), document);
        }
    }

    #[test]
    fn the_words_name_every_field_and_what_follows() {
        let words = writes(json!({"a": 1}), &["b", "c"]).words(true);
        assert_eq!(words, "sets a, clears b, c; callers are hung up");
        assert!(Suspension::default().words(true).contains("does not say"));
        assert_eq!(
            Suspension::keeps("people read it").words(true),
            "keeps running: people read it"
        );
    }
}
