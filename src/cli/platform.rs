//! `upa platform`: what is known about platforms, and whether a definition fits the vendor's contract.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::Global;
use super::output;
use super::report::{self, Failure};
use crate::exit::Exit;
use crate::platform::Registry;
use crate::platform::contract::Contract;
use crate::platform::definition::abilities::Abilities;
use crate::platform::definition::against::against;
use crate::platform::definition::{CATALOG, Definition, KindDefinition};
use crate::platform::registry::Known;
use crate::problem::{Problem, did_you_mean, listed};
use crate::render::counted;
use crate::render::table::table;
use crate::repo::{Repo, RepoError};
use crate::workspace::files::{Files, Origin};

/// What is known about platforms.
#[derive(Debug, Args)]
pub struct PlatformArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a definition, and hold it against the vendor's contract; no platform is asked
    Check(CheckArgs),
    /// Show every kind of object, and what it can do
    List,
    /// Show the kinds of one platform, or one of them, with their inputs and outputs
    Show {
        /// Its name, such as `vapi` or `google.calendar`
        name: String,
    },
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The definition: a file, or the name of a built-in one
    file: PathBuf,
    /// The vendor's contract: OpenAPI 3 (JSON or YAML) or a GraphQL schema
    #[arg(long, value_name = "SPEC")]
    contract: Option<PathBuf>,
}

pub fn run(global: &Global, args: &PlatformArgs) -> Result<Exit, Failure> {
    match &args.command {
        Command::Check(args) => check(args),
        Command::List => list(global),
        Command::Show { name } => show(global, name),
    }
}

fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let (name, source) = definition_text(&args.file)?;
    let definition = Definition::parse(&name, &source).map_err(Failure::problems)?;
    let kinds = counted(definition.kinds.len(), "kind");
    let mut out = output::stdout();
    let Some(spec) = &args.contract else {
        report::heard(writeln!(
            out,
            "Valid: {name}, {kinds}. Not held against a contract: give one with --contract."
        ))?;
        return Ok(Exit::Done);
    };
    let shown = spec.display().to_string();
    let contract = Contract::parse(&shown, &read(spec)?).map_err(Failure::problems)?;
    let found = against(&definition, &contract);
    if found.iter().any(Problem::is_error) {
        return Err(Failure::problems(found));
    }
    write!(output::stderr(), "{}", report::problems(&found))?;
    report::heard(writeln!(out, "Valid: {name}, {kinds}, as {shown} says."))?;
    Ok(Exit::Done)
}

/// The text of a file, or of a built-in definition where there is no such file.
fn definition_text(file: &Path) -> Result<(String, Arc<str>), Failure> {
    let name = file.display().to_string();
    let built_in = CATALOG
        .iter()
        .find(|(file, _)| file.strip_suffix(".toml") == Some(&name));
    match built_in {
        Some((file, text)) if !Path::new(&name).exists() => Ok(((*file).to_owned(), Arc::from(*text))),
        _ => Ok((name, read(file)?)),
    }
}

#[expect(clippy::disallowed_methods, reason = "edge: files a person names")]
fn read(path: &Path) -> Result<Arc<str>, Failure> {
    std::fs::read_to_string(path).map(Arc::from).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("`{}` cannot be read: {error}", path.display()),
        )
    })
}

/// The platforms of the workspace; outside of one, those that are built in.
fn registry(global: &Global) -> Result<Registry, Failure> {
    let files = match Repo::open(&global.dir) {
        Ok(repo) => repo.work_tree()?,
        Err(RepoError::NotARepository(_)) => Files {
            origin: Origin::WorkTree,
            entries: BTreeMap::new(),
        },
        Err(error) => return Err(error.into()),
    };
    let (registry, problems) = Registry::load(&files);
    if problems.iter().any(Problem::is_error) {
        return Err(Failure::problems(problems));
    }
    Ok(registry)
}

fn list(global: &Global) -> Result<Exit, Failure> {
    let registry = registry(global)?;
    let mut rows = Vec::new();
    for name in registry.names() {
        rows.extend(rows_of(&registry, name));
    }
    let head: Vec<&str> = std::iter::once("kind").chain(Abilities::HEAD).collect();
    report::heard(write!(output::stdout(), "{}", table(&head, rows)))?;
    Ok(Exit::Done)
}

