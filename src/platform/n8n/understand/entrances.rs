//! The ways in: every node that is reached from outside gets an address of its own in each tenant.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::said::{Said, said};
use super::{Node, Pass};
use crate::platform::EntryPoint;
use crate::platform::n8n::doors::{self, Entrance};
use crate::platform::n8n::nodes;
use crate::template::{Path, expression};

/// `<uuid>/rest` or `<tenant>-<uuid>/rest`, as webhook paths of an export begin.
static BASE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:([a-z0-9-]+)-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:/|$)")
        .unwrap_or_else(|error| panic!("bug: {error}"))
});

/// The tenant whose copy was exported, by a path's first segment.
pub fn tenant_of_path(path: &str) -> Option<&str> {
    BASE.captures(path.trim_matches('/'))?
        .get(1)
        .map(|tenant| tenant.as_str())
}

impl Pass<'_> {
    /// Gives a node's way in its per-tenant address.
    pub fn entrance(&mut self, node: Node<'_>, out: &mut Map<String, Value>) {
        let known = nodes::entrance(node.kind);
        if known.is_none() && !out.contains_key("webhookId") {
            return;
        }
        out.insert(
            "webhookId".to_owned(),
            Value::from(Path::expression(&["entries", node.name])),
        );
        let Some(entrance) = known else {
            return self.unknown_entrance(node, out);
        };
        let version = out.get("typeVersion").and_then(Value::as_f64).unwrap_or(1.0);
        let parameters = out.entry("parameters").or_insert_with(|| Value::Object(Map::new()));
        let at = doors::path_pointer(entrance, version);
        let exported = match at.and_then(|at| parameters.pointer(at)) {
            None | Some(Value::Null) => Some(String::new()),
            Some(Value::String(path)) if !expression::has_expression(path) => match said(path) {
                Said::Text(path) => Some(path.to_owned()),
                // Its own id tells no workflows of a tenant apart that upa does not tell apart already.
                Said::OwnId => Some(String::new()),
                Said::Computed => None,
            },
            Some(_) => None,
        };
        let exported = match exported {
            Some(path) => path,
            None => {
                return self.refuse_node(
                    node,
                    "its path is computed, so it cannot be kept apart from other tenants' paths",
                    "give it a fixed path; upa puts the tenant's own part before it",
                );
            }
        };
        let segments: Vec<&str> = exported
            .trim()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let exported = segments.join("/");
        if exported.contains(['?', '#']) {
            self.refuse_node(
                node,
                format!("its path `{exported}` contains `?` or `#`, so no call ever reaches it"),
                "give it a path without them",
            );
        }
        let stripped = BASE.replace(&exported, "").into_owned();
        // Without a path a form is reached by its own id, which is random already.
        let by_path = at.is_some() && (!exported.is_empty() || entrance != Entrance::Form);
        let entry = self.entry_point(node, entrance, version, &stripped, by_path, parameters);
        if stripped.is_empty() {
            self.unnamed.insert(node.name.to_owned());
        }
        remove_paths(entrance, parameters);
        if let (true, Some(at)) = (by_path, at) {
            let path = Value::from(Path::expression(&["webhooks", &entry.name, "path"]));
            put(parameters, at, path);
        }
        // n8n does not register what is disabled.
        if node.disabled {
            if by_path && let Some(at) = at {
                let path = format!("{}/{}", Path::expression(&["entries", node.name]), entry.suffix);
                put(parameters, at, Value::from(path));
            }
        } else {
            self.out.entries.push(entry);
        }
    }

    /// A type upa has never heard of: its id is its own per tenant; a path in a parameter would be everybody's.
    fn unknown_entrance(&mut self, node: Node<'_>, out: &Map<String, Value>) {
        let path = out
            .get("parameters")
            .and_then(|parameters| parameters.get("path"))
            .and_then(Value::as_str);
        if let Some(path) =
            path.filter(|path| !nodes::is_from_n8n(node.kind) && !path.is_empty() && !expression::has_expression(path))
        {
            self.refuse_node(
                node,
                format!("it is of a type upa does not know and seems to listen at the path `{path}`, which every tenant would share"),
                "let its path begin with `<%= tenant.name %>-`",
            );
        }
        if nodes::only_resumes(node.kind) || node.disabled {
            return;
        }
        let entry = self.entry_point(node, Entrance::ById, 1.0, "", false, &Value::Null);
        self.out.entries.push(entry);
    }

    fn entry_point(
        &self,
        node: Node<'_>,
        entrance: Entrance,
        version: f64,
        stripped: &str,
        by_path: bool,
        parameters: &Value,
    ) -> EntryPoint {
        let declared = self
            .templates
            .webhooks
            .iter()
            .find(|(_, slot)| slot.resource == self.resource && slot.node == node.name);
        let has_parameters = doors::has_parameters(stripped);
        let suffix = match declared {
            Some((name, _)) if !has_parameters => name.clone(),
            _ if !stripped.is_empty() => stripped.to_owned(),
            _ => slug(node.name),
        };
        let name = declared.map_or_else(|| suffix.clone(), |(name, _)| name.clone());
        let shape = doors::shape(entrance, version, by_path, has_parameters, parameters);
        EntryPoint {
            name,
            node: node.name.to_owned(),
            method: shape.methods.join(","),
            suffix,
            url: shape.url.to_owned(),
            provable: shape.provable,
        }
    }
}

