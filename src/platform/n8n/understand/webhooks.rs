//! The webhooks of a version as a whole: what templates call them, and that no two are one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use super::designer::Door;

use crate::platform::{EntryPoint, Prepared, Templates};
use crate::problem::{Place, Problem, listed};
use crate::template::Path;

/// `webhooks.<name>` must mean one thing: entrances without a path of their own take their resource's name too. `unnamed`
/// are their nodes, by resource.
pub fn tell_apart(
    templates: &Templates<'_>,
    prepared: &mut BTreeMap<String, Prepared>,
    unnamed: &BTreeMap<&str, BTreeSet<String>>,
) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let mut listens: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in prepared.values().flat_map(|prepared| &prepared.entries) {
        *uses.entry(entry.name.clone()).or_default() += 1;
        for method in entry.method.split(',').filter(|_| is_by_path(entry)) {
            *listens.entry((method.to_owned(), entry.suffix.clone())).or_default() += 1;
        }
    }
    for (resource, prepared) in prepared.iter_mut() {
        let mut renamed = Vec::new();
        let mut warnings = Vec::new();
        for entry in &mut prepared.entries {
            let by_path = is_by_path(entry);
            let is_used = |method: &str| listens.get(&(method.to_owned(), entry.suffix.clone())) > Some(&1);
            let shared = match by_path {
                true => entry.method.split(',').any(is_used),
                false => uses.get(&entry.name) > Some(&1),
            };
            let declared = templates.webhooks.get(&entry.name);
            let declared = declared.is_some_and(|slot| slot.resource == *resource && slot.node == entry.node);
            let is_unnamed = unnamed
                .get(&**resource)
                .is_some_and(|nodes| nodes.contains(&entry.node));
            if shared && !declared && (!by_path || is_unnamed) {
                let name = format!("{resource}-{}", entry.name);
                if by_path {
                    renamed.push((entry.node.clone(), entry.name.clone(), name.clone()));
                    entry.suffix.clone_from(&name);
                    warnings.push(told_apart(templates, resource, entry, &name));
                }
                entry.name = name;
            }
        }
        for (node, before, after) in renamed {
            rename(&mut prepared.template, &node, &before, &after);
        }
        prepared.warnings.append(&mut warnings);
    }
}

/// What stands for the address at which a node is reached, until it has a name: the node's number.
pub fn unnamed_url(number: usize) -> String {
    Path::expression(&["webhooks", &format!("{UNNAMED}{number}"), "url"])
}

/// No character of a name.
const UNNAMED: char = '\u{1f}';

static UNNAMED_URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"<%= webhooks\["\\u001f([0-9]+)"\]\.url %>"#).unwrap_or_else(|error| panic!("bug: {error}"))
});

/// Gives the addresses that stand for the designer's the names that the version's webhooks have.
pub fn name_addresses(prepared: &mut BTreeMap<String, Prepared>, doors: &[Door<'_>]) {
    let url = |door: &Door<'_>| {
        let mut entries = prepared.get(door.resource)?.entries.iter();
        let entry = entries.find(|entry| entry.node == door.node)?;
        Some(Path::expression(&["webhooks", &entry.name, "url"]))
    };
    let urls: Vec<Option<String>> = doors.iter().map(url).collect();
    for prepared in prepared.values_mut() {
        name_within(&mut prepared.template, &urls);
    }
}

fn name_within(value: &mut Value, urls: &[Option<String>]) {
    match value {
        Value::String(text) if text.contains("\\u001f") => {
            let named = UNNAMED_URL.replace_all(text, |found: &Captures<'_>| {
                let number: Option<usize> = found[1].parse().ok();
                let url = number.and_then(|number| urls.get(number)?.clone());
                url.unwrap_or_else(|| found[0].to_owned())
            });
            *text = named.into_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_within(item, urls)),
        Value::Object(map) => map.values_mut().for_each(|item| name_within(item, urls)),
        _ => {}
    }
}

fn is_by_path(entry: &EntryPoint) -> bool {
    entry.url.contains("{path}")
}

/// A warning that an address is another than it would be alone, and how it stays what it was.
fn told_apart(templates: &Templates<'_>, resource: &str, entry: &EntryPoint, name: &str) -> Problem {
    let before = &entry.name;
    let text = |text: &str| toml::Value::from(text).to_string();
    let warning = Problem::warning(format!(
        "node \"{}\" of `{resource}` is reached as `{name}`: several webhooks of this version would be `{before}`",
        entry.node
    ));
    let hint = format!(
        "to give one of them an address that stays, declare it in {}:\n[webhooks.{}]\nresource = {}\nnode = {}",
        templates.version_file,
        text(before),
        text(resource),
        text(&entry.node)
    );
    warning.at(Place::file(templates.version_file)).hint(hint)
}

/// Lets a node listen at another webhook's path.
fn rename(template: &mut Value, node: &str, before: &str, after: &str) {
    let path = |name: &str| Value::from(Path::expression(&["webhooks", name, "path"]));
    let (before, after) = (path(before), path(after));
    let nodes = template
        .get_mut("nodes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for node in nodes.filter(|one| one.get("name").and_then(Value::as_str) == Some(node)) {
        for pointer in ["/parameters/path", "/parameters/options/path"] {
            if let Some(written) = node.pointer_mut(pointer).filter(|written| **written == before) {
                *written = after.clone();
            }
        }
    }
}

