//! What people do in n8n's editor, as far as upa has to cope with it: duplicating a workflow.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::State;
use axum::routing::post;
use serde_json::json;

use super::super::clock::Moment;
use super::super::http::Answer;
use super::super::store::StoreError;
use super::N8n;
use super::view;
use super::workflow::Workflow;
use super::workflow::new_id;
use super::workflow::new_uuid;

pub fn router(n8n: Arc<N8n>) -> Router {
    Router::new()
        .route("/workflows/{id}/duplicate", post(duplicate))
        .with_state(n8n)
}

/// The copy carries everything, the mark in its settings and its webhook paths included; it is a draft.
async fn duplicate(State(n8n): State<Arc<N8n>>, Path(id): Path<String>) -> Answer {
    match copy(&n8n, &id) {
        Ok(Some(answer)) => answer,
        Ok(None) => Answer::json(404, &json!({"message": "Not Found"})),
        Err(error) => Answer::json(500, &json!({"message": error.to_string()})),
    }
}

fn copy(n8n: &N8n, id: &str) -> Result<Option<Answer>, StoreError> {
    let rows = n8n.store.write(&n8n.account)?;
    let Some(mut workflow) = Workflow::load(&rows, id)? else {
        return Ok(None);
    };
    let now = Moment::now();
    let index = &mut workflow.index;
    index.id = new_id();
    index.name.push_str(" copy");
    index.active_version = None;
    index.version = new_uuid();
    index.archived = false;
    index.triggers = 0;
    (index.created, index.updated, index.shared) = (now, now, now);
    workflow.counter = 1;
    // Not copied (seen): the description and the static data.
    workflow.description = None;
    workflow.static_data = json!(null);
    workflow.save_version(&rows, now)?;
    workflow.save(&rows)?;
    let body = view::workflow(&rows, &workflow, view::CREATED)?;
    rows.commit()?;
    Ok(Some(Answer::json(200, &body)))
}
