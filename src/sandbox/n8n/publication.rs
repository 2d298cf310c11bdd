//! What is live, and what is due: publication as a queue that is worked off when somebody looks.
//!
//! Asking n8n to publish or unpublish only changes what is *wanted* (`active_version`). In the asynchronous mode a row
//! of the queue says when the platform gets round to it; [`settle`] does everything due by now, in order, with the
//! time it was due. Nothing runs in the background, so a sandbox that was killed and started again is where it
//! would have been.

use super::super::clock::Moment;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::Publication;
use super::hook;
use super::hook::Hook;
use super::nodes;
use super::session::Refusal;
use super::session::Session;
use super::workflow::Version;
use super::workflow::Workflow;
use serde::Deserialize;
use serde::Serialize;

/// What runs right now for a workflow, whatever its `active` says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Live {
    pub version: String,
    pub hooks: Vec<Hook>,
}

impl Live {
    pub fn load(rows: &Rows, workflow: &str) -> Result<Option<Live>, StoreError> {
        rows.get("live", workflow)
    }
}

/// Brings about what the workflow wants: at once, or after the delay. Saving it is left to the caller.
///
/// Only the synchronous mode can refuse. The asynchronous one has answered long before it finds that a path was taken
/// meanwhile; that trigger then stays dead, without a word and without another try, until the next publication
/// (seen, although n8n retries other failures for 15 s).
pub fn request(session: &Session<'_>, workflow: &mut Workflow) -> Result<(), Refusal> {
    match session.options.publication {
        Publication::Asynchronous { delay } => {
            let number = session.rows.next("due")?;
            let at = session.now.plus(delay);
            let id = format!("{:015} {number:012}", at.0);
            session.rows.put("due", &id, &workflow.id())?;
            Ok(())
        }
        Publication::Synchronous => match bring_about(session.rows, workflow)? {
            None => Ok(()),
            Some(node) => {
                let message = format!(
                    "The URL path that the \"{node}\" node uses is already taken. Please change it to something else."
                );
                Err(take_down(session.rows, workflow, message)?)
            }
        },
    }
}

/// Is anything due by now? Asked before each request, so that reading stays reading.
pub fn is_due(rows: &Rows, now: Moment) -> Result<bool, StoreError> {
    let first = rows.first_id("due")?;
    Ok(first.is_some_and(|id| due_at(&id) <= now))
}

fn due_at(id: &str) -> Moment {
    let digits = id.split(' ').next().unwrap_or_default();
    Moment(digits.parse().unwrap_or(0))
}

/// Does what is due, oldest first.
pub fn settle(rows: &Rows, now: Moment) -> Result<(), StoreError> {
    while let Some(id) = rows.first_id("due")?.filter(|id| due_at(id) <= now) {
        let of: Option<String> = rows.get("due", &id)?;
        rows.remove("due", &id)?;
        // Deleted meanwhile: its traces went with it.
        let Some(mut workflow) = Workflow::load(rows, &of.unwrap_or_default())? else {
            continue;
        };
        bring_about(rows, &mut workflow)?;
        workflow.save(rows)?;
    }
    Ok(())
}

/// Makes live what is wanted; names the node whose path another workflow holds, if there is one.
fn bring_about(rows: &Rows, workflow: &mut Workflow) -> Result<Option<String>, StoreError> {
    let id = workflow.id().to_owned();
    let held = Live::load(rows, &id)?.map(|live| live.hooks).unwrap_or_default();
    let wanted = match &workflow.index.active_version {
        Some(version) => Version::load(rows, &id, version)?,
        None => None,
    };
    let Some(version) = wanted else {
        hook::release(rows, &id, &held, &[])?;
        rows.remove("live", &id)?;
        return Ok(None);
    };
    let hooks = hook::of_version(&id, &version.nodes);
    let taken = hook::claim(rows, &id, &hooks)?;
    hook::release(rows, &id, &held, &hooks)?;
    workflow.index.triggers = nodes::count_triggers(&version.nodes);
    let live = Live {
        version: version.version,
        hooks,
    };
    rows.put("live", &id, &live)?;
    Ok(taken)
}

/// The asynchronous mode refuses to delete what is published or still being taken down; the synchronous mode does not.
pub fn may_delete(session: &Session<'_>, workflow: &Workflow) -> Result<(), Refusal> {
    if session.options.publication == Publication::Synchronous {
        return Ok(());
    }
    if workflow.index.active_version.is_some() {
        let message = "Cannot delete a published workflow. Unpublish it before deleting.";
        return Err(Refusal::new(409, message));
    }
    if Live::load(session.rows, workflow.id())?.is_some() {
        let message = "Workflow is still being unpublished. Please try again in a few moments.";
        return Err(Refusal::new(409, message));
    }
    Ok(())
}

/// Removes every trace of a deleted workflow.
pub fn forget(rows: &Rows, workflow: &str) -> Result<(), StoreError> {
    if let Some(live) = Live::load(rows, workflow)? {
        hook::release(rows, workflow, &live.hooks, &[])?;
        rows.remove("live", workflow)?;
    }
    Ok(())
}

/// Forgets where a published workflow listens; it stays published.
pub fn forget_hooks(rows: &Rows, workflow: &str) -> Result<(), StoreError> {
    let held = Live::load(rows, workflow)?.map(|live| live.hooks).unwrap_or_default();
    hook::release(rows, workflow, &held, &[])
}

/// The synchronous mode takes a workflow down when the version to publish cannot start.
pub fn take_down(rows: &Rows, workflow: &mut Workflow, reason: String) -> Result<Refusal, StoreError> {
    workflow.index.active_version = None;
    bring_about(rows, workflow)?;
    workflow.save(rows)?;
    Ok(Refusal::new(400, reason).kept())
}
