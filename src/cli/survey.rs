//! The first half of every plan and apply: desired → observe → plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::accounts::Accounts;
use super::history;
use super::report::Failure;
use super::session::Session;
use crate::desired::{DesiredState, DesiredTenant, desired};
use crate::exit::Exit;
use crate::observe::{Observers, accounts, ask_for_everything, observe, observe_with_patience, questions};
use crate::outside::Outside;
use crate::plan::{Bases, Basis, ObservedState, Plan, Rules, plan};
use crate::platform::Question;
use crate::problem::Problem;
use crate::resource::Address;
use crate::secret::{FingerprintKey, Secrets, Unavailable};
use crate::trust;

/// What was found out, and what follows.
pub struct Survey {
    pub desired: DesiredState,
    pub observed: ObservedState,
    pub plan: Plan,
    /// The secrets that were read to compare them.
    pub secrets: Secrets,
}

/// Renders the selected tenants; wrong inputs end the run before anybody is asked.
pub fn wanted(session: &Session, selected: &[String]) -> Result<DesiredState, Failure> {
    let (mut state, problems) = desired(&session.workspace, |tenant| {
        selected.is_empty() || selected.iter().any(|name| name == tenant)
    });
    if problems.iter().any(Problem::is_error) {
        return Err(Failure::problems(problems));
    }
    state.remember(&session.locks);
    trust::withhold(&mut state, &session.withheld, &session.locks);
    Ok(state)
}

/// What Git wants of one tenant.
pub fn of_tenant<'a>(desired: &'a DesiredState, name: &str) -> Result<&'a DesiredTenant, Failure> {
    desired.tenants.get(name).ok_or_else(|| {
        let failure = Failure::new(Exit::Configuration, format!("tenant `{name}` has no file"));
        failure.hint(format!("restore tenants/{name}.toml with git: it says what is whose"))
    })
}

/// Opens every account the selected tenants touch.
pub async fn open_accounts(session: &Session, desired: &DesiredState) -> Result<Accounts, Failure> {
    open_accounts_by(session, session.repo.outside(), desired).await
}

/// Likewise, reached in another way than the repository is.
pub async fn open_accounts_by(
    session: &Session,
    outside: &Arc<dyn Outside>,
    desired: &DesiredState,
) -> Result<Accounts, Failure> {
    let questions = questions(session.name(), desired, &session.locks);
    let names: BTreeSet<&str> = accounts(&questions);
    Accounts::open(session, outside, &names).await
}

/// Opens every account of the workspace.
pub async fn open_all_accounts(session: &Session, outside: &Arc<dyn Outside>) -> Result<Accounts, Failure> {
    let accounts = session.workspace.settings.accounts.keys();
    let names: BTreeSet<&str> = accounts.map(String::as_str).collect();
    Accounts::open(session, outside, &names).await
}

/// Everything in them that carries a mark of this workspace, and what somebody names besides. What it would have been
/// asked for without that is beside it.
pub async fn everything(
    session: &Session,
    desired: &DesiredState,
    accounts: &Accounts,
    named: &BTreeMap<Address, String>,
) -> (ObservedState, BTreeMap<String, Question>) {
    let mut usual = questions(session.name(), desired, &session.locks);
    let resources = desired.tenants.values().flat_map(|tenant| &tenant.resources);
    for (address, resource) in resources {
        let question = usual.get_mut(&resource.account);
        if let (Some(id), Some(question)) = (named.get(address), question) {
            question
                .ids
                .entry(resource.kind.clone())
                .or_default()
                .insert(id.clone());
        }
    }
    let mut all = usual.clone();
    let workspace = &session.workspace;
    let names = workspace.settings.accounts.keys();
    let places = names.map(|name| (name.as_str(), workspace.platform_of(name)));
    ask_for_everything(&mut all, session.name(), &workspace.registry, places);
    (observe(&all, &accounts.observers()).await, usual)
}

/// Asks and plans. It is given observers only, so it cannot write.
pub async fn survey(session: &Session, desired: DesiredState, observers: &Observers, rules: &Rules) -> Survey {
    let questions = questions(session.name(), &desired, &session.locks);
    let observed = observe(&questions, observers).await;
    planned(session, desired, observed, rules).await
}

/// Likewise, by a run that excludes every other.
pub async fn survey_with_patience(
    session: &Session,
    desired: DesiredState,
    observers: &Observers,
    rules: &Rules,
) -> Survey {
    let questions = questions(session.name(), &desired, &session.locks);
    let observed = observe_with_patience(&questions, observers).await;
    planned(session, desired, observed, rules).await
}

async fn planned(session: &Session, desired: DesiredState, observed: ObservedState, rules: &Rules) -> Survey {
    let secrets = secrets(session, &desired).await;
    let with = |bases: &Bases| {
        plan(&Basis {
            workspace: session.name(),
            desired: &desired,
            observed: &observed,
            locks: &session.locks,
            registry: &session.workspace.registry,
            rules,
            bases,
            secrets: &secrets,
        })
    };
    let mut plan = with(&Bases::new());
    if !plan.wants.is_empty() {
        plan = with(&history::bases(session, &plan.wants));
    }
    Survey {
        desired,
        observed,
        plan,
        secrets,
    }
}

/// With a key, every secret is read to be compared; without one none is needed to plan.
async fn secrets(session: &Session, desired: &DesiredState) -> Secrets {
    let names: BTreeSet<(String, String)> = desired
        .tenants
        .values()
        .flat_map(|tenant| tenant.secrets.keys().map(|name| (tenant.name.clone(), name.clone())))
        .collect();
    if names.is_empty() {
        return Secrets::default();
    }
    if !session.trusts_tenants() {
        return untrusted(&names);
    }
    let source = session.workspace.settings.workspace.fingerprint_key.as_ref();
    let mut secrets = Secrets::new(session.resolver.fingerprint_key(source).await);
    if secrets.fingerprint_key().is_some() {
        session.resolver.read(&mut secrets, desired, &names).await;
    }
    secrets
}

/// Not even looked for: who wrote the tenants' files could have named any.
fn untrusted(names: &BTreeSet<(String, String)>) -> Secrets {
    let unavailable = Unavailable {
        why: "what is planned is not merged, so no secret of its tenants is read".to_owned(),
        hint: "they are compared after the merge".to_owned(),
    };
    let mut secrets = Secrets::new(FingerprintKey::Unavailable(unavailable.clone()));
    for (tenant, name) in names {
        secrets.insert(tenant, name, Err(unavailable.clone()));
    }
    secrets
}
