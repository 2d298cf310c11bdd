//! Whether a run may still start a call.
//!
//! It is asked before every call, and looks at the clock itself: a machine that slept wakes up in the middle of its work,
//! before anybody has told it that its claim expired meanwhile.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::outside;

/// No call takes longer than this, with all its attempts: see [`crate::platform::http`].
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(300);
/// How often who waits looks whether it is over.
const PAUSE: Duration = Duration::from_millis(50);

/// Given to everything that writes.
#[derive(Debug)]
pub struct Permit {
    /// Milliseconds since 1970 after which nothing may be started.
    until: AtomicI64,
    /// Milliseconds since 1970 after which the remote must be asked again first.
    fresh: AtomicI64,
    lost: AtomicBool,
}

impl Permit {
    /// Without a remote nobody can take it away.
    pub fn unlimited() -> Self {
        Self {
            until: AtomicI64::new(i64::MAX),
            fresh: AtomicI64::new(i64::MAX),
            lost: AtomicBool::new(false),
        }
    }

    /// Until a claim expires that lasts so long, minus what a call may take.
    pub fn until(expires: Timestamp, lasts: SignedDuration) -> Self {
        let permit = Self::unlimited();
        permit.extend(expires, lasts);
        permit
    }

    pub fn extend(&self, expires: Timestamp, lasts: SignedDuration) {
        // A short lease is renewed in time only if there is something left to work in.
        let margin = LONGEST_CALL.min(lasts / 2);
        let until = expires.as_millisecond() - i64::try_from(margin.as_millis()).unwrap_or_default();
        self.until.store(until, Ordering::SeqCst);
    }

    /// Somebody else works on it now.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// The claim was seen to stand: for so long nobody need look again.
    pub fn seen(&self, at: Timestamp, lasts: SignedDuration) {
        let fresh = at.as_millisecond() + i64::try_from(lasts.as_millis()).unwrap_or_default();
        self.fresh.store(fresh, Ordering::SeqCst);
    }

    /// Whether a call may be started now. Who was away, and does not know whether the claim still stands, waits until
    /// somebody has looked.
    pub async fn granted(&self) -> bool {
        while self.holds() {
            if now() < self.fresh.load(Ordering::SeqCst) {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    /// Whether it is neither over nor lost, as far as anybody here knows.
    pub fn holds(&self) -> bool {
        !self.is_lost() && now() < self.until.load(Ordering::SeqCst)
    }
}

fn now() -> i64 {
    outside::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_before_the_claim_does_and_when_it_is_lost() {
        let now = Timestamp::from_millisecond(now()).unwrap();
        let ten = SignedDuration::from_mins(10);
        let permit = Permit::until(now + SignedDuration::from_secs(330), ten);
        assert!(permit.holds());
        permit.extend(now + SignedDuration::from_secs(290), ten);
        assert!(!permit.holds(), "a call could outlast it");
        permit.extend(now + ten, ten);
        assert!(permit.holds());
        permit.lose();
        assert!(!permit.holds());
        assert!(Permit::unlimited().holds());
    }

    #[tokio::test]
    async fn who_was_away_waits_until_somebody_has_looked() {
        let permit = Permit::unlimited();
        assert!(permit.granted().await);
        let now = Timestamp::from_millisecond(now()).unwrap();
        permit.seen(now - SignedDuration::from_secs(60), SignedDuration::from_secs(30));
        let soon = tokio::time::timeout(Duration::from_millis(200), permit.granted());
        assert!(soon.await.is_err(), "nobody knows");
        permit.seen(now, SignedDuration::from_secs(30));
        assert!(permit.granted().await);
        permit.seen(now - SignedDuration::from_secs(60), SignedDuration::from_secs(30));
        permit.lose();
        assert!(!permit.granted().await);
    }
}
