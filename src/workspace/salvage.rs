//! What a file says besides what its schema refuses, so that one wrong key hides none of the other mistakes in it.
//!
//! A misspelt key, or choice, is taken for the one it was probably meant to be; what cannot be understood is left out. The
//! result is only looked at for further findings: it is never planned, and no command is given it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jsonschema::error::{ValidationError, ValidationErrorKind};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::{self, Schema};
use super::toml::{Toml, pointer};
use crate::problem::{Place, Problem, did_you_mean};

/// How often a file is looked at again after something was put right in it.
const MOST_ROUNDS: usize = 40;

/// A file, as far as it can be understood.
pub struct Salvaged<T> {
    pub file: T,
    pub toml: Toml,
    pub doubt: Doubt,
}

/// Where something was left out of a file: what is missing there may be what could not be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubt {
    file: String,
    /// The lines of each top-level key of which something was left out.
    lines: Vec<RangeInclusive<usize>>,
}

/// What a file was read as.
pub enum Reading<T> {
    Whole(T),
    /// Its violations, and what else it says, if that can be told.
    Wrong(Vec<Problem>, Option<Box<Salvaged<T>>>),
}

/// Reads a file, and as much as can be understood of one that does not conform to its schema. Where something of the
/// `pivotal` top-level keys had to be left out, nothing else can be said of the file.
pub fn read<T: JsonSchema + DeserializeOwned>(schema: &Schema, toml: &Toml, pivotal: &[&str]) -> Reading<T> {
    let problems = match schema::read::<T>(schema, toml) {
        Ok(file) => return Reading::Whole(file),
        Err(problems) => problems,
    };
    let salvaged = salvage(schema, toml).filter(|(_, doubtful)| !pivotal.iter().any(|key| doubtful.contains(*key)));
    let salvaged = salvaged.and_then(|(toml, doubtful)| {
        let file = schema::read::<T>(schema, &toml).ok()?;
        let doubt = Doubt {
            file: toml.file.clone(),
            lines: doubtful.iter().map(|key| toml.lines_of(&pointer([&**key]))).collect(),
        };
        Some(Box::new(Salvaged { file, toml, doubt }))
    });
    Reading::Wrong(problems, salvaged)
}

impl Doubt {
    /// The findings that do not follow from what was left out.
    pub fn certain(&self, mut found: Vec<Problem>) -> Vec<Problem> {
        // What is missing from a table that is not there is told of the whole file.
        let is_doubtful = |place: &Place| {
            let within = || self.lines.iter().any(|lines| lines.contains(&place.line));
            place.file == self.file && !self.lines.is_empty() && (place.line == 0 || within())
        };
        found.retain(|problem| !problem.place.as_ref().is_some_and(is_doubtful));
        found
    }
}

/// The file with everything put right or left out that its schema refuses, and the top-level keys of which something was
/// left out; `None` where that leaves nothing.
fn salvage(schema: &Schema, toml: &Toml) -> Option<(Toml, BTreeSet<String>)> {
    let mut toml = toml.clone();
    let mut doubtful = BTreeSet::new();
    for _ in 0..MOST_ROUNDS {
        let mends: Vec<Mend> = schema
            .violations(&toml.value)?
            .iter()
            .flat_map(|error| mends(schema, error, &toml.value))
            .collect();
        if mends.is_empty() {
            return Some((toml, doubtful));
        }
        // What is missing may have been misspelt.
        let (left_out, put_right): (Vec<Mend>, Vec<Mend>) = mends
            .into_iter()
            .partition(|mend| matches!(mend, Mend::LeaveOut { .. }));
        for mend in if put_right.is_empty() { left_out } else { put_right } {
            match mend {
                Mend::Rename { table, from, to } => toml.rename(&table, &from, &to),
                Mend::Replace { at, by } => toml.replace(&at, by),
                Mend::Ignore { at } => toml.remove(&at),
                Mend::LeaveOut { at } => {
                    let at = out_of_list(&at);
                    let top = at.split('/').nth(1).filter(|top| !top.is_empty())?;
                    doubtful.insert(top.replace("~1", "/").replace("~0", "~"));
                    toml.remove(at);
                }
            }
        }
    }
    None
}

