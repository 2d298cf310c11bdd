//! Looking for an object nobody knows the id of: by its key, its mark, or its natural key.

use std::collections::BTreeMap;

use serde_json::Value;

use super::observe::{Found, Group, Listed};
use super::{Rest, own_id};
use crate::platform::definition::call::{List, Read};
use crate::platform::definition::kind::Marker;
use crate::platform::definition::object::{self, Carried};
use crate::platform::definition::placeholder::{Scope, Text};
use crate::platform::definition::{KindDefinition, compare, ids, path, proof};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Natural, Reading, Rival, Search, Wanted};
use crate::problem::listed as listed_words;

impl Rest {
    /// Looks for an object nobody knows the id of.
    pub(super) async fn search(
        &self,
        group: &Group<'_>,
        wanted: &Wanted,
        listed: Option<&Listed>,
        found: &mut Found,
    ) -> Result<Search, PlatformError> {
        let kind = group.definition;
        if let (Some(natural), true, None) = (&wanted.natural, wanted.document.is_null(), &kind.marker) {
            let live = self.at_natural(group, natural, listed).await?;
            return self.told(group, wanted, live, found).await;
        }
        let spec = object::spec(kind, &wanted.document);
        let scope = Scope {
            spec: Some(&spec),
            owner: &wanted.mark,
            attempt: wanted.attempt.as_deref().unwrap_or_default(),
            inputs: group.inputs.clone(),
            ..Scope::default()
        };
        let mut candidates: Vec<Value> = Vec::new();
        if let Some(key) = kind.key.as_ref().and_then(|key| key.text(&scope).ok().flatten()) {
            let id = ids::of(kind, &group.inputs, &key);
            match listed {
                Some(listed) => candidates.extend(listed.objects.get(&key).cloned()),
                None => match self.read(kind, &id).await {
                    Ok(live) if !matches!(kind.read, Read::Nothing) => candidates.push(live),
                    Ok(_) => {}
                    Err(error) if error.kind == ErrorKind::Missing => {}
                    Err(error) => return Err(error),
                },
            }
        }
        // Without mark and key only the natural key tells what became of an attempt.
        if let (Some(find), true, None, None) = (&kind.find, wanted.tried.is_some(), &kind.key, &kind.marker)
            && filled(&find.conditions, &scope).is_none()
        {
            let parts = find.conditions.iter().map(|(path, _)| path.as_str());
            return Ok(Search::Unknown(format!(
                "an earlier run tried to create it and was cut off; only its natural key ({}) would tell it apart, and \
                 the document does not say all of that",
                listed_words(parts)
            ).into()));
        }
        for list in [&kind.find, &kind.clash].into_iter().flatten() {
            match self.matching(kind, list, &scope, listed).await {
                Ok(found) => candidates.extend(found),
                // What it looked like is part of the question.
                Err(error)
                    if wanted.document.is_null() && error.kind == ErrorKind::Refused && error.status.is_none() =>
                {
                    return Ok(Search::Unknown(
                        format!("it cannot be looked for: {}", error.why).into(),
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        if let (Some(listed), true) = (listed, kind.find.is_none()) {
            candidates.extend(listed.carrying(kind, &wanted.mark).cloned());
        }
        // Git may want another by now than what an earlier run tried to make.
        if let (Some(natural), None) = (&wanted.natural, &kind.marker)
            && !wanted.document.is_null()
            && kind.natural(&wanted.document).as_ref() != Some(natural)
            && kind.inputs_of_natural(natural).as_ref() == Some(&group.inputs)
        {
            candidates.extend(self.at_natural(group, natural, listed).await?);
        }
        self.told(group, wanted, candidates, found).await
    }

    /// The objects at a place that is recorded.
    async fn at_natural(
        &self,
        group: &Group<'_>,
        natural: &Natural,
        listed: Option<&Listed>,
    ) -> Result<Vec<Value>, PlatformError> {
        let kind = group.definition;
        let mut conditions = match (natural, natural.parts()) {
            (Natural::Id(id), _) => {
                return match self.read(kind, id).await {
                    Ok(live) => Ok(vec![live]),
                    Err(error) if error.kind == ErrorKind::Missing => Ok(Vec::new()),
                    Err(error) => Err(error),
                };
            }
            (Natural::Key(_), parts) => parts.unwrap_or_default(),
        };
        conditions.retain(|(path, _)| !kind.inputs.contains(path));
        let scope = Scope {
            inputs: group.inputs.clone(),
            ..Scope::default()
        };
        let items = match (listed, kind.whole_list()) {
            (Some(listed), _) => listed.objects.values().cloned().collect(),
            (None, Some(list)) => self.list(kind, list, &scope, None).await?.items,
            (None, None) => {
                let why = "no list shows everything of this kind";
                return Err(PlatformError::new(ErrorKind::Unexpected, "find", why));
            }
        };
        let meant = |item: &Value| meets(kind, item, &conditions);
        Ok(items.into_iter().filter(meant).collect())
    }

    /// What these objects are to what was looked for: it, by its mark, or rivals.
    async fn told(
        &self,
        group: &Group<'_>,
        wanted: &Wanted,
        candidates: Vec<Value>,
        found: &mut Found,
    ) -> Result<Search, PlatformError> {
        let kind = group.definition;
        let mut rivals: BTreeMap<String, Rival> = BTreeMap::new();
        for live in candidates.into_iter().filter(|live| !object::is_gone(kind, live)) {
            let own = if kind.one {
                Some(String::new())
            } else {
                own_id(kind, &live)
            };
            let Some(own) = own else { continue };
            let id = ids::of(kind, &group.inputs, &own);
            // A list may show too little to tell whose it is.
            let live = match self.second_look(kind, &id, live).await {
                Ok(live) => live,
                Err(error) if error.kind == ErrorKind::Missing => continue,
                Err(error) => return Err(error),
            };
            let object = self.object(kind, &id, &live, |carried| {
                carried
                    .is(&wanted.mark)
                    .then(|| wanted.mark.clone())
                    .or_else(|| carried.mark().map(str::to_owned))
            });
            if object.mark.as_deref() == Some(&*wanted.mark) {
                found.objects.push((id, Reading::Present(Box::new(object))));
            } else {
                let created = kind.proof.created.as_deref();
                let created = created.and_then(|at| proof::time(path::at(&live, at)?));
                rivals.insert(id, Rival { object, created });
            }
        }
        Ok(if rivals.is_empty() {
            Search::Nothing
        } else {
            Search::Rivals(rivals.into_values().collect())
        })
    }

    /// A mark that a second call brings stands only in what `read` answers.
    async fn second_look(&self, kind: &KindDefinition, id: &str, live: Value) -> Result<Value, PlatformError> {
        let carried = object::shown(kind, &live).1;
        let hidden = matches!(kind.marker, Some(Marker::Call { .. } | Marker::Placed { .. }))
            || kind.marker.as_ref().is_some_and(|marker| match marker {
                Marker::Field { field, .. } | Marker::Line { field } => path::at(&live, field).is_none(),
                _ => false,
            });
        if carried == Carried::Nothing && hidden && matches!(kind.read, Read::Call(_)) {
            return self.read(kind, id).await;
        }
        Ok(live)
    }

    /// The objects that a find or clash call means.
    pub(super) async fn matching(
        &self,
        kind: &KindDefinition,
        list: &List,
        scope: &Scope<'_>,
        listed: Option<&Listed>,
    ) -> Result<Vec<Value>, PlatformError> {
        // A value nobody knows yet cannot be anybody's natural key.
        let Some(conditions) = filled(&list.conditions, scope) else {
            return Ok(Vec::new());
        };
        let same_call = kind
            .whole_list()
            .is_some_and(|whole| whole.call.pointer == list.call.pointer);
        if let Some(listed) = listed.filter(|_| same_call) {
            if conditions.is_empty() {
                return Ok(listed.carrying(kind, scope.owner).cloned().collect());
            }
            let meant = listed.objects.values().filter(|item| meets(kind, item, &conditions));
            return Ok(meant.cloned().collect());
        }
        let items = self.list(kind, list, scope, None).await?.items;
        let marked = kind
            .find
            .as_ref()
            .is_some_and(|find| find.call.pointer == list.call.pointer);
        Ok(items
            .into_iter()
            .filter(|item| {
                let by_conditions = !conditions.is_empty() && meets(kind, item, &conditions);
                by_conditions || (conditions.is_empty() && marked && object::shown(kind, item).1.is(scope.owner))
            })
            .collect())
    }
}

/// Conditions with their values, without those on optional values the document has not; `None` when another has none.
pub(super) fn filled(conditions: &[(String, Text)], scope: &Scope<'_>) -> Option<Vec<(String, Value)>> {
    let mut all = Vec::with_capacity(conditions.len());
    for (path, text) in conditions {
        let Some(value) = text.value(scope).ok()? else { continue };
        if crate::symbol::is_reserved(&value.to_string()) {
            return None;
        }
        all.push((path.clone(), value));
    }
    Some(all)
}

/// Whether an object meets all conditions.
pub(super) fn meets(kind: &KindDefinition, item: &Value, conditions: &[(String, Value)]) -> bool {
    conditions.iter().all(|(at, wanted)| {
        let found = path::all(item, at);
        found
            .into_iter()
            .any(|found| compare::is_meant(kind, at, found, wanted))
    })
}
