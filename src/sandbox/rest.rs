//! Any platform definition, imitated: objects of its kinds with create, list, read, update and delete.
//!
//! As strict as a definition allows: a key is needed, server-set fields are refused, an update replaces whole top-level
//! fields, `null` clears one, fields that are not returned are kept back, and lists page as the definition says.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Served;
use super::http::{Answer, Request, decode};
use super::store::{Rows, Store, StoreError};
use crate::platform::definition::call::{Call, List, Next, Read};
use crate::platform::definition::path::{at, put};
use crate::platform::definition::{Definition, KindDefinition};

/// Fields the platform sets by itself.
const SERVER_SET: [&str; 3] = ["id", "createdAt", "updatedAt"];

#[derive(Clone)]
struct Service {
    store: Arc<Store>,
    account: Arc<str>,
    definition: Arc<Definition>,
}

/// Serves a definition.
pub fn serve(store: Arc<Store>, account: &str, definition: Arc<Definition>) -> Served {
    let service = Service {
        store,
        account: Arc::from(account),
        definition,
    };
    Served {
        front: Router::new().fallback(answer).with_state(service),
        editor: Router::new(),
    }
}

async fn answer(State(service): State<Service>, request: HttpRequest) -> Answer {
    let Some(request) = Request::read(request).await else {
        return refuse(413, "the body cannot be read");
    };
    let worked = tokio::task::spawn_blocking(move || service.answer(&request)).await;
    match worked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => refuse(500, &format!("the sandbox's store failed: {error}")),
        Err(_) => refuse(500, "the sandbox failed"),
    }
}

fn refuse(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message, "statusCode": status }))
}

impl Service {
    fn answer(&self, request: &Request) -> Result<Answer, StoreError> {
        if request
            .header("authorization")
            .is_some_and(|value| value == "Bearer sandbox")
        {
            let found = self.definition.kinds.iter().find_map(|(name, kind)| {
                let (call, id) = matching(kind, request)?;
                Some((name, kind, call, id))
            });
            return match found {
                Some((name, kind, call, id)) => self.call(request, name, kind, call, &id),
                None => Ok(refuse(404, &format!("Cannot {} {}", request.method, request.path))),
            };
        }
        Ok(refuse(
            401,
            "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa.",
        ))
    }

    fn call(
        &self,
        request: &Request,
        name: &str,
        kind: &KindDefinition,
        call: Verb,
        id: &str,
    ) -> Result<Answer, StoreError> {
        let body = match call {
            Verb::Create | Verb::Update => match serde_json::from_slice::<Value>(&request.body) {
                Ok(Value::Object(map)) => map,
                Ok(_) => return Ok(refuse(400, "the body must be a JSON object")),
                Err(error) => return Ok(refuse(400, &format!("the body is not JSON: {error}"))),
            },
            Verb::List | Verb::Read | Verb::Delete => Map::new(),
        };
        if let Some(field) = SERVER_SET.iter().find(|field| body.contains_key(**field)) {
            return Ok(refuse(400, &format!("property {field} should not exist")));
        }
        match call {
            Verb::List => self.list(request, name, kind),
            Verb::Read => Ok(match self.store.read(&self.account)?.get::<Value>(name, id)? {
                Some(object) => Answer::json(200, &shown(kind, object)),
                None => missing(id),
            }),
            Verb::Create => self.create(name, kind, body),
            Verb::Update => self.update(name, kind, id, body),
            Verb::Delete => {
                let rows = self.store.write(&self.account)?;
                let Some(object) = rows.get::<Value>(name, id)? else {
                    return Ok(missing(id));
                };
                rows.remove(name, id)?;
                rows.commit()?;
                Ok(Answer::json(200, &shown(kind, object)))
            }
        }
    }

    fn create(&self, name: &str, kind: &KindDefinition, body: Map<String, Value>) -> Result<Answer, StoreError> {
        let rows = self.store.write(&self.account)?;
        let id = Uuid::new_v4().to_string();
        let now = self.now(&rows)?;
        let mut object = Value::Object(body.into_iter().filter(|(_, value)| !value.is_null()).collect());
        put(&mut object, &kind.id, Value::from(&*id));
        put(&mut object, "createdAt", Value::from(&*now));
        put(&mut object, "updatedAt", Value::from(now));
        rows.put(name, &id, &object)?;
        rows.commit()?;
        Ok(Answer::json(201, &shown(kind, object)))
    }

