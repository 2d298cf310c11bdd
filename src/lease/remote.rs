//! The lease on a remote: `refs/upa/lease`, moved by compare-and-swap, renewed while a run works.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Claim, Claims, Permit};
use crate::outside::{self, Beside, Outside};
use crate::repo::{LOCKED, Pushed, Remote, Repo, RepoError};

/// The ref.
const REFERENCE: &str = "refs/upa/lease";
/// Where it is fetched to.
const HERE: &str = "refs/upa/seen-lease";
/// How often others may be faster.
const MOST_TRIES: u32 = 20;

/// Why the lease could not be changed.
#[derive(Debug)]
pub enum Hindered {
    /// Another run's claim is in the way.
    By(Box<Claim>),
    /// The run's own claim is not there any more.
    Superseded,
    /// What the ref holds is not a lease that this upa understands.
    NotALease(String),
    Repo(RepoError),
}

impl From<RepoError> for Hindered {
    fn from(error: RepoError) -> Self {
        Hindered::Repo(error)
    }
}

/// Held while a run works: renewed beside it, and released when dropped.
pub struct Held {
    claim: Claim,
    /// The names others had claimed when this was taken.
    others: BTreeSet<String>,
    permit: Arc<Permit>,
    place: Place,
    remote: Remote,
    renewal: Option<Box<dyn Beside>>,
}

/// The clone, opened anew by whoever needs it at the moment.
#[derive(Clone)]
struct Place {
    folder: PathBuf,
    outside: Arc<dyn Outside>,
}

impl Place {
    fn of(repo: &Repo) -> Self {
        Self {
            folder: repo.root().to_owned(),
            outside: repo.outside().clone(),
        }
    }

    fn open(&self) -> Result<Repo, RepoError> {
        Repo::open_in(&self.folder, self.outside.clone())
    }
}

/// Every claim on a remote.
pub fn claims(repo: &Repo, remote: &Remote) -> Result<Claims, Hindered> {
    Ok(read(repo, remote)?.1)
}

/// Takes a run's claim away, whoever holds it; `false` if there is none.
pub fn steal(repo: &Repo, remote: &Remote, run: Uuid) -> Result<bool, Hindered> {
    change(repo, remote, |claims| {
        let was_there = claims.release(run);
        // Whoever held it finds a lease that it did not write.
        claims.fence += u64::from(was_there);
        Ok(was_there)
    })
}

/// The ref as it is on the remote, and what it says.
fn read(repo: &Repo, remote: &Remote) -> Result<(Option<String>, Claims), Hindered> {
    for _ in 0..MOST_TRIES {
        let tips = remote.tips(&[REFERENCE])?;
        let Some(tip) = tips.get(REFERENCE) else {
            return Ok((None, Claims::default()));
        };
        if repo.message(tip).is_none() {
            remote.fetch(REFERENCE, HERE)?;
        }
        // It may have moved on before it was fetched.
        if let Some(message) = repo.message(tip) {
            let claims = Claims::parse(&message).map_err(Hindered::NotALease)?;
            return Ok((Some(tip.clone()), claims));
        }
    }
    Err(RepoError::Busy(REFERENCE.to_owned()).into())
}

/// Changes the lease, again on what others made of it meanwhile if they were faster.
fn change<T>(
    repo: &Repo,
    remote: &Remote,
    mut edit: impl FnMut(&mut Claims) -> Result<T, Hindered>,
) -> Result<T, Hindered> {
    let (mut first, mut locked) = (None, None);
    let mut moves = false;
    for tries in 0..MOST_TRIES {
        let (tip, before) = read(repo, remote)?;
        moves |= first.get_or_insert_with(|| tip.clone()) != &tip;
        let mut claims = before.clone();
        let result = edit(&mut claims)?;
        if claims == before {
            return Ok(result);
        }
        let text = claims.text().map_err(|error| Hindered::NotALease(error.to_string()))?;
        let new = repo.note(&text)?;
        match remote.push_surely(REFERENCE, &new, tip.as_deref())? {
            Pushed::Done => return Ok(result),
            Pushed::Moved(why) => {
                locked = why.or(locked);
                let most = Duration::from_millis(u64::from(120 + 40 * tries));
                repo.outside().pause(outside::between(Duration::from_millis(20), most));
            }
            Pushed::Refused(why) => {
                return Err(Hindered::Repo(RepoError::Refused {
                    remote: remote.name().to_owned(),
                    reference: REFERENCE.to_owned(),
                    why,
                }));
            }
            Pushed::Unknown(why) => {
                return Err(Hindered::Repo(RepoError::Unreachable {
                    remote: remote.name().to_owned(),
                    why,
                }));
            }
        }
    }
    // Nobody was faster.
    if !moves {
        return Err(RepoError::RemoteLocked {
            remote: remote.name().to_owned(),
            branch: REFERENCE.to_owned(),
            why: locked.unwrap_or_else(|| LOCKED.to_owned()),
        }
        .into());
    }
    Err(RepoError::Busy(REFERENCE.to_owned()).into())
}

