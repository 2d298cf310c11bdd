//! From an exported workflow to a template that is safe for any tenant.
//!
//! Everything in an export that points at the designer's own instance (sibling workflows, the error workflow, webhook
//! paths and ids, credentials) becomes an expression that is rendered per tenant. What cannot be made safe is refused
//! by the node's name. Nothing is passed through in silence.
//!
//! - [`designer`]: what ties an export to the instance it comes from, and where it stands in a text.
//! - [`import`]: what n8n's editor leaves out of a document.
//! - [`calls`], [`credentials`], [`entrances`], [`parameters`], [`settings`]: the parts of a workflow, one by one.
//! - [`webhooks`]: the ways in of the whole version, side by side.

mod calls;
mod causes;
mod credentials;
mod designer;
mod entrances;
mod import;
mod parameters;
pub mod publishing;
mod said;
mod settings;
mod ties;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::causes::Causes;
use self::designer::Designer;
pub use self::designer::workflow;
use self::import::LeftOut;
use super::{document, nodes};
use crate::platform::{Prepared, Templates};
use crate::problem::{ENOUGH, Place, Problem};
use crate::template::{Guard, Source, expression};

/// Makes the workflows of a version safe, all together, because they refer to each other.
pub fn prepare(templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>> {
    let designer = Designer::of(templates);
    let mut problems = Vec::new();
    let mut prepared = BTreeMap::new();
    let mut slots = BTreeMap::new();
    let mut unnamed = BTreeMap::new();
    for template in &templates.templates {
        let mut pass = Pass {
            templates,
            designer: &designer,
            resource: template.resource,
            source: template.source,
            active: template.active,
            problems: Vec::new(),
            refused: Causes::default(),
            warned: Causes::default(),
            left_out: LeftOut::default(),
            unnamed: BTreeSet::new(),
            slots: std::mem::take(&mut slots),
            out: Prepared {
                guard: Guard {
                    leading: vec!["=".to_owned()],
                    // It is JavaScript.
                    doubles: true,
                    ..Guard::default()
                },
                ..Prepared::default()
            },
        };
        pass.workflow();
        pass.tell();
        problems.append(&mut pass.problems);
        slots = pass.slots;
        unnamed.insert(template.resource, pass.unnamed);
        problems.extend(template.source.beyond_doubles());
        prepared.insert(template.resource.to_owned(), pass.out);
    }
    webhooks::tell_apart(templates, &mut prepared, &unnamed);
    let doors: Vec<_> = designer.doors().collect();
    webhooks::name_addresses(&mut prepared, &doors);
    problems.extend(webhooks::check_names(templates, &prepared));
    problems.extend(calls::check_cycles(templates, &prepared));
    if problems.is_empty() {
        Ok(prepared)
    } else {
        Err(problems)
    }
}

/// One workflow on its way to being a template.
struct Pass<'a> {
    templates: &'a Templates<'a>,
    designer: &'a Designer<'a>,
    resource: &'a str,
    source: &'a Source,
    /// Whether it runs while its tenant is active.
    active: bool,
    problems: Vec<Problem>,
    /// What is wrong in nodes, and what is worth a warning there.
    refused: Causes,
    warned: Causes,
    left_out: LeftOut,
    /// The nodes whose path says nothing, so that what reaches them is called like the node.
    unnamed: BTreeSet<String>,
    /// The names that were proposed for credentials which are not declared, each with its type and name.
    slots: BTreeMap<String, (String, String)>,
    out: Prepared,
}

/// The node that is being looked at.
#[derive(Clone, Copy)]
struct Node<'a> {
    name: &'a str,
    kind: &'a str,
    disabled: bool,
}

impl<'a> Pass<'a> {
    fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn warn(&mut self, warning: Problem) {
        if !self.out.warnings.iter().any(|known| known.repeats(&warning)) {
            self.out.warnings.push(warning);
        }
    }

    fn refuse_node(&mut self, node: Node<'_>, why: impl std::fmt::Display, hint: impl Into<String>) {
        let source = self.source;
        let place = || source.find_name(node.name);
        self.refused.add(node.name, why.to_string(), hint.into(), place);
    }

    fn warn_node(&mut self, node: Node<'_>, why: impl std::fmt::Display, hint: impl Into<String>, at: &str) {
        let source = self.source;
        let place = || match at {
            "" => source.find_name(node.name),
            text => source.find(text),
        };
        self.warned.add(node.name, why.to_string(), hint.into(), place);
    }

