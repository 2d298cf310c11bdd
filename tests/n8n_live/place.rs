//! A workspace driven through the binary, and the real n8n spoken to directly.

use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::canary;

pub const TENANTS: [&str; 2] = ["ana", "bea"];

pub struct Place {
    folder: TempDir,
    http: reqwest::Client,
    pub url: String,
    key: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        canary::refuse_in(self.folder.path());
    }
}

impl Place {
    /// The real n8n; `None` (said aloud) when there is none.
    pub fn open(name: &str) -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(url), Some(key)) = (variable("UPA_TEST_N8N_URL"), variable("UPA_TEST_N8N_KEY")) else {
            assert!(
                variable("UPA_TEST_REQUIRE_N8N").is_none(),
                "UPA_TEST_REQUIRE_N8N is set, and UPA_TEST_N8N_URL or UPA_TEST_N8N_KEY is not"
            );
            println!("skipped: no real n8n (UPA_TEST_N8N_URL, UPA_TEST_N8N_KEY)");
            return None;
        };
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            http,
            url,
            key,
        };
        let n8n = format!(
            "base_url = \"{}\"\ncredentials.api_key = {{ env = \"UPA_TEST_N8N_KEY\" }}",
            place.url
        );
        let policy = "[policy]\nmax_delete_percent = 100\nmax_recreate_percent = 100";
        place.write(
            "upa.toml",
            &format!("[workspace]\nname = \"{name}\"\n\n{policy}\n\n[accounts.n8n]\n{n8n}\n"),
        );
        place.write(".gitignore", ".upa/\n");
        place.write_version();
        for tenant in TENANTS {
            place.write_tenant(tenant, "active");
        }
        place.git(&["init", "-q", "-b", "main"]);
        place.release();
        Some(place)
    }

    fn write_version(&self) {
        let mut version = "product = \"p\"\nversion = \"v1\"\nrevision = 0\nstage = \"released\"\n\n[credentials.openai]\nplatform = \"n8n\"\ntype = \"openAiApi\"\ntemplate_name = \"Template · OpenAI\"\n".to_owned();
        for (resource, export, runs) in super::exports::all() {
            version.push_str(&format!(
                "\n[resources.{resource}]\nkind = \"n8n.workflow\"\ntemplate = \"{resource}.json\"\nactive = {runs}\n"
            ));
            // As some editors save it.
            let mark = if resource == "errors" { "\u{feff}" } else { "" };
            self.write(&format!("templates/p/v1/{resource}.json"), &format!("{mark}{export:#}"));
        }
        self.write("versions/p/v1.toml", &version);
    }

    pub fn write_tenant(&self, tenant: &str, status: &str) {
        let text = format!(
            "product = \"p\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"{status}\"\noperator = \"ana@nexumops.example\"\n\n[credentials]\nopenai = \"{}\"\n",
            self.credential(tenant)
        );
        self.write(&format!("tenants/{tenant}.toml"), &text);
    }

    /// Each test has credentials of its own.
    pub fn credential(&self, tenant: &str) -> String {
        let unique = self.folder.path().file_name().unwrap().to_string_lossy().into_owned();
        format!("{tenant} · OpenAI {unique}")
    }

    pub fn write(&self, path: &str, text: &str) {
        let file = self.folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    pub fn edit_export(&self, resource: &str, edit: impl Fn(&mut Value)) {
        let path = format!("templates/p/v1/{resource}.json");
        let mut export =
            serde_json::from_str(&std::fs::read_to_string(self.folder.path().join(&path)).unwrap()).unwrap();
        edit(&mut export);
        self.write(&path, &format!("{export:#}"));
    }

    pub fn git(&self, args: &[&str]) {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@upa.example"];
        let status = Command::new("git")
            .args(identity)
            .args(args)
            .current_dir(self.folder.path())
            .status()
            .unwrap();
        assert!(status.success(), "git {args:?}");
    }

    pub fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "a step"]);
    }

    pub fn release(&self) {
        let (status, out, err) = self.upa(&["release", "p", "v1"]);
        assert_eq!(status, 0, "{out}{err}");
        self.commit();
    }

    pub fn upa(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_upa"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("UPA_TEST_N8N_KEY", &self.key)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            canary::refuse(&text);
            text
        };
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub fn plan(&self) -> Value {
        let (status, out, err) = self.upa(&["plan", "--format", "json"]);
        assert_eq!(status, 0, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// `action address: field, field` of every change.
    pub fn changes(&self) -> Vec<String> {
        let plan = self.plan();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let line = |change: &Value| {
            let fields: Vec<String> = change["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| text(&field["field"]))
                .collect();
            format!(
                "{} {}: {}",
                text(&change["action"]),
                text(&change["address"]),
                fields.join(", ")
            )
        };
        plan["changes"].as_array().unwrap().iter().map(line).collect()
    }

    pub fn apply(&self) {
        let (status, out, err) = self.upa(&["apply", "--yes"]);
        assert_eq!(status, 0, "{out}{err}");
        assert_eq!(self.changes(), Vec::<String>::new(), "a second plan is empty");
    }

    pub fn show(&self, tenant: &str) -> Value {
        let (status, out, err) = self.upa(&["show", tenant, "--format", "json"]);
        assert_eq!(status, 0, "{out}{err}");
        serde_json::from_str::<Value>(&out).unwrap()["tenant_configuration"].take()
    }

    pub fn id(&self, tenant: &str, resource: &str) -> String {
        self.show(tenant)["workflow_ids"][resource].as_str().unwrap().to_owned()
    }

    pub fn base(&self, tenant: &str) -> String {
        self.show(tenant)["webhook_base_path"].as_str().unwrap().to_owned()
    }

    /// Status and text of any call below the instance's address.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if path.starts_with("/api/") {
            request = request.header("X-N8N-API-KEY", &self.key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, text) = self.call(method, &format!("/api/v1{path}"), body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn workflow(&self, id: &str) -> Value {
        self.api("GET", &format!("/workflows/{id}"), None).await
    }

    /// The part of a workflow that can be sent back.
    pub fn body(workflow: &Value) -> Value {
        json!({"name": workflow["name"], "nodes": workflow["nodes"], "connections": workflow["connections"], "settings": workflow["settings"]})
    }

    pub async fn put(&self, workflow: &Value, publish: bool) {
        let id = workflow["id"].as_str().unwrap();
        self.api(
            "PUT",
            &format!("/workflows/{id}?publishIfActive={publish}"),
            Some(&Self::body(workflow)),
        )
        .await;
    }

    pub async fn delete(&self, id: &str) {
        self.api("POST", &format!("/workflows/{id}/unpublish"), None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.api("DELETE", &format!("/workflows/{id}"), None).await;
    }
}

/// A node of a workflow, by name.
pub fn node<'a>(workflow: &'a mut Value, name: &str) -> &'a mut Value {
    workflow["nodes"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|node| node["name"] == name)
        .unwrap()
}
