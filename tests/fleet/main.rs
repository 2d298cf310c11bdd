//! 200 tenants on the sandbox: a plan makes list calls only, exactly as many as there are pages.

#![expect(clippy::disallowed_methods, reason = "tests are an edge of their own")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const TENANTS: usize = 200;

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

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn upa(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upa"));
    command
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> String {
    let output = upa(folder, args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{args:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@upa.example"])
        .args(args)
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

fn workspace(folder: &Path) {
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
    for number in 0..TENANTS {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_200_tenants_makes_list_calls_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    workspace(folder);
    let _server = Server(upa(folder, &["sandbox"]).stdout(Stdio::null()).spawn().unwrap());
    let file = folder.join(".upa/sandbox.url");
    let mut url = String::new();
    for _ in 0..200 {
        url = std::fs::read_to_string(&file).unwrap_or_default();
        if !url.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    run(folder, &["apply", "--yes"]);
    let http = reqwest::Client::new();
    http.delete(format!("{url}/_sandbox/calls")).send().await.unwrap();

    let plan = run(folder, &["plan", "--detailed-exitcode"]);

    assert!(plan.contains("all 200 tenants are as Git says"), "{plan}");
    let text = http
        .get(format!("{url}/_sandbox/calls"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let calls: Value = serde_json::from_str(&text).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls["calls"].as_array().unwrap() {
        let name = format!(
            "{} {}",
            call["method"].as_str().unwrap(),
            call["path"].as_str().unwrap()
        );
        *counts.entry(name).or_default() += 1;
    }
    // 400 workflows on pages of 250, 200 assistants on a page of 1000, and nothing else.
    let expected = BTreeMap::from([
        ("GET /api/v1/workflows".to_owned(), 2),
        ("GET /assistant".to_owned(), 1),
    ]);
    assert_eq!(counts, expected);
}