/// Takes the designer's path away wherever this type has ever kept it: n8n ignores the other place, and it stays there.
fn remove_paths(entrance: Entrance, parameters: &mut Value) {
    let Some(parameters) = parameters.as_object_mut() else {
        return;
    };
    if matches!(entrance, Entrance::Webhook | Entrance::Form | Entrance::Mcp) {
        parameters.remove("path");
    }
    if entrance == Entrance::Form
        && let Some(options) = parameters.get_mut("options").and_then(Value::as_object_mut)
    {
        options.remove("path");
    }
}

fn put(parameters: &mut Value, pointer: &str, path: Value) {
    let Some(parameters) = parameters.as_object_mut() else {
        return;
    };
    let within = if pointer == "/options/path" {
        let options = parameters.entry("options").or_insert_with(|| Value::Object(Map::new()));
        options.as_object_mut()
    } else {
        Some(parameters)
    };
    if let Some(within) = within {
        within.insert("path".to_owned(), path);
    }
}

/// A name for a webhook whose path says nothing: the node's name in lower case with hyphens.
fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if words.is_empty() {
        "webhook".to_owned()
    } else {
        words.join("-")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{Version, WEBHOOK, export, node, with};
    use super::*;

    const FORM: &str = "n8n-nodes-base.formTrigger";
    const CHAT: &str = "@n8n/n8n-nodes-langchain.chatTrigger";
    const MCP: &str = "@n8n/n8n-nodes-langchain.mcpTrigger";
    const UUID: &str = "7d4f0f1e-1111-4222-8333-00000000aaaa";

    fn alone(node: Value) -> Version {
        Version::of([("main", export("Main", "AAAABBBBCCCC0000", vec![node]))])
    }

    /// Name, path pointer and its expected value, method and url of the only entry.
    #[test]
    fn every_entrance_gets_the_tenants_own_address() {
        let at_uuid = format!("{UUID}/inbound");
        let of_tenant = format!("/clinica-sur-{UUID}/inbound/");
        let rows = [
            (
                WEBHOOK,
                2.1,
                json!({"path": "lead"}),
                "/path",
                "lead",
                "GET",
                "/webhook/{path}",
            ),
            (
                WEBHOOK,
                2.1,
                json!({"path": "/a//b/", "httpMethod": "POST"}),
                "/path",
                "a/b",
                "POST",
                "/webhook/{path}",
            ),
            (
                WEBHOOK,
                2.1,
                json!({"path": at_uuid}),
                "/path",
                "inbound",
                "GET",
                "/webhook/{path}",
            ),
            (
                WEBHOOK,
                2.1,
                json!({"path": of_tenant}),
                "/path",
                "inbound",
                "GET",
                "/webhook/{path}",
            ),
            (
                WEBHOOK,
                1.0,
                json!({"path": UUID}),
                "/path",
                "in-ñ",
                "GET",
                "/webhook/{path}",
            ),
            (
                WEBHOOK,
                2.1,
                json!({"path": ""}),
                "/path",
                "in-ñ",
                "GET",
                "/webhook/{path}",
            ),
            (WEBHOOK, 2.1, json!({}), "/path", "in-ñ", "GET", "/webhook/{path}"),
            (
                WEBHOOK,
                2.1,
                json!({"path": "u/:id"}),
                "/path",
                "u/:id",
                "GET",
                "/webhook/{id}/{path}",
            ),
            (
                WEBHOOK,
                2.1,
                json!({"path": "m", "multipleMethods": true, "httpMethod": ["GET", "PUT"]}),
                "/path",
                "m",
                "GET,PUT",
                "/webhook/{path}",
            ),
            (
                WEBHOOK,
                2.1,
                json!({"path": "m", "multipleMethods": true}),
                "/path",
                "m",
                "GET,POST",
                "/webhook/{path}",
            ),
            (
                FORM,
                1.0,
                json!({"path": "f"}),
                "/path",
                "f",
                "GET,POST",
                "/webhook/{path}/n8n-form",
            ),
            (
                FORM,
                2.1,
                json!({"path": "f", "options": {"path": "left"}}),
                "/path",
                "f",
                "GET,POST",
                "/form/{path}",
            ),
            (
                FORM,
                2.2,
                json!({"path": "left", "options": {"path": "f"}}),
                "/options/path",
                "f",
                "GET,POST",
                "/form/{path}",
            ),
            (FORM, 2.5, json!({"path": "left"}), "", "in-ñ", "GET,POST", "/form/{id}"),
            (
                CHAT,
                1.1,
                json!({"public": true}),
                "",
                "in-ñ",
                "POST",
                "/webhook/{id}/chat",
            ),
            (
                MCP,
                1.0,
                json!({"path": "tools"}),
                "/path",
                "tools",
                "GET",
                "/mcp/{path}/sse",
            ),
            (
                MCP,
                2.0,
                json!({"path": "tools"}),
                "/path",
                "tools",
                "GET,POST,DELETE",
                "/mcp/{path}",
            ),
            (
                "n8n-nodes-base.telegramTrigger",
                1.2,
                json!({}),
                "",
                "in-ñ",
                "POST",
                "/webhook/{id}/webhook",
            ),
        ];
        for (kind, version, parameters, pointer, name, method, url) in rows {
            let inbound = with(
                node("In Ñ", kind, parameters.clone()),
                json!({"webhookId": UUID, "typeVersion": version}),
            );
            let version = alone(inbound);
            let entry = version.ready()["main"].entries[0].clone();
            assert_eq!(
                (&*entry.name, &*entry.suffix, &*entry.method, &*entry.url),
                (name, name, method, url),
                "{kind} {parameters}"
            );
            let prepared = version.node("main", "In Ñ");
            assert_eq!(prepared["webhookId"], "<%= entries[\"In Ñ\"] %>");
            let paths = [
                prepared.pointer("/parameters/path"),
                prepared.pointer("/parameters/options/path"),
            ];
            let found: Vec<&str> = paths.into_iter().flatten().filter_map(Value::as_str).collect();
            let expected = Path::expression(&["webhooks", name, "path"]);
            assert_eq!(
                found,
                if pointer.is_empty() { vec![] } else { vec![&*expected] },
                "{kind} {parameters}"
            );
            if !pointer.is_empty() {
                assert_eq!(
                    prepared["parameters"].pointer(pointer).unwrap(),
                    &expected,
                    "{kind} {parameters}"
                );
            }
        }
    }

    #[test]
    fn a_declared_name_takes_the_place_of_the_exported_one() {
        let inbound = |path: &str| alone(node("In", WEBHOOK, json!({"path": path}))).webhook("calls", "main", "In");
        let entry = inbound("lead").ready()["main"].entries[0].clone();
        assert_eq!((&*entry.name, &*entry.suffix), ("calls", "calls"));
        let entry = inbound("u/:id").ready()["main"].entries[0].clone();
        assert_eq!((&*entry.name, &*entry.suffix), ("calls", "u/:id"));
        inbound("lead")
            .webhook("other", "main", "Nobody")
            .refuses(&["webhook `other`", "no node \"Nobody\"", "In"]);
    }

    #[test]
    fn what_only_resumes_is_no_entrance_and_keeps_no_id() {
        for kind in [
            "n8n-nodes-base.wait",
            "n8n-nodes-base.form",
            "n8n-nodes-base.slack",
            "@n8n/n8n-nodes-langchain.chat",
        ] {
            let version = alone(with(
                node("W", kind, json!({"resume": "webhook"})),
                json!({"webhookId": UUID}),
            ));
            assert_eq!(version.node("main", "W")["webhookId"], "<%= entries.W %>", "{kind}");
            assert!(version.ready()["main"].entries.is_empty(), "{kind}");
        }
    }

    #[test]
    fn a_disabled_entrance_is_rewritten_and_never_probed() {
        for kind in [WEBHOOK, CHAT, "n8n-nodes-acme.acmeTrigger"] {
            let off = with(
                node("In", kind, json!({})),
                json!({"disabled": true, "webhookId": UUID}),
            );
            assert!(alone(off).ready()["main"].entries.is_empty(), "{kind}");
        }
        let off = with(
            node("In", WEBHOOK, json!({"path": format!("{UUID}/x")})),
            json!({"disabled": true, "webhookId": UUID}),
        );
        let off = alone(off).node("main", "In");
        assert!(
            !off.to_string().contains(UUID) && off["parameters"]["path"] == "<%= entries.In %>/x",
            "{off}"
        );
    }

    #[test]
    fn paths_that_cannot_be_kept_apart_are_refused() {
        for (kind, path, why) in [
            (WEBHOOK, "={{ $json.path }}", "computed"),
            (WEBHOOK, "<%= inputs.path %>", "computed"),
            (MCP, "=x{{ 1 }}", "computed"),
            (WEBHOOK, "a?b", "no call ever reaches it"),
        ] {
            alone(node("In", kind, json!({"path": path}))).refuses(&["node \"In\"", why]);
        }
        let community = |path: &str| {
            alone(with(
                node("In", "n8n-nodes-acme.acmeTrigger", json!({"path": path})),
                json!({"webhookId": UUID}),
            ))
        };
        community("acme").refuses(&["node \"In\"", "type upa does not know", "`acme`", "tenant.name"]);
        community("<%= tenant.name %>-acme").ready();
    }
}
