//! Executions: one success per webhook call that a workflow keeps.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use super::super::clock::Moment;
use super::super::http::Answer;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::list;
use super::session::PROJECT;
use super::session::Refusal;
use super::session::Session;
use super::shape;

const STATUSES: [&str; 8] = [
    "canceled", "crashed", "error", "new", "running", "success", "unknown", "waiting",
];

#[derive(Debug, Serialize, Deserialize)]
pub struct Execution {
    id: u64,
    workflow: String,
    version: String,
    started: Moment,
    stopped: Moment,
}

pub fn record(rows: &Rows, workflow: &str, version: &str, now: Moment) -> Result<(), StoreError> {
    let id = rows.next("execution")?;
    let execution = Execution {
        id,
        workflow: workflow.to_owned(),
        version: version.to_owned(),
        started: now,
        stopped: now.plus(Duration::from_millis(1)),
    };
    rows.put("execution", &key(id), &execution)
}

/// A deleted workflow takes its executions with it.
pub fn forget_of(rows: &Rows, workflow: &str) -> Result<(), StoreError> {
    for (id, execution) in rows.scan::<Execution>("execution", "")? {
        if execution.workflow == workflow {
            rows.remove("execution", &id)?;
        }
    }
    Ok(())
}

/// Padded, so that rows stand in the order of their numbers.
fn key(id: u64) -> String {
    format!("{id:015}")
}

impl Execution {
    fn shown(&self, workflow_data: bool) -> Value {
        let mut shown = json!({
            "id": self.id.to_string(), "finished": true, "mode": "webhook", "retryOf": null, "retrySuccessId": null,
            "status": "success", "startedAt": self.started.to_string(), "stoppedAt": self.stopped.to_string(),
            "workflowId": self.workflow, "waitTill": null,
        });
        if workflow_data {
            shown["workflowVersionId"] = json!(self.version);
            shown["storedAt"] = json!("db");
            shown["jsonSizeBytes"] = json!(0);
            shown["data"] = json!({"resultData": {"runData": {}}});
            shown["workflowData"] = json!({"id": self.workflow});
        }
        shown
    }

    fn shown_alone(&self) -> Value {
        let mut shown = self.shown(false);
        shown["createdAt"] = json!(self.started.to_string());
        shown["deletedAt"] = Value::Null;
        shown["storedAt"] = json!("db");
        shown["tracingContext"] = Value::Null;
        shown["deduplicationKey"] = Value::Null;
        shown["jsonSizeBytes"] = json!(0);
        shown["binaryDataSizeBytes"] = json!(0);
        shown["workflowVersionId"] = json!(self.version);
        shown["usedPrivateCredentials"] = json!(false);
        shown
    }
}

/// `GET /executions`: newest first, the cursor names the last id shown.
pub fn list(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut limit = list::number(session, "limit", 100)?.min(250);
    let with_data = list::flag(session, "includeData")?.unwrap_or(false);
    let status = session.request.param("status").unwrap_or_else(|| "success".to_owned());
    if !STATUSES.contains(&status.as_str()) {
        let issue = shape::one_of(&STATUSES, &status);
        return Err(Refusal::new(400, format!("request/query/status {issue}")));
    }
    let mut before = u64::MAX;
    if let Some(cursor) = session.request.param("cursor").filter(|text| !text.is_empty()) {
        let invalid = || Refusal::new(400, "An invalid cursor was provided");
        let decoded = list::decode_cursor(&cursor).ok_or_else(invalid)?;
        let last = &decoded["lastId"];
        before = last
            .as_str()
            .and_then(|id| id.parse().ok())
            .or_else(|| last.as_u64())
            .unwrap_or(before);
        limit = decoded["limit"]
            .as_u64()
            .map_or(limit, |limit| limit.clamp(1, 250) as usize);
    }
    let wanted = session.request.param("workflowId");
    let project = session.request.param("projectId");
    let after = session.request.param("startedAfter");
    let until = session.request.param("startedBefore");
    let admits = |execution: &Execution| {
        let started = execution.started.to_string();
        execution.id < before
            && status == "success"
            && wanted.as_ref().is_none_or(|id| *id == execution.workflow)
            && project.as_ref().is_none_or(|id| id == PROJECT)
            && after.as_ref().is_none_or(|time| started > *time)
            && until.as_ref().is_none_or(|time| started < *time)
    };
    let all = session.rows.scan::<Execution>("execution", "")?;
    let found: Vec<Execution> = all
        .into_iter()
        .rev()
        .map(|(_, execution)| execution)
        .filter(admits)
        .collect();
    let shown = &found[..limit.min(found.len())];
    let cursor = match shown.last() {
        Some(last) if found.len() > shown.len() => {
            json!(list::encode_cursor(
                &json!({"lastId": last.id.to_string(), "limit": limit})
            ))
        }
        _ => Value::Null,
    };
    let data: Value = shown.iter().map(|execution| execution.shown(with_data)).collect();
    Ok(Answer::json(200, &json!({"data": data, "nextCursor": cursor})))
}

fn found(session: &Session<'_>) -> Result<Execution, Refusal> {
    let id: u64 = session
        .id()
        .parse()
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| Refusal::new(400, "request/params/executionId must be a positive integer"))?;
    let execution = session.rows.get("execution", &key(id))?;
    execution.ok_or_else(|| Refusal::new(404, "Not Found"))
}

/// `GET /executions/{id}`
pub fn read(session: &Session<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(200, &found(session)?.shown_alone()))
}

/// `DELETE /executions/{id}`; its answer has the id as a number.
pub fn delete(session: &Session<'_>) -> Result<Answer, Refusal> {
    let execution = found(session)?;
    session.rows.remove("execution", &key(execution.id))?;
    let mut shown = execution.shown_alone();
    shown["id"] = json!(execution.id);
    Ok(Answer::json(200, &shown))
}
