//! A product of assistants only: one that tenants share, one of each tenant, and some that their inputs ask for.

use serde_json::{Value, json};

use super::Space;

pub const VERSION_FILE: &str = "versions/duo/v1.toml";
pub const TEMPLATES: &str = "templates/duo/v1";

const VERSION: &str = r#"product = "duo"
version = "v1"
revision = 0
stage = "released"

[inputs]
required = ["voice"]
properties.voice = { type = "string", enum = ["shared", "own", "none"] }
properties.domains = { type = "array", items = { type = "string" } }
properties.rooms = { type = "array", items = { type = "object", properties = { name = { type = "string" }, seats = { type = "integer" } } } }

[resources.voice]
kind = "vapi.assistant"
scope = "account"
template = "voice.json"
when = { input = "voice", is = "shared" }

[resources.voice-own]
kind = "vapi.assistant"
template = "own.json"
when = { input = "voice", is = "own" }

[resources.main]
kind = "vapi.assistant"
template = "main.json"
"#;

/// The product with these tenants, whose voice is shared, committed.
pub fn space(tenants: &[&str]) -> Space {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.vapi]\nsandbox = true\n",
    );
    space.write(VERSION_FILE, VERSION);
    template(
        &space,
        "voice.json",
        &json!({"name": "the voice", "firstMessage": "Hello"}),
    );
    template(&space, "own.json", &json!({"name": "<%= tenant.name %> voice"}));
    template(
        &space,
        "main.json",
        &json!({
            "name": "<%= tenant.name %>",
            "firstMessage": "<%= resources.voice.id ?? \"\" %><%= resources.voice-own.id ?? \"\" %>",
        }),
    );
    space.commit("before the release");
    release(&space);
    for name in tenants {
        tenant(&space, name, "shared");
    }
    space.commit("workspace");
    space
}

pub fn template(space: &Space, name: &str, value: &Value) {
    space.write(&format!("{TEMPLATES}/{name}"), format!("{value:#}\n"));
}

pub fn release(space: &Space) {
    space.upa(&["release", "duo", "v1"]).exits(0);
}

/// Adds a resource and its template, and releases.
pub fn add(space: &Space, spec: &str, name: &str, value: &Value) {
    let text = space.read(VERSION_FILE);
    let (before, files) = text.split_once("\n[files]\n").unwrap();
    space.write(VERSION_FILE, format!("{before}\n{spec}\n[files]\n{files}"));
    template(space, name, value);
    release(space);
}

pub fn tenant(space: &Space, name: &str, voice: &str) {
    let text = format!(
        "product = \"duo\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n\n[inputs]\nvoice = \"{voice}\"\n"
    );
    space.write(&format!("tenants/{name}.toml"), text);
}

pub fn status(space: &Space, tenant: &str, from: &str, to: &str) {
    let line = |status: &str| format!("status = \"{status}\"");
    space.edit(&format!("tenants/{tenant}.toml"), &line(from), &line(to));
}
