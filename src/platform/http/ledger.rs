//! What an account was asked, and what that cost: calls, repeats, waiting, bytes. And what its clock said.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::retry::Cause;
use crate::platform::clock::Clock;

/// Counts while a run goes on.
#[derive(Debug, Default)]
pub struct Ledger {
    calls: AtomicU64,
    retries: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    waits: Mutex<Waits>,
    clock: Mutex<Option<Clock>>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that went out, those that were repeated among them.
    pub calls: u64,
    /// Those that were sent because an earlier one had failed.
    pub retries: u64,
    /// How long at least one call waited because of the account's limit.
    pub limit: Duration,
    /// How long at least one call waited because the platform had asked for it.
    pub asked: Duration,
    /// How long at least one call waited before it was sent again, without having been asked to.
    pub back_off: Duration,
    /// Bytes of the bodies that were sent.
    pub sent: u64,
    /// Bytes of the bodies that came back, after decompression.
    pub received: u64,
}

impl Ledger {
    pub fn called(&self, bytes: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The platform told the time.
    pub fn told(&self, clock: Clock) {
        let mut known = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(clock, |known| known.nearer(clock)));
    }

    /// What the platform's clock said since it was last forgotten.
    pub fn clock(&self) -> Option<Clock> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clock may be set while a run goes on: each look goes by what it hears itself.
    pub fn forget_clock(&self) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Counts the time until the answer is dropped.
    pub fn wait(&self, cause: Cause) -> Waiting<'_> {
        self.change(|waits| waits.of(cause).begin(Instant::now()));
        Waiting { ledger: self, cause }
    }

    /// The counts of now.
    pub fn tally(&self) -> Tally {
        let now = Instant::now();
        let [limit, asked, back_off] =
            self.change(|waits| [Cause::Limit, Cause::Asked, Cause::BackOff].map(|cause| waits.of(cause).total(now)));
        Tally {
            calls: self.calls.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            limit,
            asked,
            back_off,
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waits) -> T) -> T {
        change(&mut self.waits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that waits.
pub struct Waiting<'a> {
    ledger: &'a Ledger,
    cause: Cause,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.ledger.change(|waits| waits.of(self.cause).end(Instant::now()));
    }
}

#[derive(Debug, Default)]
struct Waits {
    limit: Stopwatch,
    asked: Stopwatch,
    back_off: Stopwatch,
}

impl Waits {
    fn of(&mut self, cause: Cause) -> &mut Stopwatch {
        match cause {
            Cause::Limit => &mut self.limit,
            Cause::Asked => &mut self.asked,
            Cause::BackOff => &mut self.back_off,
        }
    }
}

/// Runs while anybody waits: a hundred calls that wait side by side for a second wait for one second.
#[derive(Debug, Default)]
struct Stopwatch {
    waiting: u32,
    since: Option<Instant>,
    total: Duration,
}

impl Stopwatch {
    fn begin(&mut self, now: Instant) {
        self.waiting += 1;
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.total = self.total(now);
            self.since = None;
        }
    }

    fn total(&self, now: Instant) -> Duration {
        self.total
            + self
                .since
                .map(|since| now.saturating_duration_since(since))
                .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_side_by_side_counts_once() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut watch = Stopwatch::default();
        watch.begin(at(0));
        watch.begin(at(100));
        watch.end(at(200));
        assert_eq!(watch.total(at(250)), Duration::from_millis(250), "it still runs");
        watch.end(at(300));
        assert_eq!(watch.total(at(900)), Duration::from_millis(300), "nobody waits");
        watch.begin(at(1000));
        watch.end(at(1050));
        assert_eq!(watch.total(at(2000)), Duration::from_millis(350));
    }

    #[test]
    fn a_ledger_adds_up() {
        let ledger = Ledger::default();
        ledger.called(10);
        ledger.called(5);
        ledger.retried();
        ledger.received(7);
        drop(ledger.wait(Cause::Asked));
        let tally = ledger.tally();
        assert_eq!((tally.calls, tally.retries, tally.sent, tally.received), (2, 1, 15, 7));
        assert!(tally.asked > Duration::ZERO && tally.limit == Duration::ZERO && tally.back_off == Duration::ZERO);
    }
}
