//! What is done: create, fill, delete. Every step looks before it writes and reads back after it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::operations;
use super::search::{filled, meets};
use super::send::items;
use super::{Rest, own_id};
use crate::digest::Digest;
use crate::platform::definition::call::Read;
use crate::platform::definition::kind::Marker;
use crate::platform::definition::object::{self, Carried};
use crate::platform::definition::placeholder::{self, Scope};
use crate::platform::definition::{KindDefinition, compare, ids, path};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::moved::moved;
use crate::platform::{Executor, Job, Receipt, Step, hidden};
use crate::resource::Kind;
use crate::secret::Secret;

/// How often a deleted object is looked for before upa says that it is still there.
const LOOKS_AFTER_DELETE: u32 = 4;

#[async_trait]
impl Executor for Rest {
    async fn execute(&self, job: &Job) -> Result<Receipt, PlatformError> {
        let kind = self.kind(&job.kind)?;
        let done = match job.step {
            Step::Create => self.create(kind, job).await,
            Step::Fill => self.fill(kind, job).await,
            Step::Wait => self.wait(kind, job).await,
            Step::Delete | Step::Retire => self.remove(kind, job).await,
            Step::Publish | Step::Unpublish => self.switch(kind, job).await,
        };
        Ok(Receipt {
            owner: self.owner(),
            ..done?
        })
    }

    async fn output(&self, kind: &Kind, id: &str, name: &str) -> Result<Secret, PlatformError> {
        self.secret_output(self.kind(kind)?, id, name).await
    }
}

/// The values that place a job's object.
pub(super) fn inputs(kind: &KindDefinition, job: &Job) -> BTreeMap<String, Value> {
    let of_id = ids::split(kind, &job.id).map(|(inputs, _)| inputs);
    of_id
        .filter(|_| !job.id.is_empty())
        .or_else(|| ids::inputs_of(kind, &job.document))
        .unwrap_or_default()
}

/// What the platform calls a job's object.
pub(super) fn own_of(kind: &KindDefinition, job: &Job) -> String {
    ids::split(kind, &job.id).map(|(_, own)| own).unwrap_or_default()
}

/// What placeholders stand for in a call about an object that exists.
pub(super) fn scope_of<'a>(kind: &KindDefinition, job: &'a Job, live: &'a Value) -> Scope<'a> {
    Scope {
        live: Some(live),
        out: Some(&job.out),
        owner: &job.mark,
        attempt: &job.attempt,
        inputs: inputs(kind, job),
        ..Scope::default()
    }
}

/// What makes sure that an object is the one a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// It carries the mark.
    ByMark,
    /// The platform has just said that it created it.
    ByCreate,
}

impl Rest {
    /// The object as it is now, in upa's form and the platform's, if it is ours to touch.
    pub(super) async fn ours(
        &self,
        kind: &KindDefinition,
        job: &Job,
    ) -> Result<(Value, Value, Carried), PlatformError> {
        let live = self.read(kind, &job.id).await?;
        let (document, carried) = object::shown(kind, &live);
        let stranger = match &carried {
            Carried::Nothing => job.marked && !kind.may_lack_mark(),
            carried => !carried.is(&job.mark),
        };
        if kind.is_marked() && stranger {
            let why = format!(
                "{} {} does not carry the mark of {}: it is not touched",
                job.kind, job.id, job.address
            );
            return Err(PlatformError::new(ErrorKind::Ambiguous, "read", why));
        }
        Ok((document, live, carried))
    }

    fn marked(
        &self,
        kind: &KindDefinition,
        job: &Job,
        live: Option<&Value>,
        attempt: &str,
    ) -> Result<Value, PlatformError> {
        object::marked(kind, &job.document, live, &job.mark, attempt)
            .map_err(|too_long| PlatformError::new(ErrorKind::Refused, job.step.as_str(), too_long.to_string()))
    }

