//! The saved versions of a workflow.

use serde_json::Value;
use serde_json::json;

use super::super::http::Answer;
use super::list::Page;
use super::session::Refusal;
use super::session::Session;
use super::view;
use super::workflow::Version;

fn exists(session: &Session<'_>, message: &str) -> Result<(), Refusal> {
    match session.rows.text("index", session.id())? {
        Some(_) => Ok(()),
        None => Err(Refusal::new(404, message)),
    }
}

/// `GET /workflows/{id}/history`: newest first.
pub fn list(session: &Session<'_>) -> Result<Answer, Refusal> {
    let page = Page::of(session, true)?;
    exists(session, "Not Found")?;
    let mut versions = Version::all(session.rows, session.id())?;
    versions.reverse();
    let data: Value = page.of_slice(&versions).iter().map(view::version_line).collect();
    let body = json!({"data": data, "nextCursor": page.next_cursor(versions.len())});
    Ok(Answer::json(200, &body))
}

/// `GET /workflows/{id}/versions/{version}`
pub fn read(session: &Session<'_>) -> Result<Answer, Refusal> {
    exists(session, "Workflow not found")?;
    let wanted = session.params.get(1).map_or("", String::as_str);
    let version = Version::load(session.rows, session.id(), wanted)?;
    let version = version.ok_or_else(|| Refusal::new(404, "Version not found"))?;
    Ok(Answer::json(200, &view::version(&version)))
}

/// `GET /workflows/{id}/{version}`: the older address, with one message for everything that is not there.
pub fn read_by_older_path(session: &Session<'_>) -> Result<Answer, Refusal> {
    read(session).map_err(|_| Refusal::new(404, "Version not found"))
}
