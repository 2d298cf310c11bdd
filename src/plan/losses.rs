//! What is lost for good with an object, and the one statement that allows it: `[confirm]` in the tenant's file, which is
//! reviewed like the rest of it, or `--confirm` and `--approve` of whoever types the command.
//!
//! A tenant of which something is not confirmed is left as it is, and shown whole. Where all that is missing is the word about
//! a goodbye, others go on and nothing has failed: the tenant waits. Whoever named it on the command line is told that it
//! cannot be done.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::change::{Action, Change, Plan, Reason};
use super::{Basis, Rules, policy};
use crate::desired::{Confirmed, DesiredState, DesiredTenant};
use crate::digest::Digest;
use crate::platform::KindFacts;
use crate::problem::{Class, Code, Problem};
use crate::resource::SHARED;
use crate::workspace::Status;

/// That something is lost for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What, for people.
    pub why: String,
    /// The object.
    pub id: String,
    pub leave: Leave,
}

/// Who has said that it may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// The tenant's file, by the object's id.
    Stated,
    /// The command line.
    Typed,
    Missing,
}

/// Whether an object of a kind is lost when its address gets another one, or none.
pub fn why(facts: &KindFacts, action: Action) -> Option<String> {
    match (&facts.keep, action) {
        (Some(why), _) => Some(why.clone()),
        (None, Action::Replace) if facts.costs => Some("a new one costs money".to_owned()),
        (None, _) => None,
    }
}

impl Loss {
    /// Of an object that a change takes away.
    pub fn of(change: &Change, why: String, stated: Option<&Confirmed>, rules: &Rules) -> Self {
        let id = change
            .id
            .clone()
            .or_else(|| change.work.retiring.keys().next().cloned());
        let id = id.unwrap_or_default();
        let named = (change.address.clone(), id);
        let leave = if stated.is_some_and(|stated| stated.contains(&named)) {
            Leave::Stated
        } else if rules.confirmed.contains(&change.address) {
            Leave::Typed
        } else {
            Leave::Missing
        };
        Self {
            why,
            id: named.1,
            leave,
        }
    }
}

impl Change {
    /// Whether it takes something away for good that may not be lost.
    pub fn is_unconfirmed(&self) -> bool {
        self.loss.as_ref().is_some_and(|loss| loss.leave == Leave::Missing)
    }

    /// Whether it is part of a goodbye, which Git says in so many words.
    fn is_goodbye(&self) -> bool {
        matches!(self.reason, Reason::Deprovisioned | Reason::Unused)
    }
}

impl Plan {
    /// The tenants that are left as they are until it is said that what they hold may be lost.
    pub fn unconfirmed(&self) -> BTreeSet<&str> {
        let withheld = self.withheld.iter().map(|change| change.address.tenant());
        withheld.collect()
    }

    /// Whether the changes of a tenant are withheld, and all of them belong to its goodbye.
    pub(super) fn waits_to_leave(&self, tenant: &str) -> bool {
        let mut own = self.withheld.iter().filter(|change| change.address.tenant() == tenant);
        own.clone().next().is_some() && own.all(|change| change.reason == Reason::Deprovisioned)
    }

    /// Everything, also what is withheld.
    fn all(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().chain(&self.withheld)
    }
}

/// The tenants whose goodbye is stated whole in their files: `[confirm]` is there, and names all that is lost with it.
pub fn stated<'a>(desired: &'a DesiredState, plan: &Plan) -> BTreeSet<&'a str> {
    let says = |tenant: &&DesiredTenant| tenant.status == Status::Deprovisioned && tenant.confirmed.is_some();
    let whole = |tenant: &&DesiredTenant| {
        let mut losses = plan
            .all()
            .filter(|change| change.address.tenant() == tenant.name)
            .filter_map(|change| change.loss.as_ref());
        losses.all(|loss| loss.leave == Leave::Stated)
    };
    let tenants = desired.tenants.values().filter(says).filter(whole);
    tenants.map(|tenant| tenant.name.as_str()).collect()
}

/// One finding for each file that has something to say, with everything it has to say.
pub fn findings(basis: &Basis<'_>, plan: &Plan) -> Vec<Problem> {
    let mut by_file: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in plan.withheld.iter().filter(|change| change.is_unconfirmed()) {
        by_file
            .entry(speaks_for(basis.desired, plan, change))
            .or_default()
            .push(change);
    }
    let findings = by_file.iter();
    findings.map(|(name, lost)| finding(basis, plan, name, lost)).collect()
}

/// The tenants that leave and used what is shared, as far as that is known.
pub fn last_users<'a>(desired: &'a DesiredState, change: &'a Change) -> impl Iterator<Item = &'a String> {
    let left = desired.shared.left.get(&change.address).into_iter().flatten();
    change.work.after.iter().chain(left)
}

