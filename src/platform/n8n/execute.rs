//! The steps of a workflow: create as a draft, fill once every id is known, publish, unpublish, delete.
//!
//! Nothing an answer to a write says is believed: the workflow is read again, after failures too, because n8n's writes
//! are not atomic (a refused publication leaves the new draft saved).

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::Instant;

use super::api::{Api, workflow_id};
use super::probe::Verdict;
use super::{document, nodes, observe};
use crate::digest::Digest;
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Activity, Executor, FieldChange, Job, Receipt, Step, moved};

/// How long n8n may say "still being unpublished" before a delete (60 to 140 ms measured on an idle instance).
const UNPUBLISHING: Duration = Duration::from_secs(60);

#[async_trait]
impl Executor for Api {
    async fn execute(&self, job: &Job) -> Result<Receipt, PlatformError> {
        match job.step {
            Step::Create => self.create_draft(job).await,
            Step::Fill => self.fill(job).await,
            Step::Publish => self.make_live(job).await,
            Step::Unpublish => self.take_down(job).await,
            Step::Delete => self.remove(job).await,
            Step::Wait | Step::Retire => Err(PlatformError::new(
                ErrorKind::Refused,
                job.step.as_str(),
                "a workflow has no such step",
            )),
        }
    }
}

impl Api {
    async fn create_draft(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let answer = self
            .create(document::body(&job.document, &job.mark, &job.attempt))
            .await?;
        let Some(id) = workflow_id(&answer) else {
            let why = "the answer has no id, or one that cannot be one";
            return Err(PlatformError::new(ErrorKind::Unclear, "POST /workflows", why));
        };
        Ok(Receipt {
            id: id.to_owned(),
            ..Receipt::default()
        })
    }

    async fn fill(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let mut current = self.ours(job).await?;
        if observe::object(&job.id, &current).activity == Activity::Archived {
            self.unarchive(&job.id).await?;
            current = self.get(&job.id).await.map_err(PlatformError::after_write)?;
        }
        let observed = document::comparable(&current);
        self.check_unmoved(job, &current, &observed).await?;
        let written: Vec<String> = job.dropped.clone();
        let has_mark = document::tag(&current, document::MARK) == Some(&*job.mark);
        let differs = !document::differences(&job.document, &observed, &written).is_empty();
        if has_mark && !differs {
            return Ok(receipt(job, &current));
        }
        let attempt = document::tag(&current, document::ATTEMPT)
            .unwrap_or(&job.attempt)
            .to_owned();
        let mut body = document::body(&job.document, &job.mark, &attempt);
        document::keep_invented_ids(&mut body, &observed);
        reset_dropped(&mut body, &job.dropped);
        let write = self.update(&job.id, body).await;
        let current = match (write, self.get(&job.id).await) {
            (Ok(_), read) => read.map_err(PlatformError::after_write)?,
            // Refused or unclear: what is there now decides, not the answer.
            (Err(error), Ok(read)) => {
                let done = document::differences(&job.document, &document::comparable(&read), &written).is_empty();
                if !done {
                    return Err(error);
                }
                read
            }
            (Err(error), Err(_)) => return Err(error),
        };
        let left = document::differences(&job.document, &document::comparable(&current), &written);
        if let Some(first) = left.first() {
            return Err(PlatformError::new(
                ErrorKind::Unexpected,
                "PUT /workflows",
                format!(
                    "n8n kept {} different from what was written (and {} more)",
                    first.field,
                    left.len() - 1
                ),
            )
            .after_write());
        }
        Ok(receipt(job, &current))
    }

    async fn make_live(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let current = self.ours(job).await?;
        // What runs is what was planned: somebody may have saved something else since it was written.
        let fields = document::differences(&job.document, &document::comparable(&current), &job.dropped);
        if !fields.is_empty() {
            return Err(self.moved(job, &current, &fields).await);
        }
        let version = current.get("versionId").and_then(Value::as_str);
        self.publish(&job.id, version, &job.label).await?;
        let after = self.get(&job.id).await.map_err(PlatformError::after_write)?;
        if observe::object(&job.id, &after).activity != Activity::Running {
            return Err(PlatformError::new(
                ErrorKind::Unexpected,
                "POST /workflows/publish",
                "n8n accepted the publication, but the workflow is not the published one",
            ));
        }
        let proved = self.wait_until(&job.probes, Verdict::Live).await?;
        let mut receipt = receipt(job, &after);
        if !proved {
            receipt.note =
                Some("published, but unverified: something before n8n answers preflights by itself".to_owned());
        }
        Ok(receipt)
    }

