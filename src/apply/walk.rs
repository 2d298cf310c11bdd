//! One tenant, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Context, Outcome, request};
use crate::desired::DesiredTenant;
use crate::digest::Digest;
use crate::lockfile::{Applied, Event, Lockfile};
use crate::plan::order::{self, Node};
use crate::plan::{Action, Change, Values};
use crate::platform::error::ErrorKind;
use crate::platform::{Job, PlatformError, Receipt, Step};
use crate::problem::{Class, Problem};
use crate::symbol::{self, Unknown};

/// Carries out the changes of one tenant.
pub async fn walk(context: &Context<'_>, desired: &DesiredTenant, lock: Lockfile, changes: Vec<Change>) -> Outcome {
    let mut walk = Walk {
        context,
        desired,
        values: Values {
            ids: changes
                .iter()
                .filter_map(|change| Some((change.address.clone(), change.id.clone()?)))
                .collect(),
            ..Values::default()
        },
        outcome: Outcome {
            tenant: desired.name.clone(),
            lock,
            done: 0,
            problems: Vec::new(),
            skipped: BTreeSet::new(),
            interrupted: false,
        },
        attempts: BTreeMap::new(),
        reads: BTreeMap::new(),
    };
    if let Err(error) = walk.run(&changes).await {
        walk.stop(error);
    }
    walk.outcome
}

/// The journal could not be written: nothing further may be sent, because nothing would remember it.
struct Unwritable(std::io::Error);

struct Walk<'a> {
    context: &'a Context<'a>,
    desired: &'a DesiredTenant,
    values: Values<'a>,
    outcome: Outcome,
    attempts: BTreeMap<usize, Uuid>,
    /// What the platform showed last of each change's object.
    reads: BTreeMap<usize, Digest>,
}

impl Walk<'_> {
    async fn run(&mut self, changes: &[Change]) -> Result<(), Unwritable> {
        for event in request::begin(self.context, self.desired, &self.outcome.lock, changes) {
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
            if self.context.interrupted.load(Ordering::Relaxed) {
                self.outcome.interrupted = true;
            }
            if blocked || self.outcome.interrupted {
                failed.insert(node);
                self.outcome.skipped.insert(change.address.clone());
                continue;
            }
            if let Err(error) = self.step(change, node).await? {
                failed.insert(node);
                let problem = error.problem(&change.account).tenant(&*self.desired.name);
                self.outcome.problems.push(Problem {
                    message: format!("{}: {}: {}", change.address, node.1.as_str(), problem.message),
                    ..problem
                });
            } else {
                self.outcome.done += 1;
            }
        }
        let skipped = !self.outcome.skipped.is_empty();
        let ended = request::end(
            self.context,
            self.desired,
            &self.outcome.lock,
            self.outcome.failed() || skipped,
            self.outcome.interrupted,
        );
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
                let read = change
                    .work
                    .expected
                    .clone()
                    .unwrap_or_else(|| Digest::of_json(&Value::Null));
                let applied = self.applied(change, id.clone(), read);
                self.record(applied)
            }
            _ => Ok(()),
        }
    }

    fn applied(&self, change: &Change, id: String, read: Digest) -> Event {
        let wanted = self.desired.resources.get(&change.address);
        let runs = wanted.is_some_and(|resource| resource.runs);
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
                stopped: change.work.drafts && !runs,
            },
        }
    }

    /// One step; the inner error is the platform's and stops only what waits for it.
    async fn step(&mut self, change: &Change, (index, step): Node) -> Result<Result<(), PlatformError>, Unwritable> {
        let attempt = *self
            .attempts
            .entry(index)
            .or_insert_with(|| change.work.attempt.unwrap_or_else(Uuid::new_v4));
        let job = match self.job(change, step, attempt) {
            Ok(job) => job,
            Err(error) => return Ok(Err(error)),
        };
        self.record(Event::Begin {
            address: change.address.clone(),
            kind: change.kind.clone(),
            account: change.account.clone(),
            fingerprint: change.work.fingerprint.clone(),
            run: self.context.run,
            attempt,
            step,
            id: (step != Step::Create).then(|| job.id.clone()),
        })?;
        self.context.progress.started(&change.address, step);
        let executor = self.context.executors.get(&change.account);
        let result = match executor {
            Some(executor) => executor.execute(&job).await,
            None => Err(PlatformError::new(
                ErrorKind::Unreachable,
                step.as_str(),
                "the account is not open",
            )),
        };
        match result {
            Ok(receipt) => {
                self.context
                    .progress
                    .done(&change.address, step, receipt.note.as_deref());
                self.succeeded(change, (index, step), receipt)?;
                Ok(Ok(()))
            }
            Err(error) => {
                self.context.progress.failed(&change.address, step, &error.to_string());
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

    fn succeeded(&mut self, change: &Change, (index, step): Node, receipt: Receipt) -> Result<(), Unwritable> {
        if let Some(read) = &receipt.read {
            self.reads.insert(index, Digest::of_json(read));
        }
        if step == Step::Create {
            self.values.ids.insert(change.address.clone(), receipt.id.clone());
            self.record(Event::Created {
                address: change.address.clone(),
                id: receipt.id.clone(),
            })?;
        }
        if change.steps.last() != Some(&step) {
            return Ok(());
        }
        let event = match change.action {
            Action::Delete => Event::Gone {
                address: change.address.clone(),
            },
            Action::Create | Action::Adopt | Action::Update | Action::Forget => {
                let read = self
                    .reads
                    .get(&index)
                    .cloned()
                    .unwrap_or_else(|| Digest::of_json(&Value::Null));
                self.applied(change, receipt.id, read)
            }
        };
        self.record(event)
    }

    fn job(&self, change: &Change, step: Step, attempt: Uuid) -> Result<Job, PlatformError> {
        let fresh = change.steps.contains(&Step::Create);
        let draft = step == Step::Create && change.work.drafts;
        let unknown = if draft { Unknown::Blank } else { Unknown::Keep };
        let document = symbol::resolve(&change.work.document, &|symbol| self.values.of(symbol), unknown);
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
            Step::Create | Step::Fill | Step::Delete => Vec::new(),
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
            marked: change.work.marked || fresh,
            fresh,
            expected: if fresh { None } else { change.work.expected.clone() },
            dropped: change.work.dropped.clone(),
            probes,
            label: format!(
                "{} {} revision {}",
                self.desired.product, self.desired.version, change.revision
            ),
        })
    }
}
