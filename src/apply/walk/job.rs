//! What an executor is asked to do: a change's step, with everything it refers to put in.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::Walk;
use crate::plan::order::Node;
use crate::plan::{Action, Change, Reason};
use crate::platform::error::ErrorKind;
use crate::platform::{Job, PlatformError, Reading, Step, hidden};
use crate::symbol::{self, Symbol, Unknown};

/// Whether a step takes something away, which needs no document.
pub(super) fn leaves(step: Step) -> bool {
    matches!(step, Step::Unpublish | Step::Delete | Step::Retire)
}

/// What a change may send: of an object that is there, without what only its creation takes. A secret that was told once
/// is then not asked for.
pub(super) fn sent(change: &Change) -> Cow<'_, Value> {
    match change.steps.contains(&Step::Create) || change.work.create_only.is_empty() {
        true => Cow::Borrowed(&change.work.document),
        false => Cow::Owned(hidden::without(&change.work.document, &change.work.create_only)),
    }
}

impl Walk<'_> {
    /// Secret outputs of other resources that this run did not see come up.
    pub(super) async fn ask_for_secret_outputs(&mut self, document: &Value) -> Result<(), PlatformError> {
        for symbol in symbol::symbols(document) {
            let Symbol::Ref { address, path } = &symbol else {
                continue;
            };
            let Some(name) = path.strip_prefix("out.") else {
                continue;
            };
            if self.values.of(&symbol).is_some() {
                continue;
            }
            let (Some(locked), Some(id)) = (
                self.outcome.lock.resources.get(address),
                self.values.ids.get(address).cloned(),
            ) else {
                continue;
            };
            if let Some(executor) = self.context.executors.get(&locked.account) {
                let secret = executor.output(&locked.kind, &id, name).await?;
                let outs = self.values.outs.entry(address.clone()).or_default();
                outs.insert(name.to_owned(), Value::from(secret.expose()));
            }
        }
        Ok(())
    }

    /// What its creation started, in this run or in one that was cut off.
    fn operations(&self, change: &Change, index: usize) -> Vec<Value> {
        let told = self.told.get(&index).map(|told| &told.operations);
        let locked = self.outcome.lock.resources.get(&change.address);
        let pending = locked.and_then(|locked| locked.pending.as_ref());
        let recorded = pending.map(|pending| &pending.operations);
        let mut known = told
            .into_iter()
            .chain(recorded)
            .filter(|operations| !operations.is_empty());
        known.next().cloned().unwrap_or_default()
    }

    /// The object as the plan saw it; of one that goes, what upa wrote in it.
    fn seen(&self, change: &Change, step: Step) -> Option<Value> {
        let (action, id) = (change.action, change.id.as_ref()?);
        let goes = matches!(action, Action::Delete | Action::Replace) && matches!(step, Step::Unpublish | Step::Delete);
        if !goes && step != Step::Fill {
            return None;
        }
        let Reading::Present(object) = self.context.observed.reading(&change.account, &change.kind, id) else {
            return None;
        };
        if !goes {
            return Some(object.document);
        }
        let locked = self.outcome.lock.resources.get(&change.address)?;
        let keys = &locked.applied.as_ref().filter(|applied| applied.id == *id)?.keys;
        let written: BTreeSet<&str> = keys.iter().filter_map(|key| key.split('.').next()).collect();
        let mut document = object.document;
        if let Some(map) = document.as_object_mut() {
            map.retain(|key, _| written.contains(key.as_str()));
        }
        Some(document)
    }

    pub(super) fn job(&self, change: &Change, (index, step): Node, attempt: Uuid) -> Result<Job, PlatformError> {
        let fresh = change.steps.contains(&Step::Create);
        let draft = step == Step::Create && change.work.drafts;
        let unknown = if draft || leaves(step) {
            Unknown::Blank
        } else {
            Unknown::Keep
        };
        let secret = |symbol: &Symbol| self.context.secrets.value(change.address.tenant(), symbol);
        let value = |symbol: &Symbol| self.values.of(symbol).or_else(|| secret(symbol));
        let document = symbol::resolve(&sent(change), &value, unknown);
        if let Some(unresolved) = symbol::symbols(&document).into_iter().next() {
            let why = format!(
                "{} has no value, because what it refers to does not exist",
                unresolved.describe()
            );
            return Err(PlatformError::new(ErrorKind::Refused, "document", why));
        }
        let id = self.values.ids.get(&change.address).cloned();
        let text = |symbolic: &str| match symbol::resolve(
            &Value::from(symbolic),
            &|symbol| self.values.of(symbol),
            Unknown::Keep,
        ) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let probes = match step {
            Step::Publish => change
                .work
                .entries
                .iter()
                .filter(|entry| entry.provable)
                .flat_map(|entry| {
                    entry
                        .method
                        .split(',')
                        .map(|method| (method.to_owned(), text(&entry.url)))
                })
                .collect(),
            Step::Unpublish => change.work.listening.clone(),
            Step::Create | Step::Fill | Step::Wait | Step::Retire | Step::Delete => Vec::new(),
        };
        Ok(Job {
            address: change.address.clone(),
            kind: change.kind.clone(),
            step,
            id: if step == Step::Create {
                String::new()
            } else {
                id.unwrap_or_default()
            },
            document,
            mark: change.address.mark(self.context.workspace),
            attempt: attempt.to_string(),
            replaces: change.work.retiring.keys().cloned().collect(),
            marked: change.work.marked || fresh,
            fresh,
            expected: if fresh { None } else { change.work.expected.clone() },
            seen: self.seen(change, step),
            dropped: change.work.dropped.clone(),
            probes,
            label: format!(
                "{} {} revision {}",
                self.desired.product, self.desired.version, change.revision
            ),
            out: match self.told.get(&index) {
                Some(told) if fresh => told.out.clone(),
                _ => change.work.out.clone(),
            },
            gentle: change.work.gentle,
            again: change.reason == Reason::DeletedOnPlatform,
            left: self.told.get(&index).is_some_and(|told| told.left),
            operations: self.operations(change, index),
        })
    }
}
