//! A sandbox without a network: its requests are answered where they are made, one after the other, and it lives in memory.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Uri;
use axum::response::Response;
use tower::ServiceExt as _;

use super::Account;
use super::Call;
use super::Fault;
use super::SandboxError;
use super::check_names;
use super::faults::Faults;
use super::ledger::Ledger;
use super::memory::Memory;
use super::router;
use super::store::Store;
use super::wire::Scissors;
use crate::secret::Secret;

/// See [`crate::sandbox`].
#[derive(Debug)]
pub struct Inside {
    router: Router,
    memory: Arc<Memory>,
    ledger: Arc<Ledger>,
    faults: Arc<Faults>,
}

impl Inside {
    /// Serves every account from this memory below `/<account>`, on whatever host, to who has this key.
    pub fn new(memory: Arc<Memory>, key: Secret, accounts: &[Account]) -> Result<Inside, SandboxError> {
        check_names(accounts)?;
        let store = Arc::new(Store::in_memory(memory.clone(), key));
        let (ledger, faults) = (Arc::new(Ledger::default()), Arc::new(Faults::default()));
        Ok(Inside {
            router: router(&store, accounts, &ledger, &faults),
            memory,
            ledger,
            faults,
        })
    }

    /// Answers a request; `None` when a fault cut the connection.
    pub async fn answer(&self, mut request: axum::http::Request<Vec<u8>>) -> Option<Response> {
        // Servers are asked for a path alone.
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        let scissors = Scissors::default();
        request.extensions_mut().insert(ConnectInfo(scissors.clone()));
        let answered = self.router.clone().oneshot(request.map(Body::from)).await;
        let response = answered.unwrap_or_else(|never| match never {});
        (!scissors.is_cut()).then_some(response)
    }

    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Every call the accounts answered, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.ledger.calls()
    }

    /// The same as `POST /_sandbox/faults`.
    pub fn fault(&self, fault: Fault) {
        self.faults.add(fault);
    }

    /// The same as `DELETE /_sandbox/faults`.
    pub fn calm(&self) {
        self.faults.clear();
    }
}
