//! One `upa apply` in a world, and what people do when it did not go well: run it again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::Repository;
use upa::apply::Progress;
use upa::cli::Global;
use upa::cli::claim::Patience;
use upa::cli::report::{self, Failure};
use upa::cli::run::{self, Run, Wanted};
use upa::cli::session::Session;
use upa::exit::Exit;
use upa::plan::Rules;
use upa::platform::Step;
use upa::resource::Address;

use super::git;
use super::process::Process;
use super::world::{MAIN, World};

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Died,
    /// With this status, and this said.
    Exited(u8, String),
}

struct Quiet;

impl Progress for Quiet {
    fn started(&self, _: &Address, _: Step) {}
    fn done(&self, _: &Address, _: Step, _: Option<&str>) {}
    fn failed(&self, _: &Address, _: Step, _: &str) {}
    fn waits(&self, _: &Address, _: Step, _: &str) {}
}

/// What a clone knows.
const CONFIGURATION: &str = r#"[user]
	name = Bo
	email = bo@example.test
[remote "origin"]
	url = ../remote.git
	fetch = +refs/heads/*:refs/remotes/origin/*
"#;

/// A clone of the remote.
pub struct Clone {
    pub name: String,
    folder: PathBuf,
}

impl Clone {
    /// The clone of this name, made if it is not there.
    pub fn of(world: &World, name: &str) -> Self {
        let folder = world.folder.path().join(name);
        if !folder.exists() {
            git::init(&folder, false, CONFIGURATION);
            std::fs::remove_dir_all(folder.join(".git/objects")).unwrap();
            std::os::unix::fs::symlink("../../remote.git/objects", folder.join(".git/objects")).unwrap();
        }
        let clone = Self {
            name: name.to_owned(),
            folder,
        };
        clone.pull(world);
        clone
    }

    /// Brings the branch, the index and the work tree to what the remote holds, as a checkout of CI does.
    pub fn pull(&self, world: &World) {
        let tip = git::tip(&world.remote(), MAIN).unwrap();
        let repo = Repository::open(&self.folder).unwrap();
        repo.reference(MAIN, tip, true, "pull").unwrap();
        repo.reference("refs/remotes/origin/main", tip, true, "pull").unwrap();
        repo.reset(repo.find_commit(tip).unwrap().as_object(), git2::ResetType::Hard, None)
            .unwrap();
    }

    /// Whether something is left to do here: a journal, or a commit that was not published.
    pub fn has_leftovers(&self) -> bool {
        let repo = Repository::open(&self.folder).unwrap();
        git::tip(&repo, "refs/upa/unpublished").is_some()
            || std::fs::read_dir(self.folder.join(".git/upa")).is_ok_and(|folder| {
                folder
                    .flatten()
                    .any(|entry| entry.path().extension().is_some_and(|end| end == "journal"))
            })
    }

    /// Its disk is gone.
    pub fn lose(self) {
        std::fs::remove_dir_all(self.folder).unwrap();
    }

    fn global(&self, process: &Arc<Process>) -> Global {
        Global {
            dir: self.folder.clone(),
            sandbox: false,
            chaos_seed: None,
            offline: false,
            trusted_ref: None,
            ci: false,
            verbose: false,
            outside: process.clone(),
        }
    }

    /// `upa apply --yes`, as far as the process lives.
    pub async fn apply(&self, process: &Arc<Process>) -> Ended {
        self.apply_for(&[], process).await
    }

    /// Likewise, for these tenants; none are all.
    pub async fn apply_for(&self, tenants: &[String], process: &Arc<Process>) -> Ended {
        self.process(process, apply(self.global(process), tenants, process))
            .await
    }

    /// `upa plan --detailed-exitcode`: what is left to do, as text; nothing if nothing is.
    pub async fn plan(&self, process: &Arc<Process>) -> Result<String, String> {
        plan(self.global(process))
            .await
            .map_err(|failure| report::failure(&failure))
    }

    async fn process(
        &self,
        process: &Arc<Process>,
        work: impl Future<Output = Result<(Exit, String), Failure>>,
    ) -> Ended {
        process.world.note(format!("{} starts in {}", process.name, self.name));
        let ended = tokio::select! {
            biased;
            () = process.died.notified() => Ended::Died,
            result = work => match result {
                _ if process.is_dead() => Ended::Died,
                Ok((exit, said)) => Ended::Exited(exit.code(), said),
                Err(failure) => Ended::Exited(failure.exit.code(), report::failure(&failure)),
            },
        };
        process.world.note(format!("{} ended: {ended:?}", process.name));
        ended
    }
}

fn rules(session: &Session, world: &World) -> Rules {
    Rules {
        policy: session.workspace.settings.policy.clone(),
        recreate: world.recreate.lock().unwrap().clone(),
        now_ms: upa::outside::now().as_millisecond(),
        ..Rules::default()
    }
}

/// What `upa apply --yes` does, without its terminal.
async fn apply(global: Global, tenants: &[String], process: &Process) -> Result<(Exit, String), Failure> {
    let wanted = Wanted {
        tenants,
        rollback: false,
    };
    let rules = |session: &Session| rules(session, &process.world);
    let (run, desired) = Run::open(&global, tenants, false).await?;
    let survey = run.survey(desired, &rules(&run.session)).await;
    let (mut run, mut survey) = match run::stops(Exit::of_problems(&survey.plan.problems)) {
        true => (run, survey),
        false => {
            let patience = Patience::none();
            run.claim_shared(&global, wanted, &rules, survey, &patience).await?
        }
    };
    let mut problems = run.session.warnings.clone();
    problems.extend(survey.plan.problems.iter().cloned());
    super::people::hear(&process.world, &report::problems(&survey.plan.problems));
    let before = Exit::of_problems(&survey.plan.problems);
    if run::stops(before) || survey.plan.is_empty() && run.session.leftovers.is_empty() {
        return Ok((before, report::problems(&problems)));
    }
    let outcomes = run.execute(&mut survey, &process.interrupted, &Quiet).await?;
    run.record(&survey.plan, &outcomes)?;
    let left = run.leftover(tenants, &outcomes, &rules(&run.session)).await?;
    problems.extend(outcomes.iter().flat_map(|outcome| outcome.problems.iter().cloned()));
    problems.extend(left.iter().cloned());
    run.close().await;
    Ok((run::exit(before, &outcomes, &left), report::problems(&problems)))
}

async fn plan(global: Global) -> Result<String, Failure> {
    use upa::cli::session::{At, Fetch};
    use upa::cli::survey;
    let session = Session::open_with(&global, At::Revision("HEAD"), &[], Fetch::Always)?;
    let desired = survey::wanted(&session, &[])?;
    let accounts = survey::open_accounts(&session, &desired).await?;
    let rules = Rules {
        policy: session.workspace.settings.policy.clone(),
        now_ms: upa::outside::now().as_millisecond(),
        ..Rules::default()
    };
    let survey = survey::survey(&session, desired, &accounts.observers(), &rules).await;
    let errors = survey
        .plan
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(|problem| problem.message.to_string());
    let changes = survey.plan.changes.iter().map(|change| {
        let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
        format!(
            "{} {} ({:?}) {}",
            change.action.verb(),
            change.address,
            change.reason,
            fields.join(", ")
        )
    });
    let due = survey.plan.due.iter().map(|tenant| format!("{tenant} is due"));
    Ok(errors.chain(changes).chain(due).collect::<Vec<_>>().join("; "))
}

/// How long a claim lasts at most, after its run died.
const LEASE: Duration = Duration::from_secs(620);

/// Runs until nothing is left to do. What a run may end with on the way is known.
pub async fn until_quiet(world: &Arc<World>, clone: &Clone) -> Result<(), String> {
    let mut last = String::new();
    for number in 0..8 {
        let process = Process::new(world, &format!("settle{number}"), super::fate::Fate::calm(), false);
        match clone.apply(&process).await {
            Ended::Died => return Err("it died of nothing".to_owned()),
            Ended::Exited(0, _) if !clone.has_leftovers() && !super::people::approve(world) => {
                super::people::tidy(world).await;
                return Ok(());
            }
            // Another run's claim: it is over by itself.
            Ended::Exited(11, said) => {
                last = said;
                tokio::time::sleep(LEASE).await;
            }
            Ended::Exited(5, said) if super::studios::give_way(world, &said) => last = said,
            Ended::Exited(code @ (0 | 4 | 7 | 8 | 12), said) => last = format!("{code}: {said}"),
            Ended::Exited(10, said) => {
                let mut asked = super::people::answer(world, &said).await;
                if asked.is_empty() {
                    return Err(format!("a run asks what nobody can answer: {said}"));
                }
                // Whose place a run that was cut off may have taken waits for the answer too.
                asked.extend(super::studios::waiting(&said));
                // Who is not asked about is not kept waiting.
                let waiting = super::check::unsettled(world);
                if let Some(address) = waiting
                    .iter()
                    .find(|address| !asked.contains(super::people::tenant(address)))
                {
                    return Err(format!(
                        "{address} is kept waiting by a question about {asked:?}: {said}"
                    ));
                }
                last = format!("10: {said}");
            }
            Ended::Exited(code, said) => return Err(format!("a run ended with {code}: {said}")),
        }
        clone.pull(world);
    }
    Err(format!("it does not come to rest: {last}"))
}
