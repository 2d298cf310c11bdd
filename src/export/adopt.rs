//! What somebody changed on the platform, written back into the files it came from. Pure: files in, files out.
//!
//! Every edit is tried on a copy of the files and rendered. It is kept only if the field then is as the platform shows it,
//! nothing that was taken over before is undone, and no file is wrong that was not wrong before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Surroundings, edit, values};
use crate::desired::{DesiredTenant, desired, render_text};
use crate::lockfile::Lockfile;
use crate::plan::Mover;
use crate::platform::{Credential, FieldChange, Object};
use crate::problem::Problem;
use crate::resource::Address;
use crate::symbol::{self, Unknown};
use crate::template::{Piece, expression};
use crate::workspace::{self, Entry, Files, Version, Workspace};

/// A field that differs, and the object it is read from.
#[derive(Debug, Clone)]
pub struct Drifted<'a> {
    pub address: &'a Address,
    pub change: &'a FieldChange,
    pub object: &'a Object,
}

/// What is known besides the files.
pub struct Ground<'a> {
    pub tenant: &'a str,
    pub lock: &'a Lockfile,
    pub credentials: BTreeMap<&'a str, &'a [Credential]>,
    /// Puts the accounts of a loaded workspace where those of the run are.
    pub place: &'a dyn Fn(&mut Workspace),
}

/// A difference that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub address: Address,
    pub field: String,
    pub why: String,
}

/// What came out.
#[derive(Debug)]
pub struct Adoption {
    /// The files as they should be: those that changed are in `edited`.
    pub files: Files,
    pub edited: BTreeSet<String>,
    /// How many fields are in Git now.
    pub taken: usize,
    pub left: Vec<Left>,
    /// Other objects that the edits change too.
    pub also: BTreeSet<Address>,
}

/// The workspace that some files make, as far as one tenant is concerned.
struct State {
    workspace: Workspace,
    desired: DesiredTenant,
    errors: BTreeSet<String>,
}

/// Takes over what can be taken over.
pub fn adopt(files: &Files, ground: &Ground<'_>, drifted: &[Drifted<'_>]) -> Adoption {
    let mut out = Adoption {
        files: files.clone(),
        edited: BTreeSet::new(),
        taken: 0,
        left: Vec::new(),
        also: BTreeSet::new(),
    };
    let Ok(before) = State::of(files, ground) else {
        return out;
    };
    let Ok(mut now) = State::of(files, ground) else {
        return out;
    };
    let mut taken: Vec<&Drifted<'_>> = Vec::new();
    for one in drifted {
        let attempt = || -> Result<Option<(String, Files, State)>, String> {
            check_mover(one.change)?;
            // An edit for another field may have settled this one.
            if !now.differs(ground, one) {
                return Ok(None);
            }
            let (path, text) = now.propose(ground, one)?;
            let mut files = out.files.clone();
            files.entries.insert(path.clone(), Entry::Text(Arc::from(text)));
            let next = State::of(&files, ground)?;
            if let Some(error) = next.errors.difference(&before.errors).next() {
                return Err(format!("{path} would be wrong: {error}"));
            }
            if next.differs(ground, one) {
                return Err(format!("an edit of {path} alone would not render to it"));
            }
            if let Some(other) = taken.iter().find(|other| next.differs(ground, other)) {
                return Err(format!(
                    "`{}` of {} comes from the same place and is something else",
                    other.change.field, other.address
                ));
            }
            Ok(Some((path, files, next)))
        };
        match attempt() {
            Ok(edit) => {
                if let Some((path, files, next)) = edit {
                    out.edited.insert(path);
                    (out.files, now) = (files, next);
                }
                taken.push(one);
            }
            Err(why) => out.left.push(Left {
                address: one.address.clone(),
                field: one.change.field.clone(),
                why,
            }),
        }
    }
    out.taken = taken.len();
    out.also = also(&before, &now, ground, drifted);
    out
}

/// What keeps a text from being the template of an object as it is: errors, or the fields that would differ.
pub fn verify(files: &Files, ground: &Ground<'_>, address: &Address, object: &Object, text: &str) -> Vec<String> {
    let Ok(before) = State::of(files, ground) else {
        return Vec::new();
    };
    let Some(file) = before
        .version(ground)
        .and_then(|version| Some(version.sources.get(&address.resource)?.file.clone()))
    else {
        return Vec::new();
    };
    let mut files = files.clone();
    files.entries.insert(file, Entry::Text(Arc::from(text)));
    let after = match State::of(&files, ground) {
        Ok(after) => after,
        Err(why) => return vec![why],
    };
    let errors: Vec<String> = after.errors.difference(&before.errors).cloned().collect();
    if !errors.is_empty() {
        return errors;
    }
    after.fields(ground, address, object).into_iter().collect()
}

