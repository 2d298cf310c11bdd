//! From an exported workflow to a template that is safe for any tenant.
//!
//! Everything in an export that points at the designer's own instance (sibling workflows, the error workflow, webhook
//! paths and ids, credentials) becomes an expression that is rendered per tenant. What cannot be made safe is refused
//! by the node's name. Nothing is passed through in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::nodes::{self, Entrance};
use crate::platform::{EntryPoint, Prepared, Template, Templates};
use crate::problem::{Problem, did_you_mean, listed};
use crate::template::{Guard, Path, Piece, Source, expression};

/// Makes node ids for nodes that were exported without one; the value itself means nothing.
const NODE_IDS: Uuid = Uuid::from_u128(0x5b1e_0f5e_6f0c_4f0a_9c0b_6a5d_0e3c_1a77);

/// n8n's longest workflow name, less the longest tenant name and ` · `.
const LONGEST_NAME: usize = 128 - 40 - 3;

/// `<uuid>/rest` or `<tenant>-<uuid>/rest`, as webhook paths of an export begin.
static BASE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:[a-z0-9-]+-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:/|$)")
        .unwrap_or_else(|error| panic!("bug: {error}"))
});

/// What a version's workflows are called in the exports, so that they can be recognised in each other.
struct Siblings<'a> {
    by_id: BTreeMap<&'a str, &'a str>,
    by_name: BTreeMap<&'a str, Vec<&'a str>>,
    /// Webhook ids and paths of the exports: where they stand in a text, a sibling's address is hard-coded.
    addresses: BTreeMap<String, &'a str>,
}

/// Makes the workflows of a version safe, all together, because they refer to each other.
pub fn prepare(templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>> {
    let siblings = siblings(templates);
    let mut problems = Vec::new();
    let mut prepared = BTreeMap::new();
    for template in &templates.templates {
        let mut pass = Pass {
            templates,
            siblings: &siblings,
            resource: template.resource,
            source: template.source,
            problems: Vec::new(),
            out: Prepared {
                guard: Guard {
                    leading: vec!["=".to_owned()],
                    containing: Vec::new(),
                },
                ..Prepared::default()
            },
        };
        pass.workflow();
        problems.append(&mut pass.problems);
        prepared.insert(template.resource.to_owned(), pass.out);
    }
    problems.extend(check_webhook_names(templates, &prepared));
    problems.extend(check_call_cycles(templates, &prepared));
    if problems.is_empty() {
        Ok(prepared)
    } else {
        Err(problems)
    }
}

fn siblings<'a>(templates: &'a Templates<'a>) -> Siblings<'a> {
    let mut siblings = Siblings {
        by_id: BTreeMap::new(),
        by_name: BTreeMap::new(),
        addresses: BTreeMap::new(),
    };
    for Template { resource, source, .. } in &templates.templates {
        if let Some(id) = source
            .value
            .get("id")
            .and_then(Value::as_str)
            .filter(|id| id.len() >= 8)
        {
            siblings.by_id.insert(id, resource);
        }
        if let Some(name) = source.value.get("name").and_then(Value::as_str) {
            siblings.by_name.entry(name).or_default().push(resource);
        }
        for node in source
            .value
            .get("nodes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(id) = node.get("webhookId").and_then(Value::as_str).filter(|id| id.len() >= 8) {
                siblings.addresses.insert(id.to_owned(), resource);
            }
            let entrance = node.get("type").and_then(Value::as_str).and_then(nodes::entrance);
            if let (Some(_), Some(path)) = (entrance, node.pointer("/parameters/path").and_then(Value::as_str)) {
                let path = path.trim_matches('/');
                if !path.is_empty() && !path.starts_with('=') {
                    for folder in ["webhook", "webhook-test", "form", "mcp"] {
                        siblings.addresses.insert(format!("/{folder}/{path}"), resource);
                    }
                }
            }
        }
    }
    siblings
}

