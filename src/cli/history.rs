//! What was written, rendered again from the commits that lockfiles name. Asked only where a plan needs it.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use crate::desired::{DesiredState, desired};
use crate::digest::Digest;
use crate::plan::{Base, Bases};
use crate::resource::Address;
use crate::symbol;
use crate::workspace;

/// One document for each address: each commit is read and loaded once.
pub fn bases(session: &Session, wants: &BTreeSet<(Address, String)>) -> Bases {
    let mut by_commit: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for (address, commit) in wants {
        by_commit.entry(commit).or_default().push(address);
    }
    let mut bases = Bases::new();
    for (commit, addresses) in by_commit {
        let tenants: BTreeSet<&str> = addresses.iter().map(|address| address.tenant()).collect();
        let state = rendered(session, commit, &tenants);
        for address in addresses {
            let base = match &state {
                Ok(state) => base(session, state, commit, address),
                Err(unknown) => unknown.clone(),
            };
            bases.insert(address.clone(), base);
        }
    }
    bases
}

/// The tenants as they were wanted at a commit.
fn rendered(session: &Session, commit: &str, tenants: &BTreeSet<&str>) -> Result<DesiredState, Base> {
    let short = short(commit);
    let files = session.repo.at(commit).map_err(|_| Base::Unknown {
        why: format!("commit {short}, from which it was written, is not here"),
        hint: "if this is a shallow clone: `git fetch --unshallow`".to_owned(),
    })?;
    let Some(mut workspace) = workspace::load(&files).workspace else {
        return Err(unreadable(short));
    };
    session.place(&mut workspace);
    Ok(desired(&workspace, |tenant| tenants.contains(tenant)).0)
}

fn base(session: &Session, state: &DesiredState, commit: &str, address: &Address) -> Base {
    let tenant = state.tenants.get(address.tenant());
    let Some(resource) = tenant.and_then(|tenant| tenant.resources.get(address)) else {
        return unreadable(short(commit));
    };
    let lock = session.locks.get(address.tenant());
    let applied = lock.and_then(|lock| lock.resources.get(address)?.applied.as_ref());
    let sent = Digest::of_json(&symbol::symbolic(&resource.document));
    if applied.is_none_or(|applied| applied.sent != sent) {
        return Base::Unknown {
            why: format!(
                "commit {} renders something else now than what was written then",
                short(commit)
            ),
            hint: "an older upa wrote it, or it was written from uncommitted files; the next apply records it anew"
                .to_owned(),
        };
    }
    Base::Known(resource.document.clone())
}

fn unreadable(commit: &str) -> Base {
    Base::Unknown {
        why: format!("the files of commit {commit} cannot be read any more"),
        hint: "an older upa wrote it; the next apply records it anew".to_owned(),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
