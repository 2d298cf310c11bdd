//! References from one workflow to another.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::designer::text_of;
use super::said::{Said, said};
use super::{Node, Pass};
use crate::platform::n8n::{document, nodes};
use crate::platform::{Prepared, Templates};
use crate::problem::{Place, Problem, listed};
use crate::template::{Path, Piece, expression};

impl<'a> Pass<'a> {
    /// A `workflowId`, in any of the forms n8n writes it.
    pub fn call(&mut self, node: Node<'_>, value: Value) -> Value {
        let written = match &value {
            Value::Object(locator) => locator.get("value").and_then(text_of),
            other => text_of(other),
        };
        let Some(written) = written else {
            return self.no_target(node, value);
        };
        let written = match said(&written) {
            Said::Text("") => return self.no_target(node, value),
            Said::Text(text) => text.to_owned(),
            // It stays as it is: n8n knows which one that is.
            Said::OwnId => return document::without_caches(&value),
            Said::Computed => written,
        };
        // By address: `https://n8n.example/workflow/<id>`.
        let target = match written.split_once("/workflow/") {
            Some((_, id)) if !written.starts_with('=') => id.split(['/', '?', '#']).next().unwrap_or_default(),
            _ => &written,
        };
        let cached = value.get("cachedResultName").and_then(Value::as_str);
        let known = self.sibling(target, cached);
        if known.is_err() && !nodes::names_workflows(node.kind) && !nodes::is_workflow_id(target) {
            // GitHub and others have workflows too.
            return self.parameters(node, "workflowId of another service", value);
        }
        match known {
            Ok(resource) => {
                if nodes::is_call(node.kind) && !node.disabled && resource != self.resource {
                    self.out.calls.insert(resource.to_owned());
                    self.check_callee_runs(node, resource);
                }
                let id = Path::expression(&["resources", resource, "id"]);
                match &value {
                    Value::Object(locator) => {
                        // The designer's link and cached name would show another instance's workflow in the editor.
                        let mode = match locator.get("mode").and_then(Value::as_str) {
                            Some("list") => "list",
                            _ => "id",
                        };
                        json!({"__rl": true, "mode": mode, "value": id})
                    }
                    _ => Value::String(id),
                }
            }
            Err(why) => {
                let known = listed(self.designer.by_name.keys().copied());
                let hint = match why == NoSibling::Computed {
                    true => format!(
                        "name one workflow of this version ({known}); where it depends on the data, let a Switch node lead to one call for each"
                    ),
                    false => format!(
                        "add its export to the version as a resource, or choose one of the version's ({known}) in n8n and export again"
                    ),
                };
                self.refuse_node(node, why.words(target, cached), hint);
                Value::Null
            }
        }
    }

    /// n8n publishes nothing that calls what is not published.
    fn check_callee_runs(&mut self, node: Node<'_>, resource: &str) {
        let mut others = self.templates.templates.iter();
        let runs = others.any(|template| template.resource == resource && template.active);
        if self.active && !runs {
            let version = self.templates.version_file;
            self.refuse_node(
                node,
                format!("it calls `{resource}`, which is not to be published, and n8n publishes nothing that calls such a workflow"),
                format!("write `active = true` to `[resources.{resource}]` in {version}"),
            );
        }
    }

