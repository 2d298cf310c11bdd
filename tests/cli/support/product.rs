//! A small product: a workflow that answers calls, one that it calls, and an assistant that knows the webhook.

use std::sync::Arc;

use serde_json::{Value, json};
use upa::digest::Digest;
use upa::workspace::release::definition;
use upa::workspace::toml::Toml;

use super::Space;

pub const SETTINGS: &str = "\
[workspace]
name = \"tests\"

[accounts.n8n]
sandbox = true

[accounts.vapi]
sandbox = true
";

const VERSION: &str = "\
product = \"bot\"
version = \"v1\"
revision = 1
stage = \"released\"
definition = \"\"
[inputs]
required = [\"greeting\"]
properties.greeting = { type = \"string\", maxLength = 40 }
properties.minutes = { type = \"integer\", minimum = 5, default = 30 }

[webhooks.inbound]
resource = \"answer\"
node = \"Call\"

[resources.answer]
kind = \"n8n.workflow\"
template = \"answer.json\"
active = true

[resources.record]
kind = \"n8n.workflow\"
template = \"record.json\"
active = true

[resources.assistant]
kind = \"vapi.assistant\"
template = \"assistant.json\"
";

pub const VERSION_FILE: &str = "versions/bot/v1.toml";
pub const TEMPLATES: &str = "templates/bot/v1";

/// Writes everything but tenants.
pub fn write(space: &Space) {
    space.write(".gitignore", ".upa/\n");
    space.write("upa.toml", SETTINGS);
    template(space, "answer.json", &answer());
    template(space, "record.json", &record());
    template(space, "assistant.json", &assistant());
    space.write(VERSION_FILE, VERSION);
    release(space);
}

/// Writes a template without releasing it.
pub fn template(space: &Space, name: &str, value: &Value) {
    space.write(&format!("{TEMPLATES}/{name}"), format!("{value:#}\n"));
}

/// What `upa release` does to the digests, without another revision. The definition stands on a line that was there, so
/// that no line moves.
pub fn release(space: &Space) {
    let version = space.read(VERSION_FILE);
    let mut text = version.split("\n[files]\n").next().unwrap().to_owned();
    text = define(&text);
    text.push_str("\n[files]\n");
    let mut files: Vec<_> = std::fs::read_dir(space.path(TEMPLATES)).unwrap().flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        text.push_str(&format!("{:?} = \"{}\"\n", file.file_name(), Digest::of_bytes(&bytes)));
    }
    space.write(VERSION_FILE, text);
}

/// The version file with the digest of what it says; one that is no TOML stays as it is.
pub fn define(text: &str) -> String {
    let Ok(toml) = Toml::parse(VERSION_FILE, &Arc::from(text)) else {
        return text.to_owned();
    };
    let line = text.lines().find(|line| line.starts_with("definition = ")).unwrap();
    text.replace(line, &format!("definition = \"{}\"", definition(&toml.value)))
}

pub fn tenant(name: &str) -> String {
    format!(
        "product = \"bot\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n\n\
         [inputs]\ngreeting = \"Hello from {name}\"\n"
    )
}

pub fn node(name: &str, kind: &str, parameters: Value) -> Value {
    json!({"name": name, "type": format!("n8n-nodes-base.{kind}"), "typeVersion": 1, "position": [0, 0], "parameters": parameters})
}

/// A call of a sibling, as n8n exports it.
pub fn call(name: &str, id: &str) -> Value {
    node(
        name,
        "executeWorkflow",
        json!({"workflowId": {"__rl": true, "value": id, "mode": "list"}}),
    )
}

pub fn answer() -> Value {
    json!({
        "id": "AnswerAnswer0001",
        "name": "Answer",
        "nodes": [
            node("Call", "webhook", json!({"httpMethod": "POST", "path": "inbound"})),
            node("Greeting", "set", json!({"assignments": {"assignments": [{"id": "1", "name": "text", "value": "<%= inputs.greeting %>", "type": "string"}]}})),
            call("Record it", "RecordRecord0002"),
        ],
        "connections": {
            "Call": {"main": [[{"node": "Greeting", "type": "main", "index": 0}]]},
            "Greeting": {"main": [[{"node": "Record it", "type": "main", "index": 0}]]},
        },
        "settings": {"executionOrder": "v1"},
    })
}

pub fn record() -> Value {
    json!({
        "id": "RecordRecord0002",
        "name": "Record",
        "nodes": [node("Called", "executeWorkflowTrigger", json!({"inputSource": "passthrough"}))],
        "connections": {},
        "settings": {"executionOrder": "v1"},
    })
}

pub fn assistant() -> Value {
    json!({
        "name": "<%= tenant.name %> assistant",
        "firstMessage": "<%= inputs.greeting %>",
        "server": {"url": "<%= webhooks.inbound.url %>"},
    })
}