/// One workflow on its way to being a template.
struct Pass<'a> {
    templates: &'a Templates<'a>,
    siblings: &'a Siblings<'a>,
    resource: &'a str,
    source: &'a Source,
    problems: Vec<Problem>,
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

    fn refuse_node(&mut self, node: Node<'_>, why: impl std::fmt::Display, hint: impl Into<String>) {
        let place = self.source.find_name(node.name);
        self.refuse(
            Problem::configuration(format!("node \"{}\": {why}", node.name))
                .at(place)
                .hint(hint),
        );
    }

    fn refuse_file(&mut self, why: impl Into<String>, hint: &str) {
        let place = crate::problem::Place::file(&*self.source.file);
        self.refuse(Problem::configuration(why).at(place).hint(hint));
    }

    fn workflow(&mut self) {
        let source = self.source;
        let Some(workflow) = source.value.as_object() else {
            return self.refuse_file(
                "this is not a workflow: expected a JSON object",
                "export the workflow again",
            );
        };
        for key in workflow.keys() {
            let known = nodes::WORKFLOW_KEYS.contains(&&**key) || nodes::EXPORT_ONLY.contains(&&**key);
            if !known {
                let place = source.find(&format!("\"{key}\""));
                let problem = Problem::configuration(format!("a workflow has no key `{key}`: n8n would refuse it"));
                self.refuse(problem.at(place).hint("remove it, or export the workflow again"));
            }
        }
        let name = workflow.get("name").and_then(Value::as_str).unwrap_or_default();
        let (Some(list), Some(connections)) = (
            workflow.get("nodes").and_then(Value::as_array),
            workflow.get("connections").and_then(Value::as_object),
        ) else {
            return self.refuse_file(
                "this is not a workflow: `nodes` (a list) and `connections` (an object) are needed",
                "export the workflow again",
            );
        };
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            self.refuse_file(
                format!("the workflow's name must have 1 to {LONGEST_NAME} characters"),
                "upa puts the tenant's name before it, and n8n allows 128",
            );
        }
        let names = self.node_names(list);
        let nodes: Vec<Value> = list.iter().filter_map(|node| self.node(node)).collect();
        self.check_connections(connections, &names);
        let settings = self.settings(workflow.get("settings"));
        let mut template = Map::new();
        template.insert("name".to_owned(), Value::from(per_tenant_name(name)));
        template.insert("nodes".to_owned(), Value::Array(nodes));
        template.insert("connections".to_owned(), Value::Object(connections.clone()));
        template.insert("settings".to_owned(), settings);
        if let Some(groups) = workflow.get("nodeGroups").filter(|groups| !groups.is_null()) {
            template.insert("nodeGroups".to_owned(), groups.clone());
        }
        self.out.template = Value::Object(template);
    }

    /// The names of all nodes; they are what connections and expressions refer to, so they must be unique and fixed.
    fn node_names(&mut self, list: &[Value]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (index, node) in list.iter().enumerate() {
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

    fn check_connections(&mut self, connections: &Map<String, Value>, names: &BTreeSet<String>) {
        let mut targets: Vec<&str> = connections.keys().map(String::as_str).collect();
        for outputs in connections.values().filter_map(Value::as_object) {
            let ends = outputs
                .values()
                .filter_map(Value::as_array)
                .flatten()
                .filter_map(Value::as_array)
                .flatten();
            targets.extend(ends.filter_map(|end| end.get("node").and_then(Value::as_str)));
        }
        let unknown: BTreeSet<&str> = targets.into_iter().filter(|target| !names.contains(*target)).collect();
        for target in unknown {
            let place = self.source.find(target);
            let problem = Problem::configuration(format!("a connection names node \"{target}\", which does not exist"));
            let hint = did_you_mean(target, names.iter().map(String::as_str));
            self.refuse(problem.at(place).hint(match hint {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => "export the workflow again".to_owned(),
            }));
        }
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
        let mut out = Map::new();
        for (key, value) in map {
            if key == "customTelemetryTags" || nodes::NODE_KEYS.contains(&&**key) {
                out.insert(key.clone(), value.clone());
            } else {
                self.refuse_node(
                    node,
                    format!("it has a key `{key}` that n8n refuses"),
                    "remove it, or export the workflow again",
                );
            }
        }
        if !out.get("id").is_some_and(Value::is_string) {
            let seed = format!("{}/{name}", self.resource);
            out.insert(
                "id".to_owned(),
                Value::from(Uuid::new_v5(&NODE_IDS, seed.as_bytes()).to_string()),
            );
        }
        out.entry("position").or_insert_with(|| json!([0, 0]));
        let parameters = map.get("parameters").cloned().unwrap_or_else(|| json!({}));
        let parameters = self.parameters(node, "", parameters);
        out.insert("parameters".to_owned(), parameters);
        if let Some(credentials) = map.get("credentials").filter(|credentials| !credentials.is_null()) {
            out.insert("credentials".to_owned(), self.credentials(node, credentials));
        }
        self.entrance(node, &mut out);
        Some(Value::Object(out))
    }

    /// Goes through a node's parameters, key by key.
    fn parameters(&mut self, node: Node<'_>, key: &str, value: Value) -> Value {
        if key == "workflowId" {
            return self.call(node, value);
        }
        if key == "workflowJson" && value.as_str().is_some_and(|text| !text.is_empty()) {
            self.refuse_node(
                node,
                "it carries a whole workflow inside, which cannot be checked",
                "make it a workflow of the version and call that",
            );
        }
        if key == "dataTableId" && !node.disabled && !mentions_expression(&value) {
            self.refuse_node(
                node,
                "it uses one fixed data table, which every tenant would share",
                "render the table's id from an input: `<%= inputs.… %>`",
            );
        }
        if nodes::DATA_LOCATORS.contains(&key) && !node.disabled {
            self.warn_about_fixed_data(node, key, &value);
        }
        match value {
            Value::String(text) => {
                self.check_leaf(node, key, &text);
                Value::String(text)
            }
            Value::Array(items) => items.into_iter().map(|item| self.parameters(node, "", item)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, item)| {
                    let item = self.parameters(node, &key, item);
                    (key, item)
                })
                .collect::<Map<_, _>>()
                .into(),
            other => other,
        }
    }

    fn warn_about_fixed_data(&mut self, node: Node<'_>, key: &str, value: &Value) {
        let fixed = value
            .get("value")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && !text.starts_with('=') && !expression::has_expression(text));
        if let Some(text) = fixed {
            let place = self.source.find(text);
            self.out.warnings.push(
                Problem::warning(format!(
                    "node \"{}\": `{key}` is fixed, so every tenant uses the same one",
                    node.name
                ))
                .at(place)
                .hint("if it is a customer's own, render it from an input: `<%= inputs.… %>`"),
            );
        }
    }

    /// What may stand in a text: expressions upa can render safely there, and no address of a sibling.
    fn check_leaf(&mut self, node: Node<'_>, key: &str, text: &str) {
        let evaluated = text.starts_with('=') || nodes::is_code(node.kind, key);
        if evaluated && expression::has_expression(text) {
            for piece in expression::pieces(text).unwrap_or_default() {
                let Piece::Value(path, written) = piece else { continue };
                if !["tenant", "resources", "webhooks"].contains(&path.root()) {
                    let place = self.source.find(written);
                    self.refuse(
                        Problem::configuration(format!(
                            "node \"{}\": `{written}` stands where n8n evaluates code, and only `tenant`, `resources` and `webhooks` may",
                            node.name
                        ))
                        .at(place)
                        .hint("put the value into a field of a Set node and read that field in the expression"),
                    );
                }
            }
        }
        // A node's own path is rewritten; what stands on a sticky note calls nobody.
        let own_path = key == "path" && nodes::entrance(node.kind).is_some();
        if own_path || nodes::is_decoration(node.kind) {
            return;
        }
        let address = self
            .siblings
            .addresses
            .iter()
            .find(|(address, _)| text.contains(address.as_str()));
        let id = self.siblings.by_id.iter().find(|(id, _)| text.contains(**id));
        if let Some((address, resource)) = address {
            let (address, resource) = (address.clone(), *resource);
            self.refuse_node(
                node,
                format!("`{key}` holds the address `{address}` of workflow `{resource}`, as it is in the designer's instance"),
                "write `<%= webhooks.….url %>` instead",
            );
        } else if let Some((id, resource)) = id {
            let (id, resource) = (*id, *resource);
            self.refuse_node(
                node,
                format!("`{key}` holds the id `{id}` of workflow `{resource}`, as it is in the designer's instance"),
                format!("write `<%= resources.{resource}.id %>` instead"),
            );
        }
    }

    /// A reference to another workflow, in any of the forms n8n writes it.
    fn call(&mut self, node: Node<'_>, value: Value) -> Value {
        let target = match &value {
            Value::Object(locator) => locator.get("value").and_then(Value::as_str),
            other => other.as_str(),
        };
        let Some(target) = target.filter(|target| !target.is_empty()) else {
            return value;
        };
        let cached = value.get("cachedResultName").and_then(Value::as_str);
        match self.sibling(target, cached) {
            Ok(resource) => {
                if nodes::is_call(node.kind) && !node.disabled && resource != self.resource {
                    self.out.calls.insert(resource.to_owned());
                }
                let id = Path::expression(&["resources", resource, "id"]);
                match value {
                    Value::Object(locator) => {
                        // The designer's link and cached name would show another instance's workflow in the editor.
                        let mode = locator.get("mode").cloned().unwrap_or_else(|| json!("id"));
                        json!({"__rl": true, "mode": mode, "value": id})
                    }
                    _ => Value::String(id),
                }
            }
            Err(why) => {
                let known = listed(self.siblings.by_name.keys().copied());
                self.refuse_node(
                    node,
                    why,
                    format!("choose a workflow of this version from the list in n8n ({known}) and export again"),
                );
                Value::Null
            }
        }
    }

    /// Which workflow of the version a reference of the export means.
    fn sibling(&self, target: &str, cached: Option<&str>) -> Result<&'a str, String> {
        if target.starts_with('=') {
            return Err("it computes which workflow to call, so it could reach another tenant's".to_owned());
        }
        if let Some(resource) = self.siblings.by_id.get(target) {
            return Ok(resource);
        }
        // A template may name a sibling itself.
        if let Ok(pieces) = expression::pieces(target)
            && let [Piece::Value(path, _)] = &*pieces
            && let ("resources", [resource, "id"]) = (path.root(), &*path.rest())
            && let Some(found) = self
                .templates
                .templates
                .iter()
                .find(|template| template.resource == *resource)
        {
            return Ok(found.resource);
        }
        match cached
            .and_then(|name| self.siblings.by_name.get(name))
            .map(Vec::as_slice)
        {
            Some([resource]) => Ok(resource),
            Some([_, _, ..]) => Err(format!(
                "it calls workflow `{target}` (\"{}\"), and several workflows of this version have that name",
                cached.unwrap_or_default()
            )),
            _ => Err(format!(
                "it calls workflow `{target}`, which is not part of this version"
            )),
        }
    }

    fn credentials(&mut self, node: Node<'_>, credentials: &Value) -> Value {
        let mut out = Map::new();
        for (kind, chosen) in credentials.as_object().into_iter().flatten() {
            let name = match chosen {
                Value::Object(reference) => reference.get("name").and_then(Value::as_str),
                other => other.as_str(),
            };
            let name = name.unwrap_or_default();
            let slots = self.templates.credentials;
            let slot = slots
                .iter()
                .find(|(_, slot)| slot.platform == "n8n" && slot.kind == *kind && slot.template_name == name);
            let Some((slot, _)) = slot else {
                let known: Vec<String> = slots
                    .values()
                    .filter(|slot| slot.kind == *kind)
                    .map(|slot| format!("\"{}\"", slot.template_name))
                    .collect();
                let version_file = self.templates.version_file;
                self.refuse_node(
                    node,
                    format!("it uses the credential \"{name}\" of type `{kind}`, which {version_file} does not declare"),
                    format!(
                        "add a `[credentials.…]` table with type = \"{kind}\" and template_name = \"{name}\" (declared of that type: {})",
                        listed(known.iter().map(String::as_str))
                    ),
                );
                continue;
            };
            let reference = json!({
                "id": Path::expression(&["credentials", slot, "id"]),
                "name": Path::expression(&["credentials", slot, "name"]),
            });
            out.insert(kind.clone(), reference);
        }
        Value::Object(out)
    }

    /// Gives a node's way in its per-tenant address.
    fn entrance(&mut self, node: Node<'_>, out: &mut Map<String, Value>) {
        let known = nodes::entrance(node.kind);
        if known.is_none() && !out.contains_key("webhookId") {
            return;
        }
        let own_id = Path::expression(&["entries", node.name]);
        out.insert("webhookId".to_owned(), Value::from(own_id));
        let Some(entrance) = known.or_else(|| (!nodes::only_resumes(node.kind)).then_some(Entrance::ById)) else {
            return;
        };
        let at = if out.get("parameters").is_some_and(|p| p.get("path").is_some()) {
            "/path"
        } else {
            "/options/path"
        };
        let exported = out.get("parameters").and_then(|p| p.pointer(at)).cloned();
        let exported = match exported {
            Some(Value::String(path)) if path.starts_with('=') => {
                return self.refuse_node(
                    node,
                    "its path is computed, so it cannot be kept apart from other tenants' paths",
                    "give it a fixed path; upa puts the tenant's own part before it",
                );
            }
            Some(Value::String(path)) if expression::has_expression(&path) => {
                return self.refuse_node(
                    node,
                    "its path is rendered by the template",
                    "give it a fixed path; upa puts the tenant's own part before it",
                );
            }
            Some(Value::String(path)) => path,
            _ => String::new(),
        };
        let stripped = BASE.replace(exported.trim_matches('/'), "").into_owned();
        let entry = self.entry_point(node, entrance, &stripped, out);
        // Without a path the node is reached by its own id, which is random already.
        let by_path = !exported.is_empty() || entrance == Entrance::Webhook || entrance == Entrance::Mcp;
        if by_path && entrance != Entrance::ById && entrance != Entrance::Chat {
            let path = Path::expression(&["webhooks", &entry.name, "path"]);
            if let Some(parameters) = out.get_mut("parameters").and_then(Value::as_object_mut) {
                if at == "/path" || entrance == Entrance::Webhook || entrance == Entrance::Mcp {
                    parameters.insert("path".to_owned(), Value::from(path));
                } else if let Some(options) = parameters.get_mut("options").and_then(Value::as_object_mut) {
                    options.insert("path".to_owned(), Value::from(path));
                }
            }
        }
        self.out.entries.push(entry);
    }

    fn entry_point(&self, node: Node<'_>, entrance: Entrance, stripped: &str, out: &Map<String, Value>) -> EntryPoint {
        let declared = self
            .templates
            .webhooks
            .iter()
            .find(|(_, slot)| slot.resource == self.resource && slot.node == node.name);
        let has_parameters = stripped.split('/').any(|segment| segment.starts_with(':'));
        let suffix = match declared {
            Some((name, _)) if !has_parameters => name.clone(),
            _ if !stripped.is_empty() => stripped.to_owned(),
            _ => slug(node.name),
        };
        let name = declared.map_or_else(|| suffix.clone(), |(name, _)| name.clone());
        let by_path = entrance == Entrance::Webhook || out.get("parameters").is_some_and(|p| p.get("path").is_some());
        let url = match entrance {
            Entrance::Webhook if has_parameters => "/webhook/{id}/{path}",
            Entrance::Webhook => "/webhook/{path}",
            Entrance::Form
                if by_path
                    || out
                        .get("parameters")
                        .is_some_and(|p| p.pointer("/options/path").is_some()) =>
            {
                "/form/{path}"
            }
            Entrance::Form => "/form/{id}",
            Entrance::Chat => "/webhook/{id}/chat",
            Entrance::Mcp => "/mcp/{path}",
            Entrance::ById => "/webhook/{id}/webhook",
        };
        let method = match out.get("parameters").and_then(|p| p.get("httpMethod")) {
            Some(Value::String(method)) => method.clone(),
            Some(Value::Array(methods)) => methods.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            _ if matches!(entrance, Entrance::Webhook | Entrance::Form) => "GET".to_owned(),
            _ => "POST".to_owned(),
        };
        EntryPoint {
            name,
            node: node.name.to_owned(),
            method,
            suffix,
            url: url.to_owned(),
        }
    }

    fn settings(&mut self, settings: Option<&Value>) -> Value {
        let mut out = Map::new();
        for (key, value) in settings.and_then(Value::as_object).into_iter().flatten() {
            if nodes::SETTINGS_DROPPED.contains(&&**key) || value.is_null() {
                continue;
            }
            if !nodes::SETTINGS_KEYS.contains(&&**key) {
                let place = self.source.find(&format!("\"{key}\""));
                let problem = Problem::configuration(format!("`settings.{key}` is not a setting n8n accepts"));
                let hint = did_you_mean(key, nodes::SETTINGS_KEYS);
                self.refuse(problem.at(place).hint(match hint {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => "remove it".to_owned(),
                }));
                continue;
            }
            let text = value.as_str().unwrap_or_default();
            let value = match key.as_str() {
                "errorWorkflow" if !text.is_empty() && text != "DEFAULT" => self.error_workflow(text),
                "callerIds" => self.caller_ids(text),
                _ => value.clone(),
            };
            out.insert(key.clone(), value);
        }
        Value::Object(out)
    }

    fn error_workflow(&mut self, target: &str) -> Value {
        match self.sibling(target, None) {
            Ok(resource) => {
                let resource = resource.to_owned();
                if resource != self.resource {
                    self.out.calls.insert(resource.clone());
                }
                Value::from(Path::expression(&["resources", &resource, "id"]))
            }
            Err(_) => {
                let place = self.source.find(target);
                self.refuse(
                    Problem::configuration(format!("the error workflow `{target}` is not part of this version"))
                        .at(place)
                        .hint("add its export to the version, or choose one of the version's workflows"),
                );
                Value::Null
            }
        }
    }

    /// A comma-separated list of workflow ids that may call this one.
    fn caller_ids(&mut self, text: &str) -> Value {
        let mut ids = Vec::new();
        for target in text.split(',').map(str::trim).filter(|target| !target.is_empty()) {
            match self.sibling(target, None) {
                Ok(resource) => ids.push(Path::expression(&["resources", resource, "id"])),
                Err(_) => {
                    let place = self.source.find(target);
                    self.refuse(
                        Problem::configuration(format!(
                            "`settings.callerIds` names workflow `{target}`, which is not part of this version"
                        ))
                        .at(place)
                        .hint("name only workflows of this version"),
                    );
                }
            }
        }
        Value::from(ids.join(","))
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

fn mentions_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => expression::has_expression(text),
        Value::Array(items) => items.iter().any(mentions_expression),
        Value::Object(map) => map.values().any(mentions_expression),
        _ => false,
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

/// Every webhook that is declared exists, and no two listen at one place.
fn check_webhook_names(templates: &Templates<'_>, prepared: &BTreeMap<String, Prepared>) -> Vec<Problem> {
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
                .at(crate::problem::Place::file(templates.version_file))
                .hint(format!("its nodes with a webhook: {known}")),
            );
        }
    }
    let mut seen: BTreeMap<(&str, &str), (&str, &str)> = BTreeMap::new();
    for (resource, entry) in prepared
        .iter()
        .flat_map(|(resource, prepared)| prepared.entries.iter().map(move |entry| (resource, entry)))
    {
        let methods = entry.method.split(',');
        for method in methods {
            if let Some((other, node)) = seen.insert((method, &entry.suffix), (resource, &entry.node))
                && !entry.url.contains("{id}")
            {
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

/// n8n publishes a workflow only when those it calls are published: a circle can never start.
fn check_call_cycles(templates: &Templates<'_>, prepared: &BTreeMap<String, Prepared>) -> Vec<Problem> {
    let calls = |resource: &str| prepared.get(resource).map(|prepared| &prepared.calls);
    let edges = prepared.keys().map(|resource| {
        (
            resource.as_str(),
            calls(resource).into_iter().flatten().map(String::as_str),
        )
    });
    let Some(cycle) = crate::plan::order::cycle(edges) else {
        return Vec::new();
    };
    let place = templates
        .templates
        .iter()
        .find(|template| cycle.first() == Some(&template.resource))
        .map(|template| crate::problem::Place::file(&*template.source.file));
    vec![
        Problem::configuration(format!(
            "these workflows call each other in a circle, and n8n publishes none of them before the others: {}",
            cycle.join(" → ")
        ))
        .at_maybe(place)
        .hint("break the circle: let one of them answer instead of calling back"),
    ]
}