    /// How much is wrong so far.
    fn found(&self) -> usize {
        self.problems.len() + self.refused.len()
    }

    /// Everything that was found about nodes, one finding a cause.
    fn tell(&mut self) {
        self.problems
            .extend(std::mem::take(&mut self.refused).told(Problem::configuration));
        for warning in std::mem::take(&mut self.warned).told(Problem::warning) {
            self.warn(warning);
        }
    }

    fn refuse_file(&mut self, why: impl Into<String>, hint: &str) {
        let place = Place::file(&*self.source.file);
        self.refuse(Problem::configuration(why).at(place).hint(hint));
    }

    fn workflow(&mut self) {
        let source = self.source;
        let workflow = match designer::workflow(&source.value) {
            Ok(workflow) => workflow,
            Err(why) => {
                let (why, hint) = why.words(&source.file);
                return self.refuse_file(format!("this is not a workflow: {why}"), &hint);
            }
        };
        self.keys(workflow);
        let (Some(list), Some(connections)) = (
            workflow.get("nodes").and_then(Value::as_array),
            workflow.get("connections").and_then(Value::as_object),
        ) else {
            return self.refuse_file(
                "this is not a workflow: `nodes` (a list) and `connections` (an object) are needed",
                "export the workflow again",
            );
        };
        if designer::has_too_many_nodes(workflow) {
            let why = format!(
                "it has {} nodes, and upa understands at most {}",
                list.len(),
                designer::MOST_NODES
            );
            return self.refuse_file(why, "take it apart into workflows that call each other");
        }
        let name = workflow.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = match without_tenant(name, workflow) {
            // What is copied from the canvas has none.
            blank if blank.trim().is_empty() => self.resource,
            name => name,
        };
        let list = self.named(list);
        let names = self.node_names(&list);
        let nodes: Vec<Value> = list.iter().map_while(|node| self.next_node(node)).flatten().collect();
        let connections = self.connected(connections, &names);
        let settings = self.settings(workflow.get("settings"));
        let mut template = Map::new();
        template.insert("name".to_owned(), Value::from(per_tenant_name(name)));
        template.insert("nodes".to_owned(), Value::Array(nodes));
        template.insert("connections".to_owned(), Value::Object(connections));
        template.insert("settings".to_owned(), settings);
        let groups = workflow
            .get("nodeGroups")
            .and_then(Value::as_array)
            .filter(|groups| !groups.is_empty());
        if let Some(groups) = groups {
            template.insert("nodeGroups".to_owned(), Value::Array(groups.clone()));
        }
        let connections = template.get("connections").cloned().unwrap_or_default();
        if let Some(nodes) = template.get("nodes").and_then(Value::as_array).cloned() {
            self.publishing(&nodes, &connections);
        }
        self.out.template = Value::Object(template);
        self.tell_left_out();
    }

    /// The names of all nodes; they are what connections and expressions refer to, so they must be unique and fixed.
    fn node_names(&mut self, list: &[Value]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (index, node) in list.iter().enumerate() {
            if self.found() >= ENOUGH {
                break;
            }
            match node.get("name").and_then(Value::as_str) {
                Some(name) if expression::has_expression(name) => {
                    let place = self.source.find_name(name);
                    self.refuse(
                        Problem::configuration(format!("node \"{name}\": a node's name cannot be rendered"))
                            .at(place)
                            .hint("connections and expressions refer to it: give it a fixed name"),
                    );
                }
                Some(name) => {
                    if !names.insert(name.to_owned()) {
                        let place = self.source.find_name(name);
                        self.refuse(
                            Problem::configuration(format!("two nodes are called \"{name}\""))
                                .at(place)
                                .hint("node names must be unique in a workflow"),
                        );
                    }
                }
                None => self.refuse_file(
                    format!("node number {} has no name", index + 1),
                    "export the workflow again",
                ),
            }
        }
        names
    }

    /// A node, unless enough is wrong already: each finding is looked up in the whole file.
    fn next_node(&mut self, value: &Value) -> Option<Option<Value>> {
        (self.found() < ENOUGH).then(|| self.node(value))
    }

