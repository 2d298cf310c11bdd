//! What is there: lists or reads, whichever is fewer calls, and proof of what is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::{Rest, own_id};
use crate::platform::definition::call::{List, Read};
use crate::platform::definition::kind::Marker;
use crate::platform::definition::object::{self, Carried};
use crate::platform::definition::placeholder::{Scope, Text};
use crate::platform::definition::{KindDefinition, compare, ids, path};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Answer, Observer, Question, Reading, Rival, SAYS_MISSING, Search, Wanted};
use crate::resource::Kind;

/// How many groups of objects are looked at side by side; the account's budget bounds the calls.
const GROUPS: usize = 32;

/// Objects of one kind below the same parents: what one list shows.
struct Group<'a> {
    kind: &'a Kind,
    definition: &'a KindDefinition,
    inputs: BTreeMap<String, Value>,
    /// The ids that must be answered.
    ids: BTreeSet<&'a str>,
    wanted: Vec<&'a Wanted>,
}

/// What looking at one group brought.
#[derive(Default)]
struct Found {
    objects: Vec<(String, Reading)>,
    searches: Vec<(usize, Search)>,
    complete: bool,
    /// Ids the platform says it does not have.
    missing: Vec<String>,
}

#[async_trait]
impl Observer for Rest {
    async fn observe(&self, question: &Question) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) = self.ask(question, &mut answer).await {
            answer.failure = Some(error);
        }
        answer
    }
}

impl Rest {
    async fn ask(&self, question: &Question, answer: &mut Answer) -> Result<(), PlatformError> {
        if self.account.identity.is_some() {
            self.check_identity().await?;
        }
        self.let_new_objects_appear(question).await?;
        let groups = self.groups(question, answer)?;
        let mut incomplete: BTreeSet<Kind> = BTreeSet::new();
        let mut missing: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        let mut seen: BTreeSet<Kind> = BTreeSet::new();
        let mut looks = FuturesUnordered::new();
        let mut left = groups.iter();
        loop {
            while looks.len() < GROUPS
                && let Some(group) = left.next()
            {
                looks.push(self.look_at(group, question));
            }
            let Some((group, found)) = looks.next().await else {
                break;
            };
            let found = found?;
            if !found.complete {
                incomplete.insert(group.kind.clone());
            }
            for (id, reading) in found.objects {
                if matches!(reading, Reading::Present(_)) && group.ids.contains(id.as_str()) {
                    seen.insert(group.kind.clone());
                }
                answer.objects.insert((group.kind.clone(), id), reading);
            }
            for (index, search) in found.searches {
                if let Some(wanted) = group.wanted.get(index) {
                    answer.searches.insert(wanted.address.clone(), search);
                }
            }
            missing.entry(group.kind.clone()).or_default().extend(found.missing);
        }
        let sees_everything = !missing.values().all(Vec::is_empty) && self.sees_everything().await?;
        for (kind, ids) in missing {
            for id in ids {
                let reading = if sees_everything || seen.contains(&kind) {
                    Reading::Absent
                } else {
                    Reading::Unreadable(format!(
                        "{} {SAYS_MISSING}, but this key sees none of the recorded objects of that kind",
                        kind.platform()
                    ))
                };
                answer.objects.insert((kind.clone(), id), reading);
            }
        }
        answer.complete = question
            .kinds
            .iter()
            .filter(|kind| !incomplete.contains(*kind))
            .cloned()
            .collect();
        Ok(())
    }

    /// The groups of a question. What cannot be there because its parent is not known yet is answered at once.
    fn groups<'a>(&'a self, question: &'a Question, answer: &mut Answer) -> Result<Vec<Group<'a>>, PlatformError> {
        let mut groups: BTreeMap<(&Kind, String), Group<'a>> = BTreeMap::new();
        for kind in &question.kinds {
            let definition = self.kind(kind)?;
            let group = |inputs: BTreeMap<String, Value>| Group {
                kind,
                definition,
                inputs,
                ids: BTreeSet::new(),
                wanted: Vec::new(),
            };
            for id in question.ids.get(kind).into_iter().flatten() {
                let Some((inputs, _)) = ids::split(definition, id) else {
                    let why = format!("`{id}` is not the id of a {kind}");
                    answer
                        .objects
                        .insert((kind.clone(), id.clone()), Reading::Unreadable(why));
                    continue;
                };
                let place = ids::of(definition, &inputs, "");
                groups
                    .entry((kind, place))
                    .or_insert_with(|| group(inputs))
                    .ids
                    .insert(id);
            }
            for wanted in question.wanted.iter().filter(|wanted| wanted.kind == *kind) {
                match ids::inputs_of(definition, &wanted.document) {
                    Some(inputs) => {
                        let place = ids::of(definition, &inputs, "");
                        groups
                            .entry((kind, place))
                            .or_insert_with(|| group(inputs))
                            .wanted
                            .push(wanted);
                    }
                    None => {
                        answer.searches.insert(wanted.address.clone(), Search::Nothing);
                    }
                }
            }
        }
        Ok(groups.into_values().collect())
    }

