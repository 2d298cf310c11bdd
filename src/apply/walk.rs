//! One tenant, step by step.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use uuid::Uuid;

use super::shared::Common;
use super::{Context, Outcome, integrations, request};
use crate::desired::DesiredTenant;
use crate::digest::Digest;
use crate::lockfile::{Applied, Event, Lockfile};
use crate::outside;
use crate::plan::order::{self, Node};
use crate::plan::{Action, Change, Values, unseen};
use crate::platform::error::ErrorKind;
use crate::platform::{Job, PlatformError, Reading, Receipt, Step, hidden};
use crate::problem::{Class, Problem};
use crate::symbol::{self, Symbol, Unknown};

/// Carries out the changes of one tenant, who may refer to these `shared` objects.
pub async fn walk(
    context: &Context<'_>,
    desired: &DesiredTenant,
    common: &Common,
    lock: Lockfile,
    changes: Vec<Change>,
) -> Outcome {
    let mut walk = Walk {
        context,
        desired,
        common,
        values: Values {
            ids: changes
                .iter()
                .filter_map(|change| Some((change.address.clone(), change.id.clone()?)))
                .chain(common.known.ids.clone())
                .collect(),
            outs: common.known.outs.clone(),
            ..Values::default()
        },
        outcome: Outcome::untouched(lock),
        attempts: BTreeMap::new(),
        reads: BTreeMap::new(),
        told: BTreeMap::new(),
    };
    walk.outcome
        .problems
        .extend(missing_secrets(context, desired, &changes));
    if walk.outcome.failed() {
        return walk.outcome;
    }
    if let Err(error) = walk.run(&changes).await {
        walk.stop(error);
    }
    walk.outcome
}

/// Secrets that could not be had: without them nothing of the tenant is begun.
pub(super) fn missing_secrets(context: &Context<'_>, desired: &DesiredTenant, changes: &[Change]) -> Vec<Problem> {
    let sent = changes.iter().filter(|change| !change.steps.is_empty());
    let needed: BTreeSet<String> = sent
        .flat_map(|change| unseen::names(&change.work.document))
        .map(|(_, name)| name)
        .collect();
    let missing = needed.into_iter().filter_map(|name| {
        let (why, hint) = match context.secrets.get(&desired.name, &name) {
            Some(Ok(_)) => return None,
            Some(Err(unavailable)) => (unavailable.why.clone(), Some(unavailable.hint.clone())),
            None => ("bug: nobody asked for it".to_owned(), None),
        };
        let message = format!("`{name}`: {why}; nothing was written for tenant `{}`", desired.name);
        let mut problem = Problem::error(Class::Authentication, message).tenant(&*desired.name);
        problem.place = desired.secrets.get(&name).map(|input| input.place.clone());
        problem.hint = hint;
        Some(problem)
    });
    missing.collect()
}

/// Whether a step takes something away, which needs no document.
fn leaves(step: Step) -> bool {
    matches!(step, Step::Unpublish | Step::Delete | Step::Retire)
}

/// What a change may send: of an object that is there, without what only its creation takes. A secret that was told once
/// is then not asked for.
fn sent(change: &Change) -> Cow<'_, Value> {
    match change.steps.contains(&Step::Create) || change.work.create_only.is_empty() {
        true => Cow::Borrowed(&change.work.document),
        false => Cow::Owned(hidden::without(&change.work.document, &change.work.create_only)),
    }
}

/// The journal could not be written: nothing further may be sent, because nothing would remember it.
struct Unwritable(std::io::Error);

struct Walk<'a> {
    context: &'a Context<'a>,
    desired: &'a DesiredTenant,
    common: &'a Common,
    values: Values<'a>,
    outcome: Outcome,
    attempts: BTreeMap<usize, Uuid>,
    /// What the platform showed last of each change's object.
    reads: BTreeMap<usize, Digest>,
    /// What the platform told of each change's object, besides its id.
    told: BTreeMap<usize, Told>,
}

/// What a platform told of an object that is being created.
#[derive(Default)]
struct Told {
    /// Outputs that may be written down.
    out: BTreeMap<String, Value>,
    /// What only the answer of its creation told.
    created: Option<Value>,
}

