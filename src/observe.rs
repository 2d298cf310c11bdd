//! Asking every account at once what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::Value;

use crate::desired::{DesiredState, Resource};
use crate::lockfile::{Locked, Lockfile, Pending};
use crate::outside;
use crate::plan::{Known, ObservedState, Values};
use crate::platform::error::ErrorKind;
use crate::platform::{Answer, Observer, PlatformError, Question, Reading, Registry, Wanted, limits};
use crate::record;
use crate::resource::{Address, Kind, SHARED};
use crate::symbol::{self, Symbol, Unknown, symbols};

/// A platform goes on with a call when its caller is killed: a busy n8n took 1.7 s more to create a workflow (seen), which
/// the next run did not find and created again. What is not there is looked for again after each of these pauses.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1_500),
    Duration::from_millis(3_000),
];
/// For how long after the start of the run that was cut off: it may have worked for a while before.
const LONGEST_RUN: Duration = Duration::from_secs(3_600);

/// Who can be asked, and why some cannot.
#[derive(Default)]
pub struct Observers {
    pub open: BTreeMap<String, Arc<dyn Observer>>,
    /// Accounts that could not even be opened.
    pub closed: BTreeMap<String, PlatformError>,
    /// Whether webhooks are asked on the wire whether they answer.
    pub webhooks: bool,
}

impl Observers {
    /// The same, where webhooks are asked on the wire whether they answer.
    #[must_use]
    pub fn asking_webhooks(self, webhooks: bool) -> Self {
        Self { webhooks, ..self }
    }
}

/// What must be asked of each account to plan these tenants.
pub fn questions(
    workspace: &str,
    desired: &DesiredState,
    locks: &BTreeMap<String, Lockfile>,
) -> BTreeMap<String, Question> {
    let mut questions: BTreeMap<String, Question> = BTreeMap::new();
    let mark_prefix = format!("upa:{workspace}/");
    let shared = locks.get(SHARED).map(Known::of).unwrap_or_default();
    for tenant in desired.tenants.values() {
        let lock = locks.get(&tenant.name);
        let mut values = lock.map(record::values).unwrap_or_default();
        values.ids.extend(shared.ids.clone());
        values.outs.extend(shared.outs.clone());
        for resource in tenant.resources.values() {
            let question = questions.entry(resource.account.clone()).or_default();
            question.kinds.insert(resource.kind.clone());
            question.marks.insert(resource.address.mark(workspace));
            let locked = lock.and_then(|lock| lock.resources.get(&resource.address));
            question.wanted.extend(wanted(workspace, resource, locked, &values));
            if let Some(id) = &resource.adopt {
                question
                    .ids
                    .entry(resource.kind.clone())
                    .or_default()
                    .insert(id.clone());
            }
            for symbol in symbols(&resource.document) {
                if let Symbol::Credential { account, .. } = symbol {
                    questions.entry(account).or_default().credentials = true;
                }
            }
        }
        let recorded = lock
            .into_iter()
            .flat_map(|lock| &lock.resources)
            .filter(|(address, _)| !tenant.kept.contains(*address));
        for (address, locked) in recorded {
            let question = questions.entry(locked.account.clone()).or_default();
            question.kinds.insert(locked.kind.clone());
            question.marks.insert(address.mark(workspace));
            // Of what is being replaced both the object that was and the one that comes.
            let coming = locked.pending.as_ref().and_then(|pending| pending.id.as_deref());
            let ids: BTreeSet<String> = locked.id().into_iter().chain(coming).map(str::to_owned).collect();
            let asked = question.ids.entry(locked.kind.clone()).or_default();
            // Two lockfiles record one object: where the right one of each is only its mark tells.
            question.whole |= !asked.is_disjoint(&ids);
            asked.extend(ids);
            if !tenant.resources.contains_key(address) {
                question.wanted.extend(unwanted(workspace, address, locked));
            }
        }
    }
    for question in questions.values_mut() {
        question.mark_prefix.clone_from(&mark_prefix);
    }
    questions
}

/// Asks for everything that can carry a mark in all of these accounts, each with its platform, whoever wants it.
pub fn ask_for_everything<'a>(
    questions: &mut BTreeMap<String, Question>,
    workspace: &str,
    registry: &Registry,
    accounts: impl Iterator<Item = (&'a str, &'a str)>,
) {
    for (account, platform) in accounts {
        let question = questions.entry(account.to_owned()).or_default();
        question.whole = true;
        question.mark_prefix = format!("upa:{workspace}/");
        let Some(platform) = registry.platform(platform) else {
            continue;
        };
        // What lies in another object is found only where that is known.
        let kinds = platform.kinds().into_iter().map(Kind::new).filter(|kind| {
            let facts = platform.facts(kind);
            facts.is_some_and(|facts| facts.marked && facts.inputs.is_empty())
        });
        question.kinds.extend(kinds);
    }
}

/// Whether it is enough to ask for the recorded id. The answer of a creation alone is not: it may have been misheard.
fn is_known(locked: &Locked) -> bool {
    locked.applied.is_some() && !locked.is_being_replaced()
}

/// Whether the platform has answered its creation: nothing is on its way any more.
fn is_told(locked: &Locked) -> bool {
    let pending = locked.pending.as_ref();
    locked.applied.is_none() && pending.is_some_and(|pending| pending.id.is_some())
}

/// The object of an address nobody knows the id of, if it is one.
fn wanted(workspace: &str, resource: &Resource, locked: Option<&Locked>, values: &Values<'_>) -> Option<Wanted> {
    let known = locked.is_some_and(is_known);
    if known || resource.adopt.is_some() {
        return None;
    }
    let pending = locked.and_then(|locked| locked.pending.as_ref());
    Some(Wanted {
        address: resource.address.clone(),
        kind: resource.kind.clone(),
        mark: resource.address.mark(workspace),
        document: symbol::resolve(&resource.document, &|symbol| values.of(symbol), Unknown::Keep),
        natural: pending.and_then(|pending| pending.natural.clone()),
        tried: pending.and_then(tried).filter(|_| !locked.is_some_and(is_told)),
        attempt: pending.map(|pending| pending.attempt.to_string()),
    })
}

