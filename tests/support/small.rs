//! A small product on the sandbox, driven through the real binary.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::canary;

/// A small product: the counts follow from the pages, and pages from the number of objects.
const VERSION: &str = r#"
product = "small"
version = "v1"
revision = 1
stage = "released"
[inputs]
properties.greeting = { type = "string" }
required = ["greeting"]
[resources.hook]
kind = "n8n.workflow"
template = "hook.json"
active = true
[resources.callee]
kind = "n8n.workflow"
template = "callee.json"
active = true
[resources.assistant]
kind = "vapi.assistant"
template = "assistant.json"
"#;

fn hook() -> Value {
    json!({
        "id": "hookhookhookhook", "name": "Hook", "settings": {"executionOrder": "v1"},
        "nodes": [
            {"name": "In", "type": "n8n-nodes-base.webhook", "typeVersion": 2.1, "position": [0, 0], "webhookId": "4b9e0f0c-98c5-4f33-9a1c-0f6f1a4d2d11",
             "parameters": {"httpMethod": "POST", "path": "4b9e0f0c-98c5-4f33-9a1c-0f6f1a4d2d11/in", "options": {}}},
            {"name": "Greeting", "type": "n8n-nodes-base.set", "typeVersion": 3.4, "position": [200, 0],
             "parameters": {"assignments": {"assignments": [{"id": "a", "name": "greeting", "value": "<%= inputs.greeting %>", "type": "string"}]}, "options": {}}},
            {"name": "Call", "type": "n8n-nodes-base.executeWorkflow", "typeVersion": 1.3, "position": [400, 0],
             "parameters": {"workflowId": {"__rl": true, "mode": "id", "value": "calleecalleecall"}, "options": {}}}
        ],
        "connections": {"In": {"main": [[{"node": "Greeting", "type": "main", "index": 0}]]}, "Greeting": {"main": [[{"node": "Call", "type": "main", "index": 0}]]}}
    })
}

fn callee() -> Value {
    json!({
        "id": "calleecalleecall", "name": "Callee", "settings": {},
        "nodes": [{"name": "Start", "type": "n8n-nodes-base.executeWorkflowTrigger", "typeVersion": 1.1, "position": [0, 0], "parameters": {"inputSource": "passthrough"}}],
        "connections": {}
    })
}

/// A sandbox that runs; it is stopped when dropped.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn upa(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upa"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

pub fn run(folder: &Path, args: &[&str]) -> String {
    let output = upa(folder, args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    canary::refuse(&text);
    canary::refuse(&String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{args:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

pub fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@upa.example"])
        .args(args)
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

/// A repository with this many tenants.
pub fn workspace(folder: &Path, tenants: usize) {
    write(
        folder,
        "upa.toml",
        "[workspace]\nname = \"fleet\"\n[accounts.n8n]\nsandbox = true\n[accounts.vapi]\nsandbox = true\n",
    );
    write(folder, "versions/small/v1.toml", VERSION);
    write(folder, "templates/small/v1/hook.json", &hook().to_string());
    write(folder, "templates/small/v1/callee.json", &callee().to_string());
    write(
        folder,
        "templates/small/v1/assistant.json",
        &json!({"name": "<%= tenant.name %>", "firstMessage": "<%= inputs.greeting %>", "server": {"url": "<%= webhooks.in.url %>"}}).to_string(),
    );
    for number in 0..tenants {
        let text = format!(
            "product = \"small\"\nversion = \"v1\"\ntier = \"client\"\noperator = \"ana\"\n[inputs]\ngreeting = \"Hello {number}\"\n"
        );
        write(folder, &format!("tenants/client-{number:03}.toml"), &text);
    }
    git(folder, &["init", "-q", "-b", "main"]);
    run(folder, &["release", "small", "v1"]);
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "a fleet"]);
}

/// Starts `upa sandbox`, as an n8n of some age, and waits until it listens: the server, its URL, and a client with its key.
pub async fn serve(folder: &Path, age: &str) -> (Server, String, reqwest::Client) {
    let server = Server(
        upa(folder, &["sandbox", "--n8n", age])
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let file = folder.join(".upa/sandbox.url");
    for _ in 0..400 {
        let url = std::fs::read_to_string(&file).unwrap_or_default();
        if !url.is_empty() {
            let key = std::fs::read_to_string(folder.join(".upa/sandbox.key")).unwrap();
            return (server, url, client(key.trim_end()));
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the sandbox did not start");
}

/// Sends the sandbox's key as each of its platforms wants it.
fn client(key: &str) -> reqwest::Client {
    let headers = [
        ("x-n8n-api-key", key.to_owned()),
        ("authorization", format!("Bearer {key}")),
    ];
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    reqwest::Client::builder()
        .default_headers(headers.collect())
        .build()
        .unwrap()
}