    /// Nothing is chosen, or it is written in a way that is not understood.
    fn no_target(&mut self, node: Node<'_>, value: Value) -> Value {
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => said(text) == Said::Text(""),
            Value::Object(locator) => {
                locator
                    .get("value")
                    .is_none_or(|value| value.is_null() || value.as_str().map(said) == Some(Said::Text("")))
                    && locator.keys().all(|key| {
                        ["mode", "value"].contains(&&**key) || key.starts_with("__") || key.starts_with("cachedResult")
                    })
            }
            _ => false,
        };
        if empty {
            return match value {
                Value::Object(_) => json!({"__rl": true, "mode": "list", "value": ""}),
                other => other,
            };
        }
        if !nodes::names_workflows(node.kind) {
            return self.parameters(node, "workflowId of another service", value);
        }
        self.refuse_node(
            node,
            "it names a workflow in a way upa does not know",
            "choose the workflow from the list in n8n and export again",
        );
        Value::Null
    }

    /// A workflow that is not taken from the instance cannot be checked.
    pub fn check_source(&mut self, node: Node<'_>, parameters: &Value) {
        if !nodes::is_call(node.kind) {
            return;
        }
        if let Some(source @ ("localFile" | "url")) = parameters.get("source").and_then(Value::as_str) {
            let from = if source == "url" {
                "an address"
            } else {
                "a file of the server"
            };
            self.refuse_node(
                node,
                format!("it takes the workflow it calls from {from}, which cannot be checked"),
                "make it a workflow of the version and call that",
            );
        }
    }

    /// Which workflow of the version a reference of the export means.
    pub fn sibling(&self, target: &str, cached: Option<&str>) -> Result<&'a str, NoSibling> {
        if target.starts_with('=') {
            return Err(NoSibling::Computed);
        }
        let same_id = self.designer.by_id.get(target);
        if let Some(resources) = same_id {
            // A copied file still means itself by its own id.
            if let Some(own) = resources.get(self.resource) {
                return Ok(own);
            }
            if let (Some(one), 1) = (resources.first(), resources.len()) {
                return Ok(one);
            }
        }
        // A template may name a sibling itself.
        if let Ok(pieces) = expression::pieces(target)
            && let [Piece::Value(path, _, None)] = &*pieces
            && let ("resources", [resource, "id"]) = (path.root(), &*path.rest())
            && let Some(found) = self
                .templates
                .templates
                .iter()
                .find(|template| template.resource == *resource)
        {
            return Ok(found.resource);
        }
        let same_name = cached.and_then(|name| self.designer.by_name.get(name));
        match (same_name.map(|found| (found.first(), found.len())), same_id) {
            (Some((Some(one), 1)), _) => Ok(one),
            (_, Some(several)) => Err(NoSibling::SeveralFiles(listed(several.iter().copied()))),
            (Some(_), None) => Err(NoSibling::SameName),
            (None, None) => Err(NoSibling::Unknown),
        }
    }
}

/// Why a reference means no workflow of the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoSibling {
    /// Only a run tells which one it means.
    Computed,
    /// These files were exported with its id.
    SeveralFiles(String),
    /// Several workflows have the name that the export shows for it.
    SameName,
    Unknown,
}

impl NoSibling {
    /// Of a reference in a node, with the name that the export shows for it.
    fn words(&self, target: &str, cached: Option<&str>) -> String {
        let what = match cached.filter(|name| !name.is_empty()) {
            Some(name) => format!("it calls workflow \"{name}\" (`{target}`)"),
            None => format!("it calls workflow `{target}`"),
        };
        match self {
            NoSibling::Computed => "it computes which workflow it names, so it could reach another tenant's".to_owned(),
            NoSibling::SeveralFiles(files) => {
                format!("{what}, and several files of this version were exported with that id: {files}")
            }
            NoSibling::SameName => format!("{what}, and several workflows of this version have that name"),
            NoSibling::Unknown => format!("{what}, which is not part of this version"),
        }
    }
}

