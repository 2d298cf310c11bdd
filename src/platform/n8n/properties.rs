//! What must hold of every export, whatever a designer drew.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::document;
use super::understand::examples::{CALL, Version, WEBHOOK, export, node, with};
use crate::export::{Sibling, Surroundings};
use crate::platform::Prepared;
use crate::template::{Path, Scope, render};

const RESOURCES: [&str; 3] = ["alpha", "beta", "gamma"];
const NAMES: [&str; 6] = ["Ñandú \"1\"", "🤖", "a %> b", "plain", "a.b[0]", "x/y"];

/// 16 letters and digits, as n8n makes ids.
fn n8n_id(seed: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes()).simple().to_string()[..16].to_owned()
}

fn uuid(seed: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
}

/// A node of some shape; `calls` is the resource it calls if it calls. Callees come later, so there is no circle.
fn shaped(shape: usize, at: &str, name: &str, callee: &str) -> Value {
    let id = json!({"id": uuid(&format!("node {at}")), "webhookId": uuid(&format!("webhook {at}"))});
    let without = json!({"id": uuid(&format!("node {at}"))});
    let locator = json!({"__rl": true, "mode": "list", "value": n8n_id(callee), "cachedResultName": callee, "cachedResultUrl": format!("/workflow/{}", n8n_id(callee))});
    let credential =
        json!({"id": without["id"], "credentials": {"crmApi": {"id": n8n_id("credential"), "name": "Template · CRM"}}});
    let base = uuid("base");
    match shape {
        0 => with(
            node(
                name,
                WEBHOOK,
                json!({"path": format!("patient-{base}/{}", slug(at)), "httpMethod": "POST"}),
            ),
            id,
        ),
        1 => with(node(name, WEBHOOK, json!({"path": format!("{}/:id", slug(at))})), id),
        2 => with(
            node(name, WEBHOOK, json!({"path": uuid(&format!("path {at}"))})),
            with(id, json!({"disabled": true})),
        ),
        3 => with(
            node(name, "n8n-nodes-base.formTrigger", json!({"options": {}})),
            with(id, json!({"typeVersion": 2.5})),
        ),
        4 => with(
            node(
                name,
                "n8n-nodes-base.formTrigger",
                json!({"path": uuid(at), "options": {"path": format!("{base}/{}", slug(at))}}),
            ),
            with(id, json!({"typeVersion": 2.2})),
        ),
        5 => with(
            node(name, "@n8n/n8n-nodes-langchain.chatTrigger", json!({"public": true})),
            id,
        ),
        6 => with(node(name, "n8n-nodes-base.telegramTrigger", json!({})), id),
        7 => with(node(name, "n8n-nodes-base.wait", json!({"resume": "webhook"})), id),
        8 => with(node(name, CALL, json!({"workflowId": locator})), without),
        9 => with(
            node(
                name,
                "@n8n/n8n-nodes-langchain.toolWorkflow",
                json!({"workflowId": locator}),
            ),
            with(without, json!({"disabled": true})),
        ),
        10 => with(
            node(name, "n8n-nodes-base.httpRequest", json!({"url": "={{ $json.url }}"})),
            credential,
        ),
        11 => with(
            node(
                name,
                "n8n-nodes-base.stickyNote",
                json!({"content": format!("see {} and {0}/x", n8n_id("alpha"))}),
            ),
            without,
        ),
        12 => with(
            node(name, "n8n-nodes-acme.unheardOf", json!({"a": [{"b": null}], "ñ": 1.5})),
            with(without, json!({"notes": format!("as in {}", n8n_id("alpha"))})),
        ),
        _ => with(
            node(
                name,
                "n8n-nodes-base.set",
                json!({"assignments": {"assignments": [{"name": "t", "value": "<%= tenant.name %>"}]}}),
            ),
            without,
        ),
    }
}

fn slug(at: &str) -> String {
    at.replace(' ', "-")
}

