//! A node's parameters, leaf by leaf.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::causes::short;
use super::designer::Door;
use super::{Node, Pass};
use crate::platform::n8n::nodes;
use crate::problem::Problem;
use crate::template::{Path, Piece, expression};

/// What n8n evaluates to something the whole instance shares.
const SHARED: [(&str, &str); 3] = [
    ("$env", "the server's environment"),
    ("$vars", "the instance's variables"),
    ("$secrets", "the instance's secrets"),
];

impl Pass<'_> {
    /// Goes through a node's parameters, key by key.
    pub fn parameters(&mut self, node: Node<'_>, key: &str, value: Value) -> Value {
        if key == "workflowId" {
            return self.call(node, value);
        }
        if key == "workflowJson" && nodes::is_call(node.kind) && !is_blank(&value) {
            self.refuse_node(
                node,
                "it carries a whole workflow inside, which cannot be checked",
                "make it a workflow of the version and call that",
            );
        }
        if nodes::names_instance_object(node.kind, key) && !is_blank(&value) && !mentions_expression(&value) {
            let shown = value.get("cachedResultName").and_then(Value::as_str);
            let shown = shown.map(|name| format!(" (\"{}\")", short(name))).unwrap_or_default();
            self.refuse_node(
                node,
                format!("`{key}` names one fixed object of the instance{shown}, which every tenant would share"),
                "render its id from an input of each tenant: `<%= inputs.… %>`",
            );
            return Value::Null;
        }
        if nodes::DATA_LOCATORS.contains(&key) && !node.disabled {
            self.warn_about_fixed_data(node, key, &value);
        }
        match value {
            Value::String(text) => {
                let text = self.without_traces(node, key, text);
                self.check_leaf(node, key, &text);
                Value::String(text)
            }
            Value::Array(items) => items.into_iter().map(|item| self.parameters(node, "", item)).collect(),
            Value::Object(mut map) => {
                // A locator that is rendered would otherwise show every tenant whose document the designer used.
                if map.get("__rl").is_some() && map.get("value").is_some_and(mentions_expression) {
                    map.retain(|key, _| !key.starts_with("cachedResult"));
                }
                let mut out = Map::new();
                for (key, item) in map {
                    if let Some((why, hint)) = self.tie("a key", &key).filter(|_| !nodes::is_decoration(node.kind)) {
                        self.refuse_node(node, why, hint);
                    }
                    let item = self.parameters(node, &key, item);
                    out.insert(key, item);
                }
                out.into()
            }
            other => other,
        }
    }

    fn warn_about_fixed_data(&mut self, node: Node<'_>, key: &str, value: &Value) {
        let fixed = value
            .get("value")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && !text.starts_with('=') && !expression::has_expression(text));
        if let Some(text) = fixed {
            let shown = value.get("cachedResultName").and_then(Value::as_str).unwrap_or(text);
            self.warn_node(
                node,
                format!(
                    "`{key}` is fixed (\"{}\"), so every tenant uses the same one",
                    short(shown)
                ),
                "if it is a customer's own, render it from an input: `<%= inputs.… %>`",
                text,
            );
        }
    }

    /// What may stand in a text: expressions upa can render safely there, and nothing all tenants would share unseen.
    fn check_leaf(&mut self, node: Node<'_>, key: &str, text: &str) {
        let evaluated = text.starts_with('=') || nodes::is_code(node.kind, key);
        if evaluated && expression::has_expression(text) {
            for piece in expression::pieces(text).unwrap_or_default() {
                let Piece::Value(path, written, _) = piece else {
                    continue;
                };
                // An operator's address and labels are free text, and could end the string they stand in.
                let harmless = matches!(
                    (path.root(), &*path.rest()),
                    ("tenant", ["name" | "tier"]) | ("resources" | "webhooks", _)
                );
                if !harmless {
                    let place = self.source.find(written);
                    self.refuse(
                        Problem::configuration(format!(
                            "node \"{}\": `{written}` stands where n8n evaluates code, and only `tenant.name`, `tenant.tier`, `resources` and `webhooks` may",
                            node.name
                        ))
                        .at(place)
                        .hint("put the value into a field of a Set node and read that field in the expression"),
                    );
                }
            }
        }
        for (word, what) in SHARED.iter().filter(|(word, _)| evaluated && text.contains(word)) {
            self.warn_node(
                node,
                format!("`{word}` reads {what}, the same for every tenant"),
                "if it differs by tenant, render it from an input in a Set node",
                word,
            );
        }
        let calls_webhook = ["/webhook/", "/webhook-test/"].iter().any(|part| text.contains(part));
        if calls_webhook && !nodes::is_decoration(node.kind) && !expression::has_expression(text) {
            self.warn_node(
                node,
                format!("`{key}` holds a fixed webhook address, the same for every tenant"),
                "if it is one of this version's, write `<%= webhooks.….url %>`",
                "/webhook",
            );
        }
    }

    /// Refuses a text that ties tenants to the designer's instance; on a sticky note, which nobody runs, it is cut out.
    fn without_traces(&mut self, node: Node<'_>, key: &str, text: String) -> String {
        // A node's own path is rewritten.
        if key == "path" && nodes::entrance(node.kind).is_some() {
            return text;
        }
        if nodes::is_decoration(node.kind) {
            return self.readable(node, text);
        }
        let text = self.with_own_addresses(node, key, text);
        let stands_alone = !nodes::is_code(node.kind, key);
        if let Some(resource) = self.designer.workflow_of(&text).filter(|_| stands_alone) {
            return Path::expression(&["resources", resource, "id"]);
        }
        if let Some((why, hint)) = self.tie(key, &text) {
            self.refuse_node(node, why, hint);
        }
        text
    }

    /// A text with the tenant's own addresses where the designer's stand. What each is called is known once all workflows
    /// of the version are: see [`super::webhooks::name_addresses`].
    fn with_own_addresses(&mut self, node: Node<'_>, key: &str, text: String) -> String {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let designer = self.designer;
        let url = |address: &str, door: Door<'_>| {
            found
                .entry(door.resource.to_owned())
                .or_insert_with(|| address.to_owned());
            super::webhooks::unnamed_url(designer.number_of(door))
        };
        let Some(own) = designer.with_own_addresses(&text, url) else {
            return text;
        };
        for (resource, address) in found {
            self.warn_node(
                node,
                format!("`{key}` holds an address of workflow `{resource}`: each tenant gets its own there"),
                "if it is another service's, whose address only looks like it, render it from an input",
                &address,
            );
        }
        own
    }

    /// A text for people, without ids and addresses of the designer's instance.
    pub fn readable(&mut self, node: Node<'_>, text: String) -> String {
        let Some(cut) = self.designer.cut_from(&text) else {
            return text;
        };
        self.warn_node(
            node,
            "an id or address of the designer's instance was cut out of its text",
            "tenants have their own: write `<%= webhooks.….url %>` or nothing",
            "",
        );
        cut
    }
}