impl Held {
    /// Takes the lease for a claim that lasts so long without being renewed.
    pub fn take(repo: &Repo, remote: &Remote, claim: Claim, lasts: SignedDuration) -> Result<Self, Hindered> {
        let (claim, others) = change(repo, remote, |claims| {
            let wanted = Claim {
                expires: outside::now() + lasts,
                ..claim.clone()
            };
            let taken = claims.take(wanted, outside::now()).map_err(Hindered::By)?;
            let others = claims.claims.iter().filter(|other| other.run != taken.run);
            let others = others.flat_map(|other| other.tenants.iter().cloned()).collect();
            Ok((taken, others))
        })?;
        let permit = Arc::new(Permit::until(claim.expires, lasts));
        permit.seen(claim.expires - lasts, fresh(lasts));
        let mut renewal = Renewal {
            place: Place::of(repo),
            remote: remote.clone(),
            run: claim.run,
            lasts,
            permit: permit.clone(),
            renewed: outside::now(),
            begun: false,
        };
        Ok(Self {
            claim,
            others,
            permit,
            place: Place::of(repo),
            remote: remote.clone(),
            renewal: Some(repo.outside().beside(Box::new(move || renewal.work()))),
        })
    }

    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    pub fn permit(&self) -> &Arc<Permit> {
        &self.permit
    }

    /// Adds a name to the claim. Whether another run may have worked on it since this claim was taken: then what was read
    /// before is to be read again.
    pub fn widen(&mut self, repo: &Repo, name: &str) -> Result<bool, Hindered> {
        let run = self.claim.run;
        let wide = change(repo, &self.remote, |claims| {
            let wide = claims.widen(run, name, outside::now()).map_err(Hindered::By)?;
            wide.ok_or(Hindered::Superseded)
        });
        let wide = wide.inspect_err(|why| {
            if let Hindered::Superseded = why {
                self.permit.lose();
            }
        })?;
        let disturbed = self.others.contains(name) || wide.fence > self.claim.fence + 1;
        self.claim = wide;
        Ok(disturbed)
    }

    /// Whether no other run has claimed this name since the claim was made.
    pub fn is_alone(&self, repo: &Repo, name: &str) -> Result<bool, Hindered> {
        let claims = claims(repo, &self.remote)?;
        Ok(claims.fence == self.claim.fence && !claims.is_with_another(self.claim.run, name))
    }

    /// Takes a name out of the claim: others may work on it from now on.
    pub fn narrow(&mut self, repo: &Repo, name: &str) -> Result<(), Hindered> {
        let run = self.claim.run;
        self.claim = change(repo, &self.remote, |claims| {
            claims.narrow(run, name).ok_or(Hindered::Superseded)
        })?;
        Ok(())
    }

    /// Asks the remote whether the claim still stands: asked before a lockfile is written.
    pub fn confirm(&self, repo: &Repo) -> Result<(), Hindered> {
        let stands = claims(repo, &self.remote)?
            .claims
            .iter()
            .any(|claim| claim.run == self.claim.run && claim.fence == self.claim.fence);
        if stands {
            return Ok(());
        }
        self.permit.lose();
        Err(Hindered::Superseded)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.renewal.take());
        let run = self.claim.run;
        let released = self.place.open().map_err(Hindered::from).and_then(|repo| {
            change(&repo, &self.remote, |claims| {
                claims.release(run);
                Ok(())
            })
        });
        if let Err(why) = released {
            tracing::warn!(?why, "the lease was not given back: it expires by itself");
        }
    }
}

/// How long to wait between two looks at the lease.
fn between_looks(lasts: Duration) -> Duration {
    (lasts / 60).clamp(Duration::from_millis(500), Duration::from_secs(10))
}

/// For how long a look counts.
fn fresh(lasts: SignedDuration) -> SignedDuration {
    let looks = between_looks(Duration::try_from(lasts).unwrap_or_default()) * 3;
    SignedDuration::try_from(looks).unwrap_or(lasts)
}

/// What renews.
struct Renewal {
    place: Place,
    remote: Remote,
    run: Uuid,
    lasts: SignedDuration,
    permit: Arc<Permit>,
    renewed: Timestamp,
    /// The claim was seen when it was made: the first look is after a pause.
    begun: bool,
}

impl Renewal {
    /// Looks whether the claim still stands, and renews it now and then: how long to wait until the next look.
    fn work(&mut self) -> Option<Duration> {
        let lasts = Duration::try_from(self.lasts).unwrap_or_default();
        let pause = Some(between_looks(lasts));
        if !std::mem::replace(&mut self.begun, true) {
            return pause;
        }
        let before = outside::now();
        // What is left of it then is for the calls in flight.
        let due = before.duration_since(self.renewed) > self.lasts / 3;
        match if due { self.renew() } else { self.look() } {
            Ok(expires) => {
                self.permit.extend(expires, self.lasts);
                self.permit.seen(before, fresh(self.lasts));
                if due {
                    self.renewed = outside::now();
                }
            }
            Err(Hindered::Superseded | Hindered::By(_)) => {
                self.permit.lose();
                return None;
            }
            Err(why) => tracing::warn!(?why, "the lease could not be renewed"),
        }
        pause
    }

    fn look(&self) -> Result<Timestamp, Hindered> {
        let repo = self.place.open()?;
        let claims = claims(&repo, &self.remote)?.claims;
        let own = claims.iter().find(|claim| claim.run == self.run);
        own.map(|claim| claim.expires).ok_or(Hindered::Superseded)
    }

    fn renew(&self) -> Result<Timestamp, Hindered> {
        let repo = self.place.open()?;
        change(&repo, &self.remote, |claims| {
            let expires = outside::now() + self.lasts;
            if claims.renew(self.run, expires) {
                Ok(expires)
            } else {
                Err(Hindered::Superseded)
            }
        })
    }
}
