//! Publishing and unpublishing: the checks, the order they come in, and the publish history.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::http::Answer;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::Publication;
use super::hook;
use super::nodes;
use super::publication;
use super::session::Refusal;
use super::session::Session;
use super::view;
use super::workflow::Event;
use super::workflow::Version;
use super::workflow::Workflow;

/// A label for the published version: name, description.
pub type Label<'l> = (Option<&'l str>, Option<&'l str>);

/// `POST /workflows/{id}/publish` and its older name `/activate`
pub fn publish_call(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut workflow = found(session, "activate")?;
    let draft = workflow.index.version.clone();
    let version = session.text("versionId").unwrap_or(&draft).to_owned();
    let label = (session.text("name"), session.text("description"));
    publish(session, &mut workflow, &version, Some(label))?;
    let body = view::workflow(session.rows, &workflow, view::PUBLISHED)?;
    Ok(Answer::json(200, &body))
}

/// `POST /workflows/{id}/unpublish` and its older name `/deactivate`
pub fn unpublish_call(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut workflow = found(session, "deactivate")?;
    unpublish(session, &mut workflow)?;
    let body = view::workflow(session.rows, &workflow, view::UNPUBLISHED)?;
    Ok(Answer::json(200, &body))
}

fn found(session: &Session<'_>, verb: &str) -> Result<Workflow, Refusal> {
    Workflow::load(session.rows, session.id())?.ok_or_else(|| {
        let message =
            format!("You do not have permission to {verb} this workflow. Ask the owner to share it with you.");
        Refusal::new(404, message)
    })
}

/// Makes this version the wanted one, after all checks.
pub fn publish(
    session: &Session<'_>,
    workflow: &mut Workflow,
    version: &str,
    label: Option<Label<'_>>,
) -> Result<(), Refusal> {
    let rows = session.rows;
    if workflow.index.archived {
        return Err(Refusal::new(400, "Cannot activate an archived workflow."));
    }
    let saved = Version::load(rows, workflow.id(), version)?;
    let mut saved = saved.ok_or_else(|| Refusal::new(404, "Version not found"))?;
    check(session, workflow.id(), &saved)?;
    if let (Publication::Synchronous, Some(reason)) = (session.options.publication, nodes::broken_trigger(&saved.nodes))
    {
        return Err(publication::take_down(rows, workflow, reason)?);
    }
    if let Some(before) = &workflow.index.active_version {
        Event::record(rows, workflow.id(), before, "deactivated", session.now)?;
    }
    workflow.index.active_version = Some(version.to_owned());
    publication::request(session, workflow)?;
    workflow.save(rows)?;
    Event::record(rows, workflow.id(), version, "activated", session.now)?;
    if let Some((name, description)) = label
        && (name.is_some() || description.is_some())
    {
        saved.name = name.map(str::to_owned).or(saved.name);
        saved.description = description.map(str::to_owned).or(saved.description);
        saved.updated = session.now;
        saved.save(rows)?;
        // Lists show the label with the active version.
        workflow.save(rows)?;
    }
    Ok(())
}

/// Wants nothing live any more; nothing happens when it was so already.
pub fn unpublish(session: &Session<'_>, workflow: &mut Workflow) -> Result<(), Refusal> {
    let Some(before) = workflow.index.active_version.take() else {
        return Ok(());
    };
    Event::record(session.rows, workflow.id(), &before, "deactivated", session.now)?;
    publication::request(session, workflow)?;
    workflow.save(session.rows)?;
    Ok(())
}

/// Everything n8n checks before anything happens, in its order.
fn check(session: &Session<'_>, workflow: &str, version: &Version) -> Result<(), Refusal> {
    let rows = session.rows;
    let unknown = version.nodes.iter().map(nodes::type_of).find(|of| !nodes::is_known(of));
    if let Some(of) = unknown {
        return Err(Refusal::new(400, format!("Unrecognized node type: {of}")));
    }
    let hooks = hook::of_version(workflow, &version.nodes);
    if hook::conflict(rows, workflow, &hooks, session.now)? {
        return Err(Refusal::new(409, "There is a conflict with one of the webhooks."));
    }
    if let Some(reason) = nodes::refusal(&version.nodes, &version.connections) {
        return Err(Refusal::new(400, reason));
    }
    let unpublished = unpublished_callees(rows, workflow, &version.nodes)?;
    if !unpublished.is_empty() {
        let message = format!(
            "Cannot publish workflow: {}. Please publish all referenced sub-workflows first.",
            unpublished.join("; ")
        );
        return Err(Refusal::new(400, message));
    }
    Ok(())
}

/// A sentence for each enabled call of a workflow that is missing or not published. Only the request counts, not
/// whether it is live yet; expressions and calls of itself are not checked.
fn unpublished_callees(rows: &Rows, own: &str, nodes: &[Value]) -> Result<Vec<String>, StoreError> {
    let mut published: BTreeSet<String> = BTreeSet::from([own.to_owned()]);
    let mut sentences = Vec::new();
    for node in nodes {
        let parameters = &node["parameters"];
        let source = parameters["source"].as_str().unwrap_or("database");
        let called = match &parameters["workflowId"] {
            Value::Object(locator) => locator.get("value").and_then(Value::as_str),
            other => other.as_str(),
        };
        let id = called.unwrap_or_default();
        let is_call = nodes::type_of(node) == nodes::EXECUTE_WORKFLOW && nodes::is_enabled(node);
        let checked = is_call && source == "database" && !id.is_empty() && !id.starts_with('=');
        if !checked || published.contains(id) {
            continue;
        }
        let callee = Workflow::load(rows, id)?;
        if callee
            .as_ref()
            .is_some_and(|callee| callee.index.active_version.is_some())
        {
            published.insert(id.to_owned());
            continue;
        }
        let name = callee
            .map(|callee| format!(" (\"{}\")", callee.index.name))
            .unwrap_or_default();
        let node = node["name"].as_str().unwrap_or_default();
        sentences.push(format!(
            "Node \"{node}\" references workflow {id}{name} which is not published"
        ));
    }
    Ok(sentences)
}
