//! From a running object back to a template: the inverse of rendering. Pure.
//!
//! Where the template that stands in Git renders to just what is observed, its own text is taken; elsewhere ids and
//! addresses of the tenant become the expressions that render them. Inputs are never guessed from their values.

pub mod adopt;
pub mod edit;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::desired::{DesiredTenant, Resource};
use crate::lockfile::{Lockfile, entry_id};
use crate::plan::Values;
use crate::platform::Credential;
use crate::platform::compare::same;
use crate::platform::n8n::understand;
use crate::record;
use crate::resource::{Address, Owner};
use crate::symbol::{self, Unknown};
use crate::template::{Path, Source};
use crate::workspace::{Tenant, Version};

/// What is known of an object that becomes a template; all of it empty for an object that is nobody's.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The template it was made from as it stands in Git, and what that renders to for its tenant.
    pub current: Option<(Value, Value)>,
    /// The tenant whose object it is.
    pub tenant: Option<String>,
    /// What the tenant alone has, and the expression that renders it: the longest first.
    pub values: Vec<(String, String)>,
    /// The ids of the tenant's other objects, and what the templates call them.
    pub siblings: BTreeMap<String, Sibling>,
    /// What stands before the version's own part in the tenant's webhook paths.
    pub bases: Vec<String>,
    /// The ids under which the object's own entrances are reached.
    pub entries: Vec<String>,
    /// By type and id of a credential: its name in the templates.
    pub credentials: BTreeMap<(String, String), String>,
}

/// Another object of the same tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sibling {
    pub resource: String,
    /// The id its exported file has, if no other file has the same.
    pub exported: Option<String>,
}

impl Sibling {
    /// How a template names it.
    pub fn reference(&self) -> String {
        self.exported
            .clone()
            .unwrap_or_else(|| Path::expression(&["resources", &self.resource, "id"]))
    }
}

impl Surroundings {
    /// Everything a tenant's files and lockfile say about the object at an address.
    pub fn of(
        tenant: &Tenant,
        version: &Version,
        desired: &DesiredTenant,
        lock: &Lockfile,
        credentials: &BTreeMap<&str, &[Credential]>,
        address: &Address,
    ) -> Self {
        let values = values(lock, credentials);
        let resolved = |document: &Value| symbol::resolve(document, &|symbol| values.of(symbol), Unknown::Keep);
        let text = |symbolic: &str| match resolved(&Value::from(symbolic)) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut known = Self {
            tenant: Some(tenant.name.clone()),
            current: current(version, desired, address, &resolved),
            ..Self::default()
        };
        let bases = lock.versions.get(&version.file.version);
        known
            .bases
            .extend(bases.map(|provisioned| provisioned.webhook_base_path.clone()));
        for resource in desired.resources.values() {
            known.values.extend(addresses(resource, &text));
        }
        if let Some(provisioned) = bases {
            for (resource, prepared) in &version.prepared {
                for entry in &prepared.entries {
                    let id = entry_id(&provisioned.base, resource, &entry.node);
                    known
                        .values
                        .push((id.clone(), Path::expression(&["webhooks", &entry.name, "id"])));
                }
            }
            let nodes = known.current.iter().flat_map(|(template, _)| node_names(template));
            let nodes: Vec<String> = nodes.collect();
            known.entries = nodes
                .iter()
                .map(|node| entry_id(&provisioned.base, &address.resource, node))
                .collect();
        }
        for (other, id) in values
            .ids
            .iter()
            .filter(|(other, _)| is_of(other, &version.file.version))
        {
            let exported = version.sources.get(&other.resource).and_then(exported_id);
            let shared = exported.as_ref().is_some_and(|id| {
                let same = version
                    .sources
                    .values()
                    .filter(|source| exported_id(source).as_ref() == Some(id));
                same.count() > 1
            });
            known.siblings.insert(
                id.clone(),
                Sibling {
                    resource: other.resource.clone(),
                    exported: exported.filter(|_| !shared),
                },
            );
            known
                .values
                .push((id.clone(), Path::expression(&["resources", &other.resource, "id"])));
        }
        for (name, slot) in &version.file.credentials {
            let Some(choice) = tenant.file.credentials.get(name) else {
                continue;
            };
            for found in credentials.values().copied().flatten() {
                if found.name == choice.name() && found.kind == slot.kind {
                    let key = (slot.kind.clone(), found.id.clone());
                    known.credentials.insert(key, slot.template_name.clone());
                }
            }
        }
        // Without a value a symbol stays one, and nothing observed can hold it.
        known
            .values
            .retain(|(text, _)| !text.is_empty() && !symbol::is_reserved(text));
        known
            .values
            .sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        known.values.dedup();
        known
    }

    /// A text with everything in it that only this tenant has replaced by what renders it.
    pub fn text(&self, text: &str) -> String {
        let mut pieces = vec![(text.to_owned(), false)];
        for (value, expression) in &self.values {
            pieces = pieces
                .into_iter()
                .flat_map(|(piece, done)| {
                    if done || !piece.contains(value.as_str()) {
                        return vec![(piece, done)];
                    }
                    let mut out = Vec::new();
                    for (index, part) in piece.split(value.as_str()).enumerate() {
                        if index > 0 {
                            out.push((expression.clone(), true));
                        }
                        out.push((part.to_owned(), false));
                    }
                    out
                })
                .collect();
        }
        pieces.into_iter().map(|(piece, _)| piece).collect()
    }