prop_compose! {
    /// A version of up to three workflows.
    fn versions()(sizes in prop::collection::vec(prop::collection::vec((0..14_usize, 0..NAMES.len()), 1..7), 1..4)) -> Version {
        let count = sizes.len();
        let exports = sizes.into_iter().enumerate().map(|(index, shapes)| {
            let callee = RESOURCES[(index + 1).min(count - 1)];
            let nodes: Vec<Value> = shapes.iter().enumerate().map(|(at, (shape, name))| {
                let name = format!("{} {at}", NAMES[*name]);
                shaped(*shape, &format!("{index} {at}"), &name, callee)
            }).collect();
            let mut workflow = export(RESOURCES[index], &n8n_id(RESOURCES[index]), nodes.clone());
            let names: Vec<&Value> = nodes.iter().map(|node| &node["name"]).collect();
            for pair in names.windows(2) {
                workflow["connections"][pair[0].as_str().unwrap()] = json!({"main": [[{"node": pair[1], "type": "main", "index": 0}]]});
            }
            let members: Vec<&Value> = nodes.iter().map(|node| &node["id"]).collect();
            workflow["nodeGroups"] = json!([{"id": uuid("group"), "name": "G", "nodeIds": members}]);
            workflow["settings"] = json!({
                "executionOrder": "v1", "errorWorkflow": n8n_id(callee), "callerIds": n8n_id(RESOURCES[0]),
                "customTelemetryTags": [{"key": "upa.owner", "value": "upa:x/patient@v1/alpha"}, {"key": "k", "value": "v"}],
            });
            (RESOURCES[index], workflow)
        });
        Version::of(exports).credential("crm", "crmApi", "Template · CRM")
    }
}

/// One tenant's values.
struct Tenant<'a> {
    name: &'a str,
    ready: &'a BTreeMap<String, Prepared>,
    resource: &'a str,
}

impl Scope for Tenant<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        let base = format!("{}-{}", self.name, uuid(&format!("base of {}", self.name)));
        let known = match (path.root(), &*path.rest()) {
            ("tenant", ["name"]) => Some(self.name.to_owned()),
            ("entries", [entry]) => Some(uuid(&format!("{} {} {entry}", self.name, self.resource))),
            ("resources", [resource, "id"]) => Some(n8n_id(&format!("{} {resource}", self.name))),
            ("credentials", [slot, field]) => Some(n8n_id(&format!("{} {slot} {field}", self.name))),
            ("webhooks", [name, "path"]) => {
                let entries = self.ready.values().flat_map(|ready| &ready.entries);
                entries
                    .into_iter()
                    .find(|entry| entry.name == *name)
                    .map(|entry| format!("{base}/{}", entry.suffix))
            }
            _ => None,
        };
        known.map(Value::from).ok_or_else(|| format!("`{path}` is not defined"))
    }
}

/// What is known of a tenant's workflow.
fn surroundings(
    name: &str,
    resource: &str,
    ready: &BTreeMap<String, Prepared>,
    current: Option<(Value, Value)>,
) -> Surroundings {
    let base = format!("{name}-{}", uuid(&format!("base of {name}")));
    let entries = ready.values().flat_map(|ready| &ready.entries);
    let mut values: Vec<(String, String)> = entries
        .map(|entry| {
            (
                format!("{base}/{}", entry.suffix),
                Path::expression(&["webhooks", &entry.name, "path"]),
            )
        })
        .collect();
    values.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    let id = |resource: &str| n8n_id(&format!("{name} {resource}"));
    let nodes = ready[resource].template["nodes"].as_array().unwrap().iter();
    let nodes = nodes.map(|node| node["name"].as_str().unwrap());
    Surroundings {
        current,
        tenant: Some(name.to_owned()),
        values,
        siblings: ready
            .keys()
            .map(|resource| {
                let exported = Some(n8n_id(resource));
                (
                    id(resource),
                    Sibling {
                        resource: resource.clone(),
                        exported: exported.filter(|_| resource != "beta"),
                    },
                )
            })
            .collect(),
        bases: vec![base],
        entries: nodes.map(|node| uuid(&format!("{name} {resource} {node}"))).collect(),
        credentials: BTreeMap::from([(
            ("crmApi".to_owned(), n8n_id(&format!("{name} crm id"))),
            "Template · CRM".to_owned(),
        )]),
    }
}

