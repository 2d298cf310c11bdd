//! `upa export`: a running object as the template that renders to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Global;
use super::accounts::Accounts;
use super::output;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use crate::desired::desired;
use crate::exit::Exit;
use crate::export::Surroundings;
use crate::export::adopt::{self, Ground};
use crate::lockfile::Lockfile;
use crate::platform::{Answer, Credential, Object, Question, Reading};
use crate::problem::{did_you_mean, listed};
use crate::resource::{Address, Kind};
use crate::visible::{self, on_one_line};

/// Turn a running workflow or object into a template. What belongs to its tenant becomes expressions again.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The account of upa.toml it lives in
    pub account: String,
    /// Its kind, such as `n8n.workflow`
    pub kind: String,
    /// Its id on the platform
    pub id: String,
    /// Write it to this file instead of printing it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The tenant whose object it is, where no lockfile says so
    #[arg(long, requires = "resource")]
    pub tenant: Option<String>,
    /// The resource of the version it is to be
    #[arg(long, requires = "tenant")]
    pub resource: Option<String>,
}

pub async fn run(global: &Global, args: &ExportArgs) -> Result<Exit, Failure> {
    let session = Session::look_with(
        global,
        At::WorkTree,
        &args.tenant.clone().into_iter().collect::<Vec<_>>(),
        Fetch::Try,
    )?;
    let kind = Kind::new(&*args.kind);
    check(&session, args, &kind)?;
    let address = address(&session, args, &kind)?;
    let answer = ask(&session, args, &kind).await?;
    let object = found(&answer, args, &kind)?;
    let known = match &address {
        Some(address) => surroundings(&session, &answer, args, address)?,
        None => Surroundings::default(),
    };
    if let (Some(address), None) = (&address, &known.current) {
        report::heard(write!(output::stderr(), "{}", report::problems(&session.errors())))?;
        writeln!(
            output::stderr(),
            "{address} has no template that can be used, so what is exported is not compared with one."
        )?;
    }
    let Some(platform) = session.workspace.registry.of_kind(&kind) else {
        return Err(Failure::new(Exit::Usage, format!("there is no kind `{kind}`")));
    };
    let text = format!("{}\n", visible::json(&platform.export(&kind, object, &known)));
    if let (Some(address), Some(_), None) = (&address, &known.current, &args.tenant) {
        say_differences(&session, &answer, args, address, object, &text)?;
    }
    match &args.out {
        Some(file) => {
            write(file, &text)?;
            let whose = address
                .map(|address| format!(", which is {address},"))
                .unwrap_or_default();
            writeln!(
                output::stderr(),
                "Wrote \"{}\"{whose} to {}. Read it before it becomes a template: `git diff`, then `upa release`.",
                object.title,
                file.display()
            )?;
        }
        None => report::heard(write!(output::stdout(), "{text}"))?,
    }
    Ok(Exit::Done)
}

/// A slip of the pen is told before anybody is asked.
fn check(session: &Session, args: &ExportArgs, kind: &Kind) -> Result<(), Failure> {
    let workspace = &session.workspace;
    let accounts = || workspace.settings.accounts.keys().map(String::as_str);
    if !workspace.settings.accounts.contains_key(&args.account) {
        let failure = Failure::new(Exit::Usage, format!("upa.toml has no account `{}`", args.account));
        return Err(match did_you_mean(&args.account, accounts()) {
            Some(word) => failure.hint(format!("did you mean `{word}`?")),
            None => failure.hint(format!("accounts there: {}", listed(accounts()))),
        });
    }
    let name = workspace.platform_of(&args.account);
    let kinds = workspace
        .registry
        .platform(name)
        .map(|platform| platform.kinds())
        .unwrap_or_default();
    if kinds.iter().any(|known| known == kind.as_str()) {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, format!("account `{}` has no `{kind}`", args.account));
    let known = || kinds.iter().map(String::as_str);
    Err(match did_you_mean(kind.as_str(), known()) {
        Some(word) => failure.hint(format!("did you mean `{word}`?")),
        None => failure.hint(format!("its kinds: {}", listed(known()))),
    })
}