/// Every text in a value.
pub fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Whether nothing is chosen.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Object(map) if map.contains_key("__rl") => map.get("value").is_none_or(is_blank),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn mentions_expression(value: &Value) -> bool {
    strings(value).into_iter().any(expression::has_expression)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{Version, WEBHOOK, export, node, with};
    use super::*;

    const SET: &str = "n8n-nodes-base.set";
    const CODE: &str = "n8n-nodes-base.code";
    const UUID: &str = "7d4f0f1e-1111-4222-8333-00000000aaaa";

    /// A version with one more node beside a webhook at `lead`, one at a tenant's path, and a form.
    fn beside(other: Value) -> Version {
        let inbound = with(node("In", WEBHOOK, json!({"path": "lead"})), json!({"webhookId": UUID}));
        let theirs = node(
            "Theirs",
            WEBHOOK,
            json!({"path": "welcs-11111111-1111-4222-8333-00000000bbbb/x"}),
        );
        let form = with(
            node(
                "Form",
                "n8n-nodes-base.formTrigger",
                json!({"options": {"path": "book"}}),
            ),
            json!({"typeVersion": 2.5}),
        );
        let mut sibling = export("Sibling", "AAAABBBBCCCC0001", vec![inbound, theirs, form]);
        sibling["shared"] = json!([{"projectId": "PROJECT123456789"}]);
        Version::of([
            ("main", export("Main", "AAAABBBBCCCC0000", vec![other])),
            ("sibling", sibling),
        ])
    }

    #[test]
    fn addresses_and_ids_of_the_designers_instance_are_refused_wherever_they_stand() {
        let http = "n8n-nodes-base.httpRequest";
        for (kind, parameters, found) in [
            (http, json!({"url": "//n8n.x/webhook/lead"}), "webhook/lead"),
            (http, json!({"url": "https://n8n.x/webhook/lead/more"}), "webhook/lead"),
            (
                http,
                json!({"url": "=https://n8n.x/webhook-test/lead?x={{ 1 }}"}),
                "webhook-test/lead",
            ),
            (http, json!({"url": "{{ $env.URL }}webhook/lead"}), "webhook/lead"),
            (http, json!({"url": "n8n.x/form/book"}), "form/book"),
            (http, json!({"url": "https://n8n.x/form-test/book"}), "form-test/book"),
            (http, json!({"url": format!("https://n8n.x/webhook/{UUID}/chat")}), UUID),
            (
                http,
                json!({"url": "https://n8n.x/x/11111111-1111-4222-8333-00000000bbbb"}),
                "00000000bbbb",
            ),
            (CODE, json!({"jsCode": "fetch(base + '/webhook/lead')"}), "webhook/lead"),
            (
                SET,
                json!({"assignments": {"assignments": [{"value": "see AAAABBBBCCCC0001"}]}}),
                "AAAABBBBCCCC0001",
            ),
            (
                SET,
                json!({"columns": {"value": {"AAAABBBBCCCC0001": true}}}),
                "AAAABBBBCCCC0001",
            ),
            (SET, json!({"x": "PROJECT123456789"}), "PROJECT123456789"),
            (
                SET,
                json!({"x": "7d4f0f1e-0000-4000-8000-00000000dddd"}),
                "designer's instance",
            ),
            (
                "n8n-nodes-acme.thing",
                json!({"deep": [{"deeper": [["/webhook/lead"]]}]}),
                "webhook/lead",
            ),
        ] {
            beside(node("Näme \"1\"", kind, parameters.clone())).refuses(&["node \"Näme \"1\"\"", found]);
            beside(with(node("N", kind, parameters), json!({"disabled": true}))).refuses(&["node \"N\"", found]);
        }
        beside(node("N", http, json!({"url": "https://other.x/webhook/leads-of-ours"}))).ready();
    }

    /// A whole address, and an id that stands alone, are the tenant's own: nothing else of them is meant.
    #[test]
    fn whole_addresses_and_ids_become_the_tenants_own() {
        let http = "n8n-nodes-base.httpRequest";
        for (kind, key, written, expected) in [
            (http, "url", "https://n8n.x/webhook/lead", "<%= webhooks.lead.url %>"),
            (
                http,
                "url",
                "https://n8n.x:5678/webhook/lead/",
                "<%= webhooks.lead.url %>/",
            ),
            (
                http,
                "url",
                "=https://n8n.x/webhook/lead?x={{ $json.x }}",
                "=<%= webhooks.lead.url %>?x={{ $json.x }}",
            ),
            (
                CODE,
                "jsCode",
                "fetch('http://localhost:5678/webhook/lead')",
                "fetch('<%= webhooks.lead.url %>')",
            ),
            (
                SET,
                "x",
                "see https://n8n.x/form/book.",
                "see <%= webhooks.book.url %>.",
            ),
            (SET, "x", "AAAABBBBCCCC0001", "<%= resources.sibling.id %>"),
        ] {
            let version = beside(node("N", kind, json!({ key: written })));
            assert_eq!(version.node("main", "N")["parameters"][key], expected, "{written}");
            if written.contains("//") {
                assert!(
                    version.warnings()[0].contains("each tenant gets its own there"),
                    "{written}"
                );
            }
        }
        // A declared name counts, and an address of the test editor is none that answers.
        let named =
            beside(node("N", http, json!({"url": "https://n8n.x/webhook/lead"}))).webhook("calls", "sibling", "In");
        assert_eq!(
            named.node("main", "N")["parameters"]["url"],
            "<%= webhooks.calls.url %>"
        );
        beside(node("N", CODE, json!({"jsCode": "'AAAABBBBCCCC0001'"}))).refuses(&["AAAABBBBCCCC0001"]);
    }

    /// Which node is meant is said by its address alone: a name like it, another method or one that is off leads nowhere else.
    #[test]
    fn an_address_of_several_nodes_is_nobodys_and_a_name_is_no_address() {
        let http = "n8n-nodes-base.httpRequest";
        let hook = |name: &str, more: Value| with(node(name, WEBHOOK, json!({"path": "lead"})), more);
        let calls = |nodes: Vec<Value>| {
            let mut nodes = nodes;
            nodes.push(node("N", http, json!({"url": "https://n8n.x/webhook/lead"})));
            Version::of([("main", export("Main", "AAAABBBBCCCC0000", nodes))])
        };
        let named = calls(vec![hook("POST webhook/lead \"%> \u{1f}1", json!({}))]);
        assert_eq!(named.node("main", "N")["parameters"]["url"], "<%= webhooks.lead.url %>");
        let mut post = hook("P", json!({}));
        post["parameters"]["httpMethod"] = json!("POST");
        calls(vec![hook("G", json!({})), post]).refuses(&["node \"N\"", "webhook/lead"]);
        for off in [json!(true), json!("true")] {
            calls(vec![hook("Off", json!({"disabled": off}))]).refuses(&["node \"N\"", "webhook/lead"]);
        }
        let form = node("N", http, json!({"url": "https://n8n.x/form/lead"}));
        Version::of([(
            "main",
            export("Main", "AAAABBBBCCCC0000", vec![hook("In", json!({})), form]),
        )])
        .refuses(&["node \"N\"", "form/lead"]);
    }

    /// What people call things themselves is a word, also where it is an address or an id elsewhere.
    #[test]
    fn words_are_no_traces() {
        let inbound = with(
            node("In", WEBHOOK, json!({"path": "lead"})),
            json!({"webhookId": "appointment", "credentials": {"xeroOAuth2Api": {"id": "xeroOAuth2Api", "name": "Xero"}}}),
        );
        let uses = |text: &str| {
            let nodes = vec![
                inbound.clone(),
                node("N", SET, json!({"nodeCredentialType": "xeroOAuth2Api", "x": text})),
            ];
            Version::of([("main", export("Main", "AAAABBBBCCCC0000", nodes))]).credential(
                "xero",
                "xeroOAuth2Api",
                "Xero",
            )
        };
        uses("an appointment at noon").ready();
        uses("https://n8n.x/webhook/appointment").refuses(&["webhook/appointment"]);
    }

    #[test]
    fn on_sticky_notes_and_in_notes_they_are_cut_out() {
        let sticky = node(
            "Note",
            "n8n-nodes-base.stickyNote",
            json!({"content": "POST https://n8n.x/webhook/lead or AAAABBBBCCCC0001!"}),
        );
        let version = beside(sticky);
        assert_eq!(
            version.node("main", "Note")["parameters"]["content"],
            "POST https://n8n.x/… or …!"
        );
        assert!(version.warnings()[0].contains("cut out"));
        let noted = with(node("N", SET, json!({})), json!({"notes": format!("id {UUID}")}));
        assert_eq!(beside(noted).node("main", "N")["notes"], "id …");
    }

    #[test]
    fn only_known_values_may_stand_where_n8n_evaluates() {
        for (kind, parameters) in [
            (SET, json!({"x": "={{ '<%= inputs.name %>' }}"})),
            (CODE, json!({"jsCode": "const a = '<%= credentials.crm.name %>'"})),
            (CODE, json!({"jsCode": "const a = '<%= tenant.labels.city %>'"})),
            (SET, json!({"x": "={{ '<%= tenant.operator %>' }}"})),
            ("n8n-nodes-acme.coder", json!({"code": "'<%= inputs.name %>'"})),
            ("n8n-nodes-acme.any", json!({"jsCode": "'<%= inputs.name %>'"})),
            (
                "@n8n/n8n-nodes-langchain.code",
                json!({"code": {"execute": {"code": "'<%= version.product %>'"}}}),
            ),
        ] {
            beside(node("N", kind, parameters)).refuses(&["node \"N\"", "stands where n8n evaluates", "Set node"]);
        }
        for text in [
            "<%= inputs.name %>",
            "={{ '<%= tenant.name %>' }}",
            "=<%= webhooks.lead.url %>",
            "={{ $execution.resumeUrl }}",
        ] {
            beside(node("N", SET, json!({"x": text}))).ready();
        }
    }

    #[test]
    fn objects_of_the_instance_are_refused_and_shared_values_reported() {
        let table = json!({"dataTableId": {"__rl": true, "mode": "list", "value": "T", "cachedResultName": "Clients"}});
        for (kind, parameters) in [
            ("n8n-nodes-base.dataTable", table.clone()),
            ("n8n-nodes-base.evaluation", json!({"dataTableId": "T"})),
            (
                "n8n-nodes-base.dataTable",
                json!({"dataTableId": {"__rl": true, "mode": "id", "value": "={{ $json.t }}"}}),
            ),
            ("n8n-nodes-base.messageAnAgent", json!({"agentId": "A"})),
            ("n8n-nodes-base.n8n", json!({"credentialId": "C"})),
        ] {
            beside(with(node("N", kind, parameters), json!({"disabled": true}))).refuses(&[
                "node \"N\"",
                "one fixed object",
                "inputs",
            ]);
        }
        let rendered = json!({"dataTableId": {"__rl": true, "mode": "id", "value": "<%= inputs.table %>", "cachedResultName": "Clients", "cachedResultUrl": "/x"}});
        let kept = beside(node("N", "n8n-nodes-base.dataTable", rendered)).node("main", "N");
        assert_eq!(
            kept["parameters"]["dataTableId"],
            json!({"__rl": true, "mode": "id", "value": "<%= inputs.table %>"})
        );
        for (kind, parameters, warned) in [
            (SET, json!({"x": "={{ $env.SECRET }}"}), "the server's environment"),
            (CODE, json!({"jsCode": "return $vars.x"}), "the instance's variables"),
            (
                SET,
                json!({"x": "https://hooks.other.example/webhook/abc"}),
                "a fixed webhook address",
            ),
            (
                "n8n-nodes-base.googleSheets",
                json!({"documentId": {"__rl": true, "value": "S"}}),
                "every tenant uses the same one",
            ),
        ] {
            let warnings = beside(node("N", kind, parameters)).warnings();
            assert!(
                warnings.len() == 1 && warnings[0].contains("node \"N\"") && warnings[0].contains(warned),
                "{warnings:?}"
            );
        }
    }
}
