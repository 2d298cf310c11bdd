//! One tenant, step by step.

mod job;
mod record;
mod retire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use serde_json::Value;
use uuid::Uuid;

use super::shared::Common;
use super::{Context, Outcome, Work, integrations, request};
use crate::desired::DesiredTenant;
use crate::digest::Digest;
use crate::lockfile::Event;
use crate::plan::order::{self, Node};
use crate::plan::{Action, Change, Values, change, unseen};
use crate::platform::error::{CONNECT, ErrorKind};
use crate::platform::{Job, Natural, PlatformError, Receipt, Step};
use crate::problem::{Class, Problem};
use crate::symbol::{self, Symbol, Unknown};

use job::{leaves, sent};

/// Carries out the changes of one tenant, who may refer to these `shared` objects.
pub(super) async fn walk(context: &Context<'_>, common: &Common, work: Work<'_>) -> Outcome {
    let Work {
        desired,
        lock,
        changes,
        doubts,
    } = work;
    let mut walk = Walk {
        context,
        desired,
        common,
        values: Values {
            tenant: desired.name.clone(),
            ids: changes
                .iter()
                .filter_map(|change| Some((change.address.clone(), change.id.clone()?)))
                .chain(common.known.ids.clone())
                .collect(),
            outs: common.known.outs.clone(),
            ..Values::default()
        },
        outcome: Outcome {
            doubts,
            ..Outcome::untouched(lock)
        },
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
    /// Something else was there, which may be a stranger's, and was left as it is.
    left: bool,
    /// What its creation started.
    operations: Vec<Value>,
}

impl Walk<'_> {
    async fn run(&mut self, changes: &[Change]) -> Result<(), Unwritable> {
        if let Some(moved) = change::moved(changes) {
            self.record(moved)?;
        }
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
                    message: format!("{}: {}: {}", change.address, node.1.as_str(), problem.message).into(),
                    ..problem
                });
            } else {
                self.outcome.done += 1;
            }
        }
        let left = !self.outcome.waiting.is_empty() || !self.outcome.doubts.is_empty();
        let unfinished = self.outcome.interrupted || left;
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

    fn stop(&mut self, Unwritable(error): Unwritable) {
        let problem = Problem::error(
            Class::Failure,
            format!("the journal cannot be written ({error}), so nothing further was sent"),
        );
        self.outcome.problems.push(
            problem
                .tenant(&*self.desired.name)
                .hint("free some disk space, or let it be written, and run again"),
        );
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
        self.begin(change, step, attempt, id, self.natural(change, step))?;
        match self.execute(change, &job).await {
            Ok(receipt) => {
                self.succeeded(change, node, receipt)?;
                Ok(Ok(()))
            }
            // Nothing failed: what was begun stays pending.
            Err(error) if error.kind == ErrorKind::Waiting => Ok(Err(error)),
            Err(error) => {
                if step == Step::Create {
                    self.ended(change, &error)?;
                }
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

    /// The place of what is about to be created, now that everything it hangs on is there.
    fn natural(&self, change: &Change, step: Step) -> Option<Natural> {
        if step != Step::Create || change.work.natural.is_some() {
            return change.work.natural.clone();
        }
        // It is written down, so that nothing goes in that is not recorded anyway.
        let value = |symbol: &Symbol| match symbol {
            Symbol::Secret { .. } => None,
            Symbol::Ref { address, path } => match path.strip_prefix("out.") {
                Some(name) => self.outcome.lock.resources.get(address)?.out().get(name).cloned(),
                None => self.values.of(symbol),
            },
            _ => self.values.of(symbol),
        };
        let document = symbol::resolve(&change.work.document, &value, Unknown::Keep);
        let platform = self.context.registry.of_kind(&change.kind)?;
        let natural = platform.natural(&change.kind, &document);
        natural.filter(|natural| !natural.is_open())
    }

    async fn execute(&self, change: &Change, job: &Job) -> Result<Receipt, PlatformError> {
        self.context.progress.started(&change.address, job.step);
        let result = match self.context.executors.get(&change.account) {
            Some(executor) => executor.execute(job).await,
            None => Err(PlatformError::new(
                ErrorKind::Unreachable,
                CONNECT,
                "the account is not open",
            )),
        };
        let result = result.map_err(|error| PlatformError {
            why: self.redacted(&error.why.to_string()).into(),
            ..error
        });
        match &result {
            Ok(receipt) => {
                let note = receipt.note.as_deref().map(|note| self.redacted(note));
                self.context.progress.done(&change.address, job.step, note.as_deref());
            }
            Err(error) if error.kind == ErrorKind::Waiting => {
                self.context
                    .progress
                    .waits(&change.address, job.step, &error.to_string());
            }
            Err(error) => self
                .context
                .progress
                .failed(&change.address, job.step, &error.to_string()),
        }
        result
    }

    /// A platform may repeat what it was sent.
    fn redacted(&self, text: &str) -> String {
        self.context.secrets.redacted(&self.desired.name, text)
    }
}