/// Whose it is: as asked, else as a lockfile records.
fn address(session: &Session, args: &ExportArgs, kind: &Kind) -> Result<Option<Address>, Failure> {
    if let (Some(tenant), Some(resource)) = (&args.tenant, &args.resource) {
        let (state, _) = desired(&session.workspace, |name| name == tenant);
        let resources = state.tenants.get(tenant).map(|tenant| &tenant.resources);
        let of_kind = resources
            .into_iter()
            .flatten()
            .filter(|(_, wanted)| wanted.kind == *kind);
        let known: Vec<&Address> = of_kind.map(|(address, _)| address).collect();
        if let Some(address) = known.iter().find(|address| address.resource == *resource) {
            return Ok(Some((*address).clone()));
        }
        let names = || known.iter().map(|address| address.resource.as_str());
        let failure = Failure::new(Exit::Usage, format!("tenant `{tenant}` has no {kind} `{resource}`"));
        return Err(match did_you_mean(resource, names()) {
            Some(word) => failure.hint(format!("did you mean `{word}`?")),
            None => failure.hint(format!("it has: {}", listed(names()))),
        });
    }
    let recorded = session.locks.values().flat_map(|lock| &lock.resources);
    let found = recorded
        .filter(|(_, locked)| locked.account == args.account && locked.kind == *kind)
        .find(|(_, locked)| locked.id() == Some(&*args.id));
    Ok(found.map(|(address, _)| address.clone()))
}

async fn ask(session: &Session, args: &ExportArgs, kind: &Kind) -> Result<Answer, Failure> {
    let names = BTreeSet::from([args.account.as_str()]);
    let accounts = Accounts::open(session, session.repo.outside(), &names).await?;
    let observers = accounts.observers();
    let question = Question {
        kinds: BTreeSet::from([kind.clone()]),
        ids: BTreeMap::from([(kind.clone(), BTreeSet::from([args.id.clone()]))]),
        mark_prefix: format!("upa:{}/", session.name()),
        credentials: true,
        ..Question::default()
    };
    let answer = match observers.open.get(&args.account) {
        Some(observer) => observer.observe(&question).await,
        None => Answer {
            failure: observers.closed.get(&args.account).cloned(),
            ..Answer::default()
        },
    };
    drop(observers);
    accounts.close().await;
    match &answer.failure {
        Some(failure) => Err(Failure::problems(vec![failure.problem(&args.account)])),
        None => Ok(answer),
    }
}

fn found<'a>(answer: &'a Answer, args: &ExportArgs, kind: &Kind) -> Result<&'a Object, Failure> {
    let why = match answer.objects.get(&(kind.clone(), args.id.clone())) {
        Some(Reading::Present(object)) => return Ok(object),
        Some(Reading::Unreadable(unread)) => unread.why.to_string(),
        Some(Reading::Absent) | None => "it does not exist".to_owned(),
    };
    let what = format!(
        "{kind} `{}` of account `{}` could not be read: {why}",
        args.id, args.account
    );
    Err(Failure::new(Exit::Failed, what).hint("give the id as the platform shows it in the object's address"))
}

fn surroundings(
    session: &Session,
    answer: &Answer,
    args: &ExportArgs,
    address: &Address,
) -> Result<Surroundings, Failure> {
    let workspace = &session.workspace;
    let Some(tenant) = workspace.tenants.get(address.tenant()) else {
        return Ok(Surroundings::default());
    };
    let (state, problems) = desired(workspace, |name| name == tenant.name);
    let (Some(wanted), Some(version)) = (state.tenants.get(&tenant.name), workspace.version_of(tenant)) else {
        return Err(Failure::problems(if problems.is_empty() {
            session.errors()
        } else {
            problems
        }));
    };
    let empty = Lockfile::new(&*tenant.name);
    let lock = session.locks.get(&tenant.name).unwrap_or(&empty);
    let credentials: BTreeMap<&str, &[Credential]> =
        BTreeMap::from([(args.account.as_str(), answer.credentials.as_slice())]);
    Ok(Surroundings::of(tenant, version, wanted, lock, &credentials, address))
}

/// An export must render to what it was made from; where it does not, nobody should find out by an apply.
fn say_differences(
    session: &Session,
    answer: &Answer,
    args: &ExportArgs,
    address: &Address,
    object: &Object,
    text: &str,
) -> Result<(), Failure> {
    let Some(lock) = session.locks.get(address.tenant()) else {
        return Ok(());
    };
    let ground = Ground {
        tenant: address.tenant(),
        lock,
        credentials: BTreeMap::from([(args.account.as_str(), answer.credentials.as_slice())]),
        place: &|workspace| session.place(workspace),
    };
    let differs = adopt::verify(&session.repo.work_tree()?, &ground, address, object, text);
    if !differs.is_empty() {
        writeln!(
            output::stderr(),
            "warning: as the template of {address} this does not render to what is there: {}",
            on_one_line(&listed(differs.iter().map(String::as_str)))
        )?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "edge: this is where an export is written")]
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", file.display())))
}
