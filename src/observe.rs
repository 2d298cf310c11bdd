//! Asking every account at once what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;

use crate::desired::DesiredState;
use crate::lockfile::Lockfile;
use crate::plan::ObservedState;
use crate::platform::{Answer, Observer, PlatformError, Question};
use crate::symbol::{Symbol, symbols};

/// Who can be asked, and why some cannot.
#[derive(Default)]
pub struct Observers {
    pub open: BTreeMap<String, Arc<dyn Observer>>,
    /// Accounts that could not even be opened.
    pub closed: BTreeMap<String, PlatformError>,
}

/// What must be asked of each account to plan these tenants.
pub fn questions(
    workspace: &str,
    desired: &DesiredState,
    locks: &BTreeMap<String, Lockfile>,
) -> BTreeMap<String, Question> {
    let mut questions: BTreeMap<String, Question> = BTreeMap::new();
    let mark_prefix = format!("upa:{workspace}/");
    for tenant in desired.tenants.values() {
        for resource in tenant.resources.values() {
            let question = questions.entry(resource.account.clone()).or_default();
            question.kinds.insert(resource.kind.clone());
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
        let recorded = locks
            .get(&tenant.name)
            .into_iter()
            .flat_map(|lock| &lock.resources)
            .filter(|(address, _)| !tenant.kept.contains(*address));
        for (_, locked) in recorded {
            let question = questions.entry(locked.account.clone()).or_default();
            question.kinds.insert(locked.kind.clone());
            if let Some(id) = locked.id() {
                question
                    .ids
                    .entry(locked.kind.clone())
                    .or_default()
                    .insert(id.to_owned());
            }
        }
    }
    for question in questions.values_mut() {
        question.mark_prefix.clone_from(&mark_prefix);
    }
    questions
}

/// The accounts that would be asked.
pub fn accounts(questions: &BTreeMap<String, Question>) -> BTreeSet<&str> {
    questions.keys().map(String::as_str).collect()
}

/// Asks.
pub async fn observe(questions: &BTreeMap<String, Question>, observers: &Observers) -> ObservedState {
    let asked = questions.iter().map(|(account, question)| async move {
        let answer = match observers.open.get(account) {
            Some(observer) => observer.observe(question).await,
            None => Answer {
                failure: observers.closed.get(account).cloned(),
                ..Answer::default()
            },
        };
        (account.clone(), answer)
    });
    ObservedState {
        accounts: join_all(asked).await.into_iter().collect(),
    }
}