impl Walk<'_> {
    async fn run(&mut self, changes: &[Change]) -> Result<(), Unwritable> {
        for event in self.context.begun.requests(&self.desired.name) {
            self.record(event.clone())?;
        }
        for event in request::work(self.context, &self.outcome.lock) {
            self.record(event)?;
        }
        self.know_ids();
        let order = match order::order(changes) {
            Ok(order) => order,
            Err(circle) => {
                let problem = Problem::error(
                    Class::Failure,
                    format!("bug: a plan with a circle: {}", circle.join(" → ")),
                );
                self.outcome.problems.push(problem.tenant(&*self.desired.name));
                return Ok(());
            }
        };
        for change in changes.iter().filter(|change| change.steps.is_empty()) {
            self.without_steps(change)?;
        }
        let mut failed: BTreeSet<Node> = BTreeSet::new();
        for node in order.steps {
            let Some(change) = changes.get(node.0) else { continue };
            let blocked = order
                .waits_for
                .get(&node)
                .is_some_and(|waits| !waits.is_disjoint(&failed));
            if self.context.interrupted.load(Ordering::Relaxed) || !self.context.permit.granted().await {
                self.outcome.interrupted = true;
            }
            if blocked || self.outcome.interrupted {
                failed.insert(node);
                self.outcome.skipped.insert(change.address.clone());
                continue;
            }
            if let Err(error) = self.step(change, node).await? {
                failed.insert(node);
                // It was not allowed to send everything.
                if !self.context.permit.holds() {
                    self.outcome.interrupted = true;
                    self.outcome.broken.insert(change.address.clone());
                    continue;
                }
                if error.kind == ErrorKind::Waiting {
                    self.outcome.waiting.insert(change.address.clone());
                    self.outcome.broken.insert(change.address.clone());
                    continue;
                }
                self.outcome.broken.insert(change.address.clone());
                let why = format!("{}: {}: {error}", change.address, node.1.as_str());
                self.outcome.failures.push((change.address.clone(), why));
                let problem = error.problem(&change.account).tenant(&*self.desired.name);
                self.outcome.problems.push(Problem {
                    message: format!("{}: {}: {}", change.address, node.1.as_str(), problem.message),
                    ..problem
                });
            } else {
                self.outcome.done += 1;
            }
        }
        let unfinished = self.outcome.interrupted || !self.outcome.waiting.is_empty();
        let skipped = !self.outcome.skipped.is_empty() && self.outcome.waiting.is_empty();
        let failed = self.outcome.failed() || skipped;
        // What still waits leaves its request open, unless something else failed.
        let open = unfinished && (self.outcome.interrupted || !self.outcome.failed());
        let standing = integrations::standing(self.desired, &self.outcome, self.common);
        let ended = request::end(self.context, self.desired, &self.outcome.lock, &standing, failed, open);
        for event in ended {
            self.record(event)?;
        }
        Ok(())
    }

    fn know_ids(&mut self) {
        self.values.bases = Values::bases_of(&self.outcome.lock.versions);
        for (address, locked) in &self.outcome.lock.resources {
            // An id that the plan found absent is not to be referred to; the plan's own ids came first.
            if let Some(id) = locked.applied.as_ref().map(|applied| applied.id.clone()) {
                self.values.ids.entry(address.clone()).or_insert(id);
            }
            self.values.outs.insert(address.clone(), locked.out());
        }
        for (account, answer) in &self.context.observed.accounts {
            self.values.credentials.insert(account, &answer.credentials);
        }
    }

    fn record(&mut self, event: Event) -> Result<(), Unwritable> {
        self.context
            .journal
            .append(&self.desired.name, &event)
            .map_err(Unwritable)?;
        self.outcome.lock.record(&event);
        Ok(())
    }

    fn stop(&mut self, Unwritable(error): Unwritable) {
        let problem = Problem::error(
            Class::Failure,
            format!("the journal cannot be written ({error}), so nothing further was sent"),
        );
        self.outcome.problems.push(
            problem
                .tenant(&*self.desired.name)
                .hint("free some disk space and run again"),
        );
    }

    /// Only the record changes.
    fn without_steps(&mut self, change: &Change) -> Result<(), Unwritable> {
        match (change.action, &change.id) {
            (Action::Forget, _) => self.record(Event::Gone {
                address: change.address.clone(),
            }),
            (Action::Adopt | Action::Update, Some(id)) => {
                // What is not in the lockfile yet must be begun before it can be recorded as done.
                if !self.outcome.lock.resources.contains_key(&change.address) {
                    self.begin(change, Step::Fill, outside::random_id(), Some(id.clone()))?;
                }
                let read = change
                    .work
                    .expected
                    .clone()
                    .unwrap_or_else(|| Digest::of_json(&Value::Null));
                let applied = self.applied(change, id.clone(), read, change.work.out.clone());
                self.record(applied)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, change: &Change, step: Step, attempt: Uuid, id: Option<String>) -> Result<(), Unwritable> {
        self.supersede(change)?;
        self.record(Event::Begin {
            address: change.address.clone(),
            kind: change.kind.clone(),
            account: change.account.clone(),
            fingerprint: change.work.fingerprint.clone(),
            run: self.context.run,
            attempt,
            step,
            id,
        })
    }

    /// The recorded object gets a successor: before anything is done, it is remembered as one that is to be deleted.
    fn supersede(&mut self, change: &Change) -> Result<(), Unwritable> {
        let Some(locked) = self.outcome.lock.resources.get(&change.address) else {
            return Ok(());
        };
        let goes = |id: &String| change.work.retiring.contains_key(id) && !locked.retiring.contains_key(id);
        if locked.applied.as_ref().is_some_and(|applied| goes(&applied.id)) {
            self.record(Event::Superseded {
                address: change.address.clone(),
            })?;
        }
        Ok(())
    }

    fn applied(&self, change: &Change, id: String, read: Digest, out: BTreeMap<String, Value>) -> Event {
        let wanted = self.desired.resources.get(&change.address);
        let runs = wanted.is_some_and(|resource| resource.runs);
        let before = self.outcome.lock.resources.get(&change.address);
        let before = before.and_then(|locked| locked.applied.as_ref());
        let wrote = change
            .steps
            .iter()
            .any(|step| matches!(step, Step::Create | Step::Fill));
        let unseen = match before {
            Some(before) if !wrote => unseen::Record {
                unread: before.unread.clone(),
                secrets: before.secrets.clone(),
            },
            _ => {
                let (document, paths) = (&change.work.document, &change.work.hidden);
                unseen::record(&change.address, document, paths, self.context.secrets)
            }
        };
        // Something of the platform's own was kept: to the next plan it is still what the platform moved.
        let (sent, read) = match &change.work.asked {
            Some(asked) => (asked.clone(), Digest::of_json(&json!({ "kept": read }))),
            None => (Digest::of_json(&symbol::symbolic(&change.work.document)), read),
        };
        Event::Applied {
            address: change.address.clone(),
            applied: Applied {
                id,
                sent,
                read,
                keys: change.work.keys.clone(),
                commit: self.context.commit.to_owned(),
                revision: change.revision,
                uses: change
                    .work
                    .needs
                    .iter()
                    .filter(|address| address.is_shared())
                    .cloned()
                    .collect(),
                stopped: change.work.drafts && !runs,
                out,
                unread: unseen.unread,
                secrets: unseen.secrets,
            },
        }
    }

    /// One step; the inner error is the platform's and stops only what waits for it.
    async fn step(&mut self, change: &Change, node: Node) -> Result<Result<(), PlatformError>, Unwritable> {
        let (index, step) = node;
        if step == Step::Retire {
            self.supersede(change)?;
            let retired = self.retire(change).await?;
            if retired.is_ok() && change.action == Action::Delete && change.steps == [Step::Retire] {
                self.record(Event::Gone {
                    address: change.address.clone(),
                })?;
            }
            return Ok(retired);
        }
        let attempt = *self
            .attempts
            .entry(index)
            .or_insert_with(|| self.context.begun.attempt(change));
        if !leaves(step)
            && let Err(error) = self.ask_for_secret_outputs(&sent(change)).await
        {
            return Ok(Err(error));
        }
        let job = match self.job(change, node, attempt) {
            Ok(job) => job,
            Err(error) => return Ok(Err(error)),
        };
        let id = (step != Step::Create && !job.id.is_empty()).then(|| job.id.clone());
        self.begin(change, step, attempt, id)?;
        match self.execute(change, &job).await {
            Ok(receipt) => {
                self.succeeded(change, node, receipt)?;
                Ok(Ok(()))
            }
            // Nothing failed: what was begun stays pending.
            Err(error) if error.kind == ErrorKind::Waiting => Ok(Err(error)),
            Err(error) => {
                self.record(Event::Failed {
                    address: change.address.clone(),
                    step,
                    at: (self.context.now)(),
                    message: error.to_string(),
                    harmless: error.is_harmless(),
                })?;
                Ok(Err(error))
            }
        }
    }

    async fn execute(&self, change: &Change, job: &Job) -> Result<Receipt, PlatformError> {
        self.context.progress.started(&change.address, job.step);
        let result = match self.context.executors.get(&change.account) {
            Some(executor) => executor.execute(job).await,
            None => Err(PlatformError::new(
                ErrorKind::Unreachable,
                job.step.as_str(),
                "the account is not open",
            )),
        };
        let result = result.map_err(|error| PlatformError {
            why: self.redacted(&error.why),
            ..error
        });
        match &result {
            Ok(receipt) => {
                let note = receipt.note.as_deref().map(|note| self.redacted(note));
                self.context.progress.done(&change.address, job.step, note.as_deref());
            }
            Err(error) => self
                .context
                .progress
                .failed(&change.address, job.step, &error.to_string()),
        }
        result
    }

    /// Deletes what a new object replaced. The record of it is the lockfile's `retiring`, which was written before.
    async fn retire(&mut self, change: &Change) -> Result<Result<(), PlatformError>, Unwritable> {
        let locked = self.outcome.lock.resources.get(&change.address);
        let retiring = locked.map(|locked| locked.retiring.clone()).unwrap_or_default();
        for (id, out) in retiring {
            let mut job = match self.job(change, (usize::MAX, Step::Retire), Uuid::nil()) {
                Ok(job) => job,
                Err(error) => return Ok(Err(error)),
            };
            job.id.clone_from(&id);
            job.out = out;
            if let Err(error) = self.execute(change, &job).await {
                return Ok(Err(error));
            }
            self.record(Event::Retired {
                address: change.address.clone(),
                id,
            })?;
        }
        Ok(Ok(()))
    }

    /// Secret outputs of other resources that this run did not see come up.
    async fn ask_for_secret_outputs(&mut self, document: &Value) -> Result<(), PlatformError> {
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

    /// A platform may repeat what it was sent.
    fn redacted(&self, text: &str) -> String {
        self.context.secrets.redacted(&self.desired.name, text)
    }

    fn succeeded(&mut self, change: &Change, (index, step): Node, receipt: Receipt) -> Result<(), Unwritable> {
        let address = &change.address;
        if let Some(read) = &receipt.read {
            self.reads.insert(index, Digest::of_json(read));
        }
        let told = self.told.entry(index).or_default();
        told.out.extend(receipt.out.clone());
        if receipt.created.is_some() {
            told.created = receipt.created;
        }
        let out = told.out.clone();
        let outs = self.values.outs.entry(address.clone()).or_default();
        outs.extend(receipt.out.clone());
        let secrets = receipt.secrets.iter();
        outs.extend(secrets.map(|(name, secret)| (name.clone(), Value::from(secret.expose()))));
        if step == Step::Create {
            self.values.ids.insert(address.clone(), receipt.id.clone());
            self.record(Event::Created {
                address: address.clone(),
                id: receipt.id.clone(),
                out: receipt.out,
            })?;
        } else if step == Step::Delete {
            // What is replaced is gone before its successor is begun.
            self.record(Event::Gone {
                address: address.clone(),
            })?;
            self.values.ids.remove(address);
            self.values.outs.remove(address);
        } else if step == Step::Wait {
            self.values.ids.insert(address.clone(), receipt.id.clone());
        }
        let last = change.steps.iter().rfind(|step| **step != Step::Retire);
        if last != Some(&step) || step == Step::Delete {
            return Ok(());
        }
        let read = self
            .reads
            .get(&index)
            .cloned()
            .unwrap_or_else(|| Digest::of_json(&Value::Null));
        let mut known = match change.action {
            Action::Create | Action::Replace => BTreeMap::new(),
            _ => change.work.out.clone(),
        };
        known.extend(out);
        let applied = self.applied(change, receipt.id, read, known);
        self.record(applied)
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

    fn job(&self, change: &Change, (index, step): Node, attempt: Uuid) -> Result<Job, PlatformError> {
        let fresh = change.steps.contains(&Step::Create);
        let draft = step == Step::Create && change.work.drafts;
        let unknown = if draft || leaves(step) {
            Unknown::Blank
        } else {
            Unknown::Keep
        };
        let value = |symbol: &Symbol| self.values.of(symbol).or_else(|| self.context.secrets.value(symbol));
        let document = symbol::resolve(&sent(change), &value, unknown);
        if let Some(unresolved) = symbol::symbols(&document).into_iter().next() {
            let why = format!(
                "{} has no value, because what it refers to does not exist",
                unresolved.describe()
            );
            return Err(PlatformError::new(ErrorKind::Refused, step.as_str(), why));
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
            created: self.told.get(&index).and_then(|told| told.created.clone()),
        })
    }
}