/// Whose file is to speak about a loss. What is shared goes with its last users, so one of theirs does.
fn speaks_for<'a>(desired: &'a DesiredState, plan: &Plan, change: &'a Change) -> &'a str {
    let owner = change.address.tenant();
    if owner != SHARED {
        return owner;
    }
    let here = |user: &&String| desired.tenants.contains_key(*user);
    let waits = last_users(desired, change).find(|user| plan.waits_to_leave(user));
    let other = || last_users(desired, change).find(here);
    waits.or_else(other).map_or(SHARED, String::as_str)
}

fn finding(basis: &Basis<'_>, plan: &Plan, name: &str, lost: &[&Change]) -> Problem {
    let rules = basis.rules;
    let tenant = basis.desired.tenants.get(name);
    // Everything that happens once these words are said.
    let withheld = plan.withheld.iter();
    let withheld = withheld.filter(|change| speaks_for(basis.desired, plan, change) == name);
    let mut then: Vec<&Change> = plan.changes.iter().chain(withheld.clone()).collect();
    then.sort_by(|a, b| a.address.cmp(&b.address));
    let goes = withheld.filter(|change| change.action == Action::Delete).count();
    let goodbye = lost.iter().all(|change| change.is_goodbye());
    let whose = match name {
        SHARED => "of what no tenant uses any more".to_owned(),
        tenant => format!("of `{tenant}`"),
    };
    let count = lost.len();
    let message = match goodbye {
        true => format!(
            "the goodbye {whose} awaits confirmation: of the objects that go ({goes}), what {count} hold is lost for good"
        ),
        false => format!(
            "the changes {whose} await confirmation: of the objects that are replaced or go, what {count} hold is lost for good"
        ),
    };
    let named = tenant.and_then(|tenant| tenant.confirmed.as_ref());
    let others = lost.iter().filter_map(|change| another_named(named?, change));
    let others: Vec<String> = others.collect();
    let message = match others.as_slice() {
        [] => message,
        others => format!("{message}; {}", others.join("; ")),
    };
    let problem = Problem::error(Class::Decision, message).code(Code::Unconfirmed);
    let problem = match goodbye && !rules.named.contains(name) {
        true => problem.into_warning(),
        false => problem,
    };
    let place = tenant.filter(|_| name != SHARED).map(|tenant| tenant.place.clone());
    let place = place.or_else(|| lost.iter().find_map(|change| change.place.clone()));
    let problem = problem.tenant(name).hint(hint(basis, plan, (name, lost), &then));
    match place {
        Some(place) => problem.at(place),
        None => problem,
    }
}

/// What `[confirm]` says of an address whose object it is not.
fn another_named(stated: &Confirmed, change: &Change) -> Option<String> {
    let id = &change.loss.as_ref()?.id;
    let (address, named) = stated.iter().find(|(address, _)| *address == change.address)?;
    Some(format!("`[confirm]` names {named} for {address}, which is {id}"))
}

/// What to write, and what to type instead.
fn hint(basis: &Basis<'_>, plan: &Plan, (name, lost): (&str, &[&Change]), then: &[&Change]) -> String {
    let file = match name {
        SHARED => "the file of a tenant that used it".to_owned(),
        tenant => format!("tenants/{tenant}.toml"),
    };
    let there = basis
        .desired
        .tenants
        .get(name)
        .is_some_and(|tenant| tenant.confirmed.is_some());
    let mut hint = match there && name != SHARED {
        true => format!("if that is what you want, this is what `[confirm]` in {file} is to say:\n"),
        false => format!("if that is what you want, add at the end of {file}:\n[confirm]\n"),
    };
    for change in lost {
        let loss = change.loss.as_ref();
        let (id, why) = loss.map_or(("", ""), |loss| (loss.id.as_str(), loss.why.as_str()));
        let why = why.replace(char::is_control, " ");
        hint.push_str(&format!(
            "{} = {}  # {why}\n",
            quoted(&change.address.to_string()),
            quoted(id)
        ));
    }
    // What is typed already must be typed again.
    let typed = |change: &&&Change| change.loss.as_ref().is_some_and(|loss| loss.leave != Leave::Stated);
    let confirmed: Vec<String> = then
        .iter()
        .filter(typed)
        .map(|change| format!("--confirm {}", change.address))
        .collect();
    let names = if name == SHARED {
        String::new()
    } else {
        format!(" {name}")
    };
    hint.push_str(&format!("or, for one run: upa apply{names} {}", confirmed.join(" ")));
    let digest = digest(then);
    let stated = stated(basis.desired, plan);
    let exceeds = policy::exceeded(then.iter().copied(), plan.objects, basis.rules, basis.desired, &stated);
    if !exceeds.is_empty() && basis.rules.approved.as_deref() != Some(digest.as_str()) {
        hint.push_str(&format!(" --approve {digest}"));
    }
    hint
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Of a plan that has these changes, in the order of their addresses.
fn digest(changes: &[&Change]) -> Digest {
    Digest::of_json(&serde_json::json!(
        changes.iter().map(|change| change.digest()).collect::<Vec<_>>()
    ))
}
