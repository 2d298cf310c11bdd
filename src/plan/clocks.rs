//! Clocks that are apart: where a platform's is another than this machine's, one of them is wrong, and nothing is done that
//! depends on the date. Nothing expires then, no deadline falls due, no rule ends.

use jiff::{SignedDuration, SpanRound, Unit};

use super::ObservedState;
use crate::desired::DesiredTenant;
use crate::lockfile::Lockfile;
use crate::platform::clock::Clock;
use crate::problem::{Class, Problem};

impl ObservedState {
    /// Whether dates cannot be gone by where it is about something in an account.
    pub fn is_apart(&self, account: &str) -> bool {
        let clock = self.accounts.get(account).and_then(|answer| answer.clock);
        clock.is_some_and(|clock| clock.is_apart())
    }

    /// Likewise, where it is about a tenant, by every account that it has something in.
    pub fn is_apart_for(&self, tenant: &DesiredTenant, lock: &Lockfile) -> bool {
        let wanted = tenant.resources.values().map(|resource| &resource.account);
        let recorded = lock.resources.values().map(|locked| &locked.account);
        wanted.chain(recorded).any(|account| self.is_apart(account))
    }

    /// Whether any account's clock is another than this one.
    pub fn is_anything_apart(&self) -> bool {
        self.accounts.keys().any(|account| self.is_apart(account))
    }
}

/// What is said of each account whose clock is another.
pub fn findings(observed: &ObservedState) -> Vec<Problem> {
    let apart = observed.accounts.iter().filter_map(|(account, answer)| {
        let clock = answer.clock.filter(Clock::is_apart)?;
        Some((account, clock.ahead()))
    });
    apart
        .map(|(account, ahead)| {
            let side = if ahead.is_negative() { "behind" } else { "ahead of" };
            let message = format!(
                "this machine's clock is {} {side} account `{account}`'s: nothing that depends on the date is done there \
                 (nothing expires, no deadline falls due, no rule ends), and times that are recorded are this machine's",
                words(ahead.abs())
            );
            let hint = "set this machine's clock (`date -u` shows it); if it is right, the platform's is wrong";
            Problem::error(Class::Platform, message).into_warning().hint(hint)
        })
        .collect()
}

/// A length of time in its two largest units.
fn words(time: SignedDuration) -> String {
    let smallest = if time > SignedDuration::from_hours(48) {
        Unit::Hour
    } else {
        Unit::Minute
    };
    let round = SpanRound::new()
        .largest(Unit::Day)
        .smallest(smallest)
        .days_are_24_hours();
    let span = jiff::Span::try_from(time).and_then(|span| span.round(round));
    span.map_or_else(|_| format!("{} s", time.as_secs()), |span| format!("{span:#}"))
}
