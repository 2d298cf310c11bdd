//! Objects that are stopped and started by calls: one that is stopped says so where its definition names it.

use serde_json::json;

use super::Service;
use super::answer::other_than;
use super::route::Matched;
use super::shape::place;
use super::stored;
use crate::platform::definition::KindDefinition;
use crate::sandbox::http::Answer;
use crate::sandbox::store::StoreError;

impl Service {
    /// Stops an object, or starts it; one that is so already stays so.
    pub(super) fn switch(
        &self,
        kind: &KindDefinition,
        matched: &Matched<'_>,
        stops: bool,
    ) -> Result<Answer, StoreError> {
        let (call, said) = (matched.route.call, &matched.said);
        let rows = self.store.write(&self.account)?;
        let Some(mut stored) = stored::find(&rows, kind, said)?.filter(|stored| stored.now.is_some()) else {
            return Ok(self.missing(call));
        };
        if let Some(calls) = &kind.suspend.calls {
            let mut version = stored.now.clone().unwrap_or_default();
            let state = if stops { calls.is.clone() } else { other_than(&calls.is) };
            if !version.server.is_object() {
                version.server = json!({});
            }
            place(&mut version.server, &calls.at, state);
            self.rewrite(&rows, kind, &mut stored, Some(version))?;
            rows.commit()?;
        }
        Ok(Answer::json(200, &self.successful(json!({}))))
    }
}
