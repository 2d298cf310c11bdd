//! An n8n as its users see it: the sandbox's or a real one, spoken to directly.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

/// One instance.
#[derive(Clone)]
pub struct Instance {
    http: reqwest::Client,
    /// Where the API and the webhooks are.
    pub url: String,
    pub key: String,
    pub real: bool,
}

impl Instance {
    pub fn sandbox(url: String, key: String) -> Self {
        Self {
            http: reqwest::Client::new(),
            url,
            key,
            real: false,
        }
    }

    /// The real one, if there is one.
    pub fn real() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("UPA_TEST_N8N_URL"), variable("UPA_TEST_N8N_KEY")) {
            (Some(url), Some(key)) => Some(Self {
                http: reqwest::Client::builder()
                    .pool_idle_timeout(std::time::Duration::from_secs(4))
                    .build()
                    .unwrap(),
                url,
                key,
                real: true,
            }),
            _ => {
                let required = variable("UPA_TEST_REQUIRE_N8N").is_some();
                assert!(
                    !required,
                    "UPA_TEST_REQUIRE_N8N is set, and UPA_TEST_N8N_URL or UPA_TEST_N8N_KEY is not"
                );
                println!("skipped: no real n8n (UPA_TEST_N8N_URL, UPA_TEST_N8N_KEY); run tests/run");
                None
            }
        }
    }

    /// Another account of the same sandbox.
    pub fn account(&self, name: &str) -> Self {
        let (server, _) = self.url.rsplit_once('/').unwrap();
        Self {
            url: format!("{server}/{name}"),
            ..self.clone()
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let request = self
            .http
            .request(method.clone(), format!("{}/{path}", self.url))
            .header("X-N8N-API-KEY", &self.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn create_credential(&self, name: &str, kind: &str) {
        let known = self.send(Method::GET, "api/v1/credentials?limit=250", None).await;
        let exists = known["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|known| known["name"] == name);
        if !exists {
            let body = json!({"name": name, "type": kind, "data": {}});
            self.send(Method::POST, "api/v1/credentials", Some(&body)).await;
        }
    }

    pub async fn workflow_ids(&self) -> BTreeSet<String> {
        let list = self.send(Method::GET, "api/v1/workflows?limit=250", None).await;
        assert_eq!(list["nextCursor"], Value::Null, "the tests stay below one page");
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|workflow| workflow["id"].as_str().unwrap().to_owned())
            .collect()
    }

    pub async fn workflow(&self, id: &str) -> Value {
        self.send(Method::GET, &format!("api/v1/workflows/{id}"), None).await
    }

    /// Saves (and publishes, if it is published) as the editor does.
    pub async fn write(&self, id: &str, workflow: &Value) {
        let body = json!({
            "name": workflow["name"], "nodes": workflow["nodes"],
            "connections": workflow["connections"], "settings": workflow["settings"],
        });
        self.send(Method::PUT, &format!("api/v1/workflows/{id}"), Some(&body))
            .await;
    }

    /// Deletes as the editor does: unpublished first.
    pub async fn delete(&self, id: &str) {
        self.send(Method::POST, &format!("api/v1/workflows/{id}/unpublish"), None)
            .await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        self.send(Method::DELETE, &format!("api/v1/workflows/{id}"), None).await;
    }

    /// A copy with everything in it, the mark too, as the editor's Duplicate makes.
    pub async fn duplicate(&self, id: &str) -> String {
        let workflow = self.workflow(id).await;
        let body = json!({
            "name": format!("{} copy", workflow["name"].as_str().unwrap()), "nodes": workflow["nodes"],
            "connections": workflow["connections"], "settings": workflow["settings"],
        });
        let copy = self.send(Method::POST, "api/v1/workflows", Some(&body)).await;
        copy["id"].as_str().unwrap().to_owned()
    }

    /// Calls a webhook in a tenant's name: status, and the workflow that answered where the sandbox says it.
    pub async fn call(&self, path: &str, tenant: &str) -> (u16, Option<String>) {
        let body = json!({"marker": tenant, "message": {"type": "status-update"}});
        let sent = self
            .http
            .post(format!("{}/webhook/{path}", self.url))
            .json(&body)
            .send()
            .await;
        // A connection that was closed while idle answers nothing: nobody was reached.
        let Ok(answer) = sent else { return (0, None) };
        let by = answer
            .headers()
            .get("x-upa-sandbox-workflow")
            .map(|id| id.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let _ = answer.bytes().await;
        (status, by)
    }

    /// Of the executions of a workflow: how many there are, and the markers their data holds.
    pub async fn markers(&self, workflow: &str) -> (usize, BTreeSet<String>) {
        let path = format!("api/v1/executions?workflowId={workflow}&includeData=true&limit=250");
        let list = self.send(Method::GET, &path, None).await;
        let executions = list["data"].as_array().unwrap();
        let errors: Vec<&Value> = executions
            .iter()
            .filter(|execution| execution["status"] == "error")
            .collect();
        assert!(errors.is_empty(), "executions ended in an error: {errors:?}");
        let text = Value::Array(executions.clone()).to_string();
        let markers = super::TENANTS
            .iter()
            .filter(|tenant| text.contains(&format!("\"marker\":\"{tenant}\"")));
        (executions.len(), markers.map(|tenant| (*tenant).to_owned()).collect())
    }
}

/// A node of a workflow, by name.
pub fn node<'a>(workflow: &'a mut Value, name: &str) -> &'a mut Value {
    let nodes = workflow["nodes"].as_array_mut().unwrap();
    nodes.iter_mut().find(|node| node["name"] == name).unwrap()
}

/// `action address` of every change, in order.
pub fn changes(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            format!(
                "{} {}",
                change["action"].as_str().unwrap(),
                change["address"].as_str().unwrap()
            )
        })
        .collect()
}

pub fn fields(change: &Value) -> Vec<&str> {
    change["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect()
}
