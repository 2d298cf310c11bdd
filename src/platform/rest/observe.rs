//! What is there: lists or reads, whichever is fewer calls, and proof of what is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::{Rest, own_id};
use crate::outside;
use crate::platform::definition::call::Read;
use crate::platform::definition::object::{self, Carried};
use crate::platform::definition::placeholder::Scope;
use crate::platform::definition::{KindDefinition, ids};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Answer, Cause, Observer, Question, Reading, Search, Unread, Wanted};
use crate::resource::Kind;

/// How many groups of objects are looked at side by side; the account's budget bounds the calls.
const GROUPS: usize = 32;

/// Objects of one kind below the same parents: what one list shows.
pub(super) struct Group<'a> {
    kind: &'a Kind,
    pub(super) definition: &'a KindDefinition,
    pub(super) inputs: BTreeMap<String, Value>,
    /// The ids that must be answered.
    pub(super) ids: BTreeSet<&'a str>,
    wanted: Vec<&'a Wanted>,
}

/// What looking at one group brought.
#[derive(Default)]
pub(super) struct Found {
    pub(super) objects: Vec<(String, Reading)>,
    searches: Vec<(usize, Search)>,
    complete: bool,
    /// Ids the platform says it does not have.
    missing: Vec<String>,
}

impl Found {
    /// What the platform says it does not have, and shows in its list: which of the two is so is not known.
    fn contradict(&mut self, kind: &KindDefinition, listed: &Listed) {
        let is_shown = |id: &String| {
            let own = ids::split(kind, id).map(|(_, own)| own).unwrap_or_default();
            listed
                .objects
                .get(&own)
                .is_some_and(|live| !object::is_gone(kind, live))
        };
        let (shown, missing) = std::mem::take(&mut self.missing).into_iter().partition(is_shown);
        self.missing = missing;
        for id in shown {
            let why = "it is said not to exist, and the list shows it";
            self.objects
                .push((id, Reading::Unreadable(Unread::because(why.to_owned()))));
        }
    }

    /// Of what the platform says it does not have nothing is known.
    fn doubt_missing(&mut self, why: &str) {
        for id in std::mem::take(&mut self.missing) {
            let why = format!("it is said not to exist, and whether another carries its mark could not be seen: {why}");
            self.objects
                .push((id, Reading::Unreadable(Unread::new(Cause::SaidMissing, why))));
        }
    }
}

/// What a list showed, by the objects' own ids.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) objects: BTreeMap<String, Value>,
    /// The own ids of what carries a mark, by the mark as it is carried.
    marks: BTreeMap<String, Vec<String>>,
}

impl Listed {
    fn of(kind: &KindDefinition, items: Vec<Value>) -> Option<Self> {
        let mut listed = Self::default();
        for item in items.into_iter().filter(|item| !object::is_gone(kind, item)) {
            let id = own_id(kind, &item)?;
            match object::carried(kind, &item) {
                Carried::Mark { mark, .. } => listed.marks.entry(mark).or_default().push(id.clone()),
                Carried::Tag(tag) => listed.marks.entry(tag).or_default().push(id.clone()),
                Carried::Nothing => {}
            }
            listed.objects.insert(id, item);
        }
        Some(listed)
    }

    /// The objects that carry a mark.
    pub(super) fn carrying(&self, kind: &KindDefinition, mark: &str) -> impl Iterator<Item = &Value> {
        let short = object::short(mark);
        let key = if kind.is_tagged() { short.as_str() } else { mark };
        let ids = self.marks.get(key).cloned().unwrap_or_default();
        ids.into_iter().filter_map(|id| self.objects.get(&id))
    }
}

/// The whole marks of a question, by their short form.
struct Shorts<'a>(BTreeMap<String, &'a str>);

impl<'a> Shorts<'a> {
    fn of(question: &'a Question, needed: bool) -> Self {
        let marks = question.marks.iter().filter(|_| needed);
        Self(marks.map(|mark| (object::short(mark), mark.as_str())).collect())
    }

    /// The whole mark of what is carried; a short one counts only if it is one of those asked for.
    fn whole(&self, carried: &Carried) -> Option<String> {
        match carried {
            Carried::Tag(tag) => self.0.get(tag).map(|mark| (*mark).to_owned()),
            Carried::Mark { mark, .. } => Some(mark.clone()),
            Carried::Nothing => None,
        }
    }
}

#[async_trait]
impl Observer for Rest {
    async fn observe(&self, question: &Question) -> Answer {
        let mut answer = Answer::default();
        self.client.forget_clock();
        if let Err(error) = self.ask(question, &mut answer).await {
            answer.failure = Some(error);
        }
        answer.owner = self.owner();
        answer.clock = self.client.clock();
        answer
    }
}

