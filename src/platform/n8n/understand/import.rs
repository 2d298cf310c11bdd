//! What n8n's editor makes of a document that is imported: what says nothing about what a workflow does is left out, and told
//! in one note. What would change what it does is never left out.
//!
//! Tried on n8n 2.41.1: its public API answers 400 to keys that its editor drops or ignores, to nodes without a name, and to
//! connections of nodes that are not there.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Pass;
use crate::platform::n8n::{nodes, publishable};
use crate::problem::{ENOUGH, Place, Problem, did_you_mean, listed};

/// What a document holds and n8n does not take.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Keys of the workflow, of its nodes and of its settings.
    keys: BTreeSet<String>,
    /// Connections of nodes that are not there.
    edges: BTreeSet<String>,
    /// Sticky notes that got a name.
    named: usize,
}

/// Keys of a node that say nothing about what it does: one that is almost like them is no slip that matters.
const OF_NO_CONSEQUENCE: [&str; 5] = ["id", "name", "position", "notes", "notesInFlow"];

/// Keys of a node that are true or false.
const FLAGS: [&str; 6] = [
    "disabled",
    "notesInFlow",
    "executeOnce",
    "alwaysOutputData",
    "retryOnFail",
    "continueOnFail",
];

impl Pass<'_> {
    /// Notes every key of the workflow that n8n does not take; a slip in one that it takes is refused.
    pub fn keys(&mut self, workflow: &Map<String, Value>) {
        for key in workflow.keys().take(ENOUGH) {
            if nodes::WORKFLOW_KEYS.contains(&&**key) || nodes::EXPORT_ONLY.contains(&&**key) {
                continue;
            }
            let missing = nodes::WORKFLOW_KEYS
                .into_iter()
                .filter(|known| !workflow.contains_key(*known));
            match did_you_mean(key, missing) {
                Some(word) => {
                    let place = self.source.find(&format!("\"{key}\""));
                    let problem = Problem::configuration(format!("a workflow has no key `{key}`: n8n would refuse it"));
                    self.refuse(problem.at(place).hint(format!("did you mean `{word}`?")));
                }
                None => {
                    self.left_out.keys.insert(format!("`{key}`"));
                }
            }
        }
    }

    /// Notes a setting that n8n does not know; a slip in one that it knows is refused.
    pub fn unknown_setting(&mut self, key: &str) {
        let Some(word) = did_you_mean(key, nodes::SETTINGS_KEYS) else {
            self.left_out.keys.insert(format!("`settings.{key}`"));
            return;
        };
        let place = self.source.find(&format!("\"{key}\""));
        let problem = Problem::configuration(format!("`settings.{key}` is not a setting n8n accepts"));
        self.refuse(problem.at(place).hint(format!("did you mean `{word}`?")));
    }

    /// A node's keys as n8n takes them.
    pub fn node_keys(&mut self, node: super::Node<'_>, map: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, value) in map {
            let known = key == "customTelemetryTags" || nodes::NODE_KEYS.contains(&&**key);
            if known && !value.is_null() {
                match told(key, value) {
                    Some(value) => {
                        out.insert(key.clone(), value);
                    }
                    None => self.refuse_node(
                        node,
                        format!("its `{key}` is {value}, which n8n does not take"),
                        "export the workflow again",
                    ),
                }
                continue;
            }
            let counts = |known: &&str| !map.contains_key(*known) && !OF_NO_CONSEQUENCE.contains(known);
            match did_you_mean(key, nodes::NODE_KEYS.into_iter().filter(counts)).filter(|_| !known) {
                Some(word) => self.refuse_node(
                    node,
                    format!("it has a key `{key}` that n8n refuses"),
                    format!("did you mean `{word}`?"),
                ),
                None => {
                    let null = if known { " (null)" } else { "" };
                    self.left_out.keys.insert(format!("`{key}`{null} of nodes"));
                }
            }
        }
        out
    }

    /// The nodes, each with a name of its own: sticky notes get one where they have none, or another node's.
    pub fn named(&mut self, list: &[Value]) -> Vec<Value> {
        let name_of = |node: &Value| node.get("name").and_then(Value::as_str).map(str::to_owned);
        let is_note = |node: &Value| {
            let kind = node.get("type").and_then(Value::as_str);
            kind.is_some_and(nodes::is_decoration)
        };
        // What connections and expressions refer to keeps its name.
        let working = list.iter().filter(|node| !is_note(node));
        let mut taken: BTreeSet<String> = working.filter_map(name_of).collect();
        let used: BTreeSet<String> = list.iter().filter_map(name_of).collect();
        let mut free = 0;
        let mut named = Vec::new();
        for node in list {
            let mut node = node.clone();
            let flags = node.as_object_mut().into_iter().flat_map(|map| map.iter_mut());
            for (key, value) in flags.filter(|(key, _)| FLAGS.contains(&&***key)) {
                if let Some(flag) = told(key, value) {
                    *value = flag;
                }
            }
            if is_note(&node) {
                let name = name_of(&node).filter(|name| !name.is_empty() && !taken.contains(name));
                let name = name.unwrap_or_else(|| {
                    self.left_out.named += 1;
                    loop {
                        let name = match free {
                            0 => "Sticky Note".to_owned(),
                            number => format!("Sticky Note{number}"),
                        };
                        free += 1;
                        if !used.contains(&name) && !taken.contains(&name) {
                            return name;
                        }
                    }
                });
                taken.insert(name.clone());
                if let Some(map) = node.as_object_mut() {
                    map.insert("name".to_owned(), Value::from(name));
                }
            }
            named.push(node);
        }
        named
    }

    /// The connections between nodes that are there. One that names almost a node which nothing else reaches is a slip, and a
    /// workflow of which none is left is no workflow.
    pub fn connected(&mut self, connections: &Map<String, Value>, names: &BTreeSet<String>) -> Map<String, Value> {
        let mut out = Map::new();
        let mut unknown: BTreeSet<String> = BTreeSet::new();
        let mut left = 0;
        for (from, outputs) in connections {
            let Some(outputs) = outputs.as_object() else {
                self.misconnected(from);
                continue;
            };
            if !names.contains(from) && outputs.values().any(has_ends) {
                unknown.insert(from.clone());
            }
            let mut kept = Map::new();
            for (kind, slots) in outputs {
                let Some(slots) = slots.as_array().filter(|slots| slots.iter().all(is_slot)) else {
                    self.misconnected(from);
                    continue;
                };
                let slots = slots.iter().map(|slot| {
                    let ends = slot.as_array()?.iter();
                    let is_there = |end: &&Value| {
                        let to = end.get("node").and_then(Value::as_str).unwrap_or_default();
                        let there = names.contains(to);
                        if !there {
                            unknown.insert(to.to_owned());
                        }
                        there && names.contains(from)
                    };
                    Some(Value::Array(ends.filter(is_there).cloned().collect()))
                });
                let slots: Vec<Value> = slots.map(|slot| slot.unwrap_or(Value::Null)).collect();
                left += slots.iter().filter_map(Value::as_array).map(Vec::len).sum::<usize>();
                kept.insert(kind.clone(), Value::Array(slots));
            }
            if names.contains(from) {
                out.insert(from.clone(), Value::Object(kept));
            }
        }
        let whole = Value::Object(out.clone());
        let connected = publishable::connected(&whole);
        let mut slips = Vec::new();
        // Names may be missing only because looking for them ended early.
        for name in unknown.into_iter().take(ENOUGH.saturating_sub(self.found())) {
            // A node that was renamed, and is reached by nothing now, is meant.
            let lonely = names
                .iter()
                .map(String::as_str)
                .filter(|name| !connected.contains(name));
            let meant = did_you_mean(&name, lonely);
            if meant.is_none() && left > 0 {
                self.left_out.edges.insert(format!("\"{name}\""));
                continue;
            }
            let place = self.source.find(&name);
            let problem = Problem::configuration(format!("a connection names node \"{name}\", which does not exist"));
            slips.push(problem.at(place).hint(match meant {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => "export the workflow again".to_owned(),
            }));
        }
        self.problems.extend(slips);
        out
    }

    fn misconnected(&mut self, from: &str) {
        let place = self.source.find(from);
        let why = format!("the connections of node \"{from}\" are not written as n8n writes them");
        let hint = "a list for each output, and in it the ends: export the workflow again";
        self.refuse(Problem::configuration(why).at(place).hint(hint));
    }

    /// One note about everything that was left out.
    pub fn tell_left_out(&mut self) {
        let LeftOut { keys, edges, named } = std::mem::take(&mut self.left_out);
        let mut parts = Vec::new();
        if !keys.is_empty() {
            parts.push(format!(
                "what n8n does not keep ({})",
                listed(keys.iter().map(String::as_str))
            ));
        }
        if !edges.is_empty() {
            let edges = listed(edges.iter().map(String::as_str));
            parts.push(format!("connections of nodes that are not there ({edges})"));
        }
        if !parts.is_empty() {
            let why = format!(
                "{}: left out, as n8n's editor does: {}",
                self.resource,
                parts.join("; ")
            );
            self.warn(Problem::warning(why).at(Place::file(&*self.source.file)));
        }
        if named > 0 {
            tracing::debug!(resource = self.resource, named, "sticky notes got names");
        }
    }
}

