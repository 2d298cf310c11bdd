//! A small product with everything a tenant and a version can say.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use upa::workspace::{Entry, Files, Origin, load, release};

pub const SETTINGS: &str = "\
[workspace]
name = \"w\"
[accounts.n8n]
sandbox = true
[accounts.vapi]
sandbox = true
[accounts.google]
sandbox = true
";

pub const TENANT: &str = include_str!("../cases/tenant/whole.toml");

/// The version after its release.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let written = include_str!("../cases/version/whole.toml");
    let workspace = load(&files(TENANT, written)).workspace.expect("the settings are right");
    let version = workspace.versions.values().next().expect("the version is right");
    let (_, text) = release::released(version)
        .expect("it can be released")
        .expect("it is new");
    text
});

const HOOK: &str = include_str!("../cases/workflow/hook.json");
const CALLEE: &str = include_str!("../cases/workflow/callee.json");

const ASSISTANT: &str = r#"{
  "name": "<%= tenant.name %> · A",
  "firstMessage": "<%= inputs.greeting %>",
  "server": {"url": "<%= webhooks.in.url %>"},
  "model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "<%= files[\"prompt.md\"] %>"}]}
}"#;

const CALENDAR: &str = r#"{"summary": "<%= each.key %> <%= each.value.colour ?? \"\" %>", "timeZone": "UTC"}"#;

const PROMPT: &str = "You answer for <%= inputs.greeting %>.\n";

/// The files of the workspace with this tenant and this version.
pub fn files(tenant: &str, version: &str) -> Files {
    let templates = "templates/small/v1";
    let entries = [
        ("upa.toml", SETTINGS),
        ("tenants/ana.toml", tenant),
        ("versions/small/v1.toml", version),
        (&format!("{templates}/hook.json"), HOOK),
        (&format!("{templates}/callee.json"), CALLEE),
        (&format!("{templates}/assistant.json"), ASSISTANT),
        (&format!("{templates}/calendar.json"), CALENDAR),
        (&format!("{templates}/prompt.md"), PROMPT),
    ];
    Files {
        origin: Origin::WorkTree,
        entries: BTreeMap::from(entries.map(|(path, text)| (path.to_owned(), Entry::Text(Arc::from(text))))),
    }
}
