//! One call of a definition: its placeholders filled, sent, and its answer understood.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::Rest;
use crate::digest::Digest;
use crate::platform::definition::call::{Call, graphql_body};
use crate::platform::definition::file::Encoding;
use crate::platform::definition::path;
use crate::platform::definition::placeholder::{self, Scope, Text, Unfilled};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::http::{self, Body, Reply, encode};

/// How often a call is sent that the platform puts off with a code of its own.
const TRIES: u32 = 5;

impl Rest {
    /// Sends a call; the whole answer.
    pub(super) async fn send(&self, call: &Call, scope: &Scope<'_>) -> Result<Value, PlatformError> {
        self.send_page(call, scope, &[], None).await.map(|reply| reply.body)
    }

    /// The same with further query parameters (GraphQL: variables), or at an address the platform gave.
    pub(super) async fn send_page(
        &self,
        call: &Call,
        scope: &Scope<'_>,
        further: &[(String, String)],
        at: Option<&str>,
    ) -> Result<Reply, PlatformError> {
        let mut request = self
            .request(call, scope, further)
            .map_err(|unfilled| PlatformError::new(ErrorKind::Refused, call.name(), unfilled.to_string()))?;
        if let Some(at) = at {
            request.path = at.to_owned();
        }
        let _turn = match (&self.definition.serial, call.is_read()) {
            (Some(serial), false) => self.turn(serial, scope).await,
            _ => None,
        };
        let mut tries = 0;
        let mut renewed = false;
        loop {
            tries += 1;
            let (answer, session) = match self.sessions.proof(self).await {
                Ok(proof) => {
                    let request = proof.on(request.clone());
                    (self.client.send(&request).await, proof.session)
                }
                Err(error) => return Err(error),
            };
            // The client has tried again what it took for put off itself.
            let tried = matches!(&answer, Err(error) if matches!(error.kind, ErrorKind::Throttled(_)));
            let error = match answer {
                Ok(reply) if !self.definition.errors.is_failure(&reply.body) => return Ok(reply),
                Ok(reply) => self.failure(call, &request, reply.body),
                Err(error) => self.understood(call, error),
            };
            let code = error.body.as_deref().and_then(|body| self.definition.errors.code(body));
            // What is no answer of the platform's says nothing of its sessions, nor that nothing happened.
            let is_its_own = request.reads || error.body.is_some();
            if !renewed && is_its_own && self.sessions.ended(error.status, code) {
                renewed = true;
                self.sessions.forget(session).await;
                continue;
            }
            if tried || !matches!(error.kind, ErrorKind::Throttled(None)) || tries >= TRIES {
                return Err(error);
            }
            let wait = Duration::from_millis(500 << tries.min(4));
            tracing::debug!(call = call.name(), tries, ?wait, kind = ?error.kind, "put off by the platform");
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits until no other write of the same place is under way.
    async fn turn(&self, serial: &Text, scope: &Scope<'_>) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        let place = serial.text(scope).ok().flatten()?;
        let lock = self.serial.lock().await.entry(place).or_default().clone();
        Some(lock.lock_owned().await)
    }

    fn request(&self, call: &Call, scope: &Scope<'_>, further: &[(String, String)]) -> Result<http::Call, Unfilled> {
        let mut path = call.path.encoded(scope)?.unwrap_or_default();
        let mut add = |name: &str, value: &str| {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&format!("{name}={value}"));
        };
        for (name, text) in &call.query {
            if let Some(value) = text.encoded(scope)? {
                add(name, &value);
            }
        }
        if call.graphql.is_none() {
            for (name, value) in further {
                add(name, &encode(value));
            }
        }
        let mut body = match &call.body {
            Some(template) => placeholder::fill(template, scope)?,
            None => None,
        };
        if let Some(Value::Object(map)) = &mut body {
            map.retain(|key, _| !call.drop.contains(key));
            if call.graphql.is_some() {
                map.extend(
                    further
                        .iter()
                        .map(|(name, value)| (name.clone(), Value::from(&**value))),
                );
            }
        }
        let body = match (&call.graphql, body) {
            (Some(document), variables) => Body::Json(graphql_body(document, variables.unwrap_or_default())),
            (None, None) => Body::None,
            (None, Some(body)) => match self.definition.encode {
                Encoding::Json => Body::Json(body),
                Encoding::Form => Body::Form(flat(&body)),
            },
        };
        let method = call.method.parse().unwrap_or_default();
        let mut request = http::Call::with_body(method, path, body);
        request.host.clone_from(&call.host);
        request.reads |= call.is_read();
        request.repeatable |= request.reads;
        if let Some(name) = &call.idempotency
            && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
        {
            let key = Digest::of_bytes(format!("{} {}", scope.owner, scope.attempt).as_bytes());
            if let Ok(value) = HeaderValue::from_str(key.as_str().trim_start_matches("sha256:")) {
                request.headers.push((name, value));
                request.repeatable = true;
            }
        }
        Ok(request)
    }

    /// A failure inside a good answer: the platform understood and said no.
    fn failure(&self, call: &Call, request: &http::Call, answer: Value) -> PlatformError {
        let errors = &self.definition.errors;
        let message = errors
            .message(&answer)
            .unwrap_or_else(|| "the platform reports a failure".to_owned());
        let message: String = self.client.redact(&message);
        let code = errors.code(&answer);
        let why = match code {
            Some(code) => format!("{message} ({})", bare(code)),
            None => message.clone(),
        };
        let gone = errors.gone.as_ref().is_some_and(|pattern| pattern.is_match(&message));
        let kind = match code {
            _ if gone => ErrorKind::Missing,
            Some(code) => self.kind_of(call, code).unwrap_or(ErrorKind::Refused),
            None => ErrorKind::Refused,
        };
        let mut error = PlatformError::new(kind, request.name(), why);
        // GraphQL may do a part and say what became of the rest: what it made stands beside the failures.
        error.after_write = !call.is_read()
            && !call.live.is_empty()
            && path::at(&answer, &call.live).is_some_and(|live| !live.is_null());
        error.body = Some(Box::new(answer));
        error
    }

    /// What a status or code means where the definition says so.
    fn kind_of(&self, call: &Call, code: &Value) -> Option<ErrorKind> {
        if among(&call.exists, code) {
            Some(ErrorKind::Conflict)
        } else if among(&call.gone, code) {
            Some(ErrorKind::Missing)
        } else if among(&call.busy, code) || among(&self.definition.errors.later, code) {
            Some(ErrorKind::Throttled(None))
        } else {
            None
        }
    }

    /// A refusal in the platform's own words, classed as the definition says.
    fn understood(&self, call: &Call, mut error: PlatformError) -> PlatformError {
        // A page is not the platform's: what the definition says about statuses is not about it.
        let (Some(status), Some(body)) = (error.status, error.body.as_deref()) else {
            return error;
        };
        let errors = &self.definition.errors;
        let code = errors.code(body).cloned();
        let proves_nothing = body.is_null() && call.is_read();
        if let Some(message) = errors.message(body) {
            error.why = format!("{} ({status})", self.client.redact(&message)).into();
        }
        let said = code.as_ref().and_then(|code| self.kind_of(call, code));
        match said.or_else(|| self.kind_of(call, &Value::from(status))) {
            Some(ErrorKind::Missing) if proves_nothing => {}
            Some(kind) => error.kind = kind,
            // A 404 that this call does not call "not there".
            None if error.kind == ErrorKind::Missing => error.kind = ErrorKind::Refused,
            None => {}
        }
        error
    }
}

/// Whether a status or code is one of those a definition names.
pub(super) fn among(list: &[Value], said: &Value) -> bool {
    list.iter().any(|one| bare(one) == bare(said))
}

/// A value as text, without the quotes of a string.
pub(super) fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A document as form fields: `a[b][0]=c`.
pub(super) fn flat(body: &Value) -> Vec<(String, String)> {
    fn below(name: &str, value: &Value, out: &mut Vec<(String, String)>) {
        let join = |key: &str| match name {
            "" => key.to_owned(),
            name => format!("{name}[{key}]"),
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| below(&join(key), value, out)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, value)| below(&join(&index.to_string()), value, out)),
            Value::Null => out.push((name.to_owned(), String::new())),
            other => out.push((name.to_owned(), bare(other))),
        }
    }
    let mut out = Vec::new();
    below("", body, &mut out);
    out
}

