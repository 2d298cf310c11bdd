//! TOML as JSON values, with the place of every key kept, so that a finding can point at its line.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::number;
use crate::problem::{Place, Problem};
use crate::symbol;

/// How many syntax errors of one file are worth reading.
const MOST_ERRORS: usize = 20;

/// Tables inside tables inside tables: deeper than anything a person writes.
const DEEPEST: usize = 32;
const NEST_LESS: &str = "nest tables and arrays less deep";

/// A parsed TOML file.
#[derive(Debug, Clone)]
pub struct Toml {
    pub file: String,
    pub text: Arc<str>,
    pub value: Value,
    /// JSON pointer → the bytes of the key and of its value.
    spans: BTreeMap<String, (Range<usize>, Range<usize>)>,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Toml {
    /// Parses a file; syntax errors are all reported, each at its place.
    pub fn parse(file: &str, text: &Arc<str>) -> Result<Self, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if let Some(span) = conflict(text).filter(|_| !errors.is_empty()) {
            return Err(vec![
                Problem::configuration("there are merge conflict markers in this file")
                    .at(Place::new(file, text, span))
                    .hint("finish the merge and commit it, then run again"),
            ]);
        }
        let told = errors.iter().take(MOST_ERRORS);
        let mut problems: Vec<Problem> = told.map(|error| syntax(file, text, error)).collect();
        if errors.len() > MOST_ERRORS {
            let more = format!("{} more syntax errors are in this file", errors.len() - MOST_ERRORS);
            problems.push(
                Problem::configuration(more)
                    .at(Place::file(file))
                    .hint("is this a TOML file at all?"),
            );
        }
        let mut walk = Walk {
            spans: BTreeMap::new(),
            too_deep: None,
            too_large: None,
            reserved: Vec::new(),
        };
        let value = if problems.is_empty() {
            walk.table(table.get_ref(), "", 0)
        } else {
            Value::Null
        };
        if let Some(span) = walk.too_deep {
            problems.push(
                Problem::configuration(format!("tables are nested more than {DEEPEST} deep"))
                    .at(Place::new(file, text, span))
                    .hint(NEST_LESS),
            );
        }
        if let Some(span) = walk.too_large {
            problems.push(
                Problem::configuration("this number is none that upa can keep")
                    .at(Place::new(file, text, span))
                    .hint("integers have 64 bits, other numbers 17 digits; write anything else as text, in quotes"),
            );
        }
        problems.extend(walk.reserved.into_iter().take(MOST_ERRORS).map(|span| {
            Problem::configuration(format!("this text contains {}", symbol::RESERVED))
                .at(Place::new(file, text, span))
                .hint(symbol::REMOVE)
        }));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            file: file.to_owned(),
            text: text.clone(),
            value,
            spans: walk.spans,
            lines: std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
        })
    }

    /// The place of the key at a JSON pointer, or of the nearest table above it.
    pub fn key(&self, pointer: &str) -> Place {
        self.place(pointer, |(key, _)| key.clone())
    }

    /// The place of the value at a JSON pointer, or of the nearest table above it.
    pub fn value_place(&self, pointer: &str) -> Place {
        self.place(pointer, |(_, value)| value.clone())
    }

    /// What it says as a value of a type; else why not, and where.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, (String, Place)> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let keys = error.path().iter().filter_map(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Enum { .. } | Segment::Unknown => None,
            });
            let keys: Vec<String> = keys.collect();
            let place = self.value_place(&pointer(keys.iter().map(String::as_str)));
            (format!("`{}`: {}", keys.join("."), error.inner()), place)
        })
    }

    /// The lines on which a key and everything below it stand.
    pub(super) fn lines_of(&self, pointer: &str) -> RangeInclusive<usize> {
        let below = format!("{pointer}/");
        let spans = self
            .spans
            .iter()
            .filter(|(at, _)| *at == pointer || at.starts_with(&below));
        let line = |at: usize| self.lines.partition_point(|begin| *begin <= at);
        let first = spans
            .clone()
            .map(|(_, (key, value))| line(key.start.min(value.start)))
            .min();
        let last = spans.map(|(_, (key, value))| line(key.end.max(value.end))).max();
        first.unwrap_or(1)..=last.unwrap_or(0)
    }

    /// Gives a key of a table another name; it keeps its place in the file.
    pub(super) fn rename(&mut self, table: &str, from: &str, to: &str) {
        let Some(map) = self.value.pointer_mut(table).and_then(Value::as_object_mut) else {
            return;
        };
        if map.contains_key(to) {
            return;
        }
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
        let (from, to) = (
            format!("{table}{}", self::pointer([from])),
            format!("{table}{}", self::pointer([to])),
        );
        let moved = self.spans.iter().filter_map(|(at, spans)| {
            let rest = at
                .strip_prefix(&from)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            Some((format!("{to}{rest}"), spans.clone()))
        });
        let moved: Vec<_> = moved.collect();
        self.spans.extend(moved);
    }

    /// Puts another value in the place of one.
    pub(super) fn replace(&mut self, pointer: &str, by: Value) {
        if let Some(value) = self.value.pointer_mut(pointer) {
            *value = by;
        }
    }

    /// Takes a key out of its table.
    pub(super) fn remove(&mut self, pointer: &str) {
        let Some((table, key)) = pointer.rsplit_once('/') else {
            return;
        };
        let key = key.replace("~1", "/").replace("~0", "~");
        if let Some(map) = self.value.pointer_mut(table).and_then(Value::as_object_mut) {
            map.remove(&key);
        }
    }

    fn place(&self, pointer: &str, pick: impl Fn(&(Range<usize>, Range<usize>)) -> Range<usize>) -> Place {
        let mut at = pointer;
        loop {
            if let Some(spans) = self.spans.get(at) {
                let span = pick(spans);
                let line = self.lines.partition_point(|begin| *begin <= span.start);
                return Place::on_line(&*self.file, &self.text, span, line);
            }
            match at.rfind('/') {
                Some(cut) => at = &at[..cut],
                None => return Place::file(&*self.file),
            }
        }
    }
}

