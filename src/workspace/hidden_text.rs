//! Characters that hide in the files of a pull request, or turn the reading around: a reviewer does not see them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::toml::{Toml, pointer};
use super::{Entry, Files, Workspace};
use crate::problem::{Place, Problem};
use crate::template::Source;
use crate::visible::{hides, suspicious};

/// How many of one file are worth telling.
const MOST: usize = 5;

/// A warning for every line with such a character, in the files of tenants, versions and templates, also where it is
/// written as an escape.
pub(super) fn check(workspace: &Workspace, files: &Files) -> Vec<Problem> {
    let folders = ["tenants/", "versions/", "templates/"].into_iter();
    let written = folders
        .flat_map(|folder| files.under(folder))
        .filter_map(|path| match files.entries.get(path)? {
            Entry::Text(text) => Some(as_written(path, text)),
            _ => None,
        });
    let tenants = workspace.tenants.values().map(|tenant| &tenant.toml);
    let versions = workspace.versions.values();
    let sources = versions.clone().flat_map(|version| version.sources.values());
    let mut problems: Vec<Problem> = written.flatten().collect();
    problems.extend(
        tenants
            .chain(versions.map(|version| &version.toml))
            .flat_map(escaped_in_toml),
    );
    problems.extend(sources.flat_map(escaped_in_json));
    problems
}

fn warning(c: char, place: Place) -> Problem {
    let name = format!("U+{:04X}", u32::from(c));
    Problem::warning(format!(
        "{name} is in this text, which is not seen or changes how the text is read"
    ))
    .at(place)
    .hint("remove it, unless it belongs there")
}

fn as_written(path: &str, text: &Arc<str>) -> Vec<Problem> {
    let mut lines = BTreeSet::new();
    let found = suspicious(text).into_iter().filter_map(|(at, c)| {
        let place = Place::new(path, text, at..at + c.len_utf8());
        lines.insert(place.line).then(|| warning(c, place))
    });
    found.take(MOST).collect()
}

/// Whether a text was written with escapes at all, so that what is parsed holds more than is written.
fn has_escapes(text: &str) -> bool {
    text.contains("\\u") || text.contains("\\U")
}

fn escaped_in_toml(toml: &Toml) -> Vec<Problem> {
    let mut found = Vec::new();
    if has_escapes(&toml.text) {
        visit(&toml.value, &mut Vec::new(), &mut |path, text| {
            if let Some(c) = escaped(&toml.text, text) {
                found.push(warning(c, toml.value_place(&pointer(path.iter().map(String::as_str)))));
            }
        });
    }
    found.truncate(MOST);
    found
}

fn escaped_in_json(source: &Source) -> Vec<Problem> {
    let mut found = Vec::new();
    if has_escapes(&source.text) {
        visit(&source.value, &mut Vec::new(), &mut |_, text| {
            if let Some(c) = escaped(&source.text, text) {
                found.push(warning(c, escape_of(source, c)));
            }
        });
    }
    found.truncate(MOST);
    found
}

/// What hides in a text that was parsed, and does not stand in the file as it is.
fn escaped(file: &str, text: &str) -> Option<char> {
    let mut found = suspicious(text).into_iter().map(|(_, c)| c);
    found.find(|c| !file.contains(*c))
}

/// Where a template spells a character as an escape.
fn escape_of(source: &Source, c: char) -> Place {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units).iter();
    let escape: String = units.map(|unit| format!("\\u{unit:04x}")).collect();
    match source.text.to_ascii_lowercase().find(&escape) {
        Some(at) => Place::new(&*source.file, &source.text, at..at + escape.len()),
        None => Place::file(&*source.file),
    }
}

/// Every key and text with what may hide, and where it stands.
fn visit(value: &Value, path: &mut Vec<String>, see: &mut impl FnMut(&[String], &str)) {
    match value {
        Value::String(text) if text.contains(hides) => see(path, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                visit(item, path, see);
                path.pop();
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                path.push(key.clone());
                if key.contains(hides) {
                    see(path, key);
                }
                visit(item, path, see);
                path.pop();
            }
        }
        _ => {}
    }
}
