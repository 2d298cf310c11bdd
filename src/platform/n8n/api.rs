//! The calls of n8n's public API that upa makes.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::platform::Account;
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::http::{Call, Client, Manners, encode};
use crate::platform::limits;

/// How many workflows are asked for on a page: the most n8n puts there, and fewer where those are more than is read.
pub const PAGES: [usize; 3] = [250, 50, 10];

/// Which names publication has on this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Since 2.x: drafts and published versions, `/publish` and `/unpublish`.
    Publish,
    /// Before: `/activate` and `/deactivate`, and no `publishIfActive`.
    Activate,
}

/// A page of a list.
pub struct Listed {
    pub items: Vec<Value>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// About how many bytes of memory it takes.
    pub memory: usize,
}

/// One n8n instance.
pub struct Api {
    pub client: Client,
    pub webhook_url: String,
    dialect: OnceCell<Dialect>,
}

impl Api {
    pub fn new(account: &Account) -> Result<Self, PlatformError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = account.credentials.get("api_key") {
            let mut value = HeaderValue::from_str(key.expose()).map_err(|_| {
                PlatformError::new(
                    ErrorKind::Unauthorised,
                    "connect",
                    "the API key contains characters that no key has",
                )
            })?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-n8n-api-key"), value);
        }
        Ok(Self {
            client: Client::new(account, headers).with_manners(Manners {
                booting: is_booting,
                ..Manners::default()
            }),
            webhook_url: account.webhook_url.trim_end_matches('/').to_owned(),
            dialect: OnceCell::new(),
        })
    }

    async fn call(&self, method: Method, path: String, body: Option<Value>) -> Result<Value, PlatformError> {
        let call = Call::new(method, format!("api/v1{path}"), body);
        Ok(self.client.send(&call).await?.body)
    }

    /// One page of workflows, of so many at most.
    pub async fn list(&self, size: usize, cursor: Option<&str>) -> Result<Listed, PlatformError> {
        self.page(format!("/workflows?limit={size}&excludePinnedData=true"), cursor)
            .await
    }

    /// One page of credentials (without their secrets).
    pub async fn credentials(&self, cursor: Option<&str>) -> Result<Listed, PlatformError> {
        self.page(format!("/credentials?limit={}", PAGES[0]), cursor).await
    }

    async fn page(&self, mut path: String, cursor: Option<&str>) -> Result<Listed, PlatformError> {
        if let Some(cursor) = cursor {
            // The cursor is base64: its `=` and `+` must be encoded.
            path.push_str("&cursor=");
            path.push_str(&encode(cursor));
        }
        let name = path.split('?').next().unwrap_or_default().to_owned();
        let reply = self.client.send(&Call::get(format!("api/v1{path}"))).await?;
        let mut body = reply.body;
        let Some(Value::Array(items)) = body.get_mut("data").map(Value::take) else {
            return Err(PlatformError::new(
                ErrorKind::Unexpected,
                format!("GET {name}"),
                "the list has no `data`",
            ));
        };
        let next = body.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        Ok(Listed {
            items,
            next,
            memory: reply.memory,
        })
    }

    pub async fn get(&self, id: &str) -> Result<Value, PlatformError> {
        let path = format!("/workflows/{}?excludePinnedData=true", encode(id));
        let workflow = self.call(Method::GET, path, None).await?;
        if workflow_id(&workflow) != Some(id) || !workflow.get("nodes").is_some_and(Value::is_array) {
            let why = format!("the answer is not workflow {id}, which was asked for");
            return Err(PlatformError::new(ErrorKind::Unexpected, "GET /workflows", why));
        }
        Ok(workflow)
    }

    /// A saved version, with those who wrote it. Instances differ in where they have it.
    pub async fn version(&self, id: &str, version: &str) -> Result<Value, PlatformError> {
        let (id, version) = (encode(id), encode(version));
        let path = |between: &str| format!("/workflows/{id}/{between}{version}");
        match self.call(Method::GET, path("versions/"), None).await {
            Err(error) if matches!(error.kind, ErrorKind::Missing | ErrorKind::Refused) => {
                self.call(Method::GET, path(""), None).await
            }
            answer => answer,
        }
    }

    pub async fn create(&self, body: Value) -> Result<Value, PlatformError> {
        self.call(Method::POST, "/workflows".to_owned(), Some(body)).await
    }

    /// Saves a draft; a published version stays live where the instance can tell the two apart.
    pub async fn update(&self, id: &str, body: Value) -> Result<Value, PlatformError> {
        let query = match self.dialect().await? {
            Dialect::Publish => "?publishIfActive=false",
            Dialect::Activate => "",
        };
        self.call(Method::PUT, format!("/workflows/{}{query}", encode(id)), Some(body))
            .await
    }

    pub async fn publish(&self, id: &str, version: Option<&str>, label: &str) -> Result<Value, PlatformError> {
        match self.dialect().await? {
            Dialect::Publish => {
                let mut body = json!({ "name": label });
                if let (Some(map), Some(version)) = (body.as_object_mut(), version) {
                    map.insert("versionId".to_owned(), Value::from(version));
                }
                self.call(Method::POST, format!("/workflows/{}/publish", encode(id)), Some(body))
                    .await
            }
            Dialect::Activate => {
                self.call(Method::POST, format!("/workflows/{}/activate", encode(id)), None)
                    .await
            }
        }
    }

    pub async fn unpublish(&self, id: &str) -> Result<Value, PlatformError> {
        let verb = match self.dialect().await? {
            Dialect::Publish => "unpublish",
            Dialect::Activate => "deactivate",
        };
        self.call(Method::POST, format!("/workflows/{}/{verb}", encode(id)), None)
            .await
    }

    pub async fn unarchive(&self, id: &str) -> Result<Value, PlatformError> {
        self.call(Method::POST, format!("/workflows/{}/unarchive", encode(id)), None)
            .await
    }

    pub async fn delete(&self, id: &str) -> Result<Value, PlatformError> {
        self.call(Method::DELETE, format!("/workflows/{}", encode(id)), None)
            .await
    }

    /// n8n does not state its version; the calls it offers say what it can do.
    pub async fn dialect(&self) -> Result<Dialect, PlatformError> {
        self.dialect.get_or_try_init(|| self.ask_dialect()).await.copied()
    }

    /// `/discover` lists the calls this key may make. Instances without it have `openapi.yml`, which in turn answers 500
    /// where n8n is installed below a folder whose name starts with a dot (seen on 2.41.1).
    async fn ask_dialect(&self) -> Result<Dialect, PlatformError> {
        match self.call(Method::GET, "/discover".to_owned(), None).await {
            Ok(offered) => {
                let offered = offered.to_string();
                // A key that may do neither is told so by the call itself.
                let old = offered.contains("/activate\"") && !offered.contains("/publish\"");
                Ok(if old { Dialect::Activate } else { Dialect::Publish })
            }
            Err(error) if matches!(error.kind, ErrorKind::Missing | ErrorKind::Refused) => {
                let document = self.client.text("api/v1/openapi.yml").await?;
                let new = document.contains("/publish:");
                Ok(if new { Dialect::Publish } else { Dialect::Activate })
            }
            Err(error) => Err(error),
        }
    }
}

/// The id of a workflow in an answer; `None` also for what cannot be one: then the answer was not understood.
pub fn workflow_id(workflow: &Value) -> Option<&str> {
    let id = workflow.get("id").and_then(Value::as_str);
    id.filter(|id| limits::is_assigned_id(id))
}

/// The first answers of an n8n that starts: its own page, then express's for calls that have no route yet (seen on 2.41.1).
fn is_booting(status: u16, text: &str) -> bool {
    match status {
        200 => text.starts_with("n8n is starting up"),
        404 => text.contains("<pre>Cannot "),
        _ => false,
    }
}