    fn node(&mut self, value: &Value) -> Option<Value> {
        let map = value.as_object()?;
        let name = map.get("name").and_then(Value::as_str)?;
        let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
        let node = Node {
            name,
            kind,
            disabled: map.get("disabled") == Some(&Value::Bool(true)),
        };
        if kind.is_empty() {
            self.refuse_node(node, "it has no type", "export the workflow again");
        }
        let mut out = self.node_keys(node, map);
        // Ids are given when it is written: each tenant's nodes have their own.
        if !out.get("id").is_some_and(Value::is_string) {
            out.insert("id".to_owned(), Value::from(name));
        }
        out.entry("position").or_insert_with(|| json!([0, 0]));
        let parameters = map.get("parameters").cloned().unwrap_or_else(|| json!({}));
        self.check_source(node, &parameters);
        if nodes::reaches_the_instance(kind) && !node.disabled {
            self.warn_node(
                node,
                "it uses n8n's own API, which reaches the workflows of every tenant",
                "give each tenant a key of its own, or do without the node",
                "",
            );
        }
        let parameters = self.parameters(node, "", parameters);
        out.insert("parameters".to_owned(), parameters);
        if let Some(credentials) = map.get("credentials").filter(|credentials| !credentials.is_null()) {
            out.insert("credentials".to_owned(), self.credentials(node, credentials));
        }
        if let Some(Value::String(notes)) = map.get("notes") {
            out.insert("notes".to_owned(), Value::from(self.readable(node, notes.clone())));
        }
        self.entrance(node, &mut out);
        Some(Value::Object(out))
    }
}

/// The template's name with the tenant's before it, unless the template says where the tenant's name goes.
fn per_tenant_name(name: &str) -> String {
    if expression::has_expression(name) {
        name.to_owned()
    } else {
        format!("<%= tenant.name %> · {name}")
    }
}

/// The name of an export of a tenant's own copy, without that tenant: its mark and its paths tell who it was.
fn without_tenant<'a>(name: &'a str, workflow: &Map<String, Value>) -> &'a str {
    let Some((first, rest)) = name.split_once(" · ") else {
        return name;
    };
    let whole = Value::Object(workflow.clone());
    let marked = document::tag(&whole, document::MARK)
        .and_then(|mark| mark.split('/').nth(1)?.split('@').next())
        .is_some_and(|tenant| tenant == first);
    let nodes = workflow.get("nodes").and_then(Value::as_array).into_iter().flatten();
    let mut paths = nodes.filter_map(|node| node.pointer("/parameters/path").and_then(Value::as_str));
    let mut in_path = || paths.any(|path| entrances::tenant_of_path(path) == Some(first));
    let ours = marked || in_path();
    if ours { rest } else { name }
}

#[cfg(test)]
pub(super) mod examples;
#[cfg(test)]
mod tests {
    use super::examples::{CALL, Version, WEBHOOK, export, node, with};
    use super::*;

    #[test]
    fn several_problems_are_reported_at_once() {
        let nodes = vec![
            node("A", CALL, json!({"workflowId": "={{ 1 }}"})),
            with(
                node("B", "n8n-nodes-base.set", json!({})),
                json!({"credentials": {"x": {"name": "X"}}, "issues": {}}),
            ),
            node("C", WEBHOOK, json!({"path": "={{ $now }}"})),
            node("C", "n8n-nodes-base.noOp", json!({})),
            node("D <%= tenant.name %>", "n8n-nodes-base.noOp", json!({})),
            json!({"type": "x"}),
        ];
        let mut broken = export("Main", "AAAABBBBCCCC0000", nodes);
        broken["connections"] = json!({"Aa": {"main": [[{"node": "Z", "type": "main", "index": 0}]]}});
        broken["settings"] = json!({"oops": 1});
        broken["typo"] = json!(1);
        let other = export(
            "Other",
            "AAAABBBBCCCC0001",
            vec![node("E", CALL, json!({"workflowId": "ZZZZZZZZZZZZZZZZ"}))],
        );
        let refused = Version::of([("main", broken), ("other", other)]).refused();
        for words in [
            "node \"A\": it computes",
            "node \"B\": it uses the credential",
            "node \"C\": its path is computed",
            "two nodes are called \"C\"",
            "name cannot be rendered",
            "node number 6 has no name",
            "names node \"Aa\"",
            "names node \"Z\"",
            "node \"E\"",
        ] {
            assert!(
                refused.iter().any(|refused| refused.contains(words)),
                "{words:?} is not in {refused:#?}"
            );
        }
    }

