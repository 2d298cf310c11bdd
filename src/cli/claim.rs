//! What excludes other runs: the lock of this clone, and the lease on the remote.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::report::Failure;
use super::session::Session;
use crate::exit::Exit;
use crate::lease::claims::EVERYBODY;
use crate::lease::local::{Lease, Taken};
use crate::lease::remote::{Held, Hindered};
use crate::lease::{Claim, Permit};
use crate::outside;
use crate::problem::listed;
use crate::repo::Remote;

/// How long a claim lasts, unless upa.toml says otherwise.
const USUAL: u32 = 600;
/// The first and the longest pause between two attempts to take what another run holds.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Why nothing was claimed.
pub enum Refused {
    /// Another run is in the way: it may be waited for.
    Busy(Failure),
    Failed(Failure),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Refused::Failed(error.into())
    }
}

impl Refused {
    pub fn failure(self) -> Failure {
        match self {
            Refused::Busy(failure) | Refused::Failed(failure) => failure,
        }
    }
}

/// How long other runs are waited for, and what is told of it.
pub struct Patience<'a> {
    /// In all, from when the first of them is met.
    wait: Option<SignedDuration>,
    until: OnceLock<Timestamp>,
    /// Told for whom it waits.
    tell: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Patience<'a> {
    /// Waits for nothing.
    pub fn none() -> Self {
        Self::new(None, &|_| {})
    }

    pub fn new(wait: Option<Duration>, tell: &'a (dyn Fn(&str) + Sync)) -> Self {
        Self {
            wait: wait.map(|wait| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)),
            until: OnceLock::new(),
            tell,
        }
    }

    /// Takes something again and again until it is free or the time is over. Nothing is held meanwhile.
    pub async fn take<T>(&self, mut take: impl FnMut() -> Result<T, Refused>) -> Result<T, Failure> {
        let (mut pause, mut told) = (PAUSES.0, None);
        loop {
            let busy = match take() {
                Ok(taken) => return Ok(taken),
                Err(Refused::Failed(failure)) => return Err(failure),
                Err(Refused::Busy(failure)) => failure,
            };
            let Some(left) = self.left() else { return Err(busy) };
            // For whom is said once, and again when it is another.
            let now = busy.message.map(|message| message.to_string()).unwrap_or_default();
            if told.as_ref() != Some(&now) {
                (self.tell)(&format!("waiting: {now}"));
                told = Some(now);
            }
            // Of several that wait not all ask at the same moment.
            tokio::time::sleep(outside::between(pause / 2, pause).min(left)).await;
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
    }

    /// Asked by whoever met another run: how long it may still be waited for; `None` when that is over.
    pub fn left(&self) -> Option<Duration> {
        let (now, wait) = (outside::now(), self.wait?);
        let until = self
            .until
            .get_or_init(|| now.saturating_add(wait).unwrap_or(Timestamp::MAX));
        Duration::try_from(until.duration_since(now))
            .ok()
            .filter(|left| !left.is_zero())
    }
}

/// Held while a run works; given back when dropped.
pub struct Hold {
    // Given back before the lock of the clone is: what it proves is that no other run here holds the lease.
    held: Option<Held>,
    unlimited: Arc<Permit>,
    _clone: Lease,
}

impl Hold {
    /// Takes the lock of the clone and, where there is a remote, the lease for these tenants; none are all.
    pub fn take(session: &Session, run: Uuid, tenants: BTreeSet<String>) -> Result<Self, Refused> {
        let clone = match Lease::take(&session.repo.private_dir()) {
            Ok(lease) => lease,
            Err(Taken::ByAnother(who)) => {
                let failure = Failure::new(Exit::Leased, format!("another apply is working here ({who})"));
                let hint = "run again when it is done, or wait for it with `--wait 10m`";
                return Err(Refused::Busy(failure.hint(hint)));
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
        self.held.as_ref().is_none_or(|held| held.claim().covers(tenant))
    }

    /// Claims something besides. Whether another run may have worked on it since this one began.
    pub fn widen(&mut self, session: &Session, name: &str) -> Result<bool, Refused> {
        match &mut self.held {
            Some(held) => held.widen(&session.repo, name).map_err(refused),
            None => Ok(false),
        }
    }

    /// Lets others work on it again. Where that cannot be said it stays claimed until the run ends.
    pub fn narrow(&mut self, session: &Session, name: &str) {
        let held = self.held.as_mut().filter(|held| held.claim().tenants.contains(name));
        if let Some(Err(why)) = held.map(|held| held.narrow(&session.repo, name)) {
            tracing::warn!(?why, name, "the claim was not given back: it ends with the run");
        }
    }

    /// Whether no other run has claimed this since the run's own claim was made.
    pub fn is_alone(&self, session: &Session, name: &str) -> bool {
        let held = self.held.as_ref();
        held.is_none_or(|held| held.is_alone(&session.repo, name).unwrap_or(false))
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
) -> Result<Held, Refused> {
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
    Held::take(&session.repo, remote, claim, SignedDuration::from_secs(seconds.into())).map_err(refused)
}

fn refused(why: Hindered) -> Refused {
    match why {
        Hindered::By(_) => Refused::Busy(failure(why)),
        other => Refused::Failed(failure(other)),
    }
}

/// Whose lockfiles a claim is for.
fn claimed(claim: &Claim) -> String {
    if claim.tenants.contains(EVERYBODY) {
        return "every tenant".to_owned();
    }
    listed(claim.tenants.iter().map(String::as_str))
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
                "another apply is working on {}: {}, run {}, until {} if it is not renewed",
                claimed(&claim),
                claim.holder,
                claim.run,
                time(claim.expires)
            ),
        )
        .hint(format!(
            "run again when it is done, or wait for it with `--wait 10m`; if you know that it is dead: `upa lease --steal {}`",
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
