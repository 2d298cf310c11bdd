//! What is provisioned: two workflows, a label with a mark, a site that is marked by a second call and must be waited for, a
//! token whose creation has an idempotency key and which expires, and a label that all tenants share. Whoever names a studio
//! sets its limits too: they carry no mark, and two tenants may come to want those of one studio.

use std::sync::LazyLock;

use serde_json::json;

use super::world::Files;

pub const VERSION: &str = "versions/kit/v1.toml";
const TEMPLATES: &str = "templates/kit/v1";
/// What a tenant's secret is: it may stand nowhere but on the platform.
pub const CANARY: &str = "canary-4f1c9b7e-of-a-tenant";

const VERSION_TEXT: &str = r#"product = "kit"
version = "v1"
revision = 1
stage = "released"
definition = ""

[inputs]
required = ["greeting", "secret", "studio"]
properties.greeting = { type = "string" }
properties.secret = { type = "string", writeOnly = true }
properties.studio = { type = "string" }

[resources.callee]
kind = "n8n.workflow"
template = "callee.json"
active = true

[resources.hook]
kind = "n8n.workflow"
template = "hook.json"
active = true

[resources.label]
kind = "pine.label"
template = "label.json"

[resources.site]
kind = "pine.site"
template = "site.json"

[resources.token]
kind = "pine.token"
template = "token.json"

[resources.form]
kind = "pine.form"
template = "form.json"

[resources.common]
kind = "pine.label"
template = "common.json"
scope = "account"

[resources.sign]
kind = "pine.sign"
template = "sign.json"

[resources.limits]
kind = "pine.limits"
template = "limits.json"
when = { input = "studio", is_not = "none" }
"#;

/// The two names under which a version can have the limits.
pub const LIMITS: [&str; 2] = ["[resources.limits]", "[resources.quota]"];

/// The studios there are.
pub const STUDIOS: [&str; 2] = ["studio-red", "studio-blue"];

/// A setting: nothing on the platform says whose it is.
const LIMITS_KIND: &str = r#"
[resource.limits]
inputs = ["studio"]
one    = true
create = "PUT /studios/{studio}/limits"
read   = "GET /studios/{studio}/limits"
update = "create"
delete = "DELETE /studios/{studio}/limits"
"#;

/// Nothing tells whose one is but its name, which people may give to one of theirs.
const SIGN_KIND: &str = r#"
[resource.sign]
list   = { call = "GET /signs", items = "items" }
find   = { where = { name = "{spec.name}" } }
create = { call = "POST /signs", exists = [409] }
read   = "GET /signs/{id}"
update = "PUT /signs/{id}"
delete = "DELETE /signs/{id}"
"#;

/// One more resource, for those who add it.
pub const FURTHER: &str = r#"
[resources.extra]
kind = "pine.label"
template = "label.json"
"#;

/// What a person must have looked at.
pub const GATE: &str = r#"
[gates.seen]
covers = ["label", "site"]
prompt = "Look at them"
"#;

/// The one that goes, for those who take it away.
pub const TOKEN: &str = r#"
[resources.token]
kind = "pine.token"
template = "token.json"
"#;

/// The platform, with the kinds that are used and no others: a run reads its definition again and again.
pub fn pine() -> String {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let whole = include_str!("../kinds/definitions/pine.toml");
        let mut parts = whole.split("\n[resource.");
        let head = parts.next().unwrap().to_owned();
        let used = parts.filter(|part| {
            ["label]", "site]", "form]", "token]"]
                .iter()
                .any(|kind| part.starts_with(kind))
        });
        let text = used.fold(head, |text, part| format!("{text}\n[resource.{part}"));
        format!("{text}{LIMITS_KIND}{SIGN_KIND}")
    });
    TEXT.clone()
}

