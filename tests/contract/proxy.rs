//! What stands between the engine and Prism: it passes calls on, notes what came of them, and writes one object into the
//! answers that Prism made up, so that the engine meets what it has just written.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use upa::platform::definition::call::{List, Next, Read};
use upa::platform::definition::{KindDefinition, path};

/// One call and what came of it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: String,
    pub sent: String,
    pub status: u16,
    pub answer: String,
}

impl Seen {
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }

    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is this call of a definition, `shape` being its path with `{}` for values.
    pub fn is(&self, method: &str, shape: &str) -> bool {
        let (mut have, mut want) = (self.path.split('/'), shape.split('/'));
        self.method == method
            && loop {
                match (have.next(), want.next()) {
                    (None, None) => break true,
                    (Some(have), Some(want)) => {
                        let (before, after) = want.split_once("{}").unwrap_or((want, ""));
                        let fits = have.starts_with(before) && have.ends_with(after);
                        if !fits || (want.contains("{}") == (have == want)) {
                            break false;
                        }
                    }
                    _ => break false,
                }
            }
    }
}

/// The one object, in the platform's form, as it is before the first write and after it.
#[derive(Debug, Clone, Default)]
pub struct Tale {
    pub before: Option<Value>,
    pub after: Option<Value>,
}

struct Scene {
    prism: String,
    http: reqwest::Client,
    kind: KindDefinition,
    seen: Mutex<Vec<Seen>>,
    tale: Mutex<Tale>,
}

pub struct Proxy {
    pub url: String,
    scene: Arc<Scene>,
}

impl Proxy {
    pub async fn start(prism: &str, kind: &KindDefinition) -> Self {
        let scene = Arc::new(Scene {
            prism: prism.trim_end_matches('/').to_owned(),
            http: reqwest::Client::new(),
            kind: kind.clone(),
            seen: Mutex::default(),
            tale: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(scene.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, scene }
    }

    /// Begins a step: forgets what was seen, and says what the object is.
    pub fn tell(&self, tale: Tale) {
        self.scene.seen.lock().unwrap().clear();
        *self.scene.tale.lock().unwrap() = tale;
    }

    /// The calls since then, without sign-ins.
    pub fn seen(&self) -> Vec<Seen> {
        self.scene.seen.lock().unwrap().clone()
    }
}

async fn pass(State(scene): State<Arc<Scene>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let json_answer = |status: StatusCode, body: String| (status, [("content-type", "application/json")], body);
    if uri.path() == "/token" {
        // No vendor's contract has its token endpoint; RFC 6749 says what it takes and answers.
        let form = String::from_utf8_lossy(&body);
        assert!(form.contains("grant_type=refresh_token"), "{form}");
        let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3600});
        return json_answer(StatusCode::OK, token.to_string()).into_response();
    }
    let mut request = scene.http.request(method.clone(), format!("{}{uri}", scene.prism));
    for (name, value) in headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "accept-encoding"))
    {
        request = request.header(name, value);
    }
    let answer = request.body(body.clone()).send().await.unwrap();
    let mut status = answer.status();
    let mut text = answer.text().await.unwrap();
    let mut seen = Seen {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        sent: String::from_utf8_lossy(&body).into_owned(),
        status: status.as_u16(),
        answer: text.clone(),
    };
    if status.is_success() && method == Method::GET {
        (status, text) = scene.told(&seen, &text);
        seen.answer.clone_from(&text);
    }
    scene.seen.lock().unwrap().push(seen);
    json_answer(status, text).into_response()
}

impl Scene {
    /// Prism's answer to a call that reads, with the one object in it.
    fn told(&self, seen: &Seen, text: &str) -> (StatusCode, String) {
        let written = self
            .seen
            .lock()
            .unwrap()
            .iter()
            .any(|seen| seen.writes() && seen.accepted());
        let tale = self.tale.lock().unwrap().clone();
        let object = if written { tale.after } else { tale.before };
        let mut answer: Value = serde_json::from_str(text).unwrap();
        if let Read::Call(call) = &self.kind.read
            && seen.is(&call.method, &call.path.shape())
        {
            let Some(object) = object else {
                return (StatusCode::NOT_FOUND, json!({"message": "not found"}).to_string());
            };
            let live = place(&mut answer, &call.live);
            merge(live, &object);
            return (StatusCode::OK, answer.to_string());
        }
        if let Some(list) = self.kind.list.as_ref().or(self.kind.find.as_ref())
            && seen.is(&list.call.method, &list.call.path.shape())
        {
            only(list, &mut answer, seen, object);
        }
        (StatusCode::OK, answer.to_string())
    }
}

/// A list that holds one object on its first page and nothing on the next.
fn only(list: &List, answer: &mut Value, seen: &Seen, object: Option<Value>) {
    let (items, inside) = list.items.split_once(".*").unwrap_or((&list.items, ""));
    let items = place(answer, items);
    let list_of = items
        .as_array_mut()
        .unwrap_or_else(|| panic!("no list in Prism's answer: {seen:?}"));
    let mut following = false;
    if let Some(Next::Cursor { param, .. }) = &list.next {
        following = seen.query.contains(&format!("{param}="));
    }
    list_of.truncate(1);
    match object.filter(|_| !following) {
        Some(object) => {
            let first = list_of
                .first_mut()
                .unwrap_or_else(|| panic!("an empty list from Prism: {seen:?}"));
            merge(place(first, inside.trim_start_matches('.')), &object);
        }
        None => list_of.clear(),
    }
    if let Some(incomplete) = &list.incomplete {
        assert!(path::at(answer, incomplete).is_some(), "no `{incomplete}`: {seen:?}");
        path::put(answer, incomplete, json!(false));
    }
    if let (Some(Next::Cursor { cursor, .. }), true) = (&list.next, following) {
        path::remove(answer, cursor);
    }
}

/// What is at a dotted path of an answer; it must be there.
fn place<'a>(answer: &'a mut Value, at: &str) -> &'a mut Value {
    let mut found = answer;
    for segment in at.split('.').filter(|segment| !segment.is_empty()) {
        let inside = found.to_string();
        found = found
            .get_mut(segment)
            .unwrap_or_else(|| panic!("no `{at}` in {inside}"));
    }
    found
}

/// Writes what an object says into one that was made up.
fn merge(into: &mut Value, object: &Value) {
    match (into, object) {
        (Value::Object(into), Value::Object(object)) => {
            for (key, value) in object {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        // Ids are numbers where the platform's are.
        (into @ Value::Number(_), Value::String(text)) => {
            *into = text
                .parse()
                .map_or_else(|_| object.clone(), |number: i64| json!(number));
        }
        (into, object) => *into = object.clone(),
    }
}
