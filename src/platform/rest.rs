//! Runs any platform definition over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::compare;
use super::definition::{self, CallText, Definition, KindDefinition, Next};
use super::error::{ErrorKind, PlatformError};
use super::http::{Call, Client, encode};
use super::{
    Account, Activity, Answer, Executor, Job, Object, Observer, Platform, Question, Reading, Receipt, SAYS_MISSING,
    Step,
};
use crate::digest::Digest;
use crate::resource::Kind;

/// One account of a platform that is described as data.
pub struct Rest {
    definition: Arc<Definition>,
    client: Client,
}

impl Rest {
    pub fn new(definition: Arc<Definition>, account: &Account) -> Result<Self, PlatformError> {
        let mut headers = HeaderMap::new();
        let auth = &definition.file.auth;
        if let Some(bearer) = &auth.bearer {
            let token = format!("Bearer {}", fill(bearer, account));
            headers.insert(AUTHORIZATION, header(&token)?);
        }
        for (name, value) in &auth.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| PlatformError::new(ErrorKind::Refused, "connect", format!("`{name}` is not a header")))?;
            headers.insert(name, header(&fill(value, account))?);
        }
        Ok(Self {
            client: Client::new(account, headers)?,
            definition,
        })
    }

    fn kind(&self, kind: &Kind) -> Result<&KindDefinition, PlatformError> {
        self.definition
            .kind(kind)
            .ok_or_else(|| PlatformError::new(ErrorKind::Refused, kind.as_str(), "the platform has no such kind"))
    }

    async fn call(&self, call: &CallText, id: &str, body: Option<Value>) -> Result<Value, PlatformError> {
        let path = call.path.replace("{id}", &encode(id));
        Ok(self
            .client
            .send(&Call::new(call.method.0.clone(), path, body))
            .await?
            .body)
    }

    /// The object as it is now; one that says it is gone is as missing as a 404.
    async fn read(&self, kind: &KindDefinition, id: &str) -> Result<Value, PlatformError> {
        let object = self.call(&kind.read, id, None).await?;
        if is_gone(kind, &object) {
            return Err(PlatformError::new(
                ErrorKind::Missing,
                "read",
                "the object is marked as deleted",
            ));
        }
        Ok(object)
    }

    async fn list(&self, kind: &KindDefinition) -> Result<BTreeMap<String, Value>, PlatformError> {
        let mut objects = BTreeMap::new();
        let mut query: Vec<(String, String)> = Vec::new();
        let mut page_number = 1;
        loop {
            let mut path = kind.list.call.path.clone();
            let size = kind
                .list
                .size_param
                .iter()
                .map(|param| (param.clone(), kind.list.size.to_string()));
            for (name, value) in size.chain(query.drain(..)) {
                path.push(if path.contains('?') { '&' } else { '?' });
                path.push_str(&format!("{name}={}", encode(&value)));
            }
            let call = Call::get(path);
            let answer = self.client.send(&call).await?.body;
            let Some(items) = definition::at(&answer, &kind.list.items).and_then(Value::as_array) else {
                return Err(PlatformError::new(
                    ErrorKind::Unexpected,
                    call.name(),
                    "the answer is not the list the definition promises",
                ));
            };
            let before = objects.len();
            for item in items {
                let Some(id) = definition::at(item, &kind.id).and_then(Value::as_str) else {
                    return Err(PlatformError::new(
                        ErrorKind::Unexpected,
                        call.name(),
                        "an object in the list has no id",
                    ));
                };
                objects.insert(id.to_owned(), item.clone());
            }
            let full = items.len() >= kind.list.size;
            let next = match &kind.list.next {
                Next::After { after, param } if full => items
                    .last()
                    .and_then(|item| definition::at(item, after))
                    .and_then(Value::as_str)
                    .map(|value| (param.clone(), value.to_owned())),
                Next::Cursor { cursor, param } => definition::at(&answer, cursor)
                    .and_then(Value::as_str)
                    .filter(|cursor| !cursor.is_empty())
                    .map(|value| (param.clone(), value.to_owned())),
                Next::Page { page } if full => {
                    page_number += 1;
                    Some((page.clone(), page_number.to_string()))
                }
                Next::After { .. } | Next::Page { .. } => None,
            };
            let Some(next) = next else {
                objects.retain(|_, object| !is_gone(kind, object));
                return Ok(objects);
            };
            if objects.len() == before {
                return Err(PlatformError::new(
                    ErrorKind::Unexpected,
                    call.name(),
                    "a full page brought nothing new: the list does not end",
                ));
            }
            query.push(next);
        }
    }

    async fn ask(&self, question: &Question, answer: &mut Answer) -> Result<(), PlatformError> {
        for kind in &question.kinds {
            let definition = self.kind(kind)?;
            let objects = self.list(definition).await?;
            let none = BTreeSet::new();
            let ids = question.ids.get(kind).unwrap_or(&none);
            for (id, value) in &objects {
                let object = object(definition, id, value);
                let ours = object
                    .mark
                    .as_ref()
                    .is_some_and(|mark| mark.starts_with(&question.mark_prefix));
                if ours || ids.contains(id) {
                    answer
                        .objects
                        .insert((kind.clone(), id.clone()), Reading::Present(Box::new(object)));
                }
            }
            answer.complete.insert(kind.clone());
            for id in ids.iter().filter(|id| !objects.contains_key(*id)) {
                let reading = match self.read(definition, id).await {
                    Ok(value) => Reading::Present(Box::new(object(definition, id, &value))),
                    Err(error) if error.kind == ErrorKind::Missing => {
                        if ids.iter().any(|other| objects.contains_key(other)) {
                            Reading::Absent
                        } else {
                            Reading::Unreadable(format!(
                                "{} {SAYS_MISSING}, but this key sees none of the recorded objects of that kind",
                                kind.platform()
                            ))
                        }
                    }
                    Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Unauthorised) => {
                        return Err(error);
                    }
                    Err(error) => Reading::Unreadable(error.to_string()),
                };
                answer.objects.insert((kind.clone(), id.clone()), reading);
            }
        }
        Ok(())
    }

    /// The object as it is now, if it is ours to touch.
    async fn ours(&self, kind: &KindDefinition, job: &Job) -> Result<Value, PlatformError> {
        let current = self.read(kind, &job.id).await?;
        let Some(marker) = &kind.marker else { return Ok(current) };
        let mark = definition::at(&current, &marker.field).and_then(Value::as_str);
        if mark.is_some_and(|mark| mark != job.mark) || (job.marked && mark.is_none()) {
            let why = format!(
                "{} {} does not carry the mark of {}: it is not touched",
                job.kind, job.id, job.address
            );
            return Err(PlatformError::new(ErrorKind::Ambiguous, "read", why));
        }
        Ok(current)
    }

    async fn create(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let answer = self
            .call(&kind.create, "", Some(marked(kind, job, &job.attempt)))
            .await?;
        let Some(id) = definition::at(&answer, &kind.id).and_then(Value::as_str) else {
            return Err(PlatformError::new(ErrorKind::Unclear, "create", "the answer has no id"));
        };
        Ok(Receipt {
            id: id.to_owned(),
            read: None,
            note: None,
        })
    }

    /// Writes what differs and reads it back.
    async fn fill(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let current = self.ours(kind, job).await?;
        if let Some(expected) = &job.expected
            && *expected != Digest::of_json(&compare::part(&job.document, &current))
        {
            let why = format!(
                "{}: somebody changed the object after the plan was made; it was not overwritten",
                job.address
            );
            return Err(PlatformError::new(ErrorKind::Moved, "read", why));
        }
        let marker = kind.marker.as_ref();
        let has_mark = marker
            .is_none_or(|marker| definition::at(&current, &marker.field).and_then(Value::as_str) == Some(&*job.mark));
        let differs = !self
            .definition
            .compare(&job.kind, &job.document, &current, &job.dropped)
            .is_empty();
        // What is not returned cannot be seen to be the same, except right after it was created.
        let unseen = !job.fresh
            && kind
                .unread
                .iter()
                .any(|path| definition::at(&job.document, path).is_some());
        if has_mark && !differs && !unseen {
            return self.settled(job, current);
        }
        let attempt = marker.and_then(|marker| definition::at(&current, marker.attempt.as_deref()?)?.as_str());
        let mut body = marked(kind, job, attempt.unwrap_or(&job.attempt));
        // What is gone from within a field goes when the field is written whole.
        for key in job.dropped.iter().filter(|key| !key.contains('.')) {
            definition::put(&mut body, key, Value::Null);
        }
        let write = self.call(&kind.update, &job.id, Some(body)).await;
        let after = match (write, self.read(kind, &job.id).await) {
            (Ok(_), read) => read?,
            // Unclear: what is there now decides, not the answer.
            (Err(error), Ok(read)) if !error.is_harmless() => {
                if !self
                    .definition
                    .compare(&job.kind, &job.document, &read, &job.dropped)
                    .is_empty()
                {
                    return Err(error);
                }
                read
            }
            (Err(error), _) => return Err(error),
        };
        self.settled(job, after)
    }

    /// What is there must be what was wanted.
    fn settled(&self, job: &Job, after: Value) -> Result<Receipt, PlatformError> {
        let left = self.definition.compare(&job.kind, &job.document, &after, &job.dropped);
        if let Some(first) = left.first() {
            let why = format!(
                "the platform kept `{}` different from what was written (and {} more)",
                first.field,
                left.len() - 1
            );
            return Err(PlatformError::new(ErrorKind::Unexpected, "update", why));
        }
        Ok(Receipt {
            id: job.id.clone(),
            read: Some(compare::part(&job.document, &after)),
            note: None,
        })
    }

    async fn remove(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let gone = Receipt {
            id: job.id.clone(),
            read: None,
            note: None,
        };
        match self.ours(kind, job).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(gone),
            other => other?,
        };
        match self.call(&kind.delete, &job.id, None).await {
            Err(error) if error.kind != ErrorKind::Missing && error.is_harmless() => return Err(error),
            _ => {}
        }
        match self.read(kind, &job.id).await {
            Err(error) if error.kind == ErrorKind::Missing => Ok(gone),
            Err(error) => Err(error),
            Ok(_) => Err(PlatformError::new(
                ErrorKind::Unexpected,
                "delete",
                "the object is still there",
            )),
        }
    }
}