/// The object of an address that nobody wants any more, if a run may have made one and nobody knows its id: only its mark
/// tells, because nobody knows what it looks like.
fn unwanted(workspace: &str, address: &Address, locked: &Locked) -> Option<Wanted> {
    let pending = locked.pending.as_ref()?;
    if is_known(locked) {
        return None;
    }
    Some(Wanted {
        address: address.clone(),
        kind: locked.kind.clone(),
        mark: address.mark(workspace),
        document: Value::Null,
        natural: pending.natural.clone(),
        tried: tried(pending).filter(|_| !is_told(locked)),
        attempt: Some(pending.attempt.to_string()),
    })
}

/// When a run tried it, in milliseconds since 1970.
fn tried(pending: &Pending) -> Option<u64> {
    let (seconds, nanos) = pending.run.get_timestamp()?.to_unix();
    Some(seconds * 1000 + u64::from(nanos / 1_000_000))
}

/// The accounts that would be asked.
pub fn accounts(questions: &BTreeMap<String, Question>) -> BTreeSet<&str> {
    questions.keys().map(String::as_str).collect()
}

/// Asks.
pub async fn observe(questions: &BTreeMap<String, Question>, observers: &Observers) -> ObservedState {
    ObservedState {
        accounts: ask(questions.iter(), observers).await,
    }
}

/// Asks; and asks again where a run that was cut off may have sent a call that its platform is still at work on. For those
/// who hold the lease: to anybody else that run may be alive, and what it does meanwhile would look like nobody's.
pub async fn observe_with_patience(questions: &BTreeMap<String, Question>, observers: &Observers) -> ObservedState {
    let mut accounts = ask(questions.iter(), observers).await;
    for pause in AGAIN {
        let now = outside::now();
        let coming = questions.iter().filter(|(account, question)| {
            let answer = accounts.get(*account);
            answer.is_some_and(|answer| may_still_come(question, answer, now))
        });
        let coming: Vec<(&String, &Question)> = coming.collect();
        if coming.is_empty() {
            break;
        }
        tracing::debug!(?pause, "waiting for what a run that was cut off may have sent");
        tokio::time::sleep(pause).await;
        accounts.extend(ask(coming.into_iter(), observers).await);
    }
    ObservedState { accounts }
}

async fn ask(questions: impl Iterator<Item = (&String, &Question)>, observers: &Observers) -> BTreeMap<String, Answer> {
    let asked = questions.map(|(account, question)| async move {
        let answer = match observers.open.get(account) {
            Some(observer) if observers.webhooks => {
                let webhooks = true;
                let question = Question {
                    webhooks,
                    ..question.clone()
                };
                in_time(&question, observer.observe(&question)).await
            }
            Some(observer) => in_time(question, observer.observe(question)).await,
            None => Answer {
                failure: observers.closed.get(account).cloned(),
                ..Answer::default()
            },
        };
        (account.clone(), answer)
    });
    join_all(asked).await.into_iter().collect()
}

/// One deadline for all of an account: what answers slowly, or lists for ever, is not waited for.
async fn in_time(question: &Question, answer: impl Future<Output = Answer>) -> Answer {
    let deadline = limits::observation(&question.ids, question.wanted.len());
    match tokio::time::timeout(deadline, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let why = format!(
                "the account was not read to its end within {} min",
                deadline.as_secs() / 60
            );
            Answer {
                failure: Some(PlatformError::new(ErrorKind::Deadline, "observe", why)),
                ..Answer::default()
            }
        }
    }
}

/// Whether something that a run tried to create not long ago is not there, and may yet appear.
fn may_still_come(question: &Question, answer: &Answer, now: Timestamp) -> bool {
    let waited_for = answer.waited >= AGAIN.iter().sum();
    if waited_for || answer.failure.is_some() {
        return false;
    }
    let now = u64::try_from(now.as_millisecond()).unwrap_or_default();
    // By a clock that is wrong nothing was long ago.
    let is_apart = answer.clock.is_some_and(|clock| clock.is_apart());
    let is_recent = |tried: u64| is_apart || Duration::from_millis(now.saturating_sub(tried)) < LONGEST_RUN;
    let is_there = |wanted: &Wanted| {
        answer.objects.values().any(|reading| match reading {
            Reading::Present(object) => {
                let other = object.attempt.is_some() && object.attempt != wanted.attempt;
                object.mark.as_ref() == Some(&wanted.mark) && !other
            }
            Reading::Absent | Reading::Unreadable(_) => false,
        })
    };
    let mut tried = question
        .wanted
        .iter()
        .filter(|wanted| wanted.tried.is_some_and(is_recent));
    tried.any(|wanted| !is_there(wanted))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// An account that never answers.
    struct Silent;

    #[async_trait]
    impl Observer for Silent {
        async fn observe(&self, _: &Question) -> Answer {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_is_never_read_to_its_end_has_a_deadline() {
        let questions = BTreeMap::from([("n8n".to_owned(), Question::default())]);
        let observers = Observers {
            open: BTreeMap::from([("n8n".to_owned(), Arc::new(Silent) as Arc<dyn Observer>)]),
            ..Observers::default()
        };
        let observed = observe(&questions, &observers).await;
        let failure = observed.accounts["n8n"].failure.as_ref().unwrap();
        assert_eq!(failure.kind, ErrorKind::Deadline, "{failure}");
    }
}