/// What is done about a violation. Places are JSON pointers.
enum Mend {
    /// A misspelt key.
    Rename { table: String, from: String, to: String },
    /// A misspelt choice.
    Replace { at: String, by: Value },
    /// A key that means nothing.
    Ignore { at: String },
    /// What cannot be understood.
    LeaveOut { at: String },
}

fn mends(schema: &Schema, error: &ValidationError<'_>, whole: &Value) -> Vec<Mend> {
    let at = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = schema.known_keys(error.schema_path().as_str());
            let taken = |key: &str| whole.pointer(&format!("{at}{}", pointer([key]))).is_some();
            let free = || known.iter().map(String::as_str).filter(|key| !taken(key));
            unexpected
                .iter()
                .map(|key| match did_you_mean(key, free()) {
                    Some(word) => Mend::Rename {
                        table: at.clone(),
                        from: key.clone(),
                        to: word.to_owned(),
                    },
                    None => Mend::Ignore {
                        at: format!("{at}{}", pointer([key.as_str()])),
                    },
                })
                .collect()
        }
        _ => {
            let guess = error.instance().as_str().and_then(|typed| {
                let choices = schema.choices(error);
                did_you_mean(typed, choices.iter().filter_map(Value::as_str)).map(Value::from)
            });
            vec![match guess {
                Some(by) => Mend::Replace { at, by },
                None => Mend::LeaveOut { at },
            }]
        }
    }
}

/// The list that an element belongs to: without it the others would have other places.
fn out_of_list(at: &str) -> &str {
    let is_index = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut from: usize = 0;
    for part in at.split('/') {
        if is_index(part) {
            return at.get(..from.saturating_sub(1)).unwrap_or(at);
        }
        from += part.len() + 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::workspace::TenantFile;
    use crate::workspace::load::TENANT;

    fn of(text: &str) -> (usize, Option<Box<Salvaged<TenantFile>>>) {
        let toml = Toml::parse("tenants/a.toml", &Arc::from(text)).unwrap();
        match read::<TenantFile>(&TENANT, &toml, &["product"]) {
            Reading::Whole(_) => (0, None),
            Reading::Wrong(problems, salvaged) => (problems.len(), salvaged),
        }
    }

    #[test]
    fn misspelt_keys_and_choices_are_taken_for_what_they_were_meant_to_be() {
        let (wrong, salvaged) =
            of("prodct = \"p\"\nversion = \"v\"\ntier = \"klient\"\noperator = \"o\"\ncolour = 1\n[inpts]\na = 1\n");
        let salvaged = salvaged.unwrap();
        assert_eq!(wrong, 4);
        assert_eq!(salvaged.file.product, "p");
        assert_eq!(salvaged.file.tier, crate::workspace::Tier::Client);
        assert_eq!(salvaged.toml.key("/inputs/a").line, 7);
        assert_eq!(salvaged.toml.key("/product").line, 1);
        assert_eq!(salvaged.doubt.lines, []);
    }

    #[test]
    fn what_is_left_out_makes_what_is_said_of_it_doubtful() {
        let (_, salvaged) = of(
            "product = \"p\"\nversion = \"v\"\ntier = \"client\"\noperator = \"o\"\n[credentials]\na = 1\nb = \"x\"\n",
        );
        let salvaged = salvaged.unwrap();
        let at = |pointer: &str| Problem::configuration("x").at(salvaged.toml.key(pointer));
        let certain = salvaged.doubt.certain(vec![at("/credentials/b"), at("/version")]);
        let places: Vec<_> = certain.into_iter().map(|problem| problem.place).collect();
        assert_eq!(places, [at("/version").place]);
    }

    #[test]
    fn nothing_is_said_without_what_everything_else_follows_from() {
        assert!(
            of("product = 1\nversion = \"v\"\ntier = \"client\"\noperator = \"o\"\n")
                .1
                .is_none()
        );
        assert!(of("version = \"v\"\n").1.is_none());
    }
}
