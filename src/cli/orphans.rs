//! `upa orphans`: what carries our mark and is in no lockfile.

use std::io::Write as _;

use clap::Args;

use super::Global;
use super::progress::Live;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::survey;
use crate::exit::Exit;
use crate::observe::{observe, questions};
use crate::orphans::{Orphan, orphans};
use crate::problem::{Class, Problem};
use crate::render::table::table;

/// List the objects that carry this workspace's mark and that no lockfile records. Deletes and adopts nothing.
#[derive(Debug, Args)]
pub struct OrphansArgs {}

pub async fn run(global: &Global, _args: &OrphansArgs) -> Result<Exit, Failure> {
    let live = Live::start("asking every account");
    let session = Session::look_with(global, At::WorkTree, &[], Fetch::Usually)?;
    let (found, unknown) = found(&session).await?;
    drop(live);
    let mut out = anstream::stdout().lock();
    if found.is_empty() {
        report::heard(writeln!(
            out,
            "No object carries this workspace's mark without being recorded."
        ))?;
    } else {
        let rows = found.iter().map(|orphan| {
            vec![
                orphan.account.clone(),
                orphan.kind.to_string(),
                orphan.id.clone(),
                orphan.title.clone(),
                orphan.address.clone(),
                orphan.origin.words(),
            ]
        });
        let text = table(&["account", "kind", "id", "title", "address", "what it is"], rows);
        report::heard(write!(out, "{text}"))?;
        for orphan in &found {
            let line = format!("{} {}: {}", orphan.kind, orphan.id, orphan.origin.hint(&orphan.id));
            report::heard(writeln!(out, "{line}"))?;
        }
    }
    drop(out);
    write!(anstream::stderr(), "{}", report::problems(&unknown))?;
    Ok(Exit::of_problems(&unknown))
}

/// What was found, and what could not be looked at.
pub async fn found(session: &Session) -> Result<(Vec<Orphan>, Vec<Problem>), Failure> {
    let desired = survey::wanted(session, &[])?;
    let mut questions = questions(session.name(), &desired, &session.locks);
    for question in questions.values_mut() {
        question.whole = true;
    }
    let accounts = survey::open_accounts(session, &desired).await?;
    let observed = observe(&questions, &accounts.observers()).await;
    accounts.close().await;
    let mut unknown = Vec::new();
    for (account, answer) in &observed.accounts {
        if let Some(failure) = &answer.failure {
            unknown.push(failure.problem(account));
            continue;
        }
        let kinds = questions.get(account).into_iter().flat_map(|question| &question.kinds);
        for kind in kinds.filter(|kind| !answer.complete.contains(*kind)) {
            let marked = session
                .workspace
                .registry
                .of_kind(kind)
                .and_then(|platform| platform.facts(kind));
            // What cannot carry a mark is no orphan that anybody could tell.
            if marked.is_some_and(|facts| facts.marked) {
                let message = format!("account `{account}` shows no whole list of {kind}: there may be more of them");
                unknown.push(Problem::warning(message));
            }
        }
    }
    let found = orphans(session.name(), &desired, &observed, &session.locks);
    Ok((found, unknown))
}

/// One of them as a finding.
pub fn finding(orphan: &Orphan) -> Problem {
    let message = format!(
        "{} \"{}\" ({}) in account `{}` carries the mark of {}, and no lockfile records it: {}",
        orphan.kind,
        orphan.title,
        orphan.id,
        orphan.account,
        orphan.address,
        orphan.origin.words()
    );
    Problem::error(Class::Decision, message).hint(orphan.origin.hint(&orphan.id))
}
