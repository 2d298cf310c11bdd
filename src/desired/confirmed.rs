//! What the file of a tenant says may be lost for good.

use std::collections::BTreeSet;

use crate::resource::Address;
use crate::workspace::Tenant;

/// Objects that may be lost: the address of each, and its id. An id that the platform chose speaks for that one object and
/// never for another at the same address.
pub type Confirmed = BTreeSet<(Address, String)>;

/// What `[confirm]` says, if it is there. What is no address is reported where lockfiles are at hand.
pub fn of(tenant: &Tenant) -> Option<Confirmed> {
    let entries = tenant.file.confirm.as_ref()?.iter();
    let parsed = entries.filter_map(|(address, id)| Some((address.parse().ok()?, id.clone())));
    Some(parsed.collect())
}
