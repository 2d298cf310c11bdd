//! Rules a plan must obey, whatever is in it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::change::{Action, Plan, Reason};
use crate::problem::{Class, Problem};
use crate::resource::Address;
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

/// The thresholds a plan exceeds.
pub fn check(plan: &Plan, rules: &Rules) -> Vec<Problem> {
    if plan.objects < FEWEST || rules.approved.as_deref() == Some(plan.digest().as_str()) {
        return Vec::new();
    }
    // What comes back when its tenant is resumed is not lost.
    let lost = |change: &&super::Change| change.action == Action::Delete && change.reason != Reason::Suspended;
    let again = |change: &&super::Change| change.action == Action::Create && change.reason == Reason::DeletedOnPlatform;
    let counts = [
        (
            "delete",
            plan.changes.iter().filter(lost).count(),
            rules.policy.max_delete_percent,
            "max_delete_percent",
        ),
        (
            "create again",
            plan.changes.iter().filter(again).count(),
            rules.policy.max_recreate_percent,
            "max_recreate_percent",
        ),
    ];
    let exceeded = counts
        .into_iter()
        .filter(|(_, count, percent, _)| count * 100 > plan.objects * (*percent as usize));
    exceeded
        .map(|(verb, count, percent, rule)| {
            Problem::error(
                Class::Policy,
                format!("this plan would {verb} {count} of {} recorded objects, more than the {percent} % of `policy.{rule}`", plan.objects),
            )
            .hint(format!("if that is what you want: --approve {}", plan.digest()))
        })
        .collect()
}