/// The list at a dotted path of an answer; `None` when the answer is another. An empty answer is no empty list.
pub(super) fn items<'a>(answer: &'a Value, at: &str) -> Option<Vec<&'a Value>> {
    if let Some((before, _)) = at.split_once('*') {
        let list = path::at(answer, before.trim_end_matches('.')).filter(|_| !answer.is_null())?;
        let is_list = matches!(list, Value::Array(_) | Value::Object(_) | Value::Null);
        return is_list.then(|| path::all(answer, at));
    }
    match path::at(answer, at).filter(|_| !answer.is_null())? {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Null => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_list_is_a_list() {
        let count = |answer: Value, at: &str| items(&answer, at).map(|items| items.len());
        assert_eq!(count(json!([1, 2]), ""), Some(2));
        assert_eq!(count(json!({"a": null}), "a"), Some(0));
        assert_eq!(count(json!({"a": {"edges": []}}), "a.edges.*.node"), Some(0));
        for (answer, at) in [
            (Value::Null, ""),
            (json!({}), "a"),
            (json!({"a": 1}), "a"),
            (json!({}), "a.edges.*.node"),
            (json!({"a": {"edges": "no"}}), "a.edges.*.node"),
            (json!("no"), ""),
        ] {
            assert_eq!(count(answer.clone(), at), None, "{answer} at `{at}`");
        }
    }

    #[test]
    fn forms_nest_in_brackets() {
        let fields = flat(&json!({"a": {"b": [1, "x y"]}, "c": true, "d": null}));
        let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["a[b][0]=1", "a[b][1]=x y", "c=true", "d="]);
    }
}