/// The value of a node's key as n8n takes it; `None` for one that it refuses.
fn told(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if key == "typeVersion" || key == "maxTries" || key == "waitBetweenTries" => {
            let number: serde_json::Number = text.trim().parse().ok()?;
            Some(Value::Number(number))
        }
        Value::String(text) if FLAGS.contains(&key) => match text.as_str() {
            "true" => Some(json!(true)),
            "false" | "" => Some(json!(false)),
            _ => None,
        },
        Value::Number(_) | Value::Array(_) | Value::Object(_) if FLAGS.contains(&key) => None,
        other => Some(other.clone()),
    }
}

/// Whether an output leads anywhere.
fn has_ends(slots: &Value) -> bool {
    let slots = slots.as_array().into_iter().flatten();
    slots.filter_map(Value::as_array).any(|ends| !ends.is_empty())
}

/// Whether this is the list of ends of an output; nothing is one without any.
fn is_slot(slot: &Value) -> bool {
    slot.is_null() || slot.as_array().is_some_and(|ends| ends.iter().all(Value::is_object))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{Version, export, node, with};
    use super::*;

    const NOTE: &str = "n8n-nodes-base.stickyNote";
    const SET: &str = "n8n-nodes-base.set";

    fn of(main: Value) -> Version {
        Version::of([("main", main)])
    }

    #[test]
    fn what_n8n_does_not_keep_is_left_out_with_one_note() {
        let mut main = export(
            "Main",
            "AAAABBBBCCCC0000",
            vec![
                with(
                    node("A", SET, json!({})),
                    json!({"color": "#fff", "cid": "1", "waitBetweenTries": null, "extendsCredential": "x"}),
                ),
                with(
                    node("B", SET, json!({})),
                    json!({"color": "#000", "typeVersion": "3.4", "notesInFlow": "true"}),
                ),
            ],
        );
        main["scopes"] = json!(["workflow:read"]);
        main["checksum"] = json!("x");
        main["versionMetadata"] = json!({"name": "x"});
        main["settings"] = json!({"oops": 1, "executionOrder": "v1"});
        let version = of(main);
        assert_eq!(
            version.warnings(),
            [
                "main: left out, as n8n's editor does: what n8n does not keep (`checksum`, `cid` of nodes, `color` of nodes, `extendsCredential` of nodes, `scopes`, `settings.oops`, `versionMetadata`, `waitBetweenTries` (null) of nodes)"
            ]
        );
        let b = version.node("main", "B");
        assert_eq!((&b["typeVersion"], &b["notesInFlow"]), (&json!(3.4), &json!(true)));
        assert_eq!(
            version.ready()["main"].template["settings"],
            json!({"executionOrder": "v1"})
        );
    }

    #[test]
    fn a_slip_is_never_left_out() {
        for (more, words) in [
            (
                json!({"paramaters": {}}),
                ["key `paramaters`", "did you mean `parameters`?"],
            ),
            (
                json!({"credential": {}}),
                ["key `credential`", "did you mean `credentials`?"],
            ),
            (json!({"disable": true}), ["key `disable`", "did you mean `disabled`?"]),
            (json!({"typeVersion": "new"}), ["`typeVersion`", "does not take"]),
            (json!({"executeOnce": "perhaps"}), ["`executeOnce`", "does not take"]),
        ] {
            let mut odd = node("A", SET, json!({}));
            for key in ["parameters", "typeVersion"] {
                if more.get(key).is_none() {
                    odd.as_object_mut().unwrap().remove(key);
                }
            }
            of(export("Main", "AAAABBBBCCCC0000", vec![with(odd, more)])).refuses(&words);
        }
        let mut main = export("Main", "AAAABBBBCCCC0000", vec![]);
        main["nodeGroup"] = json!([]);
        of(main).refuses(&["no key `nodeGroup`", "did you mean `nodeGroups`?"]);
    }

    #[test]
    fn sticky_notes_get_the_names_they_lack() {
        let note = |name: Option<&str>| {
            let mut note = node("", NOTE, json!({"content": "x"}));
            match name {
                Some(name) => note["name"] = json!(name),
                None => drop(note.as_object_mut().unwrap().remove("name")),
            }
            note
        };
        let nodes = vec![
            note(None),
            note(Some("Work")),
            node("Work", SET, json!({})),
            note(Some("Sticky Note1")),
            note(Some("Sticky Note1")),
            note(Some("")),
        ];
        let ready = of(export("Main", "AAAABBBBCCCC0000", nodes)).ready();
        let nodes = ready["main"].template["nodes"].as_array().unwrap();
        let names: Vec<&str> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "Sticky Note",
                "Sticky Note2",
                "Work",
                "Sticky Note1",
                "Sticky Note3",
                "Sticky Note4"
            ]
        );
    }

    #[test]
    fn connections_of_nodes_that_are_not_there_are_left_out_unless_all_are_or_it_is_a_slip() {
        let end = |name: &str| json!({"node": name, "type": "main", "index": 0});
        let nodes = || {
            ["First", "Second", "Third"]
                .map(|name| node(name, SET, json!({})))
                .to_vec()
        };
        let connected = |connections: Value| {
            let mut main = export("Main", "AAAABBBBCCCC0000", nodes());
            main["connections"] = connections;
            of(main)
        };
        let version = connected(json!({
            "First": {"main": [[end("Second"), end("Task-manager-agent")], null, []]},
            "Nobody at all": {"main": [[end("Second")]]},
        }));
        assert_eq!(
            version.ready()["main"].template["connections"],
            json!({"First": {"main": [[end("Second")], null, []]}})
        );
        assert_eq!(
            version.warnings(),
            [
                "main: left out, as n8n's editor does: connections of nodes that are not there (\"Nobody at all\", \"Task-manager-agent\")"
            ]
        );
        connected(json!({"First": {"main": [[end("Secnod"), end("Third")]]}}))
            .refuses(&["node \"Secnod\"", "did you mean \"Second\"?"]);
        // n8n numbers nodes: one that is reached already is not meant.
        connected(json!({"First": {"main": [[end("Second1"), end("Second")]]}})).ready();
        connected(json!({"First": {"main": [[end("Something else")]]}}))
            .refuses(&["node \"Something else\"", "export"]);
        for odd in [
            json!({"First": []}),
            json!({"First": {"main": {"node": "Second"}}}),
            json!({"First": {"main": [end("Second")]}}),
            json!({"First": {"main": [["Second"]]}}),
        ] {
            connected(odd).refuses(&["connections of node \"First\"", "not written as n8n writes them"]);
        }
    }
}