/// A JSON pointer made of its segments.
pub fn pointer<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    segments
        .into_iter()
        .map(|segment| format!("/{}", escape(segment)))
        .collect()
}

fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn syntax(file: &str, text: &Arc<str>, error: &toml::de::Error) -> Problem {
    let message = error.message().trim().trim_end_matches('.').replace('\n', "; ");
    let problem = Problem::configuration(format!("not valid TOML: {message}")).at(Place::new(
        file,
        text,
        error.span().unwrap_or(0..0),
    ));
    problem.hint(if message.contains("recurs") {
        NEST_LESS
    } else {
        "TOML is `key = value`, one to a line, with text in quotes"
    })
}

/// The first conflict marker Git left. Only a file with errors is searched, because a text may contain such a line.
fn conflict(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
            return Some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}

struct Walk {
    spans: BTreeMap<String, (Range<usize>, Range<usize>)>,
    too_deep: Option<Range<usize>>,
    /// A number that JSON, or 64 bits, cannot hold. Taken for nothing, it would be lost in silence.
    too_large: Option<Range<usize>>,
    /// Keys and texts with characters that only upa may write, however they are spelled.
    reserved: Vec<Range<usize>>,
}

impl Walk {
    fn table(&mut self, table: &DeTable<'_>, at: &str, depth: usize) -> Value {
        let mut map = Map::new();
        for (key, value) in table {
            let pointer = format!("{at}/{}", escape(key.get_ref()));
            self.spans.insert(pointer.clone(), (key.span(), value.span()));
            self.check(key.get_ref(), key.span());
            if depth >= DEEPEST {
                self.too_deep.get_or_insert(key.span());
                continue;
            }
            map.insert(key.get_ref().to_string(), self.value(value, &pointer, depth + 1));
        }
        Value::Object(map)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, at: &str, depth: usize) -> Value {
        match value.get_ref() {
            DeValue::String(text) => {
                self.check(text, value.span());
                Value::from(&**text)
            }
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                self.number(value, number.ok().map(Value::from))
            }
            DeValue::Float(number) => {
                let written = number.as_str();
                let number = written.parse::<f64>().ok().filter(|number| number.is_finite());
                self.number(
                    value,
                    number
                        .filter(|number| number::is_kept_as(written, *number))
                        .map(Value::from),
                )
            }
            DeValue::Boolean(flag) => Value::from(*flag),
            // Dates are compared as text everywhere, so they are text.
            DeValue::Datetime(date) => Value::from(date.to_string()),
            DeValue::Array(items) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let pointer = format!("{at}/{index}");
                    self.spans.insert(pointer.clone(), (item.span(), item.span()));
                    if depth >= DEEPEST {
                        self.too_deep.get_or_insert(item.span());
                        continue;
                    }
                    values.push(self.value(item, &pointer, depth + 1));
                }
                Value::Array(values)
            }
            DeValue::Table(table) => self.table(table, at, depth),
        }
    }

    fn check(&mut self, text: &str, span: Range<usize>) {
        if symbol::is_reserved(text) {
            self.reserved.push(span);
        }
    }

    fn number(&mut self, written: &Spanned<DeValue<'_>>, number: Option<Value>) -> Value {
        number.unwrap_or_else(|| {
            self.too_large.get_or_insert(written.span());
            Value::Null
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_and_places() {
        let text: Arc<str> = Arc::from("a = 1\n[b.\"x/y\"]\nc = [true, 2026-12-01]\n");
        let toml = Toml::parse("t.toml", &text).unwrap();
        assert_eq!(toml.value, json!({"a": 1, "b": {"x/y": {"c": [true, "2026-12-01"]}}}));
        assert_eq!(toml.key("/b/x~1y/c").line, 3);
        assert_eq!(toml.key(&pointer(["b", "x/y", "missing"])).line, 2);
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let text: Arc<str> = Arc::from("a = \nb = 1\nc = = 2\n");
        let problems = Toml::parse("t.toml", &text).unwrap_err();
        let lines: Vec<usize> = problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
        assert!(lines.contains(&1) && lines.contains(&3), "{problems:?}");
    }

    #[test]
    fn reserved_characters_are_refused_however_they_are_spelled() {
        let text = "a = \"\\uFDD0x\"\nb = [1, \"\\U0000FDD1\"]\n\"c\\ufdd0\" = 1\nd = '\\uFDD0'\n[e.\"\\uFDD1\"]\n";
        let problems = Toml::parse("t.toml", &Arc::from(text)).unwrap_err();
        let lines: Vec<usize> = problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
        assert_eq!(lines, [1, 2, 3, 5], "{problems:?}");
    }

    #[test]
    fn conflict_markers_are_called_that() {
        let text: Arc<str> = Arc::from("<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> x\n");
        let problems = Toml::parse("t.toml", &text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].message.to_string().contains("merge conflict"),
            "{problems:?}"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let text: Arc<str> = Arc::from(format!("a{} = 1", ".b".repeat(60)));
        assert!(Toml::parse("t.toml", &text).is_err());
        let text: Arc<str> = Arc::from(format!("a = {}{}", "[".repeat(5000), "]".repeat(5000)));
        assert!(Toml::parse("t.toml", &text).is_err());
    }
}
