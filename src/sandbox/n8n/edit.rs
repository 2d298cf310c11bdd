//! Creating, reading, changing, archiving and deleting workflows.

use serde_json::json;

use super::super::http::Answer;
use super::binding;
use super::draft;
use super::list;
use super::nodes;
use super::publication;
use super::publish;
use super::session::PROJECT;
use super::session::Refusal;
use super::session::Session;
use super::structure;
use super::view;
use super::workflow::Index;
use super::workflow::Workflow;
use super::workflow::new_id;
use super::workflow::new_uuid;

const LONGEST_NAME: usize = 128;

fn found(session: &Session<'_>, message: &str) -> Result<Workflow, Refusal> {
    let workflow = Workflow::load(session.rows, session.id())?;
    workflow.ok_or_else(|| Refusal::new(404, message))
}

fn shown(session: &Session<'_>, workflow: &Workflow, parts: view::Parts) -> Result<Answer, Refusal> {
    let body = view::workflow(session.rows, workflow, parts)?;
    Ok(Answer::json(200, &body))
}

/// `POST /workflows`
pub fn create(session: &Session<'_>) -> Result<Answer, Refusal> {
    let now = session.now;
    let mut workflow = Workflow {
        index: Index {
            id: new_id(),
            name: session.text("name").unwrap_or_default().to_owned(),
            active_version: None,
            version: new_uuid(),
            archived: false,
            triggers: 0,
            tags: Vec::new(),
            created: now,
            updated: now,
            shared: now,
        },
        description: None,
        counter: 1,
        nodes: draft::sent_nodes(&session.body),
        connections: session.body["connections"].clone(),
        groups: session.body.get("nodeGroups").cloned().unwrap_or_else(|| json!([])),
        settings: draft::sent_settings(&session.body),
        static_data: draft::sent_static_data(&session.body).unwrap_or_default(),
        pinned: session.body.get("pinData").cloned().unwrap_or_default(),
    };
    check_name(&workflow.index.name)?;
    if session.text("projectId").is_some_and(|project| project != PROJECT) {
        return Err(Refusal::new(404, "Project not found"));
    }
    binding::rebind(session.rows, &mut workflow.nodes)?;
    nodes::fill_ids(&mut workflow.nodes);
    structure::check(&workflow.nodes, &workflow.connections).map_err(|why| Refusal::new(400, why))?;
    check_folder(session)?;
    workflow.save_version(session.rows, now)?;
    workflow.save(session.rows)?;
    shown(session, &workflow, view::CREATED)
}

/// `GET /workflows/{id}`
pub fn read(session: &Session<'_>) -> Result<Answer, Refusal> {
    let without_pinned = list::flag(session, "excludePinnedData")?.unwrap_or(false);
    let workflow = found(session, "Not Found")?;
    let parts = view::Parts {
        without_pinned,
        ..view::READ
    };
    shown(session, &workflow, parts)
}

/// `PUT /workflows/{id}`: saves the draft, then publishes it when the workflow is published.
pub fn update(session: &Session<'_>) -> Result<Answer, Refusal> {
    let publish = list::flag(session, "publishIfActive")?.unwrap_or(true);
    let message = "You do not have permission to update this workflow. Ask the owner to share it with you.";
    let mut workflow = found(session, message)?;
    if workflow.index.archived {
        return Err(Refusal::new(400, "Cannot update an archived workflow."));
    }
    let name = session.text("name").unwrap_or_default();
    let settings_changed = draft::save(session, &mut workflow)?;
    // An empty name is not checked, and stored (seen).
    if !name.is_empty() {
        check_name(name)?;
    }
    check_folder(session)?;
    workflow.save(session.rows)?;
    let before = workflow.index.active_version.clone();
    match before {
        Some(live) if publish => {
            let draft = workflow.index.version.clone();
            if live != draft && !session.key.may("workflow:activate") {
                return Err(no_scope_to_publish(&draft).kept());
            }
            publish::publish(session, &mut workflow, &draft, None).map_err(Refusal::kept)?;
        }
        // Settings take effect at once, so what is live starts anew with them.
        Some(live) if settings_changed => {
            publish::publish(session, &mut workflow, &live, None).map_err(Refusal::kept)?;
        }
        _ => {}
    }
    shown(session, &workflow, view::UPDATED)
}

fn no_scope_to_publish(draft: &str) -> Refusal {
    let message = "Your change was saved as a draft. It wasn't published because this API key does not have the \
                   workflow:activate scope.";
    Refusal {
        body: json!({"message": message, "reason": "insufficient_api_key_scope", "versionId": draft}),
        ..Refusal::new(403, "")
    }
}

/// `DELETE /workflows/{id}`
pub fn delete(session: &Session<'_>) -> Result<Answer, Refusal> {
    let workflow = found(session, "Not Found")?;
    publication::may_delete(session, &workflow)?;
    let body = view::workflow(session.rows, &workflow, view::DELETED)?;
    publication::forget(session.rows, workflow.id())?;
    super::execution::forget_of(session.rows, workflow.id())?;
    workflow.remove(session.rows)?;
    Ok(Answer::json(200, &body))
}

/// `POST /workflows/{id}/archive`: unpublishes, and hides it from people; lists still show it.
pub fn archive(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut workflow = found(session, "Workflow not found")?;
    if !workflow.index.archived {
        publish::unpublish(session, &mut workflow)?;
        workflow.index.archived = true;
        workflow.index.version = new_uuid();
        workflow.save_version(session.rows, session.now)?;
        workflow.save(session.rows)?;
    }
    shown(session, &workflow, view::UNPUBLISHED)
}

/// `POST /workflows/{id}/unarchive`: back as a draft.
pub fn unarchive(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut workflow = found(session, "Workflow not found")?;
    if !workflow.index.archived {
        return Err(Refusal::new(400, "Workflow is not archived."));
    }
    workflow.index.archived = false;
    workflow.index.version = new_uuid();
    workflow.save_version(session.rows, session.now)?;
    workflow.save(session.rows)?;
    shown(session, &workflow, view::UNPUBLISHED)
}

/// `PUT /workflows/{id}/transfer`: there is only one project, and it is there already.
pub fn transfer(session: &Session<'_>) -> Result<Answer, Refusal> {
    found(session, "Could not find workflow with the id")?;
    let to = session.text("destinationProjectId").unwrap_or_default();
    if to == PROJECT {
        let message = "You can't transfer a workflow into the same destination it already belongs to.";
        return Err(Refusal::new(400, message));
    }
    let message = format!(
        "Could not find project with the id \"{to}\". Make sure you have the permission to create workflows in it."
    );
    Err(Refusal::new(404, message))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if (1..=LONGEST_NAME).contains(&name.encode_utf16().count()) {
        return Ok(());
    }
    Err(Refusal::new(400, "Workflow name must be 1 to 128 characters long."))
}

fn check_folder(session: &Session<'_>) -> Result<(), Refusal> {
    match session.text("parentFolderId") {
        None | Some("0") => Ok(()),
        Some(folder) => Err(Refusal::new(404, format!("Could not find the folder: {folder}"))),
    }
}
