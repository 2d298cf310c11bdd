//! Where a recorded object belongs, and what follows for it when its parent is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pass, Seen};
use crate::desired::Resource;
use crate::lockfile::Locked;
use crate::plan::Known;
use crate::plan::values::Values;
use crate::platform::{Platform, Reading};
use crate::resource::{Address, SHARED};

/// Where a recorded object belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Right,
    /// Below another parent than Git wants.
    Elsewhere,
    /// Below a parent whose id is not known: it is not there, or a new one takes its place.
    Nowhere,
}

impl Pass<'_> {
    /// Where the recorded object belongs, compared with where Git wants it.
    pub(super) fn placed(&self, platform: &dyn Platform, resource: &Resource, locked: Option<&Locked>) -> Placed {
        let Some(id) = locked.and_then(Locked::id) else {
            return Placed::Right;
        };
        match platform.place_in_id(&resource.kind, &self.resolved(&resource.document, &self.values)) {
            None => Placed::Nowhere,
            Some(place) if is_in(id, &place) => Placed::Right,
            Some(_) => Placed::Elsewhere,
        }
    }

    /// What is proven not to be there: what was looked for and is absent, what a person says is gone, and every recorded
    /// object below one of these, whatever was read of it. That its parent gets a new id proves nothing of the kind.
    pub(super) fn not_there(&self, seen: &BTreeMap<&Address, Seen<'_>>) -> BTreeSet<Address> {
        let is_absent = |address: &Address, found: &Seen<'_>| match found.reading {
            Reading::Absent => true,
            Reading::Present(_) => false,
            Reading::Unreadable(_) => self.basis.rules.recreate.contains(address),
        };
        let own = seen.iter().filter(|(address, found)| is_absent(address, found));
        let mut absent = self.shared.absent.clone();
        absent.extend(own.map(|(address, _)| (*address).clone()));
        loop {
            let below = seen.iter().find(|(address, found)| {
                matches!(found.reading, Reading::Unreadable(_))
                    && !absent.contains(*address)
                    && self.lies_below(&absent, address, found.locked)
            });
            let Some((address, _)) = below else { return absent };
            absent.insert((*address).clone());
        }
    }

    /// Whether the recorded object is where Git wants it, and one of these objects is what places it there.
    fn lies_below(&self, absent: &BTreeSet<Address>, address: &Address, locked: Option<&Locked>) -> bool {
        let (Some(id), Some(resource)) = (locked.and_then(Locked::id), self.tenant.resources.get(address)) else {
            return false;
        };
        let place = |values: &Values<'_>| {
            let document = self.resolved(&resource.document, values);
            self.platform(&resource.kind)?.place_in_id(&resource.kind, &document)
        };
        let mut values = self.recorded();
        let shared = self.basis.locks.get(SHARED).map(Known::of).unwrap_or_default();
        values.ids.extend(shared.ids);
        values.outs.extend(shared.outs);
        let is_recorded_there = place(&values).is_some_and(|place| is_in(id, &place));
        values.ids.retain(|address, _| !absent.contains(address));
        values.outs.retain(|address, _| !absent.contains(address));
        is_recorded_there && place(&values).is_none()
    }
}

/// Whether an id, as lockfiles hold it, is of an object at this place: below its parents, or the setting itself.
fn is_in(id: &str, place: &str) -> bool {
    place.is_empty() || id == place || place.ends_with('/') && id.starts_with(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_not_in_the_place_of_another_whose_name_begins_alike() {
        assert!(is_in("s1", "s1") && is_in("zone/7", "zone/") && is_in("7", ""));
        assert!(!is_in("s10", "s1") && !is_in("s1", "s10") && !is_in("zone-b/7", "zone/"));
    }
}
