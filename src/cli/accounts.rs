//! Opening accounts: with their secrets, and the sandbox for those that live in it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rehearsal;
use super::report::Failure;
use super::session::Session;
use crate::exit::Exit;
use crate::observe::Observers;
use crate::outside::{Outside, naming};
use crate::platform::account::{Account, DEFAULT_CONCURRENCY};
use crate::platform::error::{CONNECT, ErrorKind};
use crate::platform::http::budget::Budget;
use crate::platform::http::ledger::{Ledger, Tally};
use crate::platform::registry::{Connection, Known};
use crate::platform::{Executor, Observer, PlatformError};
use crate::sandbox::n8n::Options;
use crate::sandbox::{self, Sandbox, SandboxError, Service};
use crate::secret::Secret;
use crate::trust;
use crate::workspace::Workspace;

/// Accounts that are open.
pub struct Accounts {
    connections: BTreeMap<String, Arc<dyn Connection>>,
    closed: BTreeMap<String, PlatformError>,
    ledgers: BTreeMap<String, Arc<Ledger>>,
    sandbox: Option<Sandbox>,
}

impl Accounts {
    /// Opens the named accounts. One that cannot be opened fails when it is used, so that others can proceed.
    pub async fn open(session: &Session, outside: &Arc<dyn Outside>, names: &BTreeSet<&str>) -> Result<Self, Failure> {
        let (workspace, repo) = (&session.workspace, &session.repo);
        let in_sandbox = |name: &&&str| {
            workspace
                .settings
                .accounts
                .get(**name)
                .is_some_and(|settings| settings.sandbox)
        };
        let mut sandbox = None;
        let mut sandbox_at = None;
        if names.iter().any(|name| in_sandbox(&name)) {
            let folder = rehearsal::folder(repo, session.rehearses)?;
            match start_sandbox(workspace, &folder, None, &Options::default()).await {
                Ok(started) => {
                    if session.rehearses {
                        rehearsal::connect(workspace, &started).await?;
                    }
                    if let Some(seed) = session.chaos {
                        started.lie(seed);
                    }
                    sandbox_at = Some((started.url(), started.key().clone()));
                    sandbox = Some(started);
                }
                Err(SandboxError::InUse) if session.chaos.is_some() => {
                    let why =
                        "the sandbox that is running belongs to another process, and tells no lies from this seed";
                    return Err(Failure::new(Exit::Leased, why).hint("stop it first"));
                }
                Err(SandboxError::InUse) => sandbox_at = Some(running_sandbox(&folder)?),
                Err(error) => return Err(Failure::new(Exit::Failed, error.to_string())),
            }
        }
        let mut accounts = Self {
            connections: BTreeMap::new(),
            closed: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            sandbox,
        };
        let budgets = budgets(workspace);
        for name in names {
            let opened = match trust::moved_away(workspace, &session.locks, name) {
                // Before any key of it is read.
                Some(why) => Err(PlatformError::new(ErrorKind::Misplaced, CONNECT, why)),
                None => {
                    let budget = budgets.get(*name).cloned().unwrap_or_else(usual_budget);
                    account(session, name, sandbox_at.as_ref(), budget, outside).await
                }
            };
            let opened = opened.and_then(|account| {
                accounts.ledgers.insert((*name).to_owned(), account.ledger.clone());
                workspace
                    .registry
                    .connect(&account)
                    .unwrap_or_else(|| Err(no_platform(name)))
            });
            match opened {
                Ok(connection) => {
                    accounts.connections.insert((*name).to_owned(), connection);
                }
                Err(error) => {
                    accounts.closed.insert((*name).to_owned(), error);
                }
            }
        }
        Ok(accounts)
    }

    /// What plan is given: it can ask and nothing else.
    pub fn observers(&self) -> Observers {
        let open = self.connections.iter().map(|(name, connection)| {
            let observer: Arc<dyn Observer> = connection.clone();
            (name.clone(), observer)
        });
        Observers {
            webhooks: false,
            open: open.collect(),
            closed: self.closed.clone(),
        }
    }

    /// What apply is given besides.
    pub fn executors(&self) -> BTreeMap<String, Arc<dyn Executor>> {
        let open = self.connections.iter().map(|(name, connection)| {
            let executor: Arc<dyn Executor> = connection.clone();
            (name.clone(), executor)
        });
        open.collect()
    }

    /// What each of them was asked, by account.
    pub fn ledgers(&self) -> &BTreeMap<String, Arc<Ledger>> {
        &self.ledgers
    }

