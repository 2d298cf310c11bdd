//! What excludes other runs: the lock of this clone, and the lease on the remote.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::report::Failure;
use super::session::Session;
use crate::exit::Exit;
use crate::lease::claims::EVERYBODY;
use crate::lease::local::{Lease, Taken};
use crate::lease::remote::{Held, Hindered};
use crate::lease::{Claim, Permit};
use crate::repo::Remote;

/// How long a claim lasts, unless upa.toml says otherwise.
const USUAL: u32 = 600;

/// Held while a run works; given back when dropped.
pub struct Hold {
    // Given back before the lock of the clone is: what it proves is that no other run here holds the lease.
    held: Option<Held>,
    unlimited: Arc<Permit>,
    _clone: Lease,
}

impl Hold {
    /// Takes the lock of the clone and, where there is a remote, the lease for these tenants; none are all.
    pub fn take(session: &Session, run: Uuid, tenants: BTreeSet<String>) -> Result<Self, Failure> {
        let clone = match Lease::take(&session.repo.private_dir()) {
            Ok(lease) => lease,
            Err(Taken::ByAnother(who)) => {
                return Err(
                    Failure::new(Exit::Leased, format!("another apply is working here ({who})"))
                        .hint("run again when it is done"),
                );
            }
            Err(Taken::Failed(error)) => return Err(error.into()),
        };
        let held = match session.remote() {
            Some(remote) => Some(lease(
                session,
                remote,
                run,
                tenants,
                clone.identity(&**session.repo.outside())?,
            )?),
            None => None,
        };
        Ok(Self {
            held,
            unlimited: Arc::new(Permit::unlimited()),
            _clone: clone,
        })
    }

    pub fn permit(&self) -> &Arc<Permit> {
        self.held.as_ref().map_or(&self.unlimited, Held::permit)
    }

    /// The number that tells which of two runs is right.
    pub fn fence(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.claim().fence)
    }

    /// Whether a tenant's lockfile is this run's to write.
    pub fn covers(&self, tenant: &str) -> bool {
        self.held.as_ref().is_none_or(|held| {
            let tenants = &held.claim().tenants;
            tenants.contains(EVERYBODY) || tenants.contains(tenant)
        })
    }

    /// Asked before lockfiles are written.
    pub fn confirm(&self, session: &Session) -> Result<(), Failure> {
        match &self.held {
            Some(held) => held.confirm(&session.repo).map_err(failure),
            None => Ok(()),
        }
    }
}

fn lease(
    session: &Session,
    remote: &Remote,
    run: Uuid,
    tenants: BTreeSet<String>,
    clone: String,
) -> Result<Held, Failure> {
    let everybody = || BTreeSet::from([EVERYBODY.to_owned()]);
    let seconds = session.workspace.settings.git.lease_seconds.unwrap_or(USUAL);
    let claim = Claim {
        run,
        holder: format!("{} on {}", session.repo.operator(), machine()),
        clone,
        tenants: if tenants.is_empty() { everybody() } else { tenants },
        fence: 0,
        expires: Timestamp::UNIX_EPOCH,
    };
    Held::take(&session.repo, remote, claim, SignedDuration::from_secs(seconds.into())).map_err(failure)
}

fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What a person is told, and the exit status.
pub fn failure(why: Hindered) -> Failure {
    match why {
        Hindered::By(claim) => Failure::new(
            Exit::Leased,
            format!(
                "another apply is working: {}, run {}, until {} if it is not renewed",
                claim.holder,
                claim.run,
                time(claim.expires)
            ),
        )
        .hint(format!(
            "run again when it is done; if you know that it is dead: `upa lease --steal {}`",
            claim.run
        )),
        Hindered::Superseded => Failure::new(
            Exit::Leased,
            "another run took over while this one was away: nothing further was started, and no lockfile was written",
        )
        .hint("run `upa apply` again: what this run did and nobody recorded is found by its marks"),
        Hindered::NotALease(why) => Failure::new(
            Exit::Configuration,
            format!("what the remote holds under `refs/upa/lease` is not a lease that this upa understands: {why}"),
        )
        .hint("use the newer upa that wrote it; if no upa did: `git push <remote> :refs/upa/lease`"),
        Hindered::Repo(error) => error.into(),
    }
}

/// To the second.
pub fn time(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}