fn check_mover(change: &FieldChange) -> Result<(), String> {
    match change.mover {
        Some(Mover::Platform) => Ok(()),
        Some(Mover::Both) => Err("Git changed it too: decide which one is right and write that into Git".to_owned()),
        Some(Mover::Git) => Err("Git changed it, the platform did not".to_owned()),
        None => Err("it is not known who changed it".to_owned()),
    }
}

/// Objects that were as Git said in some field and would not be any more.
fn also(before: &State, now: &State, ground: &Ground<'_>, drifted: &[Drifted<'_>]) -> BTreeSet<Address> {
    let mut also = BTreeSet::new();
    for (address, resource) in &now.desired.resources {
        let was = before.desired.resources.get(address);
        if was.is_some_and(|was| was.document == resource.document) {
            continue;
        }
        let fresh = match drifted.iter().find(|one| one.address == address) {
            Some(one) => {
                let fields = |state: &State| state.fields(ground, one.address, one.object);
                !fields(now).is_subset(&fields(before))
            }
            None => true,
        };
        if fresh {
            also.insert(address.clone());
        }
    }
    also
}

impl State {
    fn of(files: &Files, ground: &Ground<'_>) -> Result<Self, String> {
        let files = narrowed(files, ground.tenant);
        let loaded = workspace::load(&files);
        let first = |problems: &[Problem]| {
            let error = problems.iter().find(|problem| problem.is_error());
            error.map_or_else(
                || "the workspace cannot be read".to_owned(),
                |error| error.message.to_string(),
            )
        };
        let Some(mut workspace) = loaded.workspace else {
            return Err(first(&loaded.problems));
        };
        (ground.place)(&mut workspace);
        let (mut state, problems) = desired(&workspace, |name| name == ground.tenant);
        let Some(desired) = state.tenants.remove(ground.tenant) else {
            return Err(first(&[loaded.problems, problems].concat()));
        };
        // That an edited template is not released yet is what the person is told to do next.
        let errors = loaded.problems.iter().chain(&problems);
        let errors = errors.filter(|problem| problem.is_error() && !problem.is_unreleased());
        Ok(Self {
            errors: errors.map(|problem| problem.message.to_string()).collect(),
            workspace,
            desired,
        })
    }

    fn version(&self, ground: &Ground<'_>) -> Option<&Version> {
        self.workspace.version_of(self.workspace.tenants.get(ground.tenant)?)
    }

    /// What differs between Git and an object.
    fn fields(&self, ground: &Ground<'_>, address: &Address, object: &Object) -> BTreeSet<String> {
        let Some(resource) = self.desired.resources.get(address) else {
            return BTreeSet::new();
        };
        let Some(platform) = self.workspace.registry.of_kind(&resource.kind) else {
            return BTreeSet::new();
        };
        let known = values(ground.lock, &ground.credentials);
        let document = symbol::resolve(&resource.document, &|symbol| known.of(symbol), Unknown::Keep);
        let changes = platform.compare(&resource.kind, &document, &object.document, &[]);
        changes.into_iter().map(|change| change.field).collect()
    }

    /// Whether a field still differs, or something in it or around it does.
    fn differs(&self, ground: &Ground<'_>, one: &Drifted<'_>) -> bool {
        let fields = self.fields(ground, one.address, one.object);
        fields
            .iter()
            .any(|field| crate::plan::drift::overlap(field, &one.change.field))
    }