impl Rest {
    async fn ask(&self, question: &Question, answer: &mut Answer) -> Result<(), PlatformError> {
        self.check_owner().await?;
        answer.waited = self.let_new_objects_appear(question).await?;
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
                    let why = format!(
                        "{} says it does not exist, but this key sees none of the recorded objects of that kind",
                        kind.platform()
                    );
                    Reading::Unreadable(Unread::new(Cause::SaidMissing, why))
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
                        .insert((kind.clone(), id.clone()), Reading::Unreadable(Unread::because(why)));
                    continue;
                };
                let place = ids::of(definition, &inputs, "");
                groups
                    .entry((kind, place))
                    .or_insert_with(|| group(inputs))
                    .ids
                    .insert(id);
            }
            if question.whole && definition.inputs.is_empty() {
                let place = ids::of(definition, &BTreeMap::new(), "");
                groups.entry((kind, place)).or_insert_with(|| group(BTreeMap::new()));
            }
            for wanted in question.wanted.iter().filter(|wanted| wanted.kind == *kind) {
                let of_natural = || definition.inputs_of_natural(wanted.natural.as_ref()?);
                match ids::inputs_of(definition, &wanted.document).or_else(of_natural) {
                    Some(inputs) => {
                        let place = ids::of(definition, &inputs, "");
                        groups
                            .entry((kind, place))
                            .or_insert_with(|| group(inputs))
                            .wanted
                            .push(wanted);
                    }
                    None => {
                        let search = match wanted.document {
                            Value::Null => Search::Unknown("nobody knows any more where it was to be".into()),
                            _ => Search::Nothing,
                        };
                        answer.searches.insert(wanted.address.clone(), search);
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
        let (listed, mut doubt) = self.listed(group, question.whole, &mut found).await?;
        let shorts = Shorts::of(question, kind.is_tagged());
        let known = |carried: &Carried| shorts.whole(carried);
        for id in &group.ids {
            let own = ids::split(kind, id).map(|(_, own)| own).unwrap_or_default();
            if let Some(live) = listed.as_ref().and_then(|listed| listed.objects.get(&own)) {
                let object = self.object(kind, id, live, known);
                found
                    .objects
                    .push(((*id).to_owned(), Reading::Present(Box::new(object))));
                continue;
            }
            match self.read(kind, id).await {
                Ok(live) => {
                    // A list that lacks what is there lacks other things too, unless the platform says it lags.
                    if listed.is_some() && found.complete && kind.lag.is_zero() {
                        doubt = Some(
                            "the list does not show all objects: one that is recorded is missing from it".to_owned(),
                        );
                    }
                    let object = self.object(kind, id, &live, known);
                    found
                        .objects
                        .push(((*id).to_owned(), Reading::Present(Box::new(object))));
                }
                Err(error) if error.kind == ErrorKind::Missing => found.missing.push((*id).to_owned()),
                Err(error) if is_of_the_account(&error) => return Err(error),
                Err(error) => found.objects.push((
                    (*id).to_owned(),
                    Reading::Unreadable(Unread::because(error.to_string())),
                )),
            }
        }
        found.complete &= doubt.is_none();
        let seen_whole = listed.is_some() && found.complete;
        let elsewhere = match found.missing.is_empty() || seen_whole {
            true => None,
            false => self.elsewhere(group, &mut found).await?,
        };
        if let Some(elsewhere) = elsewhere.as_ref().filter(|_| kind.lag.is_zero()) {
            found.contradict(kind, elsewhere);
        }
        found
            .objects
            .extend(self.unrecorded(group, question, elsewhere.as_ref().or(listed.as_ref())));
        for (index, wanted) in group.wanted.iter().enumerate() {
            let search = match &doubt {
                Some(why) => Search::Unknown(why.as_str().into()),
                None => self.search(group, wanted, listed.as_ref(), &mut found).await?,
            };
            found.searches.push((index, search));
        }
        Ok(found)
    }

    /// The whole list of a group of which something recorded is not there: another object may carry its mark. Where the list
    /// cannot be had nothing is known of what is missing.
    async fn elsewhere(&self, group: &Group<'_>, found: &mut Found) -> Result<Option<Listed>, PlatformError> {
        match self.listed(group, true, &mut Found::default()).await {
            Ok((listed, None)) => Ok(listed),
            Err(error) if is_of_the_account(&error) => Err(error),
            // The platform has no such list: what it says of each object is all there is.
            Err(error) if error.kind == ErrorKind::Missing => Ok(None),
            // No other object could tell that it is the original.
            Ok((_, Some(_))) | Err(_) if !group.definition.is_marked() => Ok(None),
            Ok((_, Some(why))) => {
                found.doubt_missing(&why);
                Ok(None)
            }
            Err(error) => {
                found.doubt_missing(&error.to_string());
                Ok(None)
            }
        }
    }

    /// The objects in a list that carry one of our marks and are not recorded.
    fn unrecorded(&self, group: &Group<'_>, question: &Question, listed: Option<&Listed>) -> Vec<(String, Reading)> {
        let kind = group.definition;
        let shorts = Shorts::of(question, kind.is_tagged());
        let mut marked = Vec::new();
        for (own, live) in listed.into_iter().flat_map(|listed| &listed.objects) {
            let id = ids::of(kind, &group.inputs, own);
            if object::carried(kind, live) == Carried::Nothing {
                continue;
            }
            let object = self.object(kind, &id, live, |carried: &Carried| shorts.whole(carried));
            let mark = object.mark.as_ref();
            let ours = mark.is_some_and(|mark| mark.starts_with(&question.mark_prefix));
            if ours && !group.ids.contains(id.as_str()) {
                marked.push((id, Reading::Present(Box::new(object))));
            }
        }
        marked
    }

    /// The objects of a group, where a list is worth it; and why what it shows cannot be believed, if so: then what is
    /// recorded is read one by one, and of what is wanted nothing is known.
    async fn listed(
        &self,
        group: &Group<'_>,
        whole: bool,
        found: &mut Found,
    ) -> Result<(Option<Listed>, Option<String>), PlatformError> {
        let kind = group.definition;
        let Some(list) = kind.whole_list() else {
            return Ok((None, None));
        };
        let reads = group.ids.len();
        // Looking for something needs the whole list; else it is read only while it is cheaper than reading each object.
        let most = (group.wanted.is_empty() && !whole).then_some(reads);
        if most == Some(0) || (most == Some(1) && matches!(kind.read, Read::Call(_) | Read::Nothing)) {
            return Ok((None, None));
        }
        let scope = Scope {
            inputs: group.inputs.clone(),
            ..Scope::default()
        };
        let doubt = |error: PlatformError| {
            tracing::debug!(call = error.call, "a list cannot be believed");
            Ok((None, Some(error.to_string())))
        };
        let listing = match self.list(kind, list, &scope, most).await {
            Ok(listing) => listing,
            // The parent is not there, so neither is anything below it.
            Err(error) if error.kind == ErrorKind::Missing && !kind.inputs.is_empty() => {
                return Ok((Some(Listed::default()), None));
            }
            Err(error) if matches!(error.kind, ErrorKind::Unexpected | ErrorKind::TooLarge) => return doubt(error),
            Err(error) => return Err(error),
        };
        match Listed::of(kind, listing.items) {
            Some(listed) => {
                found.complete = listing.complete;
                Ok((Some(listed), None))
            }
            None => doubt(PlatformError::new(
                ErrorKind::Unexpected,
                list.call.name(),
                "an object in the list has no id",
            )),
        }
    }

    /// New objects may be missing from lists for a while: what was tried moments ago is waited for. Returns how long.
    async fn let_new_objects_appear(&self, question: &Question) -> Result<Duration, PlatformError> {
        let now = now_ms();
        // By a clock that is wrong nothing was long ago.
        let is_apart = self.client.clock().is_some_and(|clock| clock.is_apart());
        let mut longest = Duration::ZERO;
        for wanted in &question.wanted {
            if let Some(tried) = wanted.tried {
                let lag = self.kind(&wanted.kind)?.lag;
                let passed = Duration::from_millis(now.saturating_sub(tried));
                // The call may have been under way until its deadline, so that its object may be as young as this moment.
                if is_apart || passed < lag + crate::platform::http::retry::CALL_DEADLINE {
                    longest = longest.max(lag);
                }
            }
        }
        if !longest.is_zero() {
            tracing::debug!(?longest, "waiting until what was just created shows in lists");
            tokio::time::sleep(longest).await;
        }
        Ok(longest)
    }
}

/// Whether an error is about the key or the account, and not about one object.
fn is_of_the_account(error: &PlatformError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Forbidden | ErrorKind::Unauthorised | ErrorKind::Misplaced
    )
}

fn now_ms() -> u64 {
    u64::try_from(outside::now().as_millisecond()).unwrap_or_default()
}
