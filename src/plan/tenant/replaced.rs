//! What a replacement that was cut off has left: an object that is recorded, and perhaps another one in its place.
//!
//! The lockfile says that a replacement was announced, but not always how far it came: the machine may have vanished with
//! its journal. What is observed tells: then the successor is what the plan is made for, as if its creation alone had been
//! cut off, and the object it replaces is one that is to be deleted.

use std::borrow::Cow;

use crate::desired::DesiredTenant;
use crate::lockfile::{Locked, Lockfile, Pending};
use crate::plan::{Basis, Marked};
use crate::platform::{Object, Reading, Step};
use crate::resource::Address;

/// The lockfile as it is to be understood, after what was observed.
pub fn understood<'a>(
    basis: &Basis<'_>,
    marked: &Marked<'_>,
    tenant: &DesiredTenant,
    lock: &'a Lockfile,
) -> Cow<'a, Lockfile> {
    let mut understood = Cow::Borrowed(lock);
    for (address, locked) in lock.resources.iter().filter(|(_, locked)| locked.is_being_replaced()) {
        let wanted = tenant.resources.contains_key(address);
        if let Some(now) = successor(basis, marked, address, locked, wanted) {
            understood.to_mut().resources.insert(address.clone(), now);
        }
    }
    for (address, locked) in lock.resources.iter().filter(|(_, locked)| locked.applied.is_none()) {
        if let Some(now) = misheard(basis, marked, address, locked) {
            understood.to_mut().resources.insert(address.clone(), now);
        }
    }
    understood
}

/// A platform may answer a creation with an id that no object has, or another one. What the attempt has made is there and
/// carries its mark: that is the object, or one more would be made beside it.
fn misheard(basis: &Basis<'_>, marked: &Marked<'_>, address: &Address, locked: &Locked) -> Option<Locked> {
    let pending = locked.pending.as_ref()?;
    let told = pending.id.as_ref()?;
    let reading = basis.observed.reading(&locked.account, &locked.kind, told);
    let [object] = candidates(basis, marked, address, locked, pending)[..] else {
        return None;
    };
    let is_misheard = match &reading {
        Reading::Absent => true,
        Reading::Unreadable(_) => reading.is_said_missing(),
        Reading::Present(other) => other.id != object.id && other.mark != object.mark && object.attempt.is_some(),
    };
    if !is_misheard {
        return None;
    }
    let pending = Pending {
        id: Some(object.id.clone()),
        ..pending.clone()
    };
    Some(Locked {
        pending: Some(pending),
        ..locked.clone()
    })
}

/// What is known of a replacement; `None` while nothing says that it came further than its announcement.
fn successor(
    basis: &Basis<'_>,
    marked: &Marked<'_>,
    address: &Address,
    locked: &Locked,
    wanted: bool,
) -> Option<Locked> {
    let (applied, pending) = (locked.applied.as_ref()?, locked.pending.as_ref()?);
    let reading = |id: &str| basis.observed.reading(&locked.account, &locked.kind, id);
    let before = reading(&applied.id);
    let is_gone = match &before {
        Reading::Absent => true,
        Reading::Present(_) => false,
        // The platform's word is enough that what was being deleted is gone.
        Reading::Unreadable(_) => pending.step == Step::Delete && before.is_said_missing(),
    };
    let new = pending.id.as_ref().filter(|id| **id != applied.id);
    let found = match new {
        Some(id) => matches!(reading(id), Reading::Present(_)).then(|| id.clone()),
        None => match candidates(basis, marked, address, locked, pending)[..] {
            [object] => Some(object.id.clone()),
            _ => None,
        },
    };
    // Where nobody wants it, it was deleted for good.
    if found.is_none() && !(is_gone && wanted) {
        return None;
    }
    let mut now = Locked {
        applied: None,
        pending: Some(Pending {
            // What was deleted is gone: what may have been tried since is the creation.
            step: if found.is_none() { Step::Create } else { pending.step },
            id: found,
            ..pending.clone()
        }),
        ..locked.clone()
    };
    if !is_gone {
        now.retiring.insert(applied.id.clone(), applied.out.clone());
    }
    Some(now)
}

/// Objects other than the recorded one that carry the mark, and the attempt of the replacement where their kind has room.
fn candidates<'a>(
    basis: &Basis<'_>,
    marked: &Marked<'a>,
    address: &Address,
    locked: &Locked,
    pending: &Pending,
) -> Vec<&'a Object> {
    let mark = address.mark(basis.workspace);
    let known: Vec<String> = locked
        .applied
        .iter()
        .map(|applied| &applied.id)
        .chain(locked.retiring.keys())
        .cloned()
        .collect();
    let attempt = pending.attempt.to_string();
    let objects = marked
        .get(&(locked.account.as_str(), mark.as_str()))
        .into_iter()
        .flatten();
    objects
        .copied()
        .filter(|object| !known.contains(&object.id))
        .filter(|object| object.attempt.as_ref().is_none_or(|found| *found == attempt))
        .collect()
}
