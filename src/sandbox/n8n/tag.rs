//! Tags: instance-wide, their names unique, every refusal worded `Tag already exists`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use super::super::clock::Moment;
use super::super::http::Answer;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::list::Page;
use super::session::Refusal;
use super::session::Session;
use super::workflow::Index;
use super::workflow::Workflow;
use super::workflow::new_id;

const LONGEST: usize = 24;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tag {
    pub id: String,
    pub name: String,
    pub created: Moment,
    pub updated: Moment,
}

impl Tag {
    fn shown(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "createdAt": self.created.to_string(),
            "updatedAt": self.updated.to_string(),
        })
    }
}

pub fn all(rows: &Rows) -> Result<BTreeMap<String, Tag>, StoreError> {
    Ok(rows.scan("tag", "")?.into_iter().collect())
}

/// The tags of a workflow; one that was deleted is gone here too.
pub fn shown(rows: &Rows, ids: &[String]) -> Result<Value, StoreError> {
    if ids.is_empty() {
        return Ok(json!([]));
    }
    Ok(shown_of(&all(rows)?, ids))
}

pub fn shown_of(tags: &BTreeMap<String, Tag>, ids: &[String]) -> Value {
    ids.iter().filter_map(|id| tags.get(id)).map(Tag::shown).collect()
}

fn found(session: &Session<'_>) -> Result<Tag, Refusal> {
    let tag = session.rows.get("tag", session.id())?;
    tag.ok_or_else(|| Refusal::new(404, "Not Found"))
}

/// The name of the body, refused when n8n's database would refuse it.
fn free_name(session: &Session<'_>, but_of: Option<&str>) -> Result<String, Refusal> {
    let name = session.text("name").unwrap_or_default().trim().to_owned();
    let length = name.chars().count();
    let taken = all(session.rows)?
        .values()
        .any(|tag| tag.name == name && Some(tag.id.as_str()) != but_of);
    if taken || length == 0 || length > LONGEST {
        return Err(Refusal::new(409, "Tag already exists"));
    }
    Ok(name)
}

/// `GET /tags`
pub fn list(session: &Session<'_>) -> Result<Answer, Refusal> {
    let page = Page::of(session, true)?;
    let mut tags: Vec<Tag> = all(session.rows)?.into_values().collect();
    tags.sort_by_key(|tag| tag.created);
    let data: Value = page.of_slice(&tags).iter().map(Tag::shown).collect();
    Ok(Answer::json(
        200,
        &json!({"data": data, "nextCursor": page.next_cursor(tags.len())}),
    ))
}

/// `POST /tags`
pub fn create(session: &Session<'_>) -> Result<Answer, Refusal> {
    let tag = Tag {
        id: new_id(),
        name: free_name(session, None)?,
        created: session.now,
        updated: session.now,
    };
    session.rows.put("tag", &tag.id, &tag)?;
    Ok(Answer::json(201, &tag.shown()))
}

/// `GET /tags/{id}`
pub fn read(session: &Session<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(200, &found(session)?.shown()))
}

/// `PUT /tags/{id}`; its answer has no `createdAt` (seen).
pub fn update(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut tag = found(session)?;
    tag.name = free_name(session, Some(&tag.id))?;
    tag.updated = session.now;
    session.rows.put("tag", &tag.id, &tag)?;
    let mut shown = tag.shown();
    if let Some(members) = shown.as_object_mut() {
        members.remove("createdAt");
    }
    Ok(Answer::json(200, &shown))
}

/// `DELETE /tags/{id}`: a tag in use is detached silently.
pub fn delete(session: &Session<'_>) -> Result<Answer, Refusal> {
    let tag = found(session)?;
    session.rows.remove("tag", &tag.id)?;
    for (id, index) in session.rows.scan::<Index>("index", "")? {
        if !index.tags.contains(&tag.id) {
            continue;
        }
        if let Some(mut workflow) = Workflow::load(session.rows, &id)? {
            workflow.index.tags.retain(|held| *held != tag.id);
            workflow.save(session.rows)?;
        }
    }
    Ok(Answer::json(200, &tag.shown()))
}

fn tagged(session: &Session<'_>) -> Result<Workflow, Refusal> {
    let workflow = Workflow::load(session.rows, session.id())?;
    workflow.ok_or_else(|| Refusal::new(404, "Not Found"))
}

/// `GET /workflows/{id}/tags`
pub fn of_workflow(session: &Session<'_>) -> Result<Answer, Refusal> {
    let workflow = tagged(session)?;
    Ok(Answer::json(200, &shown(session.rows, &workflow.index.tags)?))
}

/// `PUT /workflows/{id}/tags`: the whole list, by id; neither time nor version of the workflow changes.
pub fn set_of_workflow(session: &Session<'_>) -> Result<Answer, Refusal> {
    let mut workflow = tagged(session)?;
    let tags = all(session.rows)?;
    let ids = session.body.as_array().into_iter().flatten();
    let ids: Vec<String> = ids.filter_map(|tag| tag["id"].as_str()).map(str::to_owned).collect();
    if ids.iter().any(|id| !tags.contains_key(id)) {
        return Err(Refusal::new(404, "Some tags not found"));
    }
    workflow.index.tags = ids;
    workflow.save(session.rows)?;
    Ok(Answer::json(200, &shown_of(&tags, &workflow.index.tags)))
}
