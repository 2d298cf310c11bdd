//! What looks like an expression of a template and is none: `{{ inputs.city }}`, as n8n and Liquid write theirs, or
//! `${inputs.city}`, as JavaScript does. It would reach every tenant as it stands.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::{Version, Workspace};
use crate::problem::{Place, Problem};

/// How many of one file are worth telling.
const MOST: usize = 5;

/// The opening, and the name of what is meant: `inputs.city`.
static LOOKALIKE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\{\{-?|\$\{)\s*((inputs|webhooks|resources|credentials|tenant)\.([A-Za-z_][A-Za-z0-9_-]*)[A-Za-z0-9_.-]*)\s*\}")
        .unwrap_or_else(|error| panic!("bug: {error}"))
});

/// A warning for each text that names something of its version in another language's way.
pub(super) fn check(workspace: &Workspace) -> Vec<Problem> {
    let versions = workspace.versions.values();
    versions.flat_map(in_version).collect()
}

fn in_version(version: &Version) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    // Several resources may have one template.
    let sources = version.sources.values().filter(|source| seen.insert(&*source.file));
    let found = sources.flat_map(|source| {
        let found = LOOKALIKE.captures_iter(&source.text).filter_map(|found| {
            let (whole, path, root, name) = (found.get(0)?, found.get(1)?, found.get(2)?, found.get(3)?);
            is_defined(version, root.as_str(), name.as_str()).then(|| {
                let problem = Problem::warning(format!(
                    "`{}` is no expression of a template: it reaches every tenant as it stands",
                    whole.as_str()
                ));
                let place = Place::new(&*source.file, &source.text, whole.range());
                problem.at(place).hint(format!("write `<%= {} %>`", path.as_str()))
            })
        });
        found.take(MOST).collect::<Vec<_>>()
    });
    found.collect()
}

/// Whether templates of a version may name it.
fn is_defined(version: &Version, root: &str, name: &str) -> bool {
    let file = &version.file;
    match root {
        "inputs" => {
            let properties = file.inputs.get("properties").and_then(serde_json::Value::as_object);
            properties.is_some_and(|properties| properties.contains_key(name))
        }
        "webhooks" => file.webhooks.contains_key(name),
        "resources" => file.resources.contains_key(name),
        "credentials" => file.credentials.contains_key(name),
        "tenant" => ["name", "tier", "operator", "labels"].contains(&name),
        _ => false,
    }
}
