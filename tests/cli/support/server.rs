//! `upa sandbox` as a child, and what people do on a platform themselves.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;

use serde_json::{Value, json};

use super::Space;

/// The files by which a sandbox is used: its state, and where it listens.
pub const STORE: &str = "sandbox.redb";
pub const KEY: &str = "sandbox.key";
const ADDRESS: &str = "sandbox.url";
/// Where it is noted which folder a sandbox is shared by, and by which others.
const SHARED: &str = "shared";

/// Lets the sandbox of one folder be another's too: they have the same store, and are told the same address. No link leads
/// out of such a folder, because upa would not go by it.
pub fn share(common: &Path, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for file in [STORE, KEY] {
        std::fs::hard_link(common.join(file), folder.join(file)).unwrap();
    }
    std::fs::write(folder.join(SHARED), common.display().to_string()).unwrap();
    let all = std::fs::read_to_string(common.join(SHARED)).unwrap_or_default();
    std::fs::write(common.join(SHARED), format!("{all}{}\n", folder.display())).unwrap();
    if let Ok(address) = std::fs::read_to_string(common.join(ADDRESS)) {
        std::fs::write(folder.join(ADDRESS), address).unwrap();
    }
}

/// Tells everything that shares the sandbox of a folder where it listens now.
fn tell(folder: &Path, address: &str) {
    let Ok(common) = std::fs::read_to_string(folder.join(SHARED)) else {
        return;
    };
    let all = std::fs::read_to_string(Path::new(&common).join(SHARED)).unwrap();
    let folders = all.lines().map(Path::new).filter(|folder| folder.is_dir());
    for folder in folders.chain([Path::new(&common)]) {
        std::fs::write(folder.join(ADDRESS), address).unwrap();
    }
}

/// A running sandbox of a workspace. Other commands use it while it runs.
pub struct Server {
    child: Child,
    pub url: String,
    /// What opens everything in it.
    pub key: String,
}

impl Server {
    pub fn start(space: &Space) -> Self {
        Self::of(space, space.start(&["sandbox"]))
    }

    /// One that was started just now.
    pub fn of(space: &Space, mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.split(' ').find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("the sandbox said: {line}"));
        let url = url.trim_end_matches('.').to_owned();
        tell(&space.path(".upa"), &url);
        let key = line.split(' ').find(|word| word.ends_with("sandbox.key."));
        let key = key.unwrap_or_else(|| panic!("the sandbox said: {line}"));
        let key = space.read(key.trim_end_matches('.')).trim_end().to_owned();
        Self { child, url, key }
    }

    /// Stops it the way a person does.
    pub fn stop(mut self) {
        signal(&self.child, "INT");
        assert!(self.child.wait().unwrap().success());
    }

    pub fn send(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let method: reqwest::Method = method.parse().unwrap();
            let mut request = reqwest::Client::new()
                .request(method, format!("{}{path}", self.url))
                .header("X-N8N-API-KEY", key)
                .bearer_auth(key);
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            (status, serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }

    /// The status and the text of an answer; `None` where the connection was cut.
    pub fn try_send(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let request = reqwest::Client::new()
                .request(method.parse().unwrap(), format!("{}{path}", self.url))
                .header("X-N8N-API-KEY", &self.key)
                .bearer_auth(&self.key);
            let response = request.send().await.ok()?;
            Some((response.status().as_u16(), response.text().await.ok()?))
        })
    }

    /// A call that must succeed.
    #[track_caller]
    pub fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (mut status, mut answer) = self.send(method, path, &self.key, body);
        // Unpublishing takes a moment, as in the real n8n.
        for _ in 0..100 {
            if status != 409 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            (status, answer) = self.send(method, path, &self.key, body);
        }
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// Every workflow of an account.
    pub fn workflows(&self) -> Vec<Value> {
        let answer = self.ok("GET", "/n8n/api/v1/workflows?limit=250", None);
        answer["data"].as_array().unwrap().clone()
    }

    pub fn assistants(&self) -> Vec<Value> {
        self.ok("GET", "/vapi/assistant?limit=1000", None)
            .as_array()
            .unwrap()
            .clone()
    }

    pub fn credential(&self, name: &str, kind: &str) {
        let body = json!({"name": name, "type": kind, "data": {}});
        self.ok("POST", "/n8n/api/v1/credentials", Some(&body));
    }

    /// What operators have connected in n8n for the tenants of the shipped workspace.
    pub fn shipped_credentials(&self) {
        for tenant in ["demo", "plantilla", "welcs"] {
            self.credential(&format!("{tenant} · Google Calendar"), "googleCalendarOAuth2Api");
            self.credential(&format!("{tenant} · Google Sheets"), "googleSheetsOAuth2Api");
            self.credential(&format!("{tenant} · CRM"), "httpHeaderAuth");
        }
    }

    pub fn fault(&self, fault: &Value) {
        self.ok("POST", "/_sandbox/faults", Some(fault));
    }

    /// The calls that wrote something.
    pub fn writes(&self) -> usize {
        let answer = self.ok("GET", "/_sandbox/calls", None);
        let calls = answer["calls"].as_array().unwrap();
        calls
            .iter()
            .filter(|call| !["GET", "OPTIONS"].contains(&call["method"].as_str().unwrap()))
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child.
pub fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// With a sandbox, for the length of a story.
pub fn on<T>(space: &Space, story: impl FnOnce(&Server) -> T) -> T {
    let server = Server::start(space);
    let result = story(&server);
    server.stop();
    result
}

/// The size of the largest journal below a folder.
pub fn newest_journal(folder: &std::path::Path) -> u64 {
    let mut largest = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            largest = largest.max(newest_journal(&entry.path()));
        } else if entry.path().extension().is_some_and(|extension| extension == "journal") {
            largest = largest.max(entry.metadata().map_or(0, |facts| facts.len()));
        }
    }
    largest
}
