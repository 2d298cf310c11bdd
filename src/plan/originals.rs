//! Lockfiles that were changed by hand: an address records one object, and another carries its mark.
//!
//! The mark says which is the right one, so that nothing need be made again: the record is put right.

use std::collections::BTreeMap;

use super::{Basis, Marked};
use crate::lockfile::{Locked, Lockfile};
use crate::platform::{Object, Reading};
use crate::problem::Problem;
use crate::resource::Address;

/// The one object that carries the mark of an address, where another one is recorded for it.
pub fn original<'m>(
    workspace: &str,
    marked: &Marked<'m>,
    address: &Address,
    locked: Option<&Locked>,
) -> Option<&'m Object> {
    let locked = locked?;
    let mark = address.mark(workspace);
    match marked.get(&(locked.account.as_str(), mark.as_str()))?.as_slice() {
        [only] if !locked.ids().contains(only.id.as_str()) => Some(only),
        _ => None,
    }
}

/// What puts the record right.
pub fn command(address: &Address, object: &Object) -> String {
    format!("upa recover {} --take {address}={}", address.tenant(), object.id)
}

/// The same findings about two records of one object, with what puts the wrong one of them right, where marks tell.
pub fn explained(
    basis: &Basis<'_>,
    marked: &Marked<'_>,
    conflicts: Vec<(Address, Problem)>,
) -> Vec<(Address, Problem)> {
    let explained = conflicts.into_iter().map(|(address, problem)| {
        let hint = wrong_record(basis, &address).and_then(|wrong| {
            let object = original(basis.workspace, marked, wrong, recorded(basis.locks, wrong))?;
            Some(command(wrong, object))
        });
        match hint {
            Some(hint) => (address, problem.hint(hint)),
            None => (address, problem),
        }
    });
    explained.collect()
}

/// The address, this one or another that records the same object, whose mark the object does not carry.
fn wrong_record<'b>(basis: &'b Basis<'_>, address: &'b Address) -> Option<&'b Address> {
    let locked = recorded(basis.locks, address)?;
    let id = locked.id()?;
    let Reading::Present(object) = basis.observed.reading(&locked.account, &locked.kind, id) else {
        return None;
    };
    let mark = object.mark?;
    if mark != address.mark(basis.workspace) {
        return Some(address);
    }
    let all = basis.locks.values().flat_map(|lock| &lock.resources);
    let mut others = all.filter(|(other, record)| {
        let same = (&record.kind, &record.fingerprint) == (&locked.kind, &locked.fingerprint);
        *other != address && same && record.ids().contains(id)
    });
    others.next().map(|(other, _)| other)
}

fn recorded<'l>(locks: &'l BTreeMap<String, Lockfile>, address: &Address) -> Option<&'l Locked> {
    locks.get(address.tenant())?.resources.get(address)
}

/// Whether an object that a lockfile records carries the mark of its address: a copy of another's lockfile has none.
pub fn has_own(basis: &Basis<'_>, tenant: &str) -> bool {
    let resources = basis.locks.get(tenant).into_iter().flat_map(|lock| &lock.resources);
    let mut own = resources.filter(|(address, locked)| {
        let reading = locked.id().map(|id| basis.observed.reading(&locked.account, &locked.kind, id));
        matches!(reading, Some(Reading::Present(object)) if object.mark.as_ref() == Some(&address.mark(basis.workspace)))
    });
    own.next().is_some()
}
