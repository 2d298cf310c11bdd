//! What tenants share is claimed only while it is changed, so that runs for other tenants work side by side.
//!
//! A run claims its tenants, plans, and then knows whether it touches what they share. Only then is that claimed too, before
//! anything is announced: always after the tenants, and never while waiting for it with something in hand. What another run
//! may have done until then is read again, and planned again.

use std::collections::{BTreeMap, BTreeSet};

use super::Global;
use super::claim::{Hold, Patience, Refused};
use super::report::Failure;
use super::run::{self, Opening, Run, Wanted};
use super::session::Session;
use super::survey::Survey;
use crate::lockfile::Lockfile;
use crate::plan::{Rules, Touched};
use crate::resource::SHARED;

impl Run {
    /// Claims what tenants share, if the plan touches it. The plan is another one afterwards if another run was at work.
    pub async fn claim_shared(
        mut self,
        global: &Global,
        wanted: Wanted<'_>,
        rules: &(dyn Fn(&Session) -> Rules + Sync),
        survey: Survey,
        patience: &Patience<'_>,
    ) -> Result<(Self, Survey), Failure> {
        if self.hold.covers(SHARED) || !self.touches(&survey) {
            return Ok((self, survey));
        }
        let widened = self.hold.widen(&self.session, SHARED);
        let Run {
            session,
            accounts,
            hold,
            id,
            commit,
            probes,
        } = self;
        let (session, hold) = match widened {
            Ok(disturbed) => {
                let (session, moved) = session.again(global, run::applied(global), wanted.tenants)?;
                if !disturbed && !moved {
                    let run = Run {
                        session,
                        accounts,
                        hold,
                        id,
                        commit,
                        probes,
                    };
                    return Ok((run, survey));
                }
                accounts.close().await;
                (session, hold)
            }
            Err(Refused::Busy(_)) if patience.left().is_some() => {
                accounts.close().await;
                drop(hold);
                let all: BTreeSet<String> = wanted.tenants.iter().cloned().chain([SHARED.to_owned()]).collect();
                let hold = patience.take(|| Hold::take(&session, id, all.clone())).await?;
                (session, hold)
            }
            Err(refused) => {
                accounts.close().await;
                return Err(refused.failure());
            }
        };
        let opening = Opening::held(global, wanted, session, hold, id)?;
        let (mut run, desired) = opening.reached().await?;
        run.probes = probes;
        let survey = run.survey(desired, &rules(&run.session)).await;
        if !run.touches(&survey) {
            run.hold.narrow(&run.session, SHARED);
        }
        Ok((run, survey))
    }

    /// Whether a plan changes what tenants share, or an earlier run of this clone did and could not publish it.
    fn touches(&self, survey: &Survey) -> bool {
        let touched = Touched::by(&survey.plan, &survey.desired, &self.session.locks);
        !touched.is_nothing() || left_something(&self.session)
    }
}

/// Once others can read that a run's tenants begin to use what is there, nothing of it is the run's any more.
pub fn unclaim(session: &Session, hold: &mut Hold, touched: &Touched, published: &BTreeMap<String, Lockfile>) {
    if touched.is_told_by(published) && !left_something(session) {
        hold.narrow(session, SHARED);
    }
}

fn left_something(session: &Session) -> bool {
    let mut entries = session.leftovers.iter().flat_map(|leftover| &leftover.entries);
    entries.any(|entry| entry.tenant == SHARED)
}
