//! A workflow and its saved versions, as they are stored.
//!
//! Three rows per workflow: all of it (`workflow`), what lists filter and sort by (`index`), and the bulk of its list
//! entry as ready JSON text (`entry`, plus `pinned` where test data exists). A list of 250 then parses 250 short
//! rows and copies the rest, which even a debug build does in milliseconds.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use super::super::clock::Moment;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::view;
use crate::outside;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Workflow {
    #[serde(flatten)]
    pub index: Index,
    pub description: Option<String>,
    /// Counts changes of nodes and settings.
    pub counter: u64,
    pub nodes: Vec<Value>,
    pub connections: Value,
    pub groups: Value,
    pub settings: Map<String, Value>,
    pub static_data: Value,
    pub pinned: Value,
}

/// What lists need of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    pub id: String,
    pub name: String,
    /// The version whose publication was requested; `None` when it is not published.
    pub active_version: Option<String>,
    /// The draft.
    pub version: String,
    pub archived: bool,
    pub triggers: u64,
    /// Ids of tags.
    pub tags: Vec<String>,
    pub created: Moment,
    pub updated: Moment,
    pub shared: Moment,
}

impl Workflow {
    pub fn id(&self) -> &str {
        &self.index.id
    }

    pub fn load(rows: &Rows, id: &str) -> Result<Option<Workflow>, StoreError> {
        rows.get("workflow", id)
    }

    pub fn save(&self, rows: &Rows) -> Result<(), StoreError> {
        let id = self.id();
        rows.put("workflow", id, self)?;
        rows.put("index", id, &self.index)?;
        let active = match &self.index.active_version {
            Some(version) => Version::load(rows, id, version)?,
            None => None,
        };
        rows.put_text("entry", id, &view::entry(self, active.as_ref()))?;
        if self.pinned.is_null() {
            rows.remove("pinned", id)
        } else {
            rows.put("pinned", id, &self.pinned)
        }
    }

    /// Removes the workflow with its versions and their history.
    pub fn remove(&self, rows: &Rows) -> Result<(), StoreError> {
        let id = self.id();
        for collection in ["workflow", "index", "entry", "pinned"] {
            rows.remove(collection, id)?;
        }
        for version in Version::all(rows, id)? {
            rows.remove("version", &format!("{id}/{}", version.version))?;
        }
        for (key, _) in rows.scan::<Event>("event", &format!("{id}/"))? {
            rows.remove("event", &key)?;
        }
        Ok(())
    }

    /// Saves the draft as a version of its own.
    pub fn save_version(&self, rows: &Rows, now: Moment) -> Result<(), StoreError> {
        let version = Version {
            number: rows.next("version")?,
            version: self.index.version.clone(),
            workflow: self.id().to_owned(),
            nodes: self.nodes.clone(),
            connections: self.connections.clone(),
            groups: self.groups.clone(),
            name: None,
            description: None,
            created: now,
            updated: now,
        };
        version.save(rows)
    }
}

/// A saved version: what publishing makes live.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Version {
    /// Grows with each version saved; the history is sorted by it.
    pub number: u64,
    pub version: String,
    pub workflow: String,
    pub nodes: Vec<Value>,
    pub connections: Value,
    pub groups: Value,
    /// A label given when publishing.
    pub name: Option<String>,
    pub description: Option<String>,
    pub created: Moment,
    pub updated: Moment,
}

impl Version {
    pub fn load(rows: &Rows, workflow: &str, id: &str) -> Result<Option<Version>, StoreError> {
        rows.get("version", &format!("{workflow}/{id}"))
    }

    pub fn save(&self, rows: &Rows) -> Result<(), StoreError> {
        let id = format!("{}/{}", self.workflow, self.version);
        rows.put("version", &id, self)
    }

    pub fn all(rows: &Rows, workflow: &str) -> Result<Vec<Version>, StoreError> {
        let mut versions: Vec<Version> = rows
            .scan("version", &format!("{workflow}/"))?
            .into_iter()
            .map(|(_, version)| version)
            .collect();
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }
}

/// A line of the publish history, which grows for ever.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    pub number: u64,
    pub version: String,
    /// `activated` or `deactivated`.
    pub event: String,
    pub at: Moment,
}

impl Event {
    pub fn record(rows: &Rows, workflow: &str, version: &str, event: &str, at: Moment) -> Result<(), StoreError> {
        let number = rows.next("event")?;
        let line = Event {
            number,
            version: version.to_owned(),
            event: event.to_owned(),
            at,
        };
        rows.put("event", &format!("{workflow}/{number:012}"), &line)
    }

    pub fn of_version(rows: &Rows, workflow: &str, version: &str) -> Result<Vec<Event>, StoreError> {
        let events: Vec<(String, Event)> = rows.scan("event", &format!("{workflow}/"))?;
        Ok(events
            .into_iter()
            .map(|(_, event)| event)
            .filter(|event| event.version == version)
            .collect())
    }
}

/// A new id, as n8n's: 16 of `[A-Za-z0-9]`.
pub fn new_id() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // Two UUIDs, because six bits of each are fixed.
    let (one, two) = (outside::random_id(), outside::random_id());
    let mixed = one.as_bytes().iter().zip(two.as_bytes().iter().rev());
    mixed
        .map(|(a, b)| char::from(LETTERS[usize::from(a ^ b) % LETTERS.len()]))
        .collect()
}

pub fn new_uuid() -> String {
    outside::random_id().to_string()
}
