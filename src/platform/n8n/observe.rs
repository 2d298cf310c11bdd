//! What is on an n8n instance: one list call per page, and one read for each known workflow the list lacks.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;

use super::api::Api;
use super::{WORKFLOW, document};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{
    Activity, Answer, Cause, Credential, Listener, Object, Observer, Question, Reading, Search, Unread,
};
use crate::resource::Kind;

/// Paging goes by offset, so a workflow that is deleted meanwhile shifts the next page: such a list is read again.
const MOST_LISTINGS: usize = 3;

#[async_trait]
impl Observer for Api {
    async fn observe(&self, question: &Question) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) = self.ask(question, &mut answer).await {
            answer.failure = Some(error);
        } else if question.webhooks {
            self.listen(question, &mut answer).await;
        }
        answer
    }
}

impl Api {
    async fn ask(&self, question: &Question, answer: &mut Answer) -> Result<(), PlatformError> {
        let kind = Kind::new(WORKFLOW);
        if question.kinds.contains(&kind) {
            let none = BTreeSet::new();
            let ids = question.ids.get(&kind).unwrap_or(&none);
            let (found, mut doubt) = self.list_all(ids, &question.mark_prefix, answer).await?;
            for id in ids.iter().filter(|id| !found.contains(*id)) {
                let reading = self.read_missing(id, ids, &found).await?;
                if matches!(reading, Reading::Present(_)) {
                    // A list that lacks what is there lacks other things too.
                    doubt = Some("the list does not show all workflows: one that is recorded is missing from it");
                }
                answer.objects.insert((kind.clone(), id.clone()), reading);
            }
            match doubt {
                None => {
                    answer.complete.insert(kind);
                }
                Some(why) => {
                    let unknown = question.wanted.iter().filter(|wanted| wanted.kind == kind);
                    let unknown = unknown.map(|wanted| (wanted.address.clone(), Search::Unknown(why.to_owned())));
                    answer.searches.extend(unknown);
                }
            }
        }
        if question.credentials {
            self.list_credentials(answer).await?;
        }
        Ok(())
    }

    /// Lists until one listing saw no workflow twice; answers with the ids of `wanted` that were there, and with why what it
    /// saw cannot be believed, if so.
    async fn list_all(
        &self,
        wanted: &BTreeSet<String>,
        mark_prefix: &str,
        answer: &mut Answer,
    ) -> Result<(BTreeSet<String>, Option<&'static str>), PlatformError> {
        for listing in 1.. {
            let mut seen = BTreeSet::new();
            let mut objects = BTreeMap::new();
            let mut listeners = Vec::new();
            let mut repeated = false;
            let mut cursors = BTreeSet::new();
            let mut cursor: Option<String> = None;
            loop {
                let (page, next) = self.list(cursor.as_deref()).await?;
                for workflow in &page {
                    let Some(id) = workflow.get("id").and_then(Value::as_str) else {
                        return Err(unexpected("a workflow in the list has no id"));
                    };
                    repeated |= !seen.insert(id.to_owned());
                    let marked =
                        document::tag(workflow, document::MARK).is_some_and(|mark| mark.starts_with(mark_prefix));
                    listeners.extend(listeners_of(workflow, id));
                    if marked || wanted.contains(id) {
                        objects.insert(
                            (Kind::new(WORKFLOW), id.to_owned()),
                            Reading::Present(Box::new(object(id, workflow))),
                        );
                    }
                }
                match next {
                    None => break,
                    Some(next) if !cursors.insert(next.clone()) => return Err(unexpected("the list repeats itself")),
                    Some(next) => cursor = Some(next),
                }
            }
            if !repeated || listing == MOST_LISTINGS {
                answer.objects.extend(objects);
                answer.listeners = listeners;
                let doubt = repeated.then_some("the list shows a workflow twice, each time it is read");
                return Ok((seen.intersection(wanted).cloned().collect(), doubt));
            }
        }
        Ok((BTreeSet::new(), None))
    }

    /// A known workflow that the list lacks. Its 404 proves that it is gone only if this key sees another of ours:
    /// n8n answers the same to a key that merely may not see it.
    async fn read_missing(
        &self,
        id: &str,
        ids: &BTreeSet<String>,
        found: &BTreeSet<String>,
    ) -> Result<Reading, PlatformError> {
        match self.get(id).await {
            Ok(workflow) => Ok(Reading::Present(Box::new(object(id, &workflow)))),
            Err(error) if error.kind == ErrorKind::Missing => {
                if ids.iter().any(|other| other != id && found.contains(other)) {
                    Ok(Reading::Absent)
                } else {
                    Ok(Reading::Unreadable(Unread::new(
                        Cause::SaidMissing,
                        "n8n says it does not exist, but this key sees none of the recorded workflows: perhaps it is another user's key",
                    )))
                }
            }
            Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Unauthorised) => Err(error),
            Err(error) => Ok(Reading::Unreadable(Unread::because(error.to_string()))),
        }
    }

    async fn list_credentials(&self, answer: &mut Answer) -> Result<(), PlatformError> {
        let mut cursor: Option<String> = None;
        let mut cursors = BTreeSet::new();
        loop {
            let (page, next) = self.credentials(cursor.as_deref()).await?;
            answer.credentials.extend(page.iter().filter_map(|credential| {
                let text = |key: &str| credential.get(key).and_then(Value::as_str).map(str::to_owned);
                Some(Credential {
                    id: text("id")?,
                    name: text("name")?,
                    kind: text("type")?,
                })
            }));
            match next {
                None => return Ok(()),
                Some(next) if !cursors.insert(next.clone()) => return Err(unexpected("the list repeats itself")),
                Some(next) => cursor = Some(next),
            }
        }
    }
}

fn unexpected(why: &str) -> PlatformError {
    PlatformError::new(ErrorKind::Unexpected, "GET /workflows", why)
}

/// A workflow as n8n answers it, reduced to what counts.
pub fn object(id: &str, workflow: &Value) -> Object {
    let tag = |key: &str| document::tag(workflow, key).map(str::to_owned);
    Object {
        id: id.to_owned(),
        title: workflow
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        document: document::comparable(workflow),
        activity: activity(workflow),
        mark: tag(document::MARK),
        attempt: tag(document::ATTEMPT),
        out: std::collections::BTreeMap::new(),
    }
}

fn activity(workflow: &Value) -> Activity {
    if workflow.get("isArchived") == Some(&Value::Bool(true)) {
        return Activity::Archived;
    }
    if workflow.get("active") != Some(&Value::Bool(true)) {
        return Activity::Stopped;
    }
    // Older instances have no published version apart from the draft.
    let Some(live) = workflow.get("activeVersion").filter(|live| live.get("nodes").is_some()) else {
        return Activity::Running;
    };
    let same_version = workflow.get("versionId") == live.get("versionId");
    if same_version || !document::logic_differs(workflow, live) {
        Activity::Running
    } else {
        Activity::Outdated
    }
}

fn listeners_of(workflow: &Value, id: &str) -> Vec<Listener> {
    // Only what is published listens.
    if workflow.get("active") != Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let title = workflow.get("name").and_then(Value::as_str).unwrap_or_default();
    document::listeners(workflow)
        .into_iter()
        .map(|(method, path)| Listener {
            method,
            path,
            object: id.to_owned(),
            title: title.to_owned(),
        })
        .collect()
}
