//! The webhooks of a version as a whole: what templates call them, and that no two are one.

use std::collections::BTreeMap;

use crate::platform::{Prepared, Templates};
use crate::problem::{Place, Problem, listed};

/// `webhooks.<name>` must mean one thing: entrances without a path of their own take their resource's name too.
pub fn tell_apart(templates: &Templates<'_>, prepared: &mut BTreeMap<String, Prepared>) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for entry in prepared.values().flat_map(|prepared| &prepared.entries) {
        *uses.entry(entry.name.clone()).or_default() += 1;
    }
    for (resource, prepared) in prepared.iter_mut() {
        for entry in &mut prepared.entries {
            let shared = uses.get(&entry.name).is_some_and(|uses| *uses > 1);
            let declared = templates.webhooks.get(&entry.name);
            let declared = declared.is_some_and(|slot| slot.resource == *resource && slot.node == entry.node);
            if shared && !declared && !entry.url.contains("{path}") {
                entry.name = format!("{resource}-{}", entry.name);
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
    for (resource, entry) in all.filter(|(_, entry)| entry.url.contains("{path}")) {
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
    use serde_json::{Value, json};

    use super::super::examples::{Version, WEBHOOK, export, node, with};

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
