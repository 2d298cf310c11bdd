//! The names an expression may use: every one must be defined, whoever the tenant is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::version::{ResourceSpec, Scope};
use super::{Version, conditions};
use crate::platform::Registry;
use crate::problem::{ENOUGH, Problem, did_you_mean, enough, listed};
use crate::resource::Kind;
use crate::template::{self, Path};

/// Every name an expression uses must be defined, whoever the tenant is.
pub fn check(version: &Version, registry: &Registry) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (resource, prepared) in &version.prepared {
        let spec = version.file.resources.get(resource);
        let shared = spec.is_some_and(|spec| spec.scope == Scope::Account && conditions::can_be_shared(spec, registry));
        let names = Names {
            version,
            registry,
            spec,
            shared,
        };
        if let (Err(faults), Some(source)) = (
            template::render(&prepared.template, &names, &template::Guard::default()),
            version.sources.get(resource),
        ) {
            let found = faults
                .into_iter()
                .map(|fault| undefined(&fault).at(source.find(&fault.written)));
            problems.extend(enough(&source.file, found));
        }
    }
    let names = Names {
        version,
        registry,
        spec: None,
        shared: false,
    };
    let record = Value::Object(version.file.record.clone());
    if let Err(faults) = template::render(&record, &names, &template::Guard::default()) {
        problems.extend(
            faults
                .into_iter()
                .map(|fault| undefined(&fault).at(version.toml.key("/record"))),
        );
    }
    problems
}

/// What is wrong with an expression; what follows its last semicolon is what to do about it.
fn undefined(fault: &template::Fault) -> Problem {
    let (why, hint) = fault
        .why
        .rsplit_once("; ")
        .unwrap_or((&fault.why, "`upa schema version` lists what a version defines"));
    Problem::configuration(format!("`{}`: {why}", fault.written)).hint(hint)
}

/// The names a version defines, without any tenant's values.
struct Names<'a> {
    version: &'a Version,
    registry: &'a Registry,
    /// What is rendered; `None` for the record.
    spec: Option<&'a ResourceSpec>,
    /// Whether it is one object for several tenants.
    shared: bool,
}

impl Names<'_> {
    fn one_of<'n>(
        &self,
        path: &Path,
        name: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) -> Result<Value, String> {
        if known.clone().into_iter().any(|known| known == name) {
            return Ok(Value::from("x"));
        }
        Err(match did_you_mean(name, known.clone()) {
            Some(word) => format!("`{path}` is not defined; did you mean `{word}`?"),
            None => format!("`{path}` is not defined; known here: {}", listed(known)),
        })
    }
}