/// What upa writes for a tenant, by resource.
fn written(name: &str, ready: &BTreeMap<String, Prepared>) -> BTreeMap<String, (Value, Value)> {
    let render = |(resource, prepared): (&String, &Prepared)| {
        let tenant = Tenant { name, ready, resource };
        let document =
            render(&prepared.template, &tenant, &prepared.guard).unwrap_or_else(|faults| panic!("{faults:?}"));
        let body = document::body(&document, &format!("upa:ws/{name}@v1/{resource}"), "attempt");
        (resource.clone(), (document, body))
    };
    ready.iter().map(render).collect()
}

/// Everything in a document that looks like an id: UUIDs and n8n's own.
fn ids(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            for word in words {
                if word.len() >= 36 && Uuid::try_parse(&word[word.len() - 36..]).is_ok() {
                    found.insert(word[word.len() - 36..].to_owned());
                } else if word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    found.insert(word.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Object(map) => map.values().for_each(|item| ids(item, found)),
        _ => {}
    }
}

/// What n8n answers after such a write: everything it adds, and nothing else changed.
fn answer(body: &Value) -> Value {
    let mut answer = body.clone();
    for (key, value) in [
        ("id", json!("n8nid00000000000")),
        ("active", json!(true)),
        ("versionId", json!(uuid("version"))),
        ("createdAt", json!("2026-11-21T00:00:00.000Z")),
        ("pinData", json!({})),
        ("meta", Value::Null),
        ("staticData", Value::Null),
        ("tags", json!([])),
        ("shared", json!([{"role": "workflow:owner"}])),
    ] {
        answer[key] = value;
    }
    for node in answer["nodes"].as_array_mut().unwrap() {
        let takes_id = node["type"].as_str().unwrap().contains("rigger") && node.get("webhookId").is_none();
        if takes_id {
            node["webhookId"] = json!(uuid("invented"));
        }
        let credentials = node.get_mut("credentials").and_then(Value::as_object_mut);
        for (kind, reference) in credentials.into_iter().flatten() {
            reference["name"] = json!(format!("{kind} renamed"));
        }
    }
    answer
}

/// The pointers of all leaves that upa owns, and what a different value for each is.
fn owned_leaves(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                owned_leaves(
                    value,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    out,
                );
            }
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| owned_leaves(item, &format!("{at}/{index}"), out));
        }
        // An empty list or table cannot become a text: n8n refuses that.
        Value::Object(_) | Value::Array(_) => {}
        _ => out.push(at.to_owned()),
    }
}