    /// The same, at this moment.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        let tallies = self.ledgers.iter().map(|(name, ledger)| (name.clone(), ledger.tally()));
        tallies.collect()
    }

    /// Closes the sandbox, so that its store is free for the next command.
    pub async fn close(self) {
        drop(self.connections);
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

fn no_platform(name: &str) -> PlatformError {
    PlatformError::new(
        ErrorKind::Refused,
        CONNECT,
        format!("account `{name}` belongs to no known platform"),
    )
}

async fn account(
    session: &Session,
    name: &str,
    sandbox: Option<&(String, Secret)>,
    budget: Arc<Budget>,
    outside: &Arc<dyn Outside>,
) -> Result<Account, PlatformError> {
    let workspace = &session.workspace;
    let platform = workspace.platform_of(name).to_owned();
    let Some(settings) = workspace.settings.accounts.get(name) else {
        let why = format!("upa.toml has no account `{name}` (any more)");
        return Err(PlatformError::new(ErrorKind::Unreachable, CONNECT, why));
    };
    let mut credentials = BTreeMap::new();
    let base_url = if let Some((url, key)) = sandbox.filter(|_| settings.sandbox) {
        let ways = workspace
            .registry
            .platform(&platform)
            .map(|platform| platform.credentials())
            .unwrap_or_default();
        // The sandbox's key opens everything but cannot sign.
        let way = ways.into_iter().find(|way| !way.signs).unwrap_or_default();
        let names = way.required.into_iter();
        credentials.extend(names.map(|name| (name, key.clone())));
        format!("{url}/{name}")
    } else {
        for (credential, source) in &settings.credentials {
            let secret = session.resolver.resolve(source).await;
            let secret = secret.map_err(|unavailable| PlatformError::locked(unavailable.why, unavailable.hint))?;
            credentials.insert(credential.clone(), secret);
        }
        settings.base_url.clone().unwrap_or_default()
    };
    let hosts = match settings.sandbox {
        true => sandbox_hosts(workspace, &platform, &base_url),
        false => settings.hosts.clone(),
    };
    Ok(Account {
        name: name.to_owned(),
        platform,
        webhook_url: if settings.sandbox {
            base_url.clone()
        } else {
            settings.webhook_url.clone().unwrap_or_else(|| base_url.clone())
        },
        hosts,
        base_url,
        credentials,
        identity: settings.identity.clone().filter(|_| !settings.sandbox),
        owners: trust::owners(workspace, &session.locks, name),
        budget,
        sandbox: settings.sandbox,
        ledger: Arc::default(),
        outside: outside.clone(),
    })
}

fn usual_budget() -> Arc<Budget> {
    Arc::new(Budget::new(DEFAULT_CONCURRENCY, None))
}

/// What each account may be driven with, by name. Names of one account share the smallest of their limits.
fn budgets(workspace: &Workspace) -> BTreeMap<String, Arc<Budget>> {
    let same = workspace.same_accounts();
    let limits_of = |first: &String| {
        let names = same.iter().filter(|(_, other)| *other == first).map(|(name, _)| name);
        let settings = names.filter_map(|name| workspace.settings.accounts.get(name));
        let limits: Vec<_> = settings.map(|settings| &settings.limits).collect();
        let at_once = limits.iter().filter_map(|limits| limits.concurrency).min();
        let per_second = limits.iter().filter_map(|limits| limits.per_second).min();
        Budget::new(at_once.unwrap_or(DEFAULT_CONCURRENCY), per_second.map(f64::from))
    };
    let mut budgets: BTreeMap<&String, Arc<Budget>> = BTreeMap::new();
    for first in same.values() {
        budgets.entry(first).or_insert_with(|| Arc::new(limits_of(first)));
    }
    let of = |(name, first): (&String, &String)| Some((name.clone(), budgets.get(first)?.clone()));
    same.iter().filter_map(of).collect()
}

/// The sandbox serves all hosts of a platform at one address.
fn sandbox_hosts(workspace: &Workspace, platform: &str, base_url: &str) -> BTreeMap<String, String> {
    let platform = workspace.registry.platform(platform);
    let names = platform.map(|platform| platform.hosts()).unwrap_or_default();
    names.into_keys().map(|name| (name, base_url.to_owned())).collect()
}

/// Starts the sandbox of a workspace, with its state in a folder, and every account that lives in it.
pub async fn start_sandbox(
    workspace: &Workspace,
    folder: &Path,
    port: Option<u16>,
    n8n: &Options,
) -> Result<Sandbox, SandboxError> {
    prepare_folder(folder).map_err(|error| SandboxError::Store(error.to_string()))?;
    let mut served = Vec::new();
    for name in workspace
        .settings
        .accounts
        .iter()
        .filter(|(_, settings)| settings.sandbox)
        .map(|(name, _)| name)
    {
        let service = match workspace.registry.known(workspace.platform_of(name)) {
            Some(Known::N8n) => Service::N8n(n8n.clone()),
            Some(Known::Defined(definition)) => Service::Rest(definition.clone()),
            None => continue,
        };
        served.push(sandbox::Account {
            name: name.clone(),
            service,
        });
    }
    Sandbox::start(&folder.join(STORE), port, served).await
}

/// The state of the sandbox, in the sandbox's folder.
const STORE: &str = "sandbox.redb";

/// The folder holds state of this machine only, so it ignores itself.
#[expect(
    clippy::disallowed_methods,
    reason = "edge: this is where the sandbox's folder is made"
)]
fn prepare_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder).map_err(naming(folder))?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(&ignore, "*\n").map_err(naming(&ignore))?;
    }
    Ok(())
}

/// Where `upa sandbox` says that it listens.
pub fn url_file(folder: &Path) -> PathBuf {
    folder.join("sandbox.url")
}

#[expect(
    clippy::disallowed_methods,
    reason = "edge: this is where a running sandbox is found"
)]
fn running_sandbox(folder: &Path) -> Result<(String, Secret), Failure> {
    let url = std::fs::read_to_string(url_file(folder)).unwrap_or_default();
    // A server that was killed leaves its address behind; what has the store now is another one.
    let address = url.trim().strip_prefix("http://");
    let address: Option<SocketAddr> = address.and_then(|address| address.parse().ok());
    let listens = address.is_some_and(|at| at.ip().is_loopback() && std::net::TcpStream::connect(at).is_ok());
    if listens {
        let key = sandbox::key::read(&folder.join(STORE))?;
        return Ok((url.trim().to_owned(), key));
    }
    Err(
        Failure::new(Exit::Leased, "another upa is using the sandbox of this workspace")
            .hint("run again when it is done"),
    )
}