    #[test]
    fn what_an_export_carries_besides_the_workflow_is_left_behind() {
        let ready = Version::of([(
            "main",
            export(
                "Main",
                "AAAABBBBCCCC0000",
                vec![node("N", "n8n-nodes-acme.any", json!({"a": [1, null, {"b": "ñ"}]}))],
            ),
        )])
        .ready();
        let template = &ready["main"].template;
        let keys: Vec<&str> = template.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["connections", "name", "nodes", "settings"]);
        assert_eq!(template["nodes"][0]["parameters"], json!({"a": [1, null, {"b": "ñ"}]}));
    }

    #[test]
    fn a_tenants_copy_loses_that_tenants_name() {
        let uuid = "11111111-1111-4222-8333-00000000bbbb";
        let named = |name: &str, path: &str, mark: &str| {
            let mut main = export(
                name,
                "AAAABBBBCCCC0000",
                vec![node("In", WEBHOOK, json!({"path": path}))],
            );
            main["settings"] = json!({"customTelemetryTags": [{"key": "upa.owner", "value": mark}]});
            let ready = Version::of([("main", main)]).ready();
            ready["main"].template["name"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            named("welcs · Main", &format!("welcs-{uuid}/in"), ""),
            "<%= tenant.name %> · Main"
        );
        assert_eq!(
            named("welcs · Main", "in", "upa:ws/welcs@v1/main"),
            "<%= tenant.name %> · Main"
        );
        assert_eq!(
            named("Lead · Main", "in", "upa:ws/welcs@v1/main"),
            "<%= tenant.name %> · Lead · Main"
        );
        assert_eq!(named("Main <%= tenant.name %>", "in", ""), "Main <%= tenant.name %>");
    }

    #[test]
    fn what_is_no_workflow_is_refused() {
        for value in [
            json!(null),
            json!([]),
            json!([{}, {}]),
            json!({}),
            json!({"nodes": {}, "connections": {}}),
            json!({"nodes": []}),
        ] {
            Version::of([("main", value)]).refuses(&["this is not a workflow"]);
        }
    }

    /// What is copied from the canvas has no name.
    #[test]
    fn a_workflow_without_a_name_has_its_resources() {
        let mut copied = export("", "AAAABBBBCCCC0000", vec![]);
        for _ in 0..2 {
            let ready = Version::of([("booking", copied.clone())]).ready();
            assert_eq!(ready["booking"].template["name"], "<%= tenant.name %> · booking");
            copied.as_object_mut().unwrap().remove("name");
        }
    }

    #[test]
    fn one_finding_a_cause_with_every_node() {
        let calls = |name: &str| {
            node(
                name,
                CALL,
                json!({"workflowId": {"__rl": true, "mode": "list", "value": "ZZZZZZZZZZZZZZZZ", "cachedResultName": "Billing"}}),
            )
        };
        let sheet = |name: &str| {
            let id = json!({"__rl": true, "mode": "list", "value": "1AbC", "cachedResultName": "Leads"});
            node(name, "n8n-nodes-base.googleSheets", json!({"documentId": id}))
        };
        let main = |nodes: Vec<Value>| Version::of([("main", export("Main", "AAAABBBBCCCC0000", nodes))]);
        main(vec![calls("A"), calls("B"), calls("C")]).refuses(&[
            "nodes \"A\", \"B\", \"C\": it calls workflow \"Billing\" (`ZZZZZZZZZZZZZZZZ`), which is not part",
        ]);
        let warnings = main(vec![sheet("A"), sheet("B")]).warnings();
        assert_eq!(
            warnings,
            ["nodes \"A\", \"B\": `documentId` is fixed (\"Leads\"), so every tenant uses the same one"]
        );
    }

    #[test]
    fn names_may_hold_anything_but_expressions() {
        for name in [
            "a \"quoted\" \\ one",
            "🤖 émoji",
            "a %> b",
            "a.b[\"c\"]",
            "{{ $json }}",
            "line\nbreak",
            "a/b:c",
        ] {
            let version = Version::of([(
                "main",
                export("Main", "AAAABBBBCCCC0000", vec![node(name, WEBHOOK, json!({}))]),
            )]);
            let prepared = version.node("main", name);
            let found = expression::pieces(prepared["webhookId"].as_str().unwrap()).unwrap();
            assert!(
                matches!(&*found, [crate::template::Piece::Value(path, _, None)] if path.rest() == [name]),
                "{name}: {found:?}"
            );
        }
    }
}
