//! Rules a plan must obey, whatever is in it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::change::{Action, Change, Plan, Reason};
use super::losses;
use crate::desired::DesiredState;
use crate::problem::{Class, Problem, listed};
use crate::resource::{Address, SHARED};
use crate::workspace::Status;
use crate::workspace::settings::Policy;

/// Below this many objects a share says nothing.
const FEWEST: usize = 10;

/// What the person who runs upa, and the workspace, allow.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub policy: Policy,
    /// Addresses that may be created again although it is not proven that they are gone.
    pub recreate: BTreeSet<Address>,
    /// Addresses whose object may be lost although its kind asks for a confirmation.
    pub confirmed: BTreeSet<Address>,
    /// The time of now, in milliseconds since 1970: the planner's only clock.
    pub now_ms: i64,
    /// The digest of a plan that may exceed the thresholds.
    pub approved: Option<String>,
    /// The tenants named on the command line, which are answered for.
    pub named: BTreeSet<String>,
}

impl Rules {
    /// The day on which the plan is made, in UTC.
    pub fn today(&self) -> Date {
        self.now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// The time at which the plan is made.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms).unwrap_or_default()
    }
}

/// A threshold that is exceeded.
pub struct Exceeded {
    verb: &'static str,
    count: usize,
    percent: u32,
    rule: &'static str,
}

/// The thresholds that some changes exceed, of so many recorded objects. A goodbye that is stated in Git, with all that is
/// lost by it, was reviewed as such and does not count.
pub fn exceeded<'a>(
    changes: impl Iterator<Item = &'a Change> + Clone,
    objects: usize,
    rules: &Rules,
    desired: &DesiredState,
    stated: &BTreeSet<&str>,
) -> Vec<Exceeded> {
    if objects < FEWEST {
        return Vec::new();
    }
    let again = |change: &&Change| change.action == Action::Create && change.reason == Reason::DeletedOnPlatform;
    // What comes back when its tenant is resumed is not lost.
    let goes = |change: &&Change| change.action == Action::Delete && change.reason != Reason::Suspended;
    let deletes = |change: &&Change| goes(change) && !is_stated(change, desired, stated);
    let counts = [
        (
            "delete",
            changes.clone().filter(deletes).count(),
            rules.policy.max_delete_percent,
            "max_delete_percent",
        ),
        (
            "create again",
            changes.filter(again).count(),
            rules.policy.max_recreate_percent,
            "max_recreate_percent",
        ),
    ];
    let all = counts.into_iter().map(|(verb, count, percent, rule)| Exceeded {
        verb,
        count,
        percent,
        rule,
    });
    all.filter(|one| one.count * 100 > objects * (one.percent as usize))
        .collect()
}

/// Whether a deletion belongs to goodbyes that are stated whole.
fn is_stated(change: &Change, desired: &DesiredState, stated: &BTreeSet<&str>) -> bool {
    match change.address.tenant() {
        SHARED => {
            let mut users = losses::last_users(desired, change);
            let all = change.work.after.iter().all(|user| stated.contains(user.as_str()));
            all && users.any(|user| stated.contains(user.as_str()))
        }
        tenant => stated.contains(tenant),
    }
}

/// The thresholds a plan exceeds.
pub fn check(plan: &Plan, desired: &DesiredState, rules: &Rules) -> Vec<Problem> {
    if rules.approved.as_deref() == Some(plan.digest().as_str()) {
        return Vec::new();
    }
    let stated = losses::stated(desired, plan);
    let exceeded = exceeded(plan.changes.iter(), plan.objects, rules, desired, &stated).into_iter();
    let problems = exceeded.map(
        |Exceeded {
             verb,
             count,
             percent,
             rule,
         }| {
            let message = format!(
                "this plan would {verb} {count} of {} recorded objects, more than the {percent} % of `policy.{rule}`",
                plan.objects
            );
            let mut hint = format!("if that is what you want: --approve {}", plan.digest());
            let goodbyes = goodbyes(plan, desired, &stated);
            if verb == "delete" && !goodbyes.is_empty() {
                let files = goodbyes.iter().map(String::as_str);
                hint.push_str(&format!(
                    "; or say in Git that all of a tenant may go, by a table `[confirm]` in {}",
                    listed(files)
                ));
            }
            Problem::error(Class::Policy, message).hint(hint)
        },
    );
    problems.collect()
}

/// The files of the tenants that leave and do not say so by `[confirm]`.
fn goodbyes(plan: &Plan, desired: &DesiredState, stated: &BTreeSet<&str>) -> Vec<String> {
    let leaves = |name: &&str| {
        let tenant = desired.tenants.get(*name);
        tenant.is_some_and(|tenant| tenant.status == Status::Deprovisioned) && !stated.contains(name)
    };
    let owners: BTreeSet<&str> = plan.changes.iter().map(|change| change.address.tenant()).collect();
    let owners = owners.into_iter().filter(leaves);
    owners.map(|name| format!("tenants/{name}.toml")).collect()
}
