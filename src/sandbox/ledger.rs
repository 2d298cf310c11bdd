//! The ledger: every call an account received, for tests that count calls.

use std::sync::Mutex;
use std::sync::PoisonError;

use serde::Serialize;

/// A sandbox may serve for days; only this many calls are remembered.
const REMEMBERED: usize = 100_000;

/// One answered call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    pub account: String,
    pub method: String,
    /// Below the account, without the query.
    pub path: String,
    pub query: String,
    /// 0 when the connection was closed without an answer.
    pub status: u16,
    /// Whether it was a call that writes. By its method, unless the service knows better: a search may be a `POST`.
    pub wrote: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    calls: Mutex<Vec<Call>>,
}

impl Ledger {
    pub fn record(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == REMEMBERED {
            calls.drain(..REMEMBERED / 2);
        }
        calls.push(call);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn clear(&self) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