    /// The same for every text in a value.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(key, item)| (key.clone(), self.value(item)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }
}

/// What symbols stand for, as a lockfile records it.
fn values<'a>(lock: &Lockfile, credentials: &BTreeMap<&'a str, &'a [Credential]>) -> Values<'a> {
    Values {
        credentials: credentials.clone(),
        ..record::values(lock)
    }
}

fn current(
    version: &Version,
    desired: &DesiredTenant,
    address: &Address,
    resolved: &dyn Fn(&Value) -> Value,
) -> Option<(Value, Value)> {
    let source = version.sources.get(&address.resource)?;
    let resource = desired.resources.get(address)?;
    Some((source.value.clone(), resolved(&resource.document)))
}

/// Where a resource is reached, and the expressions for that.
fn addresses(resource: &Resource, text: &dyn Fn(&str) -> String) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for entry in &resource.entries {
        let expression = |field: &str| Path::expression(&["webhooks", &entry.name, field]);
        out.extend(entry.address.iter().map(|address| (text(address), expression("url"))));
        out.push((text(&entry.path), expression("path")));
    }
    out
}

fn is_of(address: &Address, version: &str) -> bool {
    match &address.owner {
        Owner::Version { version: owner, .. } => owner == version,
        _ => true,
    }
}

fn exported_id(source: &Source) -> Option<String> {
    let workflow = understand::workflow(&source.value).ok()?;
    workflow.get("id")?.as_str().map(str::to_owned)
}

fn node_names(template: &Value) -> Vec<String> {
    let Ok(workflow) = understand::workflow(template) else {
        return Vec::new();
    };
    let nodes = workflow.get("nodes").and_then(Value::as_array).into_iter().flatten();
    nodes
        .filter_map(|node| node.get("name")?.as_str().map(str::to_owned))
        .collect()
}

/// How much of what is observed a template takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Everything.
    Whole,
    /// Only what the template writes already: the rest is the platform's own.
    Written,
}

/// What a template must say to render to what is observed: its own text where it does already, else `inverse` of it.
pub fn overlay(
    template: &Value,
    rendered: &Value,
    observed: &Value,
    take: Take,
    inverse: &dyn Fn(&str, &Value) -> Value,
) -> Value {
    within("", template, rendered, observed, take, inverse)
}

fn within(
    key: &str,
    template: &Value,
    rendered: &Value,
    observed: &Value,
    take: Take,
    inverse: &dyn Fn(&str, &Value) -> Value,
) -> Value {
    if same(rendered, observed) {
        return template.clone();
    }
    match (template, rendered, observed) {
        (Value::Object(template), Value::Object(rendered), Value::Object(observed)) => {
            let mut out = Map::new();
            // What a template says and nothing of it is rendered is understood in another way.
            for (key, value) in template.iter().filter(|(key, _)| !rendered.contains_key(*key)) {
                out.insert(key.clone(), value.clone());
            }
            for (key, value) in observed {
                match (template.get(key), rendered.get(key)) {
                    (Some(template), Some(rendered)) => {
                        out.insert(key.clone(), within(key, template, rendered, value, take, inverse));
                    }
                    (None, Some(rendered)) if same(rendered, value) => {}
                    (_, None) if take == Take::Written => {}
                    _ => {
                        out.insert(key.clone(), inverse(key, value));
                    }
                }
            }
            Value::Object(out)
        }
        (Value::Array(template), Value::Array(rendered), Value::Array(observed))
            if template.len() == rendered.len() && rendered.len() == observed.len() =>
        {
            let items = template.iter().zip(rendered).zip(observed);
            items
                .map(|((template, rendered), observed)| within("", template, rendered, observed, take, inverse))
                .collect()
        }
        _ => inverse(key, observed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known() -> Surroundings {
        Surroundings {
            values: vec![
                (
                    "https://n8n.x/webhook/ana-1/in".to_owned(),
                    "<%= webhooks.in.url %>".to_owned(),
                ),
                ("ana-1/in".to_owned(), "<%= webhooks.in.path %>".to_owned()),
                ("ABC".to_owned(), "<%= resources.ABC.id %>".to_owned()),
            ],
            ..Surroundings::default()
        }
    }

    #[test]
    fn the_longest_is_replaced_and_nothing_twice() {
        let text = known().text("POST https://n8n.x/webhook/ana-1/in or ana-1/in for ABC");
        assert_eq!(
            text,
            "POST <%= webhooks.in.url %> or <%= webhooks.in.path %> for <%= resources.ABC.id %>"
        );
    }

    #[test]
    fn a_template_keeps_its_text_where_it_renders_to_what_is_there() {
        let template =
            json!({"a": "<%= inputs.a %>", "b": {"c": "<%= inputs.c %>", "d": 1}, "list": ["<%= inputs.a %>", 2]});
        let rendered = json!({"a": "x", "b": {"c": "y", "d": 1}, "list": ["x", 2]});
        let observed = json!({"a": "x", "b": {"c": "ABC", "d": 1, "e": 5}, "list": ["x", 3], "added": true});
        let inverse = |_: &str, value: &Value| known().value(value);
        assert_eq!(
            overlay(&template, &rendered, &observed, Take::Written, &inverse),
            json!({"a": "<%= inputs.a %>", "b": {"c": "<%= resources.ABC.id %>", "d": 1}, "list": ["<%= inputs.a %>", 3]})
        );
        assert_eq!(
            overlay(&template, &rendered, &observed, Take::Whole, &inverse)["added"],
            json!(true)
        );
    }
}
