//! What ties an export to the instance it was designed on: ids, addresses and credentials that no tenant may hold.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::Regex;
use serde_json::{Map, Value};

use super::said::{Said, said};
use crate::platform::n8n::doors::Entrance;
use crate::platform::n8n::nodes;
use crate::platform::{Template, Templates};

/// More nodes than any editor shows. Each is held against the others.
pub const MOST_NODES: usize = 5_000;

/// Shorter numbers (instances that were born before 2023 count `1`, `2`, …) would be found in every text.
const SHORTEST_NUMBER: usize = 8;
/// The length of the ids that n8n gives. What people choose themselves, and ids that were made unreadable, are words.
const ID: usize = 16;

/// The folders below which n8n serves what has a path.
const FOLDERS: [&str; 6] = ["webhook", "webhook-test", "form", "form-test", "mcp", "mcp-test"];

static UUID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .unwrap_or_else(|error| panic!("bug: {error}"))
});

/// `https://host/webhook/path`: the address below the host is the first group.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\bhttps?://[A-Za-z0-9.:\[\]_-]+/((?:webhook|form|mcp)/[^\s"'`<>?#{}\\|^,;)\]]+)"#)
        .unwrap_or_else(|error| panic!("bug: {error}"))
});

/// What a trace points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target<'a> {
    /// A workflow of the version.
    Workflow(&'a str),
    /// Where a workflow of the version is reached.
    Address(&'a str),
    /// A credential, by its name.
    Credential(&'a str),
    /// Anything else n8n numbers: versions, projects, folders, the instance itself.
    Instance,
}

/// A node that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door<'a> {
    pub resource: &'a str,
    pub node: &'a str,
}

/// A text that must not stand in any tenant's document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trace<'a> {
    pub text: String,
    pub target: Target<'a>,
    /// `webhook/lead` is not found in `webhook/leads`.
    whole: bool,
}

impl Trace<'_> {
    fn within(&self, text: &str) -> Option<Range<usize>> {
        let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let mut from = 0;
        while let Some(found) = text.get(from..)?.find(&self.text) {
            let at = from + found..from + found + self.text.len();
            let apart = |c: Option<char>| !self.whole || c.is_none_or(|c| !joins(c));
            if apart(text[..at.start].chars().next_back()) && apart(text[at.end..].chars().next()) {
                return Some(at);
            }
            from = at.end;
        }
        None
    }
}

/// Everything that is known about where a version's workflows come from.
pub struct Designer<'a> {
    pub by_id: BTreeMap<String, BTreeSet<&'a str>>,
    pub by_name: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Where the workflows are reached below a host, with the node that listens there.
    addresses: BTreeMap<String, Option<Door<'a>>>,
    traces: BTreeSet<Trace<'a>>,
    /// Looks for all traces at once, in their order.
    finder: Option<AhoCorasick>,
}

/// Why a file holds no workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWorkflow {
    /// So many.
    Several(usize),
    Other(&'static str),
}

impl NoWorkflow {
    /// What it holds instead, and what to do about it.
    pub fn words(self, file: &str) -> (String, String) {
        match self {
            NoWorkflow::Several(count) => (
                format!("it holds {count} workflows, and each is a resource of its own"),
                format!(
                    "give each a file: `jq '.[0]' {file} > first.json`, `jq '.[1]' …`; or let n8n write them so: `n8n export:workflow --all --separate --output=DIR`"
                ),
            ),
            NoWorkflow::Other(why) => (why.to_owned(), "export the workflow again".to_owned()),
        }
    }
}

/// The workflow in a template file. Exports come bare, as a list of one (`n8n export:workflow`), or wrapped in
/// `workflow` (n8n's template library) or `data` (its internal API).
pub fn workflow(value: &Value) -> Result<&Map<String, Value>, NoWorkflow> {
    let unwrapped = match value {
        Value::Array(list) => match list.as_slice() {
            [one] => one,
            [] => return Err(NoWorkflow::Other("it is an empty list")),
            several => return Err(NoWorkflow::Several(several.len())),
        },
        other => other,
    };
    let inner = ["workflow", "data"].iter().find_map(|key| {
        let inner = unwrapped.get(key)?.as_object()?;
        (unwrapped.get("nodes").is_none() && inner.contains_key("nodes")).then_some(inner)
    });
    inner
        .or(unwrapped.as_object())
        .ok_or(NoWorkflow::Other("expected a JSON object"))
}

/// Whether upa leaves it alone.
pub fn has_too_many_nodes(workflow: &Map<String, Value>) -> bool {
    let nodes = workflow.get("nodes").and_then(Value::as_array);
    nodes.is_some_and(|nodes| nodes.len() > MOST_NODES)
}

