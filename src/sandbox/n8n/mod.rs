//! n8n, imitated strictly: the public REST API, webhooks, readiness, and the page everything else answers with.
//!
//! What it imitates was seen on n8n 2.41.1; the same conformance checks (`tests/conformance`) run against both.
//!
//! | file | what it is |
//! |---|---|
//! | `routes` | every endpoint, in one table |
//! | `session` | one request, as its handler sees it; refusals |
//! | `shape`, `bodies`, `structure` | strictness: what a body may contain |
//! | `workflow`, `view` | what is stored, and how endpoints show it |
//! | `edit`, `draft`, `history`, `list`, `publish`, `tag`, `credential`, `execution`, `openapi` | the endpoints |
//! | `binding` | how saving rewrites credentials |
//! | `publication`, `hook`, `cache`, `webhook` | what is live, under which address, and how it answers |
//! | `nodes`, `credential_type` | the little it knows about types |

mod auth;
mod binding;
mod bodies;
mod cache;
mod credential;
mod credential_type;
mod draft;
mod edit;
mod editor;
mod execution;
mod history;
mod hook;
mod list;
mod nodes;
mod openapi;
mod publication;
mod publish;
mod routes;
mod session;
mod shape;
mod structure;
mod tag;
mod view;
mod webhook;
mod workflow;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use serde_json::Value;
use serde_json::json;

use super::Served;
use super::clock::Moment;
use super::faults::Twist;
use super::faults::page;
use super::http::Answer;
use super::http::Request;
use super::http::decode;
use super::store::Rows;
use super::store::Store;
use super::store::StoreError;
use crate::{number, outside};

use auth::Key;
use routes::Age;
use routes::Body;
use routes::ROUTES;
use routes::Route;
use session::Refusal;
use session::Session;

/// n8n's `N8N_PAYLOAD_SIZE_MAX`.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How this n8n behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub publication: Publication,
    pub endpoints: Endpoints,
}

/// When a publication takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// Some time after the answer, as since September 2026.
    Asynchronous { delay: Duration },
    /// Before the answer.
    Synchronous,
}

impl Default for Publication {
    fn default() -> Publication {
        // The median of an idle n8n.
        Publication::Asynchronous {
            delay: Duration::from_millis(100),
        }
    }
}

/// What publishing is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Endpoints {
    /// `/publish` and `/unpublish`, with the older names as aliases.
    #[default]
    New,
    /// Only `/activate` and `/deactivate`.
    Old,
}

/// One account.
#[derive(Debug)]
pub(crate) struct N8n {
    store: Arc<Store>,
    account: String,
    options: Options,
}

pub(crate) fn serve(store: Arc<Store>, account: &str, options: Options) -> Served {
    let n8n = Arc::new(N8n {
        store,
        account: account.to_owned(),
        options,
    });
    Served {
        front: Router::new().fallback(answer).with_state(n8n.clone()),
        editor: editor::router(n8n),
    }
}

async fn answer(State(n8n): State<Arc<N8n>>, request: axum::extract::Request) -> Answer {
    let Some(request) = Request::read(request).await else {
        return page(413, "Payload Too Large");
    };
    let store = n8n.store.clone();
    let answered = store.answer(move || n8n.answer(&request)).await;
    answered.unwrap_or_else(|| page(500, "Internal Server Error"))
}

/// A list that lies.
fn distort(answer: &mut Answer, twist: &Twist) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return;
    };
    let Some(data) = body.get_mut("data").and_then(Value::as_array_mut) else {
        return;
    };
    match twist {
        Twist::Short(count) => {
            data.truncate(data.len().saturating_sub(*count));
            body["nextCursor"] = Value::Null;
        }
        Twist::Repeat => data.extend(data.first().cloned()),
        Twist::Loop => body["nextCursor"] = json!(list::encode_cursor(&json!({"limit": data.len(), "offset": 0}))),
        Twist::Hidden { .. } => data.retain(|item| !item["id"].as_str().is_some_and(|id| twist.hides(id, true))),
        Twist::Endless(count) => {
            // Behind the last one.
            let next = json!({"limit": count, "offset": 1 << 30, "page": outside::random_id()});
            body["nextCursor"] = json!(list::encode_cursor(&next));
            let made_up = |_| json!({"id": outside::random_id(), "name": "endless", "nodes": [], "connections": {}, "settings": {}, "active": false});
            if let Some(data) = body["data"].as_array_mut() {
                data.extend((0..*count).map(made_up));
            }
        }
        Twist::Skip | Twist::Stale | Twist::Expire | Twist::Deaf(_) => return,
    }
    answer.body = body.to_string().into_bytes();
}