    /// The file to change for a field, and its text afterwards.
    fn propose(&self, ground: &Ground<'_>, one: &Drifted<'_>) -> Result<(String, String), String> {
        let name = &one.address.resource;
        let gone = || "its template is not there any more".to_owned();
        let tenant = self.workspace.tenants.get(ground.tenant).ok_or_else(gone)?;
        let version = self.version(ground).ok_or_else(gone)?;
        let source = version.sources.get(name).ok_or_else(gone)?;
        let resource = self.desired.resources.get(one.address).ok_or_else(gone)?;
        let platform = self.workspace.registry.of_kind(&resource.kind).ok_or_else(gone)?;
        let whole = || {
            format!(
                "it is no single value of the template; `upa export {} {} {} --out {}` takes over the whole object",
                resource.account, resource.kind, one.object.id, source.file
            )
        };
        let spot = platform
            .locate(&resource.kind, &source.value, &one.change.field)
            .ok_or_else(whole)?;
        let known = Surroundings::of(
            tenant,
            version,
            &self.desired,
            ground.lock,
            &ground.credentials,
            one.address,
        );
        let written = spot.value(&source.value);
        if let Some(Value::String(text)) = written
            && expression::has_expression(text)
        {
            return self.through(ground, one, version, text, &known);
        }
        if written.is_some_and(mentions_expression) {
            return Err(format!("the template puts it together; {}", whole()));
        }
        let exported = platform.export(&resource.kind, one.object, &known);
        let there = platform.locate(&resource.kind, &exported, &one.change.field);
        let value = there.and_then(|spot| spot.value(&exported).cloned());
        let text = version.texts.get(&file_name(version, name)).ok_or_else(gone)?;
        let text = edit::json(text, &spot, value.as_ref()).ok_or_else(whole)?;
        Ok((source.file.clone(), text))
    }

    /// A leaf that is an expression: what it brings in is changed.
    fn through(
        &self,
        ground: &Ground<'_>,
        one: &Drifted<'_>,
        version: &Version,
        leaf: &str,
        known: &Surroundings,
    ) -> Result<(String, String), String> {
        let pieces = expression::pieces(leaf).unwrap_or_default();
        let [Piece::Value(path, written, _)] = &*pieces else {
            return Err(format!("the template puts it together: `{}`", leaf.trim()));
        };
        let nothing = || format!("`{written}` cannot become nothing");
        let there = one.change.before.as_ref().ok_or_else(nothing)?;
        match (path.root(), &*path.rest()) {
            ("inputs", below) => {
                let tenant = self.workspace.tenants.get(ground.tenant).ok_or_else(nothing)?;
                let keys = [&["inputs"], below].concat();
                let text = edit::toml(&tenant.toml.text, &keys, there)
                    .ok_or_else(|| format!("`{path}` cannot hold it: {}", shortened(there)))?;
                Ok((format!("tenants/{}.toml", ground.tenant), text))
            }
            ("files", [file]) => {
                let (Some(text), Some(wanted)) = (version.texts.get(*file), there.as_str()) else {
                    return Err(format!(
                        "`{written}` is a text, and on the platform it is something else"
                    ));
                };
                let values = values(ground.lock, &ground.credentials);
                let render = |line: &str| {
                    let line = render_text(&self.workspace, ground.tenant, &one.address.resource, line)?;
                    match symbol::resolve(&Value::from(line), &|symbol| values.of(symbol), Unknown::Keep) {
                        Value::String(line) => Some(line),
                        other => Some(other.to_string()),
                    }
                };
                let rendered: Option<Vec<String>> = text.split_inclusive('\n').map(render).collect();
                let rendered = rendered.ok_or_else(|| format!("{file} cannot be rendered line by line"))?;
                let text = edit::lines(text, &rendered, wanted, &|line| known.text(line))
                    .map_err(|line| format!("{file} renders the line `{line}`, which was changed on the platform"))?;
                let folder = Version::folder(&version.file.product, &version.file.version);
                Ok((format!("{folder}{file}"), text))
            }
            _ => Err(format!("it is rendered from `{written}`, which no file holds")),
        }
    }
}

fn file_name(version: &Version, resource: &str) -> String {
    version
        .file
        .resources
        .get(resource)
        .map(|spec| spec.template.clone())
        .unwrap_or_default()
}

fn mentions_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => expression::has_expression(text),
        Value::Array(items) => items.iter().any(mentions_expression),
        Value::Object(map) => map.values().any(mentions_expression),
        _ => false,
    }
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

/// The files that say what one tenant is: the others need not be read again for each edit.
fn narrowed(files: &Files, tenant: &str) -> Files {
    let file = format!("tenants/{tenant}.toml");
    let wanted = |path: &str| !path.starts_with("tenants/") || path == file;
    Files {
        origin: files.origin.clone(),
        entries: files
            .entries
            .iter()
            .filter(|(path, _)| wanted(path))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect(),
    }
}
