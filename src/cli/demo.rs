//! `upa demo`: the whole story on the embedded sandbox, in a directory that can be used afterwards.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use include_dir::{Dir, include_dir};
use serde_json::{Value, json};

use super::output;
use super::plan::{Format, PlanArgs, RuleArgs};
use super::rehearsal;
use super::report::{self, Failure};
use super::session::{At, Session};
use super::{Global, accounts, apply, plan, release, status};
use crate::exit::Exit;
use crate::outside;
use crate::render::{BOLD, CYAN, styled};
use crate::repo::Repo;
use crate::sandbox::Sandbox;
use crate::sandbox::n8n::Options;

static TENANTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tenants");
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static VERSIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/versions");
const SETTINGS: &str = include_str!("../../upa.toml");

/// Make an example workspace on the embedded sandbox, and walk through it. Needs no account and no network.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to make it
    #[arg(default_value = "upa-demo")]
    dir: PathBuf,
}

pub async fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let dir = &args.dir;
    write_workspace(dir)?;
    let repo = Repo::init(dir)?;
    repo.commit_all("A workspace: one product, three tenants")?;
    let story = Story {
        global: Global {
            chaos_seed: None,
            offline: false,
            trusted_ref: None,
            ci: false,
            dir: dir.clone(),
            sandbox: false,
            verbose: false,
            outside: outside::real(),
        },
        repo,
    };
    say(&format!(
        "A workspace in `{}`: a Git repository with one product and three tenants.",
        dir.display()
    ))?;
    story.seed_credentials().await?;
    say("1. What would happen? Nothing exists yet, so everything is new. Plan cannot write.")?;
    story.plan().await?;
    say("2. Do it. Every id and webhook path is recorded in a lockfile, in one commit.")?;
    story.apply().await?;
    say(
        "   Six integrations each: n8n, voice, sheet, calendar, webhooks, and the CRM the tenant chose (one chose none).",
    )?;
    story.status()?;
    say("3. A second plan is empty: what is there is what Git says.")?;
    story.plan().await?;
    say("4. A fix: the error handler cuts messages too short. An edit alone is not part of the version …")?;
    let edited = story.edit_template()?;
    writeln!(output::stdout(), "   (edited {edited})")?;
    story.plan_expecting_refusal().await?;
    say("   … until it is released. Then it is planned for every tenant, and read once.")?;
    story.release()?;
    story.plan().await?;
    story.repo.commit_all("Keep more of the error message")?;
    story.apply().await?;
    say("5. Somebody changes a workflow by hand in n8n. The next plan sees it, field by field.")?;
    story.change_by_hand().await?;
    story.plan().await?;
    say("That is where you are now. Go on by yourself:")?;
    let mut out = output::stdout();
    if let Some(program) = not_on_the_path() {
        writeln!(out, "  alias upa={}", program.display())?;
    }
    writeln!(out, "  cd {}", dir.display())?;
    writeln!(
        out,
        "  upa plan             # the drift, again: the sandbox is embedded, no server is needed"
    )?;
    writeln!(out, "  upa apply            # repairs it")?;
    writeln!(out, "  upa status           # the fleet")?;
    writeln!(out, "  upa show welcs       # what is recorded of one tenant")?;
    writeln!(out, "  upa new my-client    # another one")?;
    Ok(Exit::Done)
}

/// This program, unless `upa` is found without a path.
fn not_on_the_path() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).any(|folder| Some(&*folder) == program.parent());
    (!found).then_some(program)
}

fn say(text: &str) -> Result<(), Failure> {
    writeln!(output::stdout(), "\n{}", styled(BOLD, text))?;
    Ok(())
}

fn command(text: &str) -> Result<(), Failure> {
    writeln!(output::stdout(), "{}", styled(CYAN, format!("$ upa {text}")))?;
    Ok(())
}

/// Writes the workspace into a folder that is empty or not there.
#[expect(
    clippy::disallowed_methods,
    reason = "edge: this is where the example workspace is written"
)]
fn write_workspace(dir: &Path) -> Result<(), Failure> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(Exit::Usage, format!("`{}` is not empty", dir.display()))
            .hint("name another folder: `upa demo DIR`"));
    }
    let io = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            format!("cannot write the workspace into `{}`: {error}", dir.display()),
        )
    };
    std::fs::create_dir_all(dir).map_err(io)?;
    std::fs::write(dir.join("upa.toml"), SETTINGS).map_err(io)?;
    std::fs::write(dir.join(".gitignore"), ".upa/\n").map_err(io)?;
    for (name, files) in [
        ("tenants", &TENANTS),
        ("templates", &TEMPLATES),
        ("versions", &VERSIONS),
    ] {
        let target = dir.join(name);
        std::fs::create_dir_all(&target).map_err(io)?;
        files.extract(&target).map_err(io)?;
    }
    Ok(())
}

struct Story {
    global: Global,
    repo: Repo,
}

impl Story {
    fn session(&self) -> Result<Session, Failure> {
        Session::open(&self.global, At::WorkTree, &[])
    }

    async fn plan(&self) -> Result<(), Failure> {
        command("plan")?;
        let args = PlanArgs {
            tenants: Vec::new(),
            at: None,
            rollback: false,
            format: Format::Text,
            detailed_exitcode: false,
            out: None,
            rules: RuleArgs::default(),
        };
        expect_done(plan::run(&self.global, &args).await?)
    }

