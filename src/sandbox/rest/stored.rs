//! An object as the sandbox keeps it, and as it shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::other_than;
use super::said::Said;
use super::shape::{bare, lay, place};
use crate::platform::definition::kind::Wait;
use crate::platform::definition::{KindDefinition, ids, path};
use crate::sandbox::store::{Rows, StoreError};

/// How often something is looked at before it is done.
const LOOKS: u32 = 2;

/// One object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    /// What the platform calls it.
    pub(super) own: String,
    /// The values that place it, as far as its creation said them.
    pub(super) inputs: BTreeMap<String, Value>,
    /// What it is; nothing once it was deleted.
    pub(super) now: Option<Version>,
    /// What it was before the last write.
    pub(super) before: Option<Version>,
    /// When it was created, in milliseconds since 1970.
    pub(super) born: i64,
    /// How often it was looked at since.
    pub(super) looks: u32,
    /// What only the answer of its creation told.
    pub(super) told: BTreeMap<String, Value>,
}

/// The contents of an object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Version {
    /// What was written, called as requests call it.
    pub(super) spec: Map<String, Value>,
    /// What the platform set, called as answers call it.
    pub(super) server: Value,
}

impl Stored {
    /// The id as lockfiles hold it: what tells its row from others.
    pub(super) fn row(&self, kind: &KindDefinition) -> String {
        row(kind, &self.inputs, &self.own)
    }

    /// Writes a version; the one before is remembered.
    pub(super) fn write(&mut self, version: Option<Version>) {
        self.before = std::mem::replace(&mut self.now, version);
    }

    /// As answers show it; `stale`: as it was before the last write. `None`: it is not there.
    pub(super) fn shown(&self, kind: &KindDefinition, stale: bool) -> Option<Value> {
        let mut object = self.whole(kind, stale)?;
        // Of what is never read only the answer of its creation is seen.
        for hidden in kind.hidden().iter().filter(|hidden| *hidden != "*") {
            path::remove(&mut object, &answered(kind, hidden));
        }
        Some(object)
    }

    /// The same with what is never returned.
    pub(super) fn whole(&self, kind: &KindDefinition, stale: bool) -> Option<Value> {
        let version = if stale { self.before.as_ref() } else { self.now.as_ref() }?;
        let mut object = version.server.clone();
        if let Some(wait) = kind.wait.as_ref().filter(|wait| wait.call.is_none()) {
            place(&mut object, &state_path(kind, wait), state(wait, self.looks));
        }
        let mut spec = Value::Object(Map::new());
        for (name, value) in &version.spec {
            match kind.alias.get(name) {
                Some(answered) => place(&mut spec, answered, value.clone()),
                None => {
                    if let Some(map) = spec.as_object_mut() {
                        map.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        lay(&mut object, spec, false);
        Some(object)
    }

    /// Whether a request means this one, as far as it says.
    fn is_meant(&self, kind: &KindDefinition, said: &Said) -> bool {
        let placed = said
            .inputs
            .iter()
            .all(|(name, value)| self.inputs.get(name).is_none_or(|own| own == value));
        let named = said.id.as_ref().is_none_or(|id| *id == self.own);
        let shows = |(at, value): (&String, &Value)| {
            let object = self.whole(kind, false).unwrap_or_default();
            path::all(&object, at)
                .into_iter()
                .any(|found| bare(found) == bare(value))
        };
        let told = |(name, value): (&String, &Value)| {
            let at = kind.out.get(name).map(|out| out.at.as_str()).unwrap_or_default();
            self.told.get(name).is_some_and(|told| bare(told) == bare(value)) || shows((&at.to_owned(), value))
        };
        placed && named && said.live.iter().all(shows) && said.out.iter().all(told)
    }
}

/// A dotted path as answers call it.
fn answered(kind: &KindDefinition, at: &str) -> String {
    let (first, rest) = at.split_once('.').unwrap_or((at, ""));
    match (kind.alias.get(first), rest) {
        (None, _) => at.to_owned(),
        (Some(name), "") => name.clone(),
        (Some(name), rest) => format!("{name}.{rest}"),
    }
}

/// Where in an object its state is.
fn state_path(kind: &KindDefinition, wait: &Wait) -> String {
    let live = match &kind.read {
        crate::platform::definition::call::Read::Call(call) => call.live.as_str(),
        _ => "",
    };
    let below = wait.at.strip_prefix(live).and_then(|rest| rest.strip_prefix('.'));
    below.filter(|_| !live.is_empty()).unwrap_or(&wait.at).to_owned()
}

/// The state after so many looks.
pub(super) fn state(wait: &Wait, looks: u32) -> Value {
    let pending = || wait.pending.first().cloned();
    let done = || wait.ok.first().cloned();
    if looks > LOOKS {
        return done()
            .or_else(|| pending().map(|pending| other_than(&pending)))
            .unwrap_or_default();
    }
    let undecided = || match done() {
        Some(Value::String(_)) | None => Value::from("pending-in-sandbox"),
        Some(done) => other_than(&done),
    };
    pending().unwrap_or_else(undecided)
}

/// The key of a row.
pub(super) fn row(kind: &KindDefinition, inputs: &BTreeMap<String, Value>, own: &str) -> String {
    let all = kind.inputs.iter().map(|name| {
        (
            name.clone(),
            inputs.get(name).cloned().unwrap_or_else(|| Value::from("-")),
        )
    });
    ids::of(kind, &all.collect(), own)
}

/// The objects of a kind a request may mean, deleted ones too.
pub(super) fn all(rows: &Rows, kind: &KindDefinition, said: &Said) -> Result<Vec<Stored>, StoreError> {
    let found = rows
        .scan::<Stored>(&kind.name, "")?
        .into_iter()
        .map(|(_, stored)| stored);
    Ok(found.filter(|stored| stored.is_meant(kind, said)).collect())
}

/// The object a request is about. A setting is always there.
pub(super) fn find(rows: &Rows, kind: &KindDefinition, said: &Said) -> Result<Option<Stored>, StoreError> {
    let own = said.id.clone().unwrap_or_default();
    let exact = row(kind, &said.inputs, &own);
    if let Some(stored) = rows.get::<Stored>(&kind.name, &exact)?
        && stored.is_meant(kind, said)
    {
        return Ok(Some(stored));
    }
    if kind.one || kind.gate {
        return Ok(Some(Stored {
            own: String::new(),
            inputs: said.inputs.clone(),
            now: Some(Version {
                server: Value::Object(Map::new()),
                ..Version::default()
            }),
            before: None,
            born: 0,
            looks: 0,
            told: BTreeMap::new(),
        }));
    }
    let one_of_all = kind.inputs.is_empty() && said.id.is_some();
    if one_of_all || (said.id.is_none() && said.live.is_empty() && said.out.is_empty()) {
        return Ok(None);
    }
    Ok(all(rows, kind, said)?.into_iter().next())
}

impl Stored {
    pub(super) fn keep(&self, rows: &Rows, kind: &KindDefinition) -> Result<(), StoreError> {
        rows.put(&kind.name, &self.row(kind), self)
    }
}
