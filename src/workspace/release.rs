//! Releases: a version is what its digests say. A template that was edited is not part of it until it is released.

use std::collections::BTreeMap;

use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table, value};

use super::Version;
use crate::digest::Digest;
use crate::problem::{Code, Place, Problem};

/// The digest of every file in a version's template folder.
pub fn digests(version: &Version) -> BTreeMap<String, String> {
    let texts = version.texts.iter();
    texts
        .map(|(name, text)| (name.clone(), Digest::of_bytes(text.as_bytes()).to_string()))
        .collect()
}

/// The digest of what a version file says, but for what a release writes and for its stage: promoting is not a release.
pub fn definition(value: &Value) -> String {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        for key in ["revision", "stage", "definition", "drift", "files"] {
            map.remove(key);
        }
    }
    Digest::of_json(&value).to_string()
}

/// The version file itself, when it is not what its release says.
pub fn redefined(version: &Version) -> Option<Problem> {
    let file = &version.file;
    let path = &version.toml.file;
    let message = match &file.definition {
        Some(released) if *released == definition(&version.toml.value) => return None,
        Some(_) => format!(
            "`{path}` was edited without a release: revision {} has another definition",
            file.revision
        ),
        None => format!(
            "`{path}` does not say what revision {} is: it has no `definition`",
            file.revision
        ),
    };
    let problem = Problem::configuration(message)
        .code(Code::Redefined)
        .at(version.toml.key("/definition"));
    Some(problem.hint(command(version)))
}

fn command(version: &Version) -> String {
    format!(
        "run `upa release {} {}`, then commit",
        version.file.product, version.file.version
    )
}

/// The files that are not what the version's `definition` and `[files]` say.
pub fn unreleased(version: &Version) -> Vec<Problem> {
    let file = &version.file;
    let actual = digests(version);
    let folder = Version::folder(&file.product, &file.version);
    let command = command(version);
    let mut problems: Vec<Problem> = redefined(version).into_iter().collect();
    for (name, digest) in &actual {
        let message = match file.files.get(name) {
            Some(released) if released == digest => continue,
            Some(_) => "was edited without a release: revision",
            None => "was added without a release: it is not part of revision",
        };
        let has = if file.files.contains_key(name) {
            " has another"
        } else {
            ""
        };
        let problem = Problem::configuration(format!("`{folder}{name}` {message} {}{has}", file.revision));
        let problem = problem.code(Code::Unreleased);
        problems.push(problem.at(Place::file(format!("{folder}{name}"))).hint(command.clone()));
    }
    // A file that is there and cannot be used has its own problem already.
    let there = |name: &str| actual.contains_key(name) || version.unusable.contains(name);
    for name in file.files.keys().filter(|name| !there(name)) {
        let place = version.toml.key(&super::toml::pointer(["files", name]));
        let problem = Problem::configuration(format!(
            "`{folder}{name}` is part of revision {} and is missing",
            file.revision
        ));
        let problem = problem.code(Code::Unreleased);
        problems.push(problem.at(place).hint(format!("restore it with git, or {command}")));
    }
    problems
}

/// The version file with the next revision and the digests of now; comments and layout stay. `None` when nothing changed.
pub fn released(version: &Version) -> Result<Option<(u32, String)>, Problem> {
    let actual = digests(version);
    let definition = definition(&version.toml.value);
    if actual == version.file.files && version.file.definition.as_ref() == Some(&definition) {
        return Ok(None);
    }
    let path = Version::path(&version.file.product, &version.file.version);
    let mut document: DocumentMut = version
        .toml
        .text
        .parse()
        .map_err(|error| Problem::configuration(format!("not valid TOML: {error}")).at(Place::file(&*path)))?;
    let Some(revision) = version.file.revision.checked_add(1) else {
        let why = format!("revision {} is the last there can be", version.file.revision);
        let problem = Problem::configuration(why).at(version.toml.value_place("/revision"));
        return Err(problem.hint("make a new version"));
    };
    set(document.as_table_mut(), "revision", i64::from(revision).into());
    set(document.as_table_mut(), "definition", definition.into());
    let files = document.entry("files").or_insert_with(|| Item::Table(Table::new()));
    if let Some(inline) = files.as_inline_table() {
        *files = Item::Table(inline.clone().into_table());
    }
    if let Some(table) = files.as_table_mut() {
        table.retain(|name, _| actual.contains_key(name));
        for (name, digest) in &actual {
            set(table, name, digest.as_str().into());
        }
        table.sort_values();
    }
    Ok(Some((revision, document.to_string())))
}

/// Assigning to an item would drop the comment behind it; only the value is replaced.
fn set(table: &mut Table, key: &str, new: toml_edit::Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(key, value(new));
        }
    }
}
