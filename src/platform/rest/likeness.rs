//! What is there already where something is created, and whether an id that was answered is that of what was made: for kinds
//! that carry no mark.

use serde_json::Value;

use super::search::{filled, meets};
use super::{Rest, own_id};
use crate::platform::definition::call::Read;
use crate::platform::definition::object;
use crate::platform::definition::placeholder::Scope;
use crate::platform::definition::{KindDefinition, compare, ids};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Job, Receipt};

impl Rest {
    /// A setting that may be a stranger's, and holds something of what would be written: it is left as it is.
    pub(super) async fn left_as_it_is(
        &self,
        kind: &KindDefinition,
        job: &Job,
        scope: &Scope<'_>,
    ) -> Result<Option<Receipt>, PlatformError> {
        let id = ids::of(kind, &scope.inputs, "");
        let live = match self.read(kind, &id).await {
            Ok(live) => live,
            Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
            Err(error) => return Err(error),
        };
        let current = object::shown(kind, &live).0;
        let mut owned = compare::owned_part(kind, &job.document, &current);
        if let Some(map) = owned.as_object_mut() {
            map.retain(|name, _| !kind.inputs.contains(name));
        }
        if is_blank(&owned) {
            return Ok(None);
        }
        Ok(Some(Receipt {
            id,
            read: Some(owned),
            note: Some("something is there already, which may be a stranger's: it is left as it is".to_owned()),
            left: true,
            ..Receipt::default()
        }))
    }

    /// Whether an object of this id may be what was just created, as far as can be told.
    pub(super) async fn is_what_was_made(&self, kind: &KindDefinition, scope: &Scope<'_>, own: &str) -> bool {
        let conditions = kind.find.as_ref().and_then(|find| filled(&find.conditions, scope));
        let Some(conditions) = conditions.filter(|conditions| !conditions.is_empty()) else {
            return true;
        };
        if kind.is_born_marked() || kind.key.is_some() || kind.one || matches!(kind.read, Read::Nothing) {
            return true;
        }
        match self.read(kind, &ids::of(kind, &scope.inputs, own)).await {
            Ok(live) => meets(kind, &live, &conditions),
            Err(error) => error.kind != ErrorKind::Missing,
        }
    }

    /// What is recorded is said to be gone, and one like it is there: perhaps the record names another id.
    pub(super) async fn refuse_likeness(
        &self,
        kind: &KindDefinition,
        job: &Job,
        scope: &Scope<'_>,
    ) -> Result<(), PlatformError> {
        let Some(list) = &kind.find else { return Ok(()) };
        let there = self.matching(kind, list, scope, None).await?;
        let ids: Vec<String> = there
            .iter()
            .filter(|live| !object::is_gone(kind, live))
            .filter_map(|live| Some(ids::of(kind, &scope.inputs, &own_id(kind, live)?)))
            .filter(|id| !job.replaces.contains(id))
            .collect();
        let Some(first) = ids.first() else { return Ok(()) };
        let why = format!(
            "the recorded object is gone, and there is one like it ({}): nothing is made beside it",
            ids.join(", ")
        );
        let mut error = PlatformError::new(ErrorKind::Ambiguous, "find", why);
        error.hint = Some(format!(
            "if the record names a wrong id: `upa recover {} --take {}={first}`; if it is another's, give ours another name",
            job.address.tenant(),
            job.address
        ));
        Err(error)
    }
}

/// Whether nothing is said by a value.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_blank),
        Value::Object(map) => map.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