    /// The refusal is part of the story, and its absence would be a bug.
    async fn plan_expecting_refusal(&self) -> Result<(), Failure> {
        match self.plan().await {
            Err(failure) if failure.exit == Exit::Configuration => {
                write!(output::stderr(), "{}", report::failure(&failure))?;
                Ok(())
            }
            Err(failure) => Err(failure),
            Ok(()) => Err(Failure::new(
                Exit::Failed,
                "bug: an edited template was planned without a release",
            )),
        }
    }

    async fn apply(&self) -> Result<(), Failure> {
        command("apply --yes")?;
        let args = apply::ApplyArgs {
            wait: None,
            rollback: false,
            require_complete: false,
            tenants: Vec::new(),
            yes: true,
            plan: None,
            rules: RuleArgs::default(),
        };
        expect_done(apply::run(&self.global, &args).await?)
    }

    fn status(&self) -> Result<(), Failure> {
        command("status")?;
        let args = status::StatusArgs { tenants: Vec::new() };
        expect_done(status::run(&self.global, &args)?)
    }

    fn release(&self) -> Result<(), Failure> {
        let session_version = self.only_version()?;
        command(&format!("release {} {}", session_version.0, session_version.1))?;
        let args = release::ReleaseArgs {
            product: session_version.0,
            version: session_version.1,
        };
        expect_done(release::run(&self.global, &args)?)
    }

    fn only_version(&self) -> Result<(String, String), Failure> {
        let loaded = crate::workspace::load(&self.repo.work_tree()?);
        let version = loaded
            .workspace
            .and_then(|workspace| workspace.versions.into_keys().next());
        version.ok_or_else(|| Failure::new(Exit::Failed, "bug: the example has no version"))
    }

    /// In real life an operator connects these once, in n8n; upa only ever uses what exists.
    async fn seed_credentials(&self) -> Result<(), Failure> {
        let session = self.session()?;
        let sandbox = start(&session).await?;
        let count = rehearsal::connect(&session.workspace, &sandbox).await?;
        sandbox.stop().await;
        writeln!(
            output::stdout(),
            "An operator has connected each tenant's calendar, sheet and CRM in n8n ({count} credentials); upa finds them by name."
        )?;
        Ok(())
    }

    /// Changes a line of the error handler's code, as a designer would.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the example is edited")]
    fn edit_template(&self) -> Result<String, Failure> {
        let (product, version) = self.only_version()?;
        let path = format!("templates/{product}/{version}/error-handler.json");
        let file = self.repo.root().join(&path);
        let text = std::fs::read_to_string(&file).map_err(outside::naming(&file))?;
        let edited = text.replacen(FIX.0, FIX.1, 1);
        if edited == text {
            return Err(Failure::new(
                Exit::Failed,
                format!("bug: the text of the fix is not in `{path}`"),
            ));
        }
        std::fs::write(&file, edited).map_err(outside::naming(&file))?;
        Ok(path)
    }

    /// Changes one tenant's workflow through n8n's own API, as a person would in the editor.
    async fn change_by_hand(&self) -> Result<(), Failure> {
        let session = self.session()?;
        let lock = session.locks.get("welcs");
        let address = lock.and_then(|lock| lock.resources.iter().find(|(address, _)| address.resource == "booking"));
        let Some((_, locked)) = address else {
            return Err(Failure::new(Exit::Failed, "bug: the example has no workflow `booking`"));
        };
        let path = format!("workflows/{}", locked.id().unwrap_or_default());
        let sandbox = start(&session).await?;
        let client = rehearsal::Client::of(&sandbox)?;
        let mut workflow = client.send(reqwest::Method::GET, &locked.account, &path, None).await?;
        let settings = workflow.get_mut("settings").and_then(Value::as_object_mut);
        if let Some(settings) = settings {
            settings.insert("timezone".to_owned(), Value::from("America/Lima"));
        }
        let nodes = workflow
            .get_mut("nodes")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        for node in nodes.filter(|node| node.get("type").and_then(Value::as_str) == Some("n8n-nodes-base.webhook")) {
            if let Some(node) = node.as_object_mut() {
                node.insert("notes".to_owned(), Value::from("changed by hand"));
            }
        }
        let body = json!({
            "name": workflow["name"], "nodes": workflow["nodes"], "connections": workflow["connections"], "settings": workflow["settings"],
        });
        client
            .send(reqwest::Method::PUT, &locked.account, &path, Some(&body))
            .await?;
        sandbox.stop().await;
        Ok(())
    }
}

/// The fix of the story: what stands in the error handler, and what replaces it.
const FIX: (&str, &str) = (".slice(0, 500)", ".slice(0, 1000)");

fn expect_done(exit: Exit) -> Result<(), Failure> {
    if exit == Exit::Done {
        Ok(())
    } else {
        Err(Failure::silent(exit))
    }
}

/// The sandbox of a workspace, as a server.
async fn start(session: &Session) -> Result<Sandbox, Failure> {
    let folder = session.repo.sandbox_dir()?;
    let started = accounts::start_sandbox(&session.workspace, &folder, None, &Options::default()).await;
    started.map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}