impl<'a> Designer<'a> {
    pub fn of(templates: &Templates<'a>) -> Self {
        let mut designer = Self {
            by_id: BTreeMap::new(),
            by_name: BTreeMap::new(),
            addresses: BTreeMap::new(),
            traces: BTreeSet::new(),
            finder: None,
        };
        for Template { resource, source, .. } in &templates.templates {
            // One with too many nodes is refused anyway, and every text is searched for what is learnt here.
            if let Ok(workflow) = workflow(&source.value)
                && !has_too_many_nodes(workflow)
            {
                designer.learn(resource, workflow);
            }
        }
        designer.finder = AhoCorasick::new(designer.traces.iter().map(|trace| &trace.text)).ok();
        designer
    }

    fn learn(&mut self, resource: &'a str, workflow: &'a Map<String, Value>) {
        if let Some(id) = workflow.get("id").and_then(text_of) {
            self.trace(&id, Target::Workflow(resource), false);
            self.by_id.entry(id).or_default().insert(resource);
        }
        if let Some(name) = workflow.get("name").and_then(Value::as_str) {
            self.by_name.entry(name).or_default().insert(resource);
        }
        for (key, value) in workflow.iter().filter(|(key, _)| nodes::EXPORT_ONLY.contains(&&***key)) {
            // Pinned and static data are a run's, `id` is known already, and `meta` names nothing that can be reached.
            if !["id", "pinData", "staticData", "description", "meta"].contains(&&**key) {
                self.learn_instance(key, value);
            }
        }
        for node in workflow.get("nodes").and_then(Value::as_array).into_iter().flatten() {
            self.learn_node(resource, node);
        }
    }

    fn learn_instance(&mut self, key: &str, value: &Value) {
        let names_something = key.ends_with("Id") || key == "id";
        match value {
            Value::String(text) if names_something => self.trace(text, Target::Instance, false),
            // A published version repeats the nodes; their ids are no addresses.
            Value::Object(map) if key != "nodes" => map.iter().for_each(|(key, value)| self.learn_instance(key, value)),
            Value::Array(items) if key != "nodes" => items.iter().for_each(|item| self.learn_instance("", item)),
            _ => {}
        }
    }

    fn learn_node(&mut self, resource: &'a str, node: &'a Value) {
        if let Some(id) = node.get("webhookId").and_then(Value::as_str) {
            self.trace(id, Target::Address(resource), false);
            // One that reads like a word is an address only where addresses stand.
            for folder in FOLDERS.into_iter().filter(|_| !is_id(id) && !id.is_empty()) {
                self.trace(&format!("{folder}/{id}"), Target::Address(resource), true);
            }
        }
        for reference in node
            .get("credentials")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values)
        {
            let name = reference.get("name").and_then(Value::as_str).unwrap_or_default();
            if let Some(id) = reference.get("id").and_then(text_of) {
                self.trace(&id, Target::Credential(name), false);
            }
        }
        if node
            .get("type")
            .and_then(Value::as_str)
            .and_then(nodes::entrance)
            .is_none()
        {
            return;
        }
        for pointer in ["/parameters/path", "/parameters/options/path"] {
            let path = node.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let Said::Text(path) = said(path) else { continue };
            let path = path.trim_matches('/');
            if path.is_empty() {
                continue;
            }
            let name = node.get("name").and_then(Value::as_str).unwrap_or_default();
            let disabled = node
                .get("disabled")
                .is_some_and(|value| value == true || value == "true");
            let is_plain = !path.contains(':') && !disabled;
            let version = node.get("typeVersion").and_then(Value::as_f64).unwrap_or(1.0);
            let kind = node.get("type").and_then(Value::as_str).and_then(nodes::entrance);
            let address = match kind.filter(|_| is_plain) {
                Some(Entrance::Webhook) => Some(format!("webhook/{path}")),
                Some(Entrance::Form) => Some(format!("form/{path}")),
                // The first of them answer one address below.
                Some(Entrance::Mcp) if version < 2.0 => Some(format!("mcp/{path}/sse")),
                Some(Entrance::Mcp) => Some(format!("mcp/{path}")),
                _ => None,
            };
            if let Some(address) = address {
                let door = Door { resource, node: name };
                // Two nodes at one path may come to have two: which of them is meant is not known.
                let known = self.addresses.entry(address).or_insert(Some(door));
                *known = known.filter(|known| *known == door);
            }
            for uuid in UUID.find_iter(path) {
                self.trace(uuid.as_str(), Target::Address(resource), false);
            }
            for folder in FOLDERS {
                self.trace(&format!("{folder}/{path}"), Target::Address(resource), true);
            }
        }
    }

    fn trace(&mut self, text: &str, target: Target<'a>, whole: bool) {
        if (whole || is_id(text)) && !text.contains("<%=") {
            self.traces.insert(Trace {
                text: text.to_owned(),
                target,
                whole,
            });
        }
    }

    /// The place of a node among those that listen, and the other way round.
    pub fn number_of(&self, door: Door<'_>) -> usize {
        self.doors().position(|known| known == door).unwrap_or(usize::MAX)
    }

    /// The nodes that listen at a path of their own.
    pub fn doors(&self) -> impl Iterator<Item = Door<'a>> {
        self.addresses.values().copied().flatten()
    }

    /// A text in which every whole address of a workflow of the version (`https://n8n.example/webhook/lead`) is what `url`
    /// makes of the node that listens there.
    pub fn with_own_addresses(&self, text: &str, mut url: impl FnMut(&str, Door<'a>) -> String) -> Option<String> {
        let mut out = String::new();
        let mut shown = 0;
        for address in ADDRESS.captures_iter(text) {
            let (Some(whole), Some(below)) = (address.get(0), address.get(1)) else {
                continue;
            };
            let Some(Some(door)) = self.addresses.get(below.as_str().trim_end_matches(['/', '.'])) else {
                continue;
            };
            let rest = &below.as_str()[below.as_str().trim_end_matches(['/', '.']).len()..];
            out.push_str(&text[shown..whole.start()]);
            let address = whole.as_str().trim_end_matches(['/', '.']);
            out.push_str(&url(address, *door));
            out.push_str(rest);
            shown = whole.end();
        }
        (shown > 0).then(|| out + &text[shown..])
    }

    /// The workflow of the version whose id a text is.
    pub fn workflow_of(&self, text: &str) -> Option<&'a str> {
        let resources = self.by_id.get(text).filter(|_| is_id(text))?;
        resources.first().copied().filter(|_| resources.len() == 1)
    }

    /// The first trace in a text.
    pub fn found_in(&self, text: &str) -> Option<(Range<usize>, &Trace<'a>)> {
        let there: BTreeSet<usize> = match &self.finder {
            Some(finder) => finder
                .find_overlapping_iter(text)
                .map(|found| found.pattern().as_usize())
                .collect(),
            None => (0..self.traces.len()).collect(),
        };
        let traces = self
            .traces
            .iter()
            .enumerate()
            .filter(|(number, _)| there.contains(number));
        let traces = traces.map(|(_, trace)| trace);
        let found = traces.filter_map(|trace| Some((trace.within(text)?, trace)));
        // Of those that start together the longest says most.
        found.min_by_key(|(at, _)| (at.start, usize::MAX - at.end))
    }

    /// The text with every trace cut out; `None` when there is none.
    pub fn cut_from(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((at, _)) = self.found_in(rest) {
            out.push_str(&rest[..at.start]);
            out.push('…');
            rest = &rest[at.end..];
        }
        (!out.is_empty()).then(|| out + rest)
    }
}