impl N8n {
    fn answer(&self, request: &Request) -> Answer {
        if let Some(Twist::Deaf(ids)) = &request.twist {
            let forgotten = self.transaction(true, Moment::now(), |rows| {
                ids.iter().try_for_each(|id| publication::forget_hooks(rows, id))?;
                Ok(Answer::empty(204))
            });
            if let Err(refusal) = forgotten {
                return refusal.answer();
            }
        }
        if let Some(path) = request.path.strip_prefix("/api/v1") {
            return self.api(request, path);
        }
        for (prefix, form) in [("/webhook/", false), ("/form/", true)] {
            match request.path.strip_prefix(prefix) {
                Some(path) if !path.is_empty() => return self.webhook(request, path, form),
                _ => {}
            }
        }
        match request.path.as_str() {
            "/healthz" | "/healthz/readiness" => Answer::json(200, &json!({"status": "ok"})),
            // Every other page is the editor, which finds its way in the browser.
            _ if request.method == "GET" => {
                let editor = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>n8n.io - Workflow Automation</title></head></html>\n";
                Answer::text(200, "text/html; charset=utf-8", editor)
            }
            path => page(404, &format!("Cannot {} {path}", request.method)),
        }
    }

    fn webhook(&self, request: &Request, path: &str, form: bool) -> Answer {
        let now = Moment::now();
        let answered = self.transaction(webhook::writes(request), now, |rows| {
            Ok(webhook::call(rows, request, path, form, now)?)
        });
        answered.unwrap_or_else(Refusal::answer)
    }

    /// Reads what must be read before anybody asks who is calling.
    fn api(&self, request: &Request, path: &str) -> Answer {
        if request.body.len() > LARGEST_BODY {
            return page(413, "Payload Too Large");
        }
        let json = request.content_type() == Some("application/json");
        let body = match (json, request.body.as_slice()) {
            (true, [_, ..]) => match serde_json::from_slice(&request.body) {
                Ok(mut body) => {
                    // It is JavaScript.
                    number::to_doubles(&mut body);
                    body
                }
                Err(_) => return page(500, "Internal Server Error"),
            },
            _ => json!({}),
        };
        if path == "/openapi.yml" {
            return openapi::document(self.options.endpoints);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut same_path = ROUTES
            .iter()
            .filter(|route| route.exists(self.options.endpoints) && route.params(path).is_some())
            .peekable();
        if same_path.peek().is_none() {
            return Answer::json(404, &json!({"message": "not found"}));
        }
        let Some(route) = same_path.find(|route| route.answers(&request.method)) else {
            let message = format!("{} method not allowed", request.method);
            return Answer::json(405, &json!({"message": message}));
        };
        let answered = self.routed(request, route, path, body);
        let mut answer = answered.unwrap_or_else(Refusal::answer);
        if let Some(twist) = &request.twist {
            distort(&mut answer, twist);
        }
        if route.age == Age::Alias && self.options.endpoints == Endpoints::New {
            return answer.with("deprecation", "@1784764800");
        }
        answer
    }

    /// Who is calling, may they, and is the body in shape; then the handler, in one transaction.
    fn routed(&self, request: &Request, route: &Route, path: &str, body: Value) -> Result<Answer, Refusal> {
        let key = Key::of(request, self.store.key()).ok_or_else(|| {
            let has_key = request.header("x-n8n-api-key").is_some();
            Refusal::new(401, route.unauthorized(has_key))
        })?;
        if !route.scope.is_none_or(|scope| key.may(scope)) {
            return Err(Refusal::new(403, "Forbidden"));
        }
        check_body(request, &route.body, &body)?;
        let params = route.params(path).unwrap_or_default();
        let params: Vec<String> = params.into_iter().map(|param| decode(param, false)).collect();
        let now = Moment::now();
        self.transaction(request.method != "GET", now, |rows| {
            let session = Session {
                rows,
                options: &self.options,
                key: &key,
                request,
                params,
                body,
                now,
            };
            (route.handler)(&session)
        })
    }

    /// One transaction around `work`, after everything due by now has happened.
    fn transaction(
        &self,
        writes: bool,
        now: Moment,
        work: impl FnOnce(&Rows) -> Result<Answer, Refusal>,
    ) -> Result<Answer, Refusal> {
        self.catch_up(now)?;
        let rows = if writes {
            self.store.write(&self.account)?
        } else {
            self.store.read(&self.account)?
        };
        let answered = work(&rows);
        let keep = match &answered {
            Ok(_) => true,
            Err(refusal) => refusal.keep,
        };
        if keep {
            rows.commit()?;
        }
        answered
    }

    fn catch_up(&self, now: Moment) -> Result<(), StoreError> {
        if !publication::is_due(&self.store.read(&self.account)?, now)? {
            return Ok(());
        }
        let rows = self.store.write(&self.account)?;
        publication::settle(&rows, now)?;
        rows.commit()
    }
}

fn check_body(request: &Request, wanted: &Body, body: &Value) -> Result<(), Refusal> {
    let (shape, required) = match wanted {
        Body::None => return Ok(()),
        Body::Optional(shape) => (shape, false),
        Body::Required(shape) => (shape, true),
    };
    let content_type = request.content_type();
    let acceptable = match content_type {
        None => !required,
        Some(content_type) => content_type == "application/json",
    };
    if !acceptable {
        let content_type = content_type.unwrap_or("undefined");
        return Err(Refusal::new(415, format!("unsupported media type {content_type}")));
    }
    shape::check(shape, body).map_err(|issue| Refusal::new(400, issue))
}