    async fn look_at<'g, 'q>(
        &self,
        group: &'g Group<'q>,
        question: &Question,
    ) -> (&'g Group<'q>, Result<Found, PlatformError>) {
        (group, self.look(group, question).await)
    }

    async fn look(&self, group: &Group<'_>, question: &Question) -> Result<Found, PlatformError> {
        let kind = group.definition;
        let mut found = Found::default();
        let objects = self.listed(group, &mut found).await?;
        let known = |carried: &Carried| full_mark(carried, question);
        let mut short_list = false;
        for id in &group.ids {
            let own = ids::split(kind, id).map(|(_, own)| own).unwrap_or_default();
            if let Some(live) = objects.as_ref().and_then(|objects| objects.get(&own)) {
                let object = self.object(kind, id, live, known);
                found
                    .objects
                    .push(((*id).to_owned(), Reading::Present(Box::new(object))));
                continue;
            }
            match self.read(kind, id).await {
                Ok(live) => {
                    // A list that lacks what is there lacks other things too, unless the platform says it lags.
                    short_list |= objects.is_some() && found.complete && kind.lag.is_zero();
                    let mut object = self.object(kind, id, &live, known);
                    if matches!(kind.read, Read::Nothing) {
                        object.document = Value::Object(serde_json::Map::new());
                    }
                    found
                        .objects
                        .push(((*id).to_owned(), Reading::Present(Box::new(object))));
                }
                Err(error) if error.kind == ErrorKind::Missing => found.missing.push((*id).to_owned()),
                Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Unauthorised) => {
                    return Err(error);
                }
                Err(error) => found
                    .objects
                    .push(((*id).to_owned(), Reading::Unreadable(error.to_string()))),
            }
        }
        if short_list {
            found.complete = false;
        }
        for (own, live) in objects.iter().flatten() {
            let id = ids::of(kind, &group.inputs, own);
            let object = self.object(kind, &id, live, known);
            let ours = object
                .mark
                .as_ref()
                .is_some_and(|mark| mark.starts_with(&question.mark_prefix));
            if ours && !group.ids.contains(id.as_str()) {
                found.objects.push((id, Reading::Present(Box::new(object))));
            }
        }
        for (index, wanted) in group.wanted.iter().enumerate() {
            let search = if short_list {
                Search::Unknown(
                    "the list does not show all objects: one that is recorded is missing from it".to_owned(),
                )
            } else {
                self.search(group, wanted, objects.as_ref(), &mut found).await?
            };
            found.searches.push((index, search));
        }
        Ok(found)
    }

    /// The objects of a group by their own id, where a list is worth it.
    async fn listed(
        &self,
        group: &Group<'_>,
        found: &mut Found,
    ) -> Result<Option<BTreeMap<String, Value>>, PlatformError> {
        let kind = group.definition;
        let Some(list) = kind.whole_list() else {
            return Ok(None);
        };
        let reads = group.ids.len();
        // Looking for something needs the whole list; else it is read only while it is cheaper than reading each object.
        let most = if group.wanted.is_empty() { Some(reads) } else { None };
        if most == Some(0) || (most == Some(1) && matches!(kind.read, Read::Call(_) | Read::Nothing)) {
            return Ok(None);
        }
        let scope = Scope {
            inputs: group.inputs.clone(),
            ..Scope::default()
        };
        let listing = match self.list(kind, list, &scope, most).await {
            Ok(listing) => listing,
            // The parent is not there, so neither is anything below it.
            Err(error) if error.kind == ErrorKind::Missing && !kind.inputs.is_empty() => {
                return Ok(Some(BTreeMap::new()));
            }
            Err(error) if matches!(error.kind, ErrorKind::Unexpected) => {
                tracing::debug!(call = error.call, "a list cannot be believed");
                return self.unbelievable(group, error, found);
            }
            Err(error) => return Err(error),
        };
        found.complete = listing.complete;
        let mut objects = BTreeMap::new();
        for item in listing.items.into_iter().filter(|item| !object::is_gone(kind, item)) {
            let Some(id) = own_id(kind, &item) else {
                let why = "an object in the list has no id";
                return self.unbelievable(
                    group,
                    PlatformError::new(ErrorKind::Unexpected, list.call.name(), why),
                    found,
                );
            };
            objects.insert(id, item);
        }
        Ok(Some(objects))
    }

    /// A list that lies: what is recorded is read one by one, and what is wanted is not known.
    fn unbelievable(
        &self,
        group: &Group<'_>,
        error: PlatformError,
        found: &mut Found,
    ) -> Result<Option<BTreeMap<String, Value>>, PlatformError> {
        found.complete = false;
        if group.wanted.is_empty() {
            return Ok(None);
        }
        Err(error)
    }

    /// Looks for an object nobody knows the id of.
    async fn search(
        &self,
        group: &Group<'_>,
        wanted: &Wanted,
        objects: Option<&BTreeMap<String, Value>>,
        found: &mut Found,
    ) -> Result<Search, PlatformError> {
        let kind = group.definition;
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
            match objects {
                Some(objects) => candidates.extend(objects.get(&key).cloned()),
                None => match self.read(kind, &id).await {
                    Ok(live) if !matches!(kind.read, Read::Nothing) => candidates.push(live),
                    Ok(_) => {}
                    Err(error) if error.kind == ErrorKind::Missing => {}
                    Err(error) => return Err(error),
                },
            }
        }
        for list in [&kind.find, &kind.clash].into_iter().flatten() {
            candidates.extend(self.matching(kind, list, &scope, objects).await?);
        }
        if let (Some(objects), true) = (objects, kind.find.is_none()) {
            let ours = objects
                .values()
                .filter(|live| object::shown(kind, live).1.is(&wanted.mark));
            candidates.extend(ours.cloned());
        }
        let mut rivals: BTreeMap<String, Rival> = BTreeMap::new();
        for live in candidates.into_iter().filter(|live| !object::is_gone(kind, live)) {
            let Some(own) = own_id(kind, &live) else { continue };
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
                    .or_else(|| whole(carried))
            });
            if object.mark.as_deref() == Some(&*wanted.mark) {
                found.objects.push((id, Reading::Present(Box::new(object))));
            } else if !group.ids.contains(id.as_str()) {
                let title = object.title;
                rivals.insert(id.clone(), Rival { id, title });
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
        objects: Option<&BTreeMap<String, Value>>,
    ) -> Result<Vec<Value>, PlatformError> {
        // A value nobody knows yet cannot be anybody's natural key.
        let Some(conditions) = filled(&list.conditions, scope) else {
            return Ok(Vec::new());
        };
        let same_call = kind
            .whole_list()
            .is_some_and(|whole| whole.call.pointer == list.call.pointer);
        let items = match objects.filter(|_| same_call) {
            Some(objects) => objects.values().cloned().collect(),
            None => self.list(kind, list, scope, None).await?.items,
        };
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

    /// New objects may be missing from lists for a while: what was tried moments ago is waited for.
    async fn let_new_objects_appear(&self, question: &Question) -> Result<(), PlatformError> {
        let now = now_ms();
        let mut longest = Duration::ZERO;
        for wanted in &question.wanted {
            if let Some(tried) = wanted.tried {
                let lag = self.kind(&wanted.kind)?.lag;
                let passed = Duration::from_millis(now.saturating_sub(tried));
                longest = longest.max(lag.saturating_sub(passed));
            }
        }
        if !longest.is_zero() {
            tracing::debug!(?longest, "waiting until what was just created shows in lists");
            tokio::time::sleep(longest).await;
        }
        Ok(())
    }

    /// Whose key this is must be what upa.toml says.
    async fn check_identity(&self) -> Result<(), PlatformError> {
        let (Some(expected), Some(whoami)) = (&self.account.identity, &self.definition.whoami) else {
            return Ok(());
        };
        let answer = self.send(&whoami.call, &Scope::default()).await?;
        let found = path::at(&answer, &whoami.at);
        let found = found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
        if found.as_deref() == Some(expected) {
            return Ok(());
        }
        let why = format!(
            "the key belongs to {}, and upa.toml says `identity = \"{expected}\"`",
            found.unwrap_or_else(|| "nobody".to_owned())
        );
        Err(PlatformError::new(ErrorKind::Unauthorised, whoami.call.name(), why))
    }

    /// Whether a 404 proves absence: the platform knows the key, and such a key sees every object.
    async fn sees_everything(&self) -> Result<bool, PlatformError> {
        match &self.definition.whoami {
            Some(whoami) if whoami.sees_everything => {
                let answer = self.send(&whoami.call, &Scope::default()).await?;
                Ok(path::at(&answer, &whoami.at).is_some_and(|found| !found.is_null()))
            }
            _ => Ok(false),
        }
    }
}

/// Conditions with their values; `None` when one has none.
pub(super) fn filled(conditions: &[(String, Text)], scope: &Scope<'_>) -> Option<Vec<(String, Value)>> {
    let value = |(path, text): &(String, Text)| {
        let value = text.value(scope).ok().flatten()?;
        let known = !crate::symbol::is_reserved(&value.to_string());
        known.then(|| (path.clone(), value))
    };
    conditions.iter().map(value).collect()
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

fn whole(carried: &Carried) -> Option<String> {
    match carried {
        Carried::Mark { mark, .. } => Some(mark.clone()),
        Carried::Tag(_) | Carried::Nothing => None,
    }
}

/// The whole mark of what is carried; a short one counts only if it is one of those asked for.
fn full_mark(carried: &Carried, question: &Question) -> Option<String> {
    match carried {
        Carried::Tag(_) => question.marks.iter().find(|mark| carried.is(mark)).cloned(),
        other => whole(other),
    }
}

#[expect(clippy::disallowed_methods, reason = "edge: how long ago something was tried")]
fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