/// n8n publishes a workflow only when those it calls are published: a circle can never start.
pub fn check_cycles(templates: &Templates<'_>, prepared: &BTreeMap<String, Prepared>) -> Vec<Problem> {
    let edges = prepared
        .iter()
        .map(|(resource, prepared)| (resource.as_str(), prepared.calls.iter().map(String::as_str)));
    let Some(cycle) = crate::plan::order::cycle(edges) else {
        return Vec::new();
    };
    let place = templates
        .templates
        .iter()
        .find(|template| cycle.first() == Some(&template.resource))
        .map(|template| Place::file(&*template.source.file));
    vec![
        Problem::configuration(format!(
            "these workflows call each other in a circle, and n8n publishes none of them before the others: {}",
            cycle.join(" → ")
        ))
        .at_maybe(place)
        .hint("break the circle: let one of them answer instead of calling back"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::examples::{CALL, Version, export, node, with};
    use super::*;

    const ID: &str = "AAAABBBBCCCC0001";
    const TOOL: &str = "@n8n/n8n-nodes-langchain.toolWorkflow";
    const RETRIEVER: &str = "@n8n/n8n-nodes-langchain.retrieverWorkflow";

    fn calling(node: Value) -> Version {
        Version::of([
            ("main", export("Main", "AAAABBBBCCCC0000", vec![node])),
            ("crm", export("CRM \"sync\" ñ", ID, vec![])),
        ])
    }

    fn reference(kind: &str, workflow_id: Value) -> Value {
        node("Call", kind, json!({"workflowId": workflow_id}))
    }

    #[test]
    fn every_way_to_name_a_sibling_is_rewritten() {
        let expression = "<%= resources.crm.id %>";
        let locator = |mode: &str| json!({"__rl": true, "mode": mode, "value": expression});
        let cached = json!({"__rl": true, "mode": "list", "value": ID, "cachedResultName": "CRM", "cachedResultUrl": "/workflow/x"});
        let by_url = json!({"__rl": true, "mode": "url", "value": format!("https://n8n.x/workflow/{ID}?x=1")});
        let by_name =
            json!({"__rl": true, "mode": "list", "value": "ZZZZZZZZZZZZZZZZ", "cachedResultName": "CRM \"sync\" ñ"});
        let rows = [
            (CALL, json!(ID), json!(expression)),
            (CALL, cached.clone(), locator("list")),
            (CALL, json!({"__rl": true, "mode": "id", "value": ID}), locator("id")),
            (TOOL, cached.clone(), locator("list")),
            (RETRIEVER, cached, locator("list")),
            (CALL, by_url.clone(), locator("id")),
            (CALL, by_name, locator("list")),
            (CALL, json!(expression), json!(expression)),
        ];
        for (kind, written, expected) in rows {
            let version = calling(reference(kind, written.clone()));
            assert_eq!(
                version.node("main", "Call")["parameters"]["workflowId"],
                expected,
                "{kind} {written}"
            );
            assert_eq!(
                version.ready()["main"].calls.iter().collect::<Vec<_>>(),
                ["crm"],
                "{kind}"
            );
        }
        // n8n's own API is no call, and nested references are references too.
        let nested = json!({"filters": {"workflowId": {"__rl": true, "mode": "list", "value": ID}}});
        let version = calling(node("Call", "n8n-nodes-base.n8n", nested));
        assert_eq!(
            version.node("main", "Call")["parameters"]["filters"]["workflowId"],
            locator("list")
        );
        assert!(version.ready()["main"].calls.is_empty());
        assert!(version.warnings()[0].contains("reaches the workflows of every tenant"));
    }

    #[test]
    fn what_is_not_a_workflow_of_the_version_is_refused_by_the_nodes_name() {
        let rows = [
            (CALL, json!("={{ $json.id }}"), "computes"),
            (
                TOOL,
                json!({"__rl": true, "mode": "id", "value": "={{ $fromAI('w') }}"}),
                "computes",
            ),
            (CALL, json!("ZZZZZZZZZZZZZZZZ"), "not part of this version"),
            (CALL, json!(12), "not part of this version"),
            (
                CALL,
                json!({"__rl": true, "mode": "list", "value": 12}),
                "not part of this version",
            ),
            (CALL, json!("<%= inputs.workflow %>"), "not part of this version"),
            (CALL, json!("<%= resources.nobody.id %>"), "not part of this version"),
            (CALL, json!([ID]), "a way upa does not know"),
            (CALL, json!({"id": ID}), "a way upa does not know"),
            (
                "n8n-nodes-base.n8n",
                json!({"__rl": true, "mode": "list", "value": "12"}),
                "not part of this version",
            ),
            (
                "n8n-nodes-acme.runner",
                json!("ZZZZZZZZZZZZZZZZ"),
                "not part of this version",
            ),
        ];
        for (kind, written, why) in rows {
            calling(reference(kind, written)).refuses(&["node \"Call\"", why]);
        }
        calling(with(
            reference(CALL, json!("ZZZZZZZZZZZZZZZZ")),
            json!({"disabled": true}),
        ))
        .refuses(&["node \"Call\""]);
    }

    #[test]
    fn a_workflow_from_anywhere_but_the_instance_is_refused() {
        for (parameters, why) in [
            (json!({"source": "url", "workflowUrl": "https://x"}), "an address"),
            (
                json!({"source": "localFile", "workflowPath": "/x"}),
                "a file of the server",
            ),
            (
                json!({"source": "parameter", "workflowJson": "{\"nodes\": []}"}),
                "a whole workflow inside",
            ),
            (
                json!({"source": "parameter", "workflowJson": {"nodes": []}}),
                "a whole workflow inside",
            ),
        ] {
            calling(node("Call", CALL, parameters)).refuses(&["node \"Call\"", why]);
        }
        calling(node("Call", CALL, json!({"workflowJson": "\n\n", "workflowId": ID}))).ready();
    }

    #[test]
    fn other_services_have_workflows_too() {
        for value in [
            json!({"__rl": true, "mode": "list", "value": 161335, "cachedResultName": "CI"}),
            json!("ci.yml"),
            json!(""),
        ] {
            let version = calling(reference("n8n-nodes-base.github", value.clone()));
            assert_eq!(
                version.node("main", "Call")["parameters"]["workflowId"],
                version_of(&value),
                "{value}"
            );
        }
        fn version_of(value: &Value) -> Value {
            value.clone()
        }
    }

    #[test]
    fn a_disabled_call_is_rewritten_and_waits_for_nobody() {
        let version = calling(with(reference(CALL, json!(ID)), json!({"disabled": true})));
        assert_eq!(
            version.node("main", "Call")["parameters"]["workflowId"],
            "<%= resources.crm.id %>"
        );
        assert!(version.ready()["main"].calls.is_empty());
    }

    #[test]
    fn files_that_are_copies_of_each_other() {
        let copies = |caller: Value| {
            Version::of([
                ("a", export("Copied", ID, vec![reference(CALL, json!(ID))])),
                ("b", export("Copied", ID, vec![])),
                ("main", export("Main", "AAAABBBBCCCC0000", vec![caller])),
            ])
        };
        // A copy means itself; anybody else cannot be understood.
        let fine = copies(node("Nothing", "n8n-nodes-base.noOp", json!({})));
        assert_eq!(
            fine.node("a", "Call")["parameters"]["workflowId"],
            "<%= resources.a.id %>"
        );
        copies(reference(CALL, json!(ID))).refuses(&["node \"Call\"", "several files", "a, b"]);
    }

    #[test]
    fn a_circle_can_never_start() {
        Version::of([
            (
                "a",
                export(
                    "A",
                    "AAAABBBBCCCC000A",
                    vec![reference(CALL, json!("AAAABBBBCCCC000B"))],
                ),
            ),
            (
                "b",
                export(
                    "B",
                    "AAAABBBBCCCC000B",
                    vec![reference(CALL, json!("AAAABBBBCCCC000A"))],
                ),
            ),
        ])
        .refuses(&["in a circle", "a → b"]);
        let itself = export(
            "A",
            "AAAABBBBCCCC000A",
            vec![reference(CALL, json!("AAAABBBBCCCC000A"))],
        );
        assert!(Version::of([("a", itself)]).ready()["a"].calls.is_empty());
    }
}