    fn update(
        &self,
        name: &str,
        kind: &KindDefinition,
        id: &str,
        body: Map<String, Value>,
    ) -> Result<Answer, StoreError> {
        let rows = self.store.write(&self.account)?;
        let Some(mut object) = rows.get::<Value>(name, id)? else {
            return Ok(missing(id));
        };
        let now = self.now(&rows)?;
        if let Some(map) = object.as_object_mut() {
            for (key, value) in body {
                if value.is_null() {
                    map.remove(&key);
                } else {
                    map.insert(key, value);
                }
            }
            map.insert("updatedAt".to_owned(), Value::from(now));
        }
        rows.put(name, id, &object)?;
        rows.commit()?;
        Ok(Answer::json(200, &shown(kind, object)))
    }

    fn list(&self, request: &Request, name: &str, kind: &KindDefinition) -> Result<Answer, StoreError> {
        let mut objects: Vec<Value> = self
            .store
            .read(&self.account)?
            .scan::<Value>(name, "")?
            .into_iter()
            .map(|(_, object)| object)
            .collect();
        // Newest first, as most platforms list.
        objects.sort_by(|a, b| text(b, "createdAt").cmp(text(a, "createdAt")));
        let Some(list) = kind.whole_list() else {
            return Ok(refuse(404, "there is no list"));
        };
        let asked = list
            .size_param
            .as_ref()
            .and_then(|param| request.param(param))
            .and_then(|size| size.parse().ok());
        let size = asked.unwrap_or(100).clamp(1, list.size.unwrap_or(100));
        let from = match &list.next {
            Some(Next::After { after, param, .. }) => {
                let bound = request.param(param);
                objects.retain(|object| bound.as_ref().is_none_or(|bound| text(object, after) <= bound.as_str()));
                0
            }
            Some(Next::Cursor { param, .. }) => {
                request.param(param).and_then(|cursor| cursor.parse().ok()).unwrap_or(0)
            }
            Some(Next::Page { page, .. }) => {
                let page: usize = request.param(page).and_then(|page| page.parse().ok()).unwrap_or(1);
                page.saturating_sub(1) * size
            }
            _ => 0,
        };
        let total = objects.len();
        let page: Vec<Value> = objects
            .into_iter()
            .skip(from)
            .take(size)
            .map(|object| shown(kind, object))
            .collect();
        if list.items.is_empty() {
            return Ok(Answer::json(200, &Value::Array(page)));
        }
        let mut answer = json!({});
        put(&mut answer, &list.items, Value::Array(page));
        if let Some(Next::Cursor { cursor, .. }) = &list.next
            && from + size < total
        {
            put(&mut answer, cursor, Value::from((from + size).to_string()));
        }
        Ok(Answer::json(200, &answer))
    }

    /// A time that never repeats, so that paging by time is exact.
    fn now(&self, rows: &Rows) -> Result<String, StoreError> {
        let number = rows.next("time")?;
        let at = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_millis(1_790_000_000_000 + number as i64);
        Ok(format!("{at:.3}"))
    }
}

/// What a request is about.
#[derive(Clone, Copy)]
enum Verb {
    List,
    Create,
    Read,
    Update,
    Delete,
}

fn matching(kind: &KindDefinition, request: &Request) -> Option<(Verb, String)> {
    let read = match &kind.read {
        Read::Call(call) => Some(call),
        Read::Find | Read::Nothing => None,
    };
    let calls = [
        (Verb::List, kind.whole_list().map(|list: &List| &list.call)),
        (Verb::Create, kind.create.as_ref()),
        (Verb::Read, read.map(|call| &**call)),
        (Verb::Update, kind.update.as_ref()),
        (Verb::Delete, kind.delete.as_ref()),
    ];
    calls
        .into_iter()
        .find_map(|(verb, call)| Some((verb, id_in(call?, &request.method, &request.path)?)))
}

/// The id in a path, if the path is the one of this call.
fn id_in(call: &Call, method: &Method, path: &str) -> Option<String> {
    if call.method != method.as_str() {
        return None;
    }
    let shape = call.path.shape();
    let (before, after) = shape.split_once("{}").unwrap_or((&shape, ""));
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    let fits = if shape.contains("{}") {
        !id.is_empty() && !id.contains('/')
    } else {
        id.is_empty()
    };
    fits.then(|| decode(id, false))
}

fn missing(id: &str) -> Answer {
    refuse(404, &format!("Couldn't find an object with the id {id}"))
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// An object as it is answered: without what is never returned.
fn shown(kind: &KindDefinition, mut object: Value) -> Value {
    for path in &kind.unread {
        if let Some((parent, field)) = path.rsplit_once('.') {
            let pointer = format!("/{}", parent.replace('.', "/"));
            if let Some(map) = object.pointer_mut(&pointer).and_then(Value::as_object_mut) {
                map.remove(field);
            }
        } else if let Some(map) = object.as_object_mut() {
            map.remove(path);
        }
    }
    object
}
