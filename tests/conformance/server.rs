//! The server under test, and the words checks are written in.

use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use reqwest::Client;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::json;

use upa::sandbox::Sandbox;

use super::owner;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Async,
    Sync,
}

#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub url: String,
    pub mode: Mode,
    pub key: String,
    pub read_only_key: String,
    client: Client,
    /// Made by checks.
    keys: Mutex<Vec<owner::Key>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `Null` when the body is not JSON.
    pub json: Value,
}

const READ_ONLY: &str = "workflow:list,workflow:read,credential:list,credential:read,tag:list,execution:list";

impl Server {
    /// What a sandbox serves below a path.
    pub fn sandbox(sandbox: &Sandbox, path: &str, mode: Mode) -> Server {
        let key = sandbox.key().expose();
        Server {
            name: "sandbox",
            url: format!("{}{path}", sandbox.url()),
            mode,
            key: key.to_owned(),
            read_only_key: format!("{key}:{READ_ONLY}"),
            client: client(),
            keys: Mutex::default(),
        }
    }

    pub fn real() -> Option<Server> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mode = variable("UPA_TEST_N8N_MODE").unwrap_or_else(|| "async".to_owned());
        Some(Server {
            name: "real n8n",
            url: variable("UPA_TEST_N8N_URL")?.trim_end_matches('/').to_owned(),
            mode: if mode == "sync" { Mode::Sync } else { Mode::Async },
            key: variable("UPA_TEST_N8N_KEY")?,
            read_only_key: variable("UPA_TEST_N8N_READ_ONLY_KEY")?,
            client: client(),
            keys: Mutex::default(),
        })
    }

    /// A key that may do only this; on a real n8n it lasts until the sweep after the check.
    pub async fn key_for(&self, scopes: &[&str]) -> String {
        if self.name == "sandbox" {
            return format!("{}:{}", self.key, scopes.join(","));
        }
        let key = owner::make_key(&self.client, &self.url, scopes).await;
        let text = key.text.clone();
        self.keys.lock().expect("no check panicked here").push(key);
        text
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method: Method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A call of the public API with the key that may do everything.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.call_as(&self.key, method, path, body).await
    }

    pub async fn call_as(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
        let path = format!("/api/v1{path}");
        let request = self.request(method, &path).header("X-N8N-API-KEY", key);
        match body {
            Some(body) => send(request.json(&body)).await,
            None => send(request).await,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.call("PUT", path, Some(body)).await
    }

    /// Makes a workflow and gives its id.
    pub async fn create(&self, body: Value) -> String {
        let reply = self.post("/workflows", body).await.ok();
        reply["id"].as_str().expect("an id").to_owned()
    }

    /// The workflow as it is now.
    pub async fn workflow(&self, id: &str) -> Value {
        self.get(&format!("/workflows/{id}")).await.ok()
    }

    pub async fn publish(&self, id: &str) -> Reply {
        self.call("POST", &format!("/workflows/{id}/publish"), None).await
    }

    pub async fn unpublish(&self, id: &str) -> Reply {
        self.call("POST", &format!("/workflows/{id}/unpublish"), None).await
    }

    /// Publishes and waits until the path answers.
    pub async fn publish_live(&self, id: &str, method: &str, path: &str) {
        self.publish(id).await.ok();
        self.wait_live(method, path, true).await;
    }

    /// The preflight that proves liveness, runs nothing and looks nothing up: with an origin and no method named, the
    /// list of methods comes from the registrations themselves.
    pub async fn is_live(&self, method: &str, path: &str) -> bool {
        let request = self.request("OPTIONS", &format!("/webhook/{path}"));
        let reply = send(request.header("origin", "https://probe.invalid")).await;
        assert_eq!(reply.status, 204, "{}", reply.text);
        let allowed = reply.header("access-control-allow-methods");
        allowed.split(", ").any(|allowed| allowed == method)
    }

    /// The other preflight, which names a method: 204 where a lookup finds somebody, else 500.
    pub async fn preflight(&self, method: &str, path: &str) -> Reply {
        let request = self.request("OPTIONS", &format!("/webhook/{path}"));
        let request = request.header("origin", "https://probe.invalid");
        send(request.header("access-control-request-method", method)).await
    }

    pub async fn wait_live(&self, method: &str, path: &str, wanted: bool) {
        let begun = Instant::now();
        while self.is_live(method, path).await != wanted {
            let waited = begun.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "{method} {path} live={wanted}: not in 30 s"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Long enough for anything asynchronous to have happened on an idle server.
    pub async fn settle(&self) {
        let wait = if self.name == "sandbox" { 150 } else { 700 };
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Calls a webhook.
    pub async fn hook(&self, method: &str, path: &str) -> Reply {
        let request = self.request(method, &format!("/webhook/{path}"));
        send(request.json(&json!({}))).await
    }

    /// Deletes a workflow, published or not, however long unpublishing takes.
    pub async fn remove(&self, id: &str) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let reply = self.call("DELETE", &format!("/workflows/{id}"), None).await;
            if reply.status != 409 {
                break;
            }
            if reply.message().contains("Unpublish it") {
                self.unpublish(id).await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Deletes everything named `conf-…`, and the keys.
    pub async fn sweep(&self) {
        let keys: Vec<owner::Key> = self.keys.lock().expect("no check panicked here").drain(..).collect();
        for key in keys {
            owner::delete_key(&self.client, &self.url, &key).await;
        }
        for id in self.named("/workflows?limit=250&excludePinnedData=true").await {
            self.remove(&id).await;
        }
        for kind in ["credentials", "tags"] {
            for id in self.named(&format!("/{kind}?limit=250")).await {
                self.call("DELETE", &format!("/{kind}/{id}"), None).await;
            }
        }
    }

    async fn named(&self, list: &str) -> Vec<String> {
        let list = self.get(list).await.ok();
        let ours = |item: &&Value| item["name"].as_str().is_some_and(|name| name.starts_with("conf-"));
        let items = list["data"].as_array().into_iter().flatten().filter(ours);
        items
            .filter_map(|item| item["id"].as_str().map(str::to_owned))
            .collect()
    }
}

fn client() -> Client {
    // Below the five seconds after which n8n closes.
    let client = Client::builder().pool_idle_timeout(Duration::from_secs(3)).no_proxy();
    client.build().expect("a client")
}

pub async fn send(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await.expect("a body");
    let json = serde_json::from_str(&text).unwrap_or_default();
    Reply {
        status,
        headers,
        text,
        json,
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
        self.json
    }

    /// A refusal in JSON, with exactly this message.
    #[track_caller]
    pub fn refused(&self, status: u16, message: &str) {
        assert_eq!((self.status, self.message()), (status, message), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
    }

    /// A refusal as a page.
    #[track_caller]
    pub fn refused_in_html(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8");
        assert!(self.text.contains(text), "{}", self.text);
    }

    pub fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or_default()
    }
}

/// The names of an object's members.
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    keys.sort_unstable();
    keys
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text {key} in {value}"))
}