/// The workspace, without a tenant and not released.
pub fn files(key: &str, fingerprints: &str) -> Files {
    let hook = json!({
        "id": "hookhookhookhook", "name": "Hook", "settings": {},
        "nodes": [
            {"name": "In", "type": "n8n-nodes-base.webhook", "typeVersion": 2.1, "position": [0, 0], "webhookId": "4b9e0f0c-98c5-4f33-9a1c-0f6f1a4d2d11",
             "parameters": {"httpMethod": "POST", "path": "4b9e0f0c-98c5-4f33-9a1c-0f6f1a4d2d11/in", "options": {}}},
            {"name": "Greeting", "type": "n8n-nodes-base.set", "typeVersion": 3.4, "position": [200, 0],
             "parameters": {"assignments": {"assignments": [{"id": "a", "name": "greeting", "value": "<%= inputs.greeting %>", "type": "string"}]}, "options": {}}},
            {"name": "Call", "type": "n8n-nodes-base.executeWorkflow", "typeVersion": 1.3, "position": [400, 0],
             "parameters": {"workflowId": {"__rl": true, "mode": "id", "value": "calleecalleecall"}, "options": {}}}
        ],
        "connections": {"In": {"main": [[{"node": "Greeting", "type": "main", "index": 0}]]}, "Greeting": {"main": [[{"node": "Call", "type": "main", "index": 0}]]}}
    });
    let callee = json!({
        "id": "calleecalleecall", "name": "Callee", "settings": {},
        "nodes": [{"name": "Start", "type": "n8n-nodes-base.executeWorkflowTrigger", "typeVersion": 1.1, "position": [0, 0], "parameters": {"inputSource": "passthrough"}}],
        "connections": {}
    });
    let folder = env!("CARGO_TARGET_TMPDIR");
    let mut files = Files::new();
    let mut add = |path: &str, text: String| files.insert(path.to_owned(), text);
    add(
        "upa.toml",
        format!(
            "[workspace]\nname = \"sim\"\nfingerprint_key = {{ file = \"{fingerprints}\" }}\n\n[git]\nremote = \"origin\"\nbranch = \"main\"\n\n\
             [secrets]\nfiles = [\"{folder}\"]\ntenants.file = [\"{folder}/simulated-secret-{{tenant}}-*\"]\n\n\
             [policy]\nmax_delete_percent = 100\nmax_recreate_percent = 100\n\n\
             [accounts.n8n]\nbase_url = \"http://127.0.0.1:1/n8n\"\ncredentials.api_key = {{ file = \"{key}\" }}\n\n\
             [accounts.pine]\nbase_url = \"http://127.0.0.1:1/pine\"\nhosts.files = \"http://127.0.0.1:1/pine\"\n\
             credentials.client_id = {{ file = \"{key}\" }}\ncredentials.client_secret = {{ file = \"{key}\" }}\n"
        ),
    );
    add("platforms/pine.toml", pine());
    add(VERSION, VERSION_TEXT.to_owned());
    for (name, template) in [
        ("hook", hook),
        ("callee", callee),
        (
            "label",
            json!({"name": "<%= tenant.name %> label", "colours": ["red"], "code": "ES", "nested": {"callee": "<%= resources.callee.id %>"}}),
        ),
        (
            "site",
            json!({"name": "<%= tenant.name %>-site", "install": "wordpress", "php_version": "8.3", "about": "<%= resources.label.id %>"}),
        ),
        (
            "token",
            json!({"label": "<%= tenant.name %>", "scopes": ["a", "<%= resources.common.id %>"]}),
        ),
        (
            "form",
            json!({"title": "<%= tenant.name %>", "questions": [{"name": "q", "text": "?"}], "hook": {"url": "https://x.example", "password": "<%= inputs.secret %>"}}),
        ),
        ("common", json!({"name": "common", "colours": ["blue"], "code": "PT"})),
        (
            "sign",
            json!({"name": "<%= tenant.name %>-sign", "words": "<%= inputs.greeting %>"}),
        ),
        (
            "limits",
            json!({"studio": "<%= inputs.studio %>", "calls": 100, "whose": "<%= tenant.name %>"}),
        ),
    ] {
        add(&template_path(name), format!("{template:#}\n"));
    }
    files
}

pub fn template_path(name: &str) -> String {
    format!("{TEMPLATES}/{name}.json")
}

/// The file of an active tenant.
pub fn tenant(greeting: &str, studio: &str, secret: &str, further: &str) -> String {
    format!(
        "product = \"kit\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n\n[inputs]\ngreeting = \"{greeting}\"\nstudio = \"{studio}\"\nsecret = {{ file = \"{secret}\" }}\n{further}"
    )
}
