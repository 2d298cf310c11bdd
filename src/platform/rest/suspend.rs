//! Stopping and starting an object by calls of its own, where its definition names them.

use std::time::Duration;

use serde_json::Value;

use super::Rest;
use super::execute::{own_of, scope_of};
use crate::platform::definition::call::Read;
use crate::platform::definition::placeholder::Scope;
use crate::platform::definition::{KindDefinition, compare, object, path};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::moved::moved;
use crate::platform::{Activity, Job, Receipt, Step};

/// How often an object is looked at before upa says that a call had no effect.
const LOOKS: u32 = 4;

/// Whether an object runs, where it can be stopped.
pub(super) fn activity(kind: &KindDefinition, live: &Value) -> Activity {
    match &kind.suspend.calls {
        None => Activity::NotApplicable,
        Some(calls) if path::at(live, &calls.at) == Some(&calls.is) => Activity::Stopped,
        Some(_) => Activity::Running,
    }
}

impl Rest {
    /// Stops an object (`Unpublish`) or starts it (`Publish`), unless it is so already.
    pub(super) async fn switch(&self, kind: &KindDefinition, job: &Job) -> Result<Receipt, PlatformError> {
        let Some(calls) = &kind.suspend.calls else {
            let why = format!("a {} does not run", job.kind);
            return Err(PlatformError::new(ErrorKind::Refused, job.step.as_str(), why));
        };
        let (call, wanted) = match job.step {
            Step::Publish => (&calls.resume, Activity::Running),
            _ => (&calls.suspend, Activity::Stopped),
        };
        let (current, live, _) = self.ours(kind, job).await?;
        // What is started is what was planned: somebody may have written something else since.
        if job.step == Step::Publish && !matches!(kind.read, Read::Nothing) {
            let fields = compare::differences(kind, &job.document, &current, &job.dropped);
            if !fields.is_empty() {
                return Err(moved(job.step, "read", &fields, None));
            }
        }
        if activity(kind, &live) == wanted {
            return Ok(receipt(kind, job, &live));
        }
        let own = own_of(kind, job);
        let scope = Scope {
            id: Some(&own),
            ..scope_of(kind, job, &live)
        };
        let sent = match self.send(call, &scope).await {
            Err(error) if error.is_harmless() => return Err(error),
            sent => sent,
        };
        // What is there now decides, not the answer.
        for look in 1..=LOOKS {
            let live = self.read(kind, &job.id).await.map_err(PlatformError::after_write)?;
            if activity(kind, &live) == wanted {
                return Ok(receipt(kind, job, &live));
            }
            tokio::time::sleep(Duration::from_millis(100 << look)).await;
        }
        let why = match wanted {
            Activity::Running => "the platform took the call, and the object is still stopped",
            _ => "the platform took the call, and the object still runs",
        };
        Err(match sent {
            Err(error) => error,
            Ok(_) => PlatformError::new(ErrorKind::Unexpected, call.name(), why).after_write(),
        })
    }
}

fn receipt(kind: &KindDefinition, job: &Job, live: &Value) -> Receipt {
    let (document, _) = object::shown(kind, live);
    Receipt {
        id: job.id.clone(),
        read: Some(compare::owned_part(kind, &job.document, &document)),
        ..Receipt::default()
    }
}
