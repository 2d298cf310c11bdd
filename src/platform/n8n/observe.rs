//! What is on an n8n instance: one list call per page, and one read for each known workflow the list lacks.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::api::Api;
use super::{WORKFLOW, document};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Activity, Answer, Cause, Listener, Object, Observer, Question, Reading, Search, Unread};
use crate::resource::Kind;

#[async_trait]
impl Observer for Api {
    async fn observe(&self, question: &Question) -> Answer {
        let mut answer = Answer::default();
        self.client.forget_clock();
        if let Err(error) = self.ask(question, &mut answer).await {
            answer.failure = Some(error);
        } else if question.webhooks {
            self.listen(question, &mut answer).await;
        }
        answer.clock = self.client.clock();
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
                    let unknown = unknown.map(|wanted| (wanted.address.clone(), Search::Unknown(why.into())));
                    answer.searches.extend(unknown);
                }
            }
        }
        if question.credentials {
            answer.credentials = self.list_credentials().await?;
        }
        Ok(())
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

pub(super) fn listeners_of(workflow: &Value, id: &str) -> Vec<Listener> {
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