    async fn create(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let Some(create) = &kind.create else {
            return Err(PlatformError::new(
                ErrorKind::Refused,
                "create",
                "this kind cannot be created",
            ));
        };
        let mut spec = self.marked(kind, job, None, &job.attempt)?;
        object::without_cleared(kind, &mut spec);
        let mut scope = Scope {
            spec: Some(&spec),
            owner: &job.mark,
            attempt: &job.attempt,
            inputs: inputs(kind, job),
            ..Scope::default()
        };
        let unfilled =
            |error: placeholder::Unfilled| PlatformError::new(ErrorKind::Refused, "create", error.to_string());
        if let Some(Marker::Placed { value, .. }) = &kind.marker {
            scope.marker = placeholder::fill(value, &scope).map_err(unfilled)?;
        }
        let key = match &kind.key {
            Some(key) => key.text(&scope).map_err(unfilled)?,
            None => None,
        };
        scope.id = key.as_deref();
        if job.again && !kind.is_born_marked() {
            self.refuse_likeness(kind, job, &scope).await?;
        }
        if job.gentle
            && let Some(receipt) = self.left_as_it_is(kind, job, &scope).await?
        {
            return Ok(receipt);
        }
        let answer = match self.send(create, &scope).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Conflict => return self.exists(kind, job, &scope, error).await,
            Err(error) => return Err(error),
        };
        let live = path::at(&answer, &create.live).unwrap_or(&Value::Null);
        let own = if kind.one {
            Some(String::new())
        } else if key.is_some() {
            key.clone()
        } else if let Some(search) = &kind.id_search {
            let conditions = filled(&search.conditions, &scope).unwrap_or_default();
            let found = items(&answer, &search.items).unwrap_or_default();
            found
                .into_iter()
                .find(|item| meets(kind, item, &conditions))
                .and_then(|item| own_id(kind, item))
        } else {
            own_id(kind, live)
        };
        // Without a mark in it only its natural key shows that an id is that of what was made: what has that key counts.
        let own = match own {
            Some(own) if !self.is_what_was_made(kind, &scope, &own).await => {
                let found = self.find_own(kind, job, &scope, Sure::ByCreate).await;
                found.ok().flatten().or(Some(own))
            }
            other => other,
        };
        let own = match own {
            Some(own) => own,
            // It is there and the answer does not say which: it is found by what it carries.
            None => match self
                .find_own(kind, job, &scope, Sure::ByCreate)
                .await
                .map_err(PlatformError::after_write)?
            {
                Some(own) => own,
                None => {
                    return Err(PlatformError::new(
                        ErrorKind::Unclear,
                        create.name(),
                        "the answer has no id, or one that cannot be one",
                    ));
                }
            },
        };
        let (out, secrets) = self.outputs_of_create(kind, &answer, live);
        Ok(Receipt {
            id: ids::of(kind, &scope.inputs, &own),
            out,
            secrets,
            operations: match &kind.wait {
                Some(wait) => operations::of(wait, &answer),
                None => Vec::new(),
            },
            ..Receipt::default()
        })
    }

    /// The platform says that it is there already: ours, if an earlier answer was lost; else somebody's.
    async fn exists(
        &self,
        kind: &KindDefinition,
        job: &Job,
        scope: &Scope<'_>,
        error: PlatformError,
    ) -> Result<Receipt, PlatformError> {
        // An earlier try of the same call may have made it.
        let found = self.find_own(kind, job, scope, Sure::ByMark).await;
        if let Some(own) = found.map_err(PlatformError::after_write)? {
            return Ok(Receipt {
                id: ids::of(kind, &scope.inputs, &own),
                ..Receipt::default()
            });
        }
        if kind.is_born_marked() {
            let why = format!("{} · it is not upa's, so it is not touched", error.why);
            return Err(PlatformError::new(ErrorKind::Ambiguous, error.call, why));
        }
        // The look before found nothing: an earlier try of this call made it, or a person did meanwhile.
        let why = format!("{} · the next run looks whose it is", error.why);
        Err(PlatformError::new(ErrorKind::Conflict, error.call, why).after_write())
    }

    /// The own id of the object that carries the job's mark; or that has its natural key, when it was created just now.
    async fn find_own(
        &self,
        kind: &KindDefinition,
        job: &Job,
        scope: &Scope<'_>,
        sure: Sure,
    ) -> Result<Option<String>, PlatformError> {
        let is_ours = |live: &Value| object::carried(kind, live).is(&job.mark);
        if let Some(key) = scope.id {
            return match self.read(kind, &ids::of(kind, &scope.inputs, key)).await {
                Ok(live) => Ok(is_ours(&live).then(|| key.to_owned())),
                Err(error) if error.kind == ErrorKind::Missing => Ok(None),
                Err(error) => Err(error),
            };
        }
        let Some(list) = kind.find.as_ref().or(kind.list.as_ref()) else {
            return Ok(None);
        };
        let candidates = if kind.is_born_marked() || sure == Sure::ByMark {
            let listing = self.list(kind, list, scope, None).await?;
            listing.items.into_iter().filter(is_ours).collect()
        } else {
            self.matching(kind, list, scope, None).await?
        };
        let mut found = candidates.iter().filter_map(|live| own_id(kind, live));
        let mut new = found
            .by_ref()
            .filter(|own| !job.replaces.contains(&ids::of(kind, &scope.inputs, own)));
        Ok(new.next().filter(|_| new.next().is_none()))
    }

    /// Writes what differs and reads it back.
    async fn fill(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        if job.left {
            return Ok(Receipt {
                id: job.id.clone(),
                left: true,
                ..Receipt::default()
            });
        }
        let (current, live, carried) = self.ours(kind, job).await?;
        if let Some(expected) = &job.expected
            && *expected != Digest::of_json(&compare::owned_part(kind, &job.document, &current))
        {
            let part = job
                .seen
                .as_ref()
                .map(|seen| compare::owned_part(kind, &job.document, seen));
            let fields = part.map(|part| compare::differences(kind, &part, &current, &[]));
            return Err(moved(job.step, "read", &fields.unwrap_or_default(), None));
        }
        let blind = matches!(kind.read, Read::Nothing);
        let has_mark = blind || !kind.is_marked() || carried.is(&job.mark);
        let differs = !compare::differences(kind, &job.document, &current, &job.dropped).is_empty();
        // What is not returned cannot be seen to be the same, except right after it was created.
        let unseen = !job.fresh && !hidden::leaves(&job.document, &kind.hidden()).is_empty();
        let (mut current, mut live) = (current, live);
        if let (false, Some(Marker::Call { call, .. })) = (has_mark, &kind.marker) {
            let own = own_of(kind, job);
            let scope = Scope {
                id: Some(&own),
                ..scope_of(kind, job, &live)
            };
            self.send(call, &scope).await?;
            live = self.read(kind, &job.id).await.map_err(PlatformError::after_write)?;
            current = object::shown(kind, &live).0;
        }
        let writes = !has_mark || differs || unseen;
        if writes && !job.fresh && self.is_under_way(kind, &live) {
            // An earlier run was cut off while the platform made it: what is half made takes no changes.
            self.wait(kind, job).await?;
        }
        let mark_by_update = !has_mark && kind.is_marked_by_update();
        if mark_by_update || differs || unseen {
            let attempt = carried.attempt().unwrap_or(&job.attempt).to_owned();
            live = self.update(kind, job, &current, &live, &attempt).await?;
            current = object::shown(kind, &live).0;
        }
        let settled = self.settled(kind, job, &current, &live).await;
        settled.map_err(|error| if writes { error.after_write() } else { error })
    }

    /// Sends the update; the object as it is afterwards.
    async fn update(
        &self,
        kind: &KindDefinition,
        job: &Job,
        current: &Value,
        live: &Value,
        attempt: &str,
    ) -> Result<Value, PlatformError> {
        let Some(update) = &kind.update else {
            let why = format!("a {} cannot be changed", job.kind);
            return Err(PlatformError::new(ErrorKind::Refused, "update", why));
        };
        let mut spec = self.marked(kind, job, Some(current), attempt)?;
        object::carry(kind, &mut spec, live);
        let says_fields = update.says_fields();
        // A `PUT` replaces the whole; anywhere else a field that is not sent stays as it is.
        if update.method == "PUT" && !says_fields {
            object::without_cleared(kind, &mut spec);
        } else {
            // What is gone from within a field goes when the field is written whole; where single fields are written, it
            // is one of them, unless it stood in a list.
            let in_list = |key: &str| {
                key.split('.')
                    .any(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            };
            let dropped = job.dropped.iter();
            let dropped = dropped.filter(|key| !key.contains('.') || says_fields && !in_list(key));
            for key in dropped.filter(|key| !kind.inputs.contains(key)) {
                path::put(&mut spec, key, Value::Null);
            }
        }
        let own = own_of(kind, job);
        let scope = Scope {
            spec: Some(&spec),
            id: Some(&own),
            attempt,
            ..scope_of(kind, job, live)
        };
        match (self.send(update, &scope).await, self.read(kind, &job.id).await) {
            (Ok(_), read) => read.map_err(PlatformError::after_write),
            // Unclear: what is there now decides, not the answer.
            (Err(error), Ok(read)) if !error.is_harmless() => {
                let (after, _) = object::shown(kind, &read);
                if compare::differences(kind, &job.document, &after, &job.dropped).is_empty() {
                    Ok(read)
                } else {
                    Err(error)
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What is there must be what was wanted.
    async fn settled(
        &self,
        kind: &KindDefinition,
        job: &Job,
        after: &Value,
        live: &Value,
    ) -> Result<Receipt, PlatformError> {
        if !matches!(kind.read, Read::Nothing) {
            let left = compare::differences(kind, &job.document, after, &job.dropped);
            if let Some(first) = left.first() {
                let why = format!(
                    "the platform kept `{}` different from what was written (and {} more)",
                    first.field,
                    left.len() - 1
                );
                return Err(PlatformError::new(ErrorKind::Unexpected, "update", why));
            }
        }
        let (out, secrets) = self.outputs(kind, job, live).await?;
        Ok(Receipt {
            id: job.id.clone(),
            read: Some(compare::owned_part(kind, &job.document, after)),
            out,
            secrets,
            ..Receipt::default()
        })
    }

    async fn remove(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let gone = |note: Option<String>| Receipt {
            id: job.id.clone(),
            note,
            ..Receipt::default()
        };
        let live = match self.ours(kind, job).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(gone(None)),
            other => {
                let (current, live, _) = other?;
                let fields = job
                    .seen
                    .as_ref()
                    .map(|seen| compare::differences(kind, seen, &current, &[]));
                if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                    return Err(moved(job.step, "read", &fields, None));
                }
                live
            }
        };
        let Some(delete) = &kind.delete else {
            return Ok(gone(Some("left behind: this kind cannot be deleted".to_owned())));
        };
        let own = own_of(kind, job);
        let scope = Scope {
            id: Some(&own),
            ..scope_of(kind, job, &live)
        };
        match self.send(delete, &scope).await {
            Err(error) if error.kind != ErrorKind::Missing && error.is_harmless() => return Err(error),
            // A setting goes on existing with another value, and what cannot be read cannot be seen to be gone.
            Err(error) if error.kind == ErrorKind::Missing && matches!(kind.read, Read::Nothing) => {
                return Ok(gone(None));
            }
            Ok(_) if kind.one || matches!(kind.read, Read::Nothing) => return Ok(gone(None)),
            Err(error) if kind.one || matches!(kind.read, Read::Nothing) && error.kind != ErrorKind::Missing => {
                return Err(error);
            }
            _ => {}
        }
        for look in 1..=LOOKS_AFTER_DELETE {
            match self.read(kind, &job.id).await {
                Err(error) if error.kind == ErrorKind::Missing => return Ok(gone(None)),
                Err(error) => return Err(error.after_write()),
                Ok(_) => tokio::time::sleep(Duration::from_millis(100 << look)).await,
            }
        }
        Err(PlatformError::new(ErrorKind::Unexpected, "delete", "the object is still there").after_write())
    }
}