fn is_noise(pointer: &str) -> bool {
    let segments: Vec<&str> = pointer.split('/').skip(1).collect();
    match segments.as_slice() {
        ["nodes", _, "id"] | ["nodes", _, "position", ..] | ["nodes", _, "credentials", _, "name"] => true,
        ["nodeGroups", _, "id"] => true,
        ["nodes", _, "parameters", .., last] => last.starts_with("cachedResult"),
        // The first is the designer's own, the others are ours.
        ["settings", "customTelemetryTags", index, field] => *index != "0" && *field == "value",
        ["name" | "nodes" | "connections" | "settings" | "nodeGroups", ..] => false,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_tenant_holds_anything_of_the_designer_or_of_another(version in versions()) {
        let ready = version.ready();
        let mut designers = BTreeSet::new();
        for (_, export) in &version.exports {
            ids(export, &mut designers);
        }
        let (a, b) = (written("ana", &ready), written("bea", &ready));
        let mut of_a = BTreeSet::new();
        a.values().for_each(|(_, body)| ids(body, &mut of_a));
        for (resource, (_, body)) in &b {
            let mut of_b = BTreeSet::new();
            ids(body, &mut of_b);
            prop_assert!(of_b.is_disjoint(&designers), "{resource}: {:?}", of_b.intersection(&designers));
            prop_assert!(of_b.is_disjoint(&of_a), "{resource}: {:?}", of_b.intersection(&of_a));
            prop_assert!(!body.to_string().contains("patient") && !body.to_string().contains("ana-"), "{body:#}");
        }
    }

    #[test]
    fn what_was_written_reads_back_without_a_difference(version in versions()) {
        for (document, body) in written("ana", &version.ready()).values() {
            prop_assert_eq!(document::differences(document, document, &[]), vec![]);
            let read = document::comparable(&answer(body));
            prop_assert_eq!(document::differences(document, &read, &document::owned(document)), vec![]);
            prop_assert_eq!(document::body(document, "m", "1"), document::body(document, "m", "1"));
            // The second write of what was read changes nothing either.
            prop_assert_eq!(document::owned_part(document, &read), document::owned_part(document, &document::comparable(body)));
        }
    }

    /// `render(prepare(export(x))) = x`, with the template at hand and without it.
    #[test]
    fn what_is_exported_renders_to_the_same_again(version in versions(), with_template in any::<bool>(), touch in any::<bool>()) {
        let ready = version.ready();
        let written = written("ana", &ready);
        let observed = |resource: &str| {
            let mut answered = answer(&written[resource].1);
            if touch {
                // Somebody changed it: the export is of what is there now.
                answered["nodes"][0]["notes"] = json!("touched");
                answered["settings"]["executionTimeout"] = json!(77);
            }
            document::comparable(&answered)
        };
        let exports = version.exports.iter().map(|(resource, raw)| {
            let known = surroundings("ana", resource, &ready, with_template.then(|| (raw.clone(), written[*resource].0.clone())));
            (*resource, super::export::export(&n8n_id(&format!("ana {resource}")), &observed(resource), &known))
        });
        let exports: Vec<(&str, Value)> = exports.collect();
        if with_template && !touch {
            for ((_, raw), (_, exported)) in version.exports.iter().zip(&exports) {
                let nodes = |workflow: &Value| workflow["nodes"].clone();
                prop_assert_eq!(nodes(raw), nodes(exported), "an untouched export is the template itself");
            }
        }
        let again = Version::of(exports).credential("crm", "crmApi", "Template · CRM");
        let again = super::properties::written("ana", &again.ready());
        for (resource, (document, _)) in &again {
            let there = observed(resource);
            prop_assert_eq!(document::differences(document, &there, &document::owned(document)), vec![]);
            if !touch {
                prop_assert_eq!(document::differences(document, &written[resource].0, &[]), vec![]);
            }
        }
    }

    #[test]
    fn every_change_of_an_owned_field_shows_and_noise_never_does(version in versions(), pick in any::<prop::sample::Index>()) {
        for (document, body) in written("ana", &version.ready()).values() {
            let mut answered = answer(body);
            // A node's id says nothing, but in a group it would take the node out.
            answered["nodes"].as_array_mut().unwrap().iter_mut().for_each(|node| node["position"] = json!([3, 4]));
            let mut leaves = Vec::new();
            owned_leaves(&answered, "", &mut leaves);
            let leaf = &leaves[pick.index(leaves.len())];
            let mut moved = answered.clone();
            let at = moved.pointer_mut(leaf).unwrap();
            *at = match at {
                Value::Number(_) => json!(987),
                Value::Bool(value) => json!(!*value),
                _ => json!("changed"),
            };
            let changes = document::differences(document, &document::comparable(&moved), &[]);
            let invented = leaf.ends_with("/webhookId") && document["nodes"].pointer(leaf.trim_start_matches("/nodes")).is_none();
            prop_assume!(!leaf.starts_with("/nodes/") || !leaf.ends_with("/id") || leaf.contains("credentials"));
            prop_assert_eq!(changes.is_empty(), is_noise(leaf) || invented, "{}: {:?}", leaf, changes);
        }
    }
}
