//! Credentials: written, never read back.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::super::clock::Moment;
use super::super::http::Answer;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::credential_type;
use super::list::Page;
use super::session::OWNER_NAME;
use super::session::PROJECT;
use super::session::Refusal;
use super::session::Session;
use super::workflow::new_id;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credential {
    pub id: String,
    pub name: String,
    /// Its type.
    pub of: String,
    /// Only the names of the fields that were set: nothing in a sandbox needs a secret.
    fields: Vec<String>,
    /// The order of creation.
    number: u64,
    created: Moment,
    updated: Moment,
}

impl Credential {
    /// All of them, oldest first.
    pub fn all(rows: &Rows) -> Result<Vec<Credential>, StoreError> {
        let rows = rows.scan("credential", "")?;
        let mut all: Vec<Credential> = rows.into_iter().map(|(_, credential)| credential).collect();
        all.sort_by_key(|credential| credential.number);
        Ok(all)
    }

    fn shown(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "type": self.of, "isManaged": false, "isGlobal": false,
            "isResolvable": false, "resolvableAllowFallback": false, "resolverId": null,
            "createdAt": self.created.to_string(), "updatedAt": self.updated.to_string(),
        })
    }

    fn shown_in_list(&self) -> Value {
        let at = self.created.to_string();
        json!({
            "id": self.id, "name": self.name, "type": self.of, "createdAt": at,
            "updatedAt": self.updated.to_string(),
            "shared": [{
                "id": PROJECT, "name": format!("{OWNER_NAME} <owner@sandbox.invalid>"), "role": "credential:owner",
                "createdAt": at, "updatedAt": at,
            }],
        })
    }
}

fn found(session: &Session<'_>, message: &str) -> Result<Credential, Refusal> {
    let credential = session.rows.get("credential", session.id())?;
    credential.ok_or_else(|| Refusal::new(404, message))
}

fn data<'b>(session: &'b Session<'_>) -> Option<&'b Map<String, Value>> {
    session.body.get("data").and_then(Value::as_object)
}

/// `GET /credentials`: newest first, no filters.
pub fn list(session: &Session<'_>) -> Result<Answer, Refusal> {
    let page = Page::of(session, true)?;
    let mut all = Credential::all(session.rows)?;
    all.reverse();
    let data: Value = page.of_slice(&all).iter().map(Credential::shown_in_list).collect();
    let body = json!({"data": data, "nextCursor": page.next_cursor(all.len())});
    Ok(Answer::json(200, &body))
}

/// `GET /credentials/{id}`
pub fn read(session: &Session<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(200, &found(session, "Credential not found")?.shown()))
}

/// `POST /credentials`: the id may be chosen, the name is free.
pub fn create(session: &Session<'_>) -> Result<Answer, Refusal> {
    let of = session.text("type").unwrap_or_default();
    let fields = credential_type::check(of, data(session))?;
    if session.text("projectId").is_some_and(|project| project != PROJECT) {
        return Err(Refusal::new(404, "Project not found"));
    }
    let id = session.text("id").map_or_else(new_id, str::to_owned);
    if session.rows.text("credential", &id)?.is_some() {
        return Err(Refusal::new(409, "A credential with this ID already exists"));
    }
    let credential = Credential {
        id,
        name: session.text("name").unwrap_or_default().to_owned(),
        of: of.to_owned(),
        fields,
        number: session.rows.next("credential")?,
        created: session.now,
        updated: session.now,
    };
    session.rows.put("credential", &credential.id, &credential)?;
    Ok(Answer::json(200, &credential.shown()))
}

/// `PATCH /credentials/{id}`: `data` replaces everything unless `isPartialData`.
pub fn update(session: &Session<'_>) -> Result<Answer, Refusal> {
    if let Some(of) = session.text("type") {
        credential_type::known(of)?;
    }
    let mut credential = found(session, "Credential not found")?;
    if let Some(of) = session.text("type") {
        if of != credential.of && data(session).is_none() {
            return Err(Refusal::new(
                400,
                "req.body.data is required when changing credential type",
            ));
        }
        credential.of = of.to_owned();
    }
    if let Some(name) = session.text("name") {
        credential.name = name.to_owned();
    }
    if let Some(data) = data(session) {
        let sent = credential_type::check(&credential.of, Some(data))?;
        // Only a new secret makes n8n look at the name (seen).
        if !(3..=128).contains(&credential.name.encode_utf16().count()) {
            return Err(Refusal::new(400, "Credential name must be 3 to 128 characters long."));
        }
        if session.body["isPartialData"] != json!(true) {
            credential.fields.clear();
        }
        credential.fields.extend(sent);
        credential.fields.sort();
        credential.fields.dedup();
    }
    credential.updated = session.now;
    session.rows.put("credential", &credential.id, &credential)?;
    Ok(Answer::json(200, &credential.shown()))
}

/// `DELETE /credentials/{id}`: allowed while in use, references stay.
pub fn delete(session: &Session<'_>) -> Result<Answer, Refusal> {
    let credential = found(session, "Not Found")?;
    session.rows.remove("credential", &credential.id)?;
    let mut shown = credential.shown();
    shown["usageScope"] = json!("project");
    Ok(Answer::json(200, &shown))
}

/// `POST /credentials/{id}/test`
pub fn test(session: &Session<'_>) -> Result<Answer, Refusal> {
    found(
        session,
        &format!("Credential with ID \"{}\" was not found.", session.id()),
    )?;
    let body = json!({"status": "Error", "message": "No testing function found for this credential."});
    Ok(Answer::json(200, &body))
}

/// `GET /credentials/schema/{type}`
pub fn schema(session: &Session<'_>) -> Result<Answer, Refusal> {
    match credential_type::schema(session.id()) {
        Some(schema) => Ok(Answer::json(200, &schema)),
        None => Err(Refusal::new(404, "Not Found")),
    }
}
