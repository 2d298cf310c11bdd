//! Objects that have a successor: remembered before it is made, deleted after.

use uuid::Uuid;

use super::{Unwritable, Walk};
use crate::lockfile::Event;
use crate::plan::Change;
use crate::platform::{PlatformError, Step};

impl Walk<'_> {
    /// The recorded object gets a successor: before anything is done, it is remembered as one that is to be deleted.
    pub(super) fn supersede(&mut self, change: &Change) -> Result<(), Unwritable> {
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

    /// Deletes what a new object replaced. The record of it is the lockfile's `retiring`, which was written before.
    pub(super) async fn retire(&mut self, change: &Change) -> Result<Result<(), PlatformError>, Unwritable> {
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
}