impl template::Scope for Names<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        let file = &self.version.file;
        let rest = path.rest();
        self.check_shared(path)?;
        match (path.root(), &*rest) {
            ("tenant", [field]) => self.one_of(path, field, ["name", "tier", "operator"]),
            ("tenant", ["labels", _]) => Ok(Value::from("x")),
            ("version", [field]) => self.one_of(path, field, ["product", "version", "revision"]),
            ("inputs", [name, ..]) => match file.inputs.get("properties").and_then(Value::as_object) {
                Some(properties) => self.one_of(path, name, properties.keys().map(String::as_str)),
                None => Ok(Value::from("x")),
            },
            ("webhooks", [name, field]) => {
                let entries = self.version.prepared.values().flat_map(|prepared| &prepared.entries);
                let known: BTreeSet<&str> = entries.map(|entry| entry.name.as_str()).collect();
                self.one_of(path, name, known)?;
                self.one_of(path, field, ["path", "url", "id"])
            }
            ("resources", [name, field, below @ ..]) => {
                self.one_of(path, name, file.resources.keys().map(String::as_str))?;
                if let Some(each) = file.resources.get(*name).and_then(|spec| spec.each.as_ref()) {
                    return Err(format!(
                        "`{name}` is one object for each of `{}`, so it has no single id; an object that is repeated cannot be referred to",
                        each.list()
                    ));
                }
                let spec = file.resources.get(*name);
                let kind = spec.map(|spec| Kind::new(&*spec.kind));
                if kind
                    .as_ref()
                    .is_some_and(|kind| self.registry.is_broken(kind.platform()))
                {
                    return Ok(Value::from("x"));
                }
                let facts = kind.and_then(|kind| self.registry.of_kind(&kind)?.facts(&kind));
                let outs = facts.map(|facts| facts.outs).unwrap_or_default();
                match (*field, below) {
                    ("out", [out, ..]) if self.spec.is_none() && outs.get(*out).is_some_and(|out| out.secret) => {
                        Err(format!(
                            "`{path}` is secret, and `[record]` is what `upa show` prints; leave it out of `[record]`"
                        ))
                    }
                    ("out", [out, ..]) if !outs.is_empty() => self.one_of(path, out, outs.keys().map(String::as_str)),
                    ("id", []) => Ok(Value::from("x")),
                    _ if outs.is_empty() => self.one_of(path, field, ["id"]),
                    _ => self.one_of(path, field, ["id", "out.<name>"]),
                }
            }
            ("credentials", [name, field]) => {
                self.one_of(path, name, file.credentials.keys().map(String::as_str))?;
                self.one_of(path, field, ["id", "name"])
            }
            ("accounts", [_, field]) => self.one_of(path, field, ["name", "webhook_url"]),
            ("files", [name]) => {
                self.one_of(path, name, self.version.texts.keys().map(String::as_str))?;
                self.text_of_file(name)
            }
            ("each", [field, ..]) if self.spec.is_some_and(|spec| spec.each.is_some()) => {
                self.one_of(path, field, ["key", "value"])
            }
            ("each", _) => Err(format!("`{path}` is not defined; only a resource with `each` has it")),
            // What upa itself puts into a prepared workflow.
            ("entries", [_]) => Ok(Value::from("x")),
            ("tenant" | "version" | "inputs" | "webhooks" | "resources" | "credentials" | "accounts" | "files", _) => {
                Err(format!("`{path}` is not complete"))
            }
            (root, _) => self.one_of(
                path,
                root,
                [
                    "tenant",
                    "inputs",
                    "webhooks",
                    "resources",
                    "credentials",
                    "accounts",
                    "version",
                    "files",
                ],
            ),
        }
    }
}

impl Names<'_> {
    /// What several tenants share can hold nothing of one of them.
    fn check_shared(&self, path: &Path) -> Result<(), String> {
        if !self.shared {
            return Ok(());
        }
        let scope_of = |name: &str| self.version.file.resources.get(name).map(|spec| spec.scope);
        let common = match (path.root(), &*path.rest()) {
            ("version" | "accounts" | "files", _) => true,
            ("resources", [name, ..]) => scope_of(name).is_none_or(|scope| scope == Scope::Account),
            _ => false,
        };
        if common {
            return Ok(());
        }
        Err(format!(
            "`{path}` differs by tenant, and this is one object for all; use `version`, `accounts`, `files` and resources of the scope `account`"
        ))
    }

    /// The text of a file may hold expressions, but may not bring in further files.
    fn text_of_file(&self, name: &str) -> Result<Value, String> {
        let text = self.version.texts.get(name).map(|text| &**text).unwrap_or_default();
        let nested = template::render(&Value::from(text), &InFile(self), &template::Guard::default());
        nested.map_err(|faults| {
            let faults: Vec<String> = faults
                .into_iter()
                .take(ENOUGH)
                .map(|fault| format!("{} in {name}: {}", fault.written, fault.why))
                .collect();
            faults.join("; ")
        })
    }
}

/// The names that may stand in a text file.
struct InFile<'a>(&'a Names<'a>);

impl template::Scope for InFile<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        match path.root() {
            "files" => Err("a text file cannot bring in another".to_owned()),
            _ => self.0.value(path),
        }
    }
}
