//! Any platform definition, imitated: only what the definition says is known, and a request must be one of its calls.
//!
//! As strict as a definition allows: a key or token is needed, paths, parameters and bodies must be exactly what a
//! declared call sends, an update replaces whole top-level fields, `null` clears one, fields that are not returned are kept
//! back, and lists page as the definition says.
//!
//! | file | what it is |
//! |---|---|
//! | `route`, `said`, `form` | which declared call a request is, and what it says |
//! | `auth` | keys, tokens and sessions |
//! | `objects`, `parts`, `stored`, `outputs` | what is done to objects, how they are kept, values the platform makes up |
//! | `list` | pages |
//! | `poll` | what is not done at once |
//! | `switch` | objects that are stopped and started |
//! | `answer`, `shape` | successes and failures in the platform's form |
//! | `editor` | what people do on the platform themselves |

mod answer;
mod auth;
mod editor;
mod form;
mod list;
mod objects;
mod outputs;
mod parts;
mod poll;
mod route;
mod said;
mod shape;
mod stored;
mod switch;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use serde_json::{Value, json};

use self::route::{Matched, Unknown, Verb};
use self::shape::{lay, place};
use super::Served;
use super::faults::Twist;
use super::http::{Answer, Request};
use super::store::{Store, StoreError};
use crate::platform::definition::Definition;

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
        front: Router::new().fallback(answer).with_state(service.clone()),
        editor: Router::new().fallback(edit).with_state(service),
    }
}

async fn answer(State(service): State<Service>, request: HttpRequest) -> Answer {
    let store = service.store.clone();
    work(&store, request, move |request| service.answer(request)).await
}

async fn edit(State(service): State<Service>, request: HttpRequest) -> Answer {
    let store = service.store.clone();
    work(&store, request, move |request| service.edit(request)).await
}

async fn work(
    store: &Store,
    request: HttpRequest,
    work: impl FnOnce(&Request) -> Result<Answer, StoreError> + Send + 'static,
) -> Answer {
    let failed = |status: u16, message: String| Answer::json(status, &json!({ "message": message }));
    let Some(request) = Request::read(request).await else {
        return failed(413, "the body cannot be read".to_owned());
    };
    match store.answer(move || work(&request)).await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => failed(500, format!("the sandbox's store failed: {error}")),
        None => failed(500, "the sandbox failed".to_owned()),
    }
}

impl Service {
    fn answer(&self, request: &Request) -> Result<Answer, StoreError> {
        if matches!(request.twist, Some(Twist::Expire)) {
            self.expire()?;
        }
        if let Some(mut answer) = self.sign_in(request)? {
            answer.read_only = true;
            return Ok(answer);
        }
        if let Some(refusal) = self.refused(request)? {
            return Ok(refusal);
        }
        let matched = match route::matching(&self.definition, request) {
            Ok(matched) => matched,
            Err(Unknown::Path) => {
                return Ok(self.plain(404, &format!("Cannot {} {}", request.method, request.path)));
            }
            Err(Unknown::Wrong(why)) => return Ok(self.plain(400, &why.join("; or "))),
        };
        if request.method == "GET" {
            return self.looked(request, &matched);
        }
        // Kinds may share a call: the one that has the object is meant.
        let mut first = None;
        for matched in &matched {
            let answer = self.call(request, matched)?;
            if answer.status < 300 {
                return Ok(answer);
            }
            first.get_or_insert(answer);
        }
        Ok(first.unwrap_or_else(|| self.plain(404, "nobody answers this call")))
    }

    /// Kinds may look at the same address: what each of them sees is in the answer.
    fn looked(&self, request: &Request, matched: &[Matched<'_>]) -> Result<Answer, StoreError> {
        let mut answers = Vec::new();
        let mut lists = Vec::new();
        for matched in matched {
            // A kind may look for one object with the call that lists all of them.
            if let (Some(kind), Verb::List(list)) = (matched.route.kind, matched.route.verb) {
                let shown = (&kind.name, &list.items);
                if lists.contains(&shown) {
                    continue;
                }
                lists.push(shown);
            }
            answers.push(self.call(request, matched)?);
        }
        let Some(at) = answers.iter().position(|answer| answer.status < 300) else {
            return Ok(answers
                .into_iter()
                .next()
                .unwrap_or_else(|| self.plain(404, "nobody answers this call")));
        };
        let mut whole = answers.remove(at);
        let read = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let mut body = read(&whole);
        let others: Vec<&Answer> = answers.iter().filter(|answer| answer.status < 300).collect();
        if !others.is_empty() {
            for other in others {
                let other = read(other);
                if !self.definition.errors.is_failure(&other) {
                    lay(&mut body, other, true);
                }
            }
            whole.body = body.to_string().into_bytes();
        }
        Ok(whole)
    }

    fn call(&self, request: &Request, matched: &Matched<'_>) -> Result<Answer, StoreError> {
        let twist = request.twist.as_ref();
        let (Some(kind), verb) = (matched.route.kind, matched.route.verb) else {
            let mut answer = json!({});
            if let Some(whoami) = &self.definition.whoami {
                place(&mut answer, &whoami.at, Value::from(objects::OWNER));
            }
            return Ok(Answer::json(200, &self.successful(answer)));
        };
        let reads = matches!(verb, Verb::Read | Verb::List(_) | Verb::Wait);
        let answer = match verb {
            Verb::Create => self.create(kind, matched, request),
            Verb::Read => self.read(kind, matched, twist),
            Verb::Update => self.update(kind, matched),
            Verb::Delete => self.delete(kind, matched),
            Verb::List(list) => self.list(kind, list, matched, request, twist),
            Verb::Mark => self.mark(kind, matched),
            Verb::Switch { stops } => self.switch(kind, matched, stops),
            Verb::Wait => self.poll(kind, matched),
            Verb::Output => self.output(kind, matched),
            Verb::Whoami => Ok(self.plain(404, "nobody asks this")),
        };
        answer.map(|answer| Answer {
            read_only: reads,
            ..answer
        })
    }
}