/// Whether a text has the form of an id that a machine gave, and not of a word that may stand in any text.
fn is_id(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let capital = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let uuid = UUID.find(text).is_some_and(|found| found.len() == text.len());
    let number = digits == text.len() && digits >= SHORTEST_NUMBER;
    uuid || number || plain && text.len() >= ID && (digits > 0 || capital)
}

/// A string, or a number as old instances have them, in words.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_found_as_a_whole_and_an_id_anywhere() {
        let path = Trace {
            text: "webhook/lead".to_owned(),
            target: Target::Address("a"),
            whole: true,
        };
        for text in [
            "https://n8n.x/webhook/lead",
            "webhook/lead?x=1",
            "'/webhook/lead'",
            "webhook/leads, webhook/lead",
        ] {
            assert!(path.within(text).is_some(), "{text}");
        }
        for text in [
            "https://x/webhook/leads",
            "my-webhook/lead",
            "webhook/lead-2",
            "ñwebhook/leadñ",
        ] {
            assert!(path.within(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_word_is_no_id() {
        for id in [
            "AAAABBBBCCCC0001",
            "gi3RFuxiVeMN2uZm",
            "abcdefghijklmnoP",
            "7d4f0f1e-1111-4222-8333-00000000aaaa",
            "12345678",
        ] {
            assert!(is_id(id), "{id}");
        }
        for word in [
            "appointment",
            "xeroOAuth2Api",
            "REDACTED",
            "__PLACEHOLDER__",
            "my-appointment-webhook-2",
            "[REDACTED_ID_0123456789]",
            "appointmentsmade",
            "1234567",
            "",
        ] {
            assert!(!is_id(word), "{word}");
        }
    }

    #[test]
    fn exports_are_unwrapped() {
        let bare = json!({"nodes": [], "connections": {}});
        for value in [
            bare.clone(),
            json!([bare]),
            json!({"workflow": bare}),
            json!({"data": bare}),
            json!([{"workflow": bare}]),
        ] {
            assert_eq!(
                workflow(&value).map(|map| map.contains_key("nodes")),
                Ok(true),
                "{value}"
            );
        }
        for value in [json!([]), json!([1]), json!("x"), json!([bare, bare]), json!(null)] {
            assert!(workflow(&value).is_err(), "{value}");
        }
    }
}