/// Every webhook that is declared exists, and no two listen at one place.
pub fn check_names(templates: &Templates<'_>, prepared: &BTreeMap<String, Prepared>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, slot) in templates.webhooks {
        let Some(template) = templates
            .templates
            .iter()
            .find(|template| template.resource == slot.resource)
        else {
            continue;
        };
        let entries = prepared
            .get(&slot.resource)
            .map(|prepared| prepared.entries.as_slice())
            .unwrap_or_default();
        if !entries.iter().any(|entry| entry.node == slot.node) {
            let known = listed(entries.iter().map(|entry| entry.node.as_str()));
            problems.push(
                Problem::configuration(format!(
                    "webhook `{name}`: {} has no node \"{}\" with a webhook",
                    template.source.file, slot.node
                ))
                .at(Place::file(templates.version_file))
                .hint(format!("its nodes with a webhook: {known}")),
            );
        }
    }
    let mut seen: BTreeMap<(&str, &str), (&str, &str)> = BTreeMap::new();
    let all = prepared
        .iter()
        .flat_map(|(resource, prepared)| prepared.entries.iter().map(move |entry| (resource, entry)));
    for (resource, entry) in all.filter(|(_, entry)| is_by_path(entry)) {
        for method in entry.method.split(',') {
            if let Some((other, node)) = seen.insert((method, &entry.suffix), (resource, &entry.node)) {
                let source = templates
                    .templates
                    .iter()
                    .find(|template| template.resource == resource);
                let place = source.map(|template| template.source.find_name(&entry.node));
                problems.push(
                    Problem::configuration(format!(
                        "node \"{}\": it would listen to {method} `{}`, where node \"{node}\" of `{other}` listens already",
                        entry.node, entry.suffix
                    ))
                    .at_maybe(place)
                    .hint("give one of them another path"),
                );
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{Version, WEBHOOK, export, node, with};
    use super::*;

    const FORM: &str = "n8n-nodes-base.formTrigger";
    const CHAT: &str = "@n8n/n8n-nodes-langchain.chatTrigger";
    const UUID: &str = "7d4f0f1e-1111-4222-8333-00000000aaaa";

    #[test]
    fn two_nodes_never_listen_at_one_place() {
        let two = |a: Value, b: Value| {
            Version::of([
                ("main", export("Main", "AAAABBBBCCCC0000", vec![node("A", WEBHOOK, a)])),
                (
                    "other",
                    export("Other", "AAAABBBBCCCC0001", vec![node("B", WEBHOOK, b)]),
                ),
            ])
        };
        two(json!({"path": "x"}), json!({"path": "x", "httpMethod": "POST"})).ready();
        two(json!({"path": "x"}), json!({"path": "/x/"})).refuses(&["node \"B\"", "GET `x`", "node \"A\" of `main`"]);
        // n8n keeps paths with parameters once too, although their addresses differ.
        two(json!({"path": "u/:id"}), json!({"path": "u/:id"})).refuses(&["node \"B\""]);
        let both = json!({"path": "x", "multipleMethods": true, "httpMethod": ["GET", "POST"]});
        two(both, json!({"path": "x", "httpMethod": "POST"})).refuses(&["POST `x`"]);
        // A form and a webhook share n8n's table.
        let form = with(
            node("F", FORM, json!({"options": {"path": "x"}})),
            json!({"typeVersion": 2.5}),
        );
        Version::of([(
            "main",
            export(
                "Main",
                "AAAABBBBCCCC0000",
                vec![form, node("W", WEBHOOK, json!({"path": "x"}))],
            ),
        )])
        .refuses(&["GET `x`"]);
    }

    /// n8n's default: a node "Webhook" at a path of random letters.
    #[test]
    fn default_webhooks_of_several_workflows_are_told_apart_by_their_resource() {
        let webhook = |path: &str| vec![node("Webhook", WEBHOOK, json!({"path": path}))];
        let version = Version::of([
            (
                "a",
                export("A", "AAAABBBBCCCC0000", webhook("7d4f0f1e-1111-4222-8333-00000000aaaa")),
            ),
            (
                "b",
                export("B", "AAAABBBBCCCC0001", webhook("7d4f0f1e-1111-4222-8333-00000000bbbb")),
            ),
        ]);
        let ready = version.ready();
        for resource in ["a", "b"] {
            let entry = &ready[resource].entries[0];
            let name = format!("{resource}-webhook");
            assert_eq!((&entry.name, &entry.suffix), (&name, &name));
            let path = version.node(resource, "Webhook")["parameters"]["path"].clone();
            assert_eq!(path, Path::expression(&["webhooks", &name, "path"]));
        }
        // Alone it is called as ever, and so is one that the version declares.
        let alone = Version::of([("a", export("A", "AAAABBBBCCCC0000", webhook(UUID)))]);
        assert_eq!(alone.ready()["a"].entries[0].name, "webhook");
        let ready = version.webhook("webhook", "b", "Webhook").ready();
        assert_eq!(
            (&*ready["a"].entries[0].suffix, &*ready["b"].entries[0].suffix),
            ("a-webhook", "webhook")
        );
    }

    #[test]
    fn entrances_without_a_path_are_told_apart_by_their_resource() {
        let chat = || vec![with(node("Chat", CHAT, json!({})), json!({"webhookId": UUID}))];
        let version = Version::of([
            ("a", export("A", "AAAABBBBCCCC0000", chat())),
            ("b", export("B", "AAAABBBBCCCC0001", chat())),
        ]);
        let ready = version.ready();
        assert_eq!(
            (&*ready["a"].entries[0].name, &*ready["b"].entries[0].name),
            ("a-chat", "b-chat")
        );
        // A name the version declares stays what it is.
        let ready = version.webhook("chat", "b", "Chat").ready();
        assert_eq!(
            (&*ready["a"].entries[0].name, &*ready["b"].entries[0].name),
            ("a-chat", "chat")
        );
    }
}