    async fn take_down(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let current = match self.ours(job).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(gone(job)),
            other => other?,
        };
        self.check_unchanged(job, &current).await?;
        if current.get("active") == Some(&Value::Bool(true)) {
            self.unpublish(&job.id).await?;
        }
        let after = self.get(&job.id).await.map_err(PlatformError::after_write)?;
        if after.get("active") == Some(&Value::Bool(true)) {
            return Err(PlatformError::new(
                ErrorKind::Unexpected,
                "POST /workflows/unpublish",
                "n8n accepted it, but the workflow is still published",
            ));
        }
        let dead = self.wait_until(&job.probes, Verdict::Dead).await;
        dead.map_err(PlatformError::after_write)?;
        Ok(receipt(job, &after))
    }

    async fn remove(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let current = match self.ours(job).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(gone(job)),
            other => other?,
        };
        self.check_unchanged(job, &current).await?;
        let started = Instant::now();
        loop {
            match self.delete(&job.id).await {
                Ok(_) => break,
                Err(error) if error.kind == ErrorKind::Missing => break,
                // It is still being unpublished, or somebody is at it: both take a moment.
                Err(error) if error.kind == ErrorKind::Conflict && started.elapsed() < UNPUBLISHING => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                // Unclear: what is there now decides.
                Err(error) if error.is_harmless() => return Err(error),
                Err(_) => break,
            }
        }
        match self.get(&job.id).await {
            Err(error) if error.kind == ErrorKind::Missing => Ok(gone(job)),
            Err(error) => Err(error.after_write()),
            Ok(_) => Err(PlatformError::new(
                ErrorKind::Unexpected,
                "DELETE /workflows",
                "the workflow is still there",
            )),
        }
    }

    /// The workflow as it is now, if it is ours to touch.
    async fn ours(&self, job: &Job) -> Result<Value, PlatformError> {
        let current = self.get(&job.id).await?;
        let mark = document::tag(&current, document::MARK);
        let foreign = mark.is_some_and(|mark| mark != job.mark) || (job.marked && mark.is_none());
        if foreign {
            return Err(PlatformError::new(
                ErrorKind::Ambiguous,
                "GET /workflows",
                format!(
                    "workflow {} carries {}, not the mark of {}: it is not touched",
                    job.id,
                    mark.map_or_else(|| "no mark".to_owned(), |mark| format!("the mark `{mark}`")),
                    job.address
                ),
            ));
        }
        Ok(current)
    }

    /// Nobody may have changed it since the plan was made.
    async fn check_unmoved(&self, job: &Job, current: &Value, observed: &Value) -> Result<(), PlatformError> {
        let Some(expected) = &job.expected else { return Ok(()) };
        let now = Digest::of_json(&document::owned_part(&job.document, observed));
        if now == *expected {
            return Ok(());
        }
        let fields = job.seen.as_ref().map(|seen| document::differences(seen, observed, &[]));
        Err(self.moved(job, current, &fields.unwrap_or_default()).await)
    }

    /// Likewise of what is to go.
    async fn check_unchanged(&self, job: &Job, current: &Value) -> Result<(), PlatformError> {
        let Some(seen) = &job.seen else { return Ok(()) };
        let fields = document::differences(seen, &document::comparable(current), &[]);
        if fields.is_empty() {
            return Ok(());
        }
        Err(self.moved(job, current, &fields).await)
    }

    /// What n8n tells of who it was: the author of the version that is there now.
    async fn moved(&self, job: &Job, current: &Value, fields: &[FieldChange]) -> PlatformError {
        let version = current.get("versionId").and_then(Value::as_str);
        let read = match version {
            Some(version) => self.version(&job.id, version).await.ok(),
            None => None,
        };
        let authors = read.as_ref().and_then(|read| read.get("authors")?.as_str());
        let who = authors.filter(|authors| !authors.trim().is_empty());
        moved::moved(job.step, "GET /workflows", fields, who)
    }
}

/// Settings that are wanted no longer: a PUT merges settings, so each is sent with the value it has by default.
fn reset_dropped(body: &mut Value, dropped: &[String]) {
    if let Some(map) = body.as_object_mut()
        && dropped.iter().any(|key| key == "nodeGroups")
    {
        map.entry("nodeGroups").or_insert_with(|| Value::Array(Vec::new()));
    }
    let Some(settings) = body.get_mut("settings").and_then(Value::as_object_mut) else {
        return;
    };
    for key in dropped.iter().filter_map(|key| key.strip_prefix("settings.")) {
        if let (false, Some(reset)) = (settings.contains_key(key), nodes::reset_value(key)) {
            settings.insert(key.to_owned(), reset);
        }
    }
}

fn receipt(job: &Job, workflow: &Value) -> Receipt {
    Receipt {
        id: job.id.clone(),
        read: Some(document::owned_part(&job.document, &document::comparable(workflow))),
        ..Receipt::default()
    }
}

fn gone(job: &Job) -> Receipt {
    Receipt {
        id: job.id.clone(),
        ..Receipt::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dropped_settings_are_sent_with_their_default() {
        let mut body = json!({"settings": {"timezone": "UTC"}});
        reset_dropped(
            &mut body,
            &[
                "settings.errorWorkflow".to_owned(),
                "settings.timezone".to_owned(),
                "name".to_owned(),
            ],
        );
        assert_eq!(
            body,
            json!({"settings": {"timezone": "UTC", "errorWorkflow": "DEFAULT"}})
        );
    }

    #[test]
    fn groups_that_are_wanted_no_longer_are_emptied_and_those_that_are_stay() {
        let dropped = ["nodeGroups".to_owned()];
        for (mut body, expected) in [
            (json!({"settings": {}}), json!({"settings": {}, "nodeGroups": []})),
            (
                json!({"settings": {}, "nodeGroups": [1]}),
                json!({"settings": {}, "nodeGroups": [1]}),
            ),
        ] {
            reset_dropped(&mut body, &dropped);
            assert_eq!(body, expected);
        }
    }
}
