//! The embedded sandbox: platforms imitated over real HTTP on loopback, so that plan and apply work with no account.
//!
//! A sandbox serves any number of *accounts* from one store file; an account is a name and a [`Service`]. What a
//! service imitates is its own business (see [`n8n`]); here is what all of them share:
//!
//! | file | what it is |
//! |---|---|
//! | `store`, `memory` | the state, one transaction per request |
//! | `key` | the store's key, in a file beside it |
//! | `wire` | connections that close when idle, or without an answer |
//! | `door` | what is let in from the network at all |
//! | `gate` | the middleware in front of each account: `faults` strike, the `ledger` is written |
//! | `control` | `/_sandbox/...`, the switches tests and people use |
//! | `inside` | the same sandbox without a network, in memory |
//! | `http`, `clock` | requests, answers and time as plain values |

mod clock;
mod control;
mod door;
mod faults;
mod garble;
mod gate;
mod http;
mod inside;
pub mod key;
mod ledger;
mod memory;
pub mod n8n;
mod rest;
mod store;
mod wire;

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use faults::Fault;
pub use faults::Kind as FaultKind;
pub use inside::Inside;
pub use ledger::Call;
pub use memory::Memory;

use crate::platform::definition::Definition;
use crate::secret::Secret;
use door::Door;
use faults::Faults;
use gate::Gate;
use ledger::Ledger;
use store::Closed;
use store::Store;
use store::StoreError;
use wire::Scissors;
use wire::Wires;

/// How long the store may take to close, once the server has ended.
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// What an account imitates: something that makes a router from the store and the account's name.
#[derive(Debug, Clone)]
pub enum Service {
    N8n(n8n::Options),
    /// Any platform that is described as data.
    Rest(Arc<Definition>),
}

/// One account of a platform, served below `/<name>`.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub service: Service,
}

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Another process has the store open; a second sandbox on it would answer from stale state.
    #[error("the sandbox is in use by another process")]
    InUse,
    #[error("account `{0}` has no usable name: letters, digits, `-` and `_` only, each name once")]
    Name(String),
    #[error("the sandbox cannot listen on 127.0.0.1: {0}")]
    Listen(#[source] io::Error),
    #[error("the sandbox's store cannot be opened: {0}")]
    Store(String),
}

impl From<StoreError> for SandboxError {
    fn from(error: StoreError) -> SandboxError {
        match error {
            StoreError::InUse => SandboxError::InUse,
            other => SandboxError::Store(other.to_string()),
        }
    }
}

/// A running sandbox; it stops when dropped, or orderly with [`Sandbox::stop`].
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    key: Secret,
    ledger: Arc<Ledger>,
    faults: Arc<Faults>,
    stop: Option<oneshot::Sender<()>>,
    closed: Closed,
    served: JoinHandle<io::Result<()>>,
}

impl Sandbox {
    /// Opens (or makes) the store file and serves every account below `http://127.0.0.1:<port>/<account>`.
    /// Without a port a free one is taken.
    pub async fn start(store: &Path, port: Option<u16>, accounts: Vec<Account>) -> Result<Sandbox, SandboxError> {
        check_names(&accounts)?;
        let (store, closed) = Store::open(store)?;
        let store = Arc::new(store);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))
            .await
            .map_err(SandboxError::Listen)?;
        let address = listener.local_addr().map_err(SandboxError::Listen)?;
        let ledger = Arc::new(Ledger::default());
        let faults = Arc::new(Faults::default());
        let key = store.key().clone();
        let door = Door::new(address, key.clone());
        let router =
            router(&store, &accounts, &ledger, &faults).layer(middleware::from_fn_with_state(door, door::enter));
        let (stop, stopped) = oneshot::channel::<()>();
        let make = router.into_make_service_with_connect_info::<Scissors>();
        let served = tokio::spawn(async move {
            axum::serve(Wires::new(listener), make)
                .with_graceful_shutdown(async {
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Sandbox {
            address,
            key,
            ledger,
            faults,
            stop: Some(stop),
            closed,
            served,
        })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://127.0.0.1:PORT/<account>`
    pub fn account_url(&self, account: &str) -> String {
        format!("http://{}/{account}", self.address)
    }

    /// The key that opens everything in it.
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// Every call the accounts answered, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.ledger.calls()
    }

    /// The same as `POST /_sandbox/faults`.
    pub fn fault(&self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Ends the calls in flight and closes the store, so that it can be opened again.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.served).await;
        // A call that never ends must not hold up who stops the sandbox.
        let _ = tokio::time::timeout(CLOSES_WITHIN, &mut self.closed).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// Every account behind its gate, and the switches.
fn router(store: &Arc<Store>, accounts: &[Account], ledger: &Arc<Ledger>, faults: &Arc<Faults>) -> Router {
    let mut router = control::router(ledger.clone(), faults.clone());
    for account in accounts {
        let gate = Gate {
            account: account.name.as_str().into(),
            faults: faults.clone(),
            ledger: ledger.clone(),
        };
        let served = account.router(store.clone());
        let gated = served.front.layer(middleware::from_fn_with_state(gate, gate::pass));
        router = router
            .nest(&format!("/{}", account.name), gated)
            .nest(&format!("/_sandbox/editor/{}", account.name), served.editor);
    }
    router
}

/// What a service puts on the network: its own API, and what its users do in a browser.
pub(crate) struct Served {
    pub front: Router,
    pub editor: Router,
}

impl Account {
    fn router(&self, store: Arc<Store>) -> Served {
        match &self.service {
            Service::N8n(options) => n8n::serve(store, &self.name, options.clone()),
            Service::Rest(definition) => rest::serve(store, &self.name, definition.clone()),
        }
    }
}

fn check_names(accounts: &[Account]) -> Result<(), SandboxError> {
    for (at, account) in accounts.iter().enumerate() {
        let name = &account.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let again = accounts[..at].iter().any(|earlier| earlier.name == *name);
        if name.is_empty() || name == "_sandbox" || !name.chars().all(plain) || again {
            return Err(SandboxError::Name(name.clone()));
        }
    }
    Ok(())
}