fn rows_of(registry: &Registry, name: &str) -> Vec<Vec<String>> {
    let row = |kind: String, words: [&str; 7]| std::iter::once(kind).chain(words.map(str::to_owned)).collect();
    match registry.known(name) {
        Some(Known::Defined(definition)) => definition
            .kinds
            .iter()
            .map(|(kind, said)| row(format!("{name}.{kind}"), Abilities::of(said).words()))
            .collect(),
        // Written in code: it is read and changed by rules of its own.
        Some(Known::N8n) => {
            let kinds = registry
                .platform(name)
                .map(|platform| platform.kinds())
                .unwrap_or_default();
            kinds.into_iter().map(|kind| row(kind, ["code"; 7])).collect()
        }
        None => Vec::new(),
    }
}

fn show(global: &Global, name: &str) -> Result<Exit, Failure> {
    let registry = registry(global)?;
    let (platform, one) = match name.split_once('.') {
        Some((platform, kind)) => (platform, Some(kind)),
        None => (name, None),
    };
    let unknown = |what: String, known: &mut dyn Iterator<Item = &str>, name: &str| {
        let known: Vec<&str> = known.collect();
        let hint = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", listed(known)),
        };
        Err(Failure::new(Exit::Usage, what).hint(hint))
    };
    let Some(known) = registry.known(platform) else {
        let what = format!("there is no platform `{platform}`");
        return unknown(what, &mut registry.names(), platform);
    };
    let mut rows = rows_of(&registry, platform);
    if let Some(kind) = one {
        let names: Vec<String> = rows.iter().filter_map(|row| row.first().cloned()).collect();
        rows.retain(|row| row.first().is_some_and(|first| first == name));
        if rows.is_empty() {
            let what = format!("{platform} has no kind `{kind}`");
            return unknown(what, &mut names.iter().map(String::as_str), name);
        }
    }
    let mut out = output::stdout();
    let head: Vec<&str> = std::iter::once("kind").chain(Abilities::HEAD).collect();
    report::heard(write!(out, "{}", table(&head, rows)))?;
    let Known::Defined(definition) = known else {
        return Ok(Exit::Done);
    };
    for (kind, said) in definition
        .kinds
        .iter()
        .filter(|(kind, _)| one.is_none_or(|one| one == *kind))
    {
        let title = match said.about.as_str() {
            "" => format!("{platform}.{kind}"),
            about => format!("{platform}.{kind}: {about}"),
        };
        report::heard(writeln!(out, "\n{title}"))?;
        for (word, text) in facts(said) {
            report::heard(writeln!(out, "  {word:<8} {text}"))?;
        }
    }
    Ok(Exit::Done)
}

/// What there is to know about a kind beyond the table.
fn facts(kind: &KindDefinition) -> Vec<(&'static str, String)> {
    let names = |names: &[String]| names.join(", ");
    let outputs: Vec<&str> = std::iter::once("id")
        .chain(kind.out.keys().map(String::as_str))
        .collect();
    let renew = kind
        .renew
        .as_ref()
        .map(|renew| format!("replaced in time: `{}` says when", renew.out));
    let suspend = match kind.gate {
        true => String::new(),
        false => kind.suspend.means.words(true),
    };
    let mut facts = vec![
        ("inputs", names(&kind.inputs)),
        ("outputs", outputs.join(", ")),
        ("fixed", names(&kind.fixed)),
        ("unread", names(&kind.unread)),
        ("secret", names(&kind.secret)),
        ("expires", renew.unwrap_or_default()),
        ("confirm", kind.keep.clone().unwrap_or_default()),
        ("suspend", suspend),
    ];
    if kind.costs {
        facts.push(("costs", "money".to_owned()));
    }
    if let Some(wait) = &kind.wait {
        let most = wait.max.as_secs();
        facts.push(("waits", format!("for `{}`, {most} s at most in one run", wait.at)));
    }
    facts.retain(|(_, text)| !text.is_empty());
    facts
}