#[async_trait]
impl Observer for Rest {
    async fn observe(&self, question: &Question) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) = self.ask(question, &mut answer).await {
            answer.failure = Some(error);
        }
        answer
    }
}

#[async_trait]
impl Executor for Rest {
    async fn execute(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let kind = self.kind(&job.kind)?;
        match job.step {
            Step::Create => self.create(kind, job).await,
            Step::Fill => self.fill(kind, job).await,
            Step::Delete => self.remove(kind, job).await,
            Step::Publish | Step::Unpublish => Err(PlatformError::new(
                ErrorKind::Refused,
                job.step.as_str(),
                format!("a {} does not run", job.kind),
            )),
        }
    }
}

fn header(text: &str) -> Result<HeaderValue, PlatformError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        PlatformError::new(
            ErrorKind::Unauthorised,
            "connect",
            "the key contains characters that no key has",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header's text with its credential filled in.
fn fill(text: &str, account: &Account) -> String {
    match definition::credential_of(text) {
        Ok(Some(name)) => account
            .credentials
            .get(&name)
            .map(|secret| secret.expose().to_owned())
            .unwrap_or_default(),
        _ => text.to_owned(),
    }
}

fn is_gone(kind: &KindDefinition, object: &Value) -> bool {
    kind.gone
        .as_ref()
        .is_some_and(|gone| definition::at(object, &gone.at) == Some(&gone.is))
}

fn marked(kind: &KindDefinition, job: &Job, attempt: &str) -> Value {
    let mut body = job.document.clone();
    if let Some(marker) = &kind.marker {
        definition::put(&mut body, &marker.field, Value::from(&*job.mark));
        if let Some(field) = &marker.attempt {
            definition::put(&mut body, field, Value::from(attempt));
        }
    }
    body
}

fn object(kind: &KindDefinition, id: &str, value: &Value) -> Object {
    let text = |path: &str| definition::at(value, path).and_then(Value::as_str).map(str::to_owned);
    let marker = kind.marker.as_ref();
    Object {
        id: id.to_owned(),
        title: text("name").unwrap_or_default(),
        document: value.clone(),
        activity: Activity::NotApplicable,
        mark: marker.and_then(|marker| text(&marker.field)),
        attempt: marker.and_then(|marker| text(marker.attempt.as_deref()?)),
    }
}
