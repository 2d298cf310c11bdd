//! Polling until the platform is done, for as long as the definition says. What takes longer goes on in the next run.

use serde_json::Value;
use tokio::time::Instant;

use super::Rest;
use super::execute::{own_of, scope_of};
use super::operations;
use super::send::bare;
use crate::platform::definition::call::Read;
use crate::platform::definition::kind::{State, Wait};
use crate::platform::definition::placeholder::Scope;
use crate::platform::definition::{KindDefinition, compare, ids, object, path};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::{Job, Receipt};

impl Rest {
    pub(super) async fn wait(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let Some(wait) = &kind.wait else {
            return Err(PlatformError::new(
                ErrorKind::Refused,
                "wait",
                "this kind has nothing to wait for",
            ));
        };
        let mut job = job.clone();
        if kind.gate {
            let inputs = ids::inputs_of(kind, &job.document).unwrap_or_default();
            job.id = ids::of(kind, &inputs, "");
        }
        operations::check(&job.operations)?;
        // Where the answer of the creation was lost, what it named is not known: the object itself is what counts then.
        for operation in &job.operations {
            self.poll(kind, wait, &job, Some(operation)).await?;
        }
        if wait.each.is_none() {
            self.poll(kind, wait, &job, None).await?;
        }
        let live = self.read(kind, &job.id).await?;
        let (document, _) = object::shown(kind, &live);
        let (out, secrets) = self.outputs(kind, &job, &live).await?;
        Ok(Receipt {
            id: job.id.clone(),
            read: Some(compare::owned_part(kind, &job.document, &document)),
            out,
            secrets,
            ..Receipt::default()
        })
    }

    /// Whether an object says of itself that the platform is not done with it.
    pub(super) fn is_under_way(&self, kind: &KindDefinition, live: &Value) -> bool {
        kind.wait.as_ref().is_some_and(|wait| {
            let found = path::at(live, &wait.at);
            wait.each.is_none() && wait.call.is_none() && found.is_some_and(|state| wait.state(state) == State::Pending)
        })
    }

    async fn poll(
        &self,
        kind: &KindDefinition,
        wait: &Wait,
        job: &Job,
        item: Option<&Value>,
    ) -> Result<(), PlatformError> {
        let started = Instant::now();
        let own = own_of(kind, job);
        loop {
            let scope = Scope {
                item,
                id: Some(&own),
                live: None,
                ..scope_of(kind, job, &Value::Null)
            };
            // The state may stand beside the object in the answer of `read`.
            let (answer, live) = match (&wait.call, &kind.read) {
                (Some(call), _) => (self.send(call, &scope).await?, ""),
                (None, Read::Call(call)) => (self.send(call, &scope).await?, call.live.as_str()),
                (None, _) => (self.read(kind, &job.id).await?, ""),
            };
            let inside = path::at(&answer, live).and_then(|object| path::at(object, &wait.at));
            let found = inside.or_else(|| path::at(&answer, &wait.at)).unwrap_or(&Value::Null);
            match wait.state(found) {
                State::Done => return Ok(()),
                State::Failed => {
                    let why = format!("the platform says `{}` is {}", wait.at, bare(found));
                    return Err(PlatformError::new(ErrorKind::Refused, "wait", why));
                }
                State::Pending if started.elapsed() >= wait.max => {
                    let why = format!(
                        "after {} s the platform still says `{}` is {}; the next run goes on waiting",
                        wait.max.as_secs(),
                        wait.at,
                        bare(found)
                    );
                    return Err(PlatformError::new(ErrorKind::Waiting, "wait", why));
                }
                State::Pending => tokio::time::sleep(wait.every).await,
            }
        }
    }
}
