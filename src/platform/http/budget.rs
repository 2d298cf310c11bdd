//! How hard an account may be driven: so many calls at once, so many per second, and none while it asked to be left alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::ledger::Ledger;
use super::retry::Cause;

/// What every call of an account, to any of its hosts and by any of its names, draws on.
#[derive(Debug)]
pub struct Budget {
    slots: Semaphore,
    pace: Mutex<Pace>,
}

impl Budget {
    /// So many calls at once, and no more than so many started per second.
    pub fn new(concurrency: usize, per_second: Option<f64>) -> Self {
        Self {
            slots: Semaphore::new(concurrency.max(1)),
            pace: Mutex::new(Pace::new(per_second)),
        }
    }

    /// Starts no more than so many calls per second, if that is less than before.
    pub fn slow_down(&self, per_second: f64) {
        let slower = Pace::new(Some(per_second));
        self.change(|pace| pace.interval = pace.interval.max(slower.interval));
    }

    /// Starts no call for so long.
    pub fn close_for(&self, time: Duration) {
        self.change(|pace| pace.close(Instant::now(), time));
    }

    /// Waits for a call's turn, which the ledger is told; the call holds what it is given until it has its answer. An account that stays closed
    /// for longer than `patience` is not waited for: the error is the time it stays closed.
    pub async fn turn(
        &self,
        patience: Duration,
        ledger: &Arc<Ledger>,
    ) -> Result<Option<SemaphorePermit<'_>>, Duration> {
        let slot = self.slots.acquire().await.ok();
        loop {
            let closed = self.change(|pace| pace.closed(Instant::now()));
            if closed > patience {
                return Err(closed);
            }
            if closed > Duration::ZERO {
                let _waiting = ledger.wait(Cause::Asked);
                tokio::time::sleep(closed).await;
                continue;
            }
            let wait = self.change(|pace| pace.turn(Instant::now()));
            if wait.is_zero() {
                return Ok(slot);
            }
            let waiting = ledger.wait(Cause::Limit);
            tokio::time::sleep(wait).await;
            drop(waiting);
            // It may have been closed meanwhile.
            if self.change(|pace| pace.closed(Instant::now())).is_zero() {
                return Ok(slot);
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Pace) -> T) -> T {
        change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A token bucket one token deep. A deeper one would let a run start with a burst, and then break the limit it keeps: a
/// platform counts over its own window. What that costs is less than a second per run.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    /// When the next call may start.
    next: Option<Instant>,
    closed_until: Option<Instant>,
}

impl Pace {
    fn new(per_second: Option<f64>) -> Self {
        let interval = per_second
            .filter(|rate| *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
        Self {
            interval: interval.unwrap_or_default(),
            next: None,
            closed_until: None,
        }
    }

    /// Takes the next turn: how long to wait for it.
    fn turn(&mut self, now: Instant) -> Duration {
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + self.interval);
        at.saturating_duration_since(now)
    }

    fn close(&mut self, now: Instant, time: Duration) {
        // A platform that names an absurd time is closed for a day, which no run waits for.
        let until = now + time.min(Duration::from_secs(86_400));
        self.closed_until = Some(self.closed_until.map_or(until, |before| before.max(until)));
    }

    fn closed(&self, now: Instant) -> Duration {
        self.closed_until
            .map(|until| until.saturating_duration_since(now))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn turns_keep_the_pace_and_idle_time_is_not_saved_up() {
        let zero = Instant::now();
        let mut pace = Pace::new(Some(4.0));
        let waits: Vec<u128> = (0..4).map(|_| pace.turn(zero).as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 750]);
        let later = zero + 10 * SECOND;
        assert_eq!(pace.turn(later), Duration::ZERO);
        assert_eq!(pace.turn(later).as_millis(), 250);
    }

    #[test]
    fn no_limit_means_no_waiting() {
        let zero = Instant::now();
        for mut pace in [Pace::new(None), Pace::new(Some(0.0)), Pace::new(Some(-1.0))] {
            assert!((0..100).all(|_| pace.turn(zero).is_zero()));
        }
    }

    #[test]
    fn slow_limits_have_slow_turns() {
        let zero = Instant::now();
        // 100 per minute.
        let mut pace = Pace::new(Some(100.0 / 60.0));
        pace.turn(zero);
        assert_eq!(pace.turn(zero).as_millis(), 600);
    }

    #[test]
    fn the_smaller_limit_wins() {
        for (account, definition) in [(Some(2.0), 10.0), (Some(10.0), 2.0), (None, 2.0)] {
            let budget = Budget::new(1, account);
            budget.slow_down(definition);
            assert_eq!(budget.change(|pace| pace.interval), SECOND / 2);
        }
    }

    #[test]
    fn closed_is_closed_until_the_latest_time() {
        let zero = Instant::now();
        let mut pace = Pace::new(None);
        assert_eq!(pace.closed(zero), Duration::ZERO);
        pace.close(zero, 5 * SECOND);
        pace.close(zero, SECOND);
        assert_eq!(pace.closed(zero), 5 * SECOND);
        assert_eq!(pace.closed(zero + 6 * SECOND), Duration::ZERO);
        pace.close(zero, Duration::MAX);
        assert_eq!(pace.closed(zero).as_secs(), 86_400);
    }

    #[tokio::test]
    async fn a_closed_account_is_not_waited_for_in_vain() {
        let budget = Budget::new(1, None);
        budget.close_for(3600 * SECOND);
        let refused = budget.turn(300 * SECOND, &Arc::default()).await.map(drop);
        assert!(refused.is_err_and(|closed| closed > 3590 * SECOND));
    }
}
