//! `upa release`: edited templates become the next revision of their version.

use std::io::Write as _;

use clap::Args;

use super::Global;
use super::output;
use super::report::Failure;
use crate::exit::Exit;
use crate::problem::{Problem, did_you_mean, listed};
use crate::repo::Repo;
use crate::workspace::{self, Version, release};

/// Make edited templates the next revision of their version: writes the digests and the revision into its file.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    pub product: String,
    // The id `version` is taken by `--version`.
    #[arg(id = "of-version", value_name = "VERSION")]
    pub version: String,
}

pub fn run(global: &Global, args: &ReleaseArgs) -> Result<Exit, Failure> {
    let repo = Repo::open(&global.dir)?;
    let files = repo.work_tree()?;
    let loaded = workspace::load(&files);
    let Some(workspace) = loaded.workspace else {
        return Err(Failure::problems(loaded.problems));
    };
    let key = (args.product.clone(), args.version.clone());
    let path = Version::path(&args.product, &args.version);
    let Some(version) = workspace.versions.get(&key) else {
        if files.entries.contains_key(&path) {
            return Err(Failure::problems(loaded.problems));
        }
        let known: Vec<String> = workspace
            .versions
            .keys()
            .map(|(product, version)| format!("{product} {version}"))
            .collect();
        let failure = Failure::new(
            Exit::Configuration,
            format!("there is no version `{} {}`", args.product, args.version),
        );
        let typed = format!("{} {}", args.product, args.version);
        return Err(match did_you_mean(&typed, known.iter().map(String::as_str)) {
            Some(word) => failure.hint(format!("did you mean `upa release {word}`?")),
            None => failure.hint(format!("known: {}", listed(known.iter().map(String::as_str)))),
        });
    };
    // Whatever else is wrong with the version must be mended first; that it is not released is why we are here.
    let folder = Version::folder(&args.product, &args.version);
    let concerns = |problem: &Problem| {
        problem
            .place
            .as_ref()
            .is_some_and(|place| place.file == path || place.file.starts_with(&folder))
    };
    let others: Vec<Problem> = loaded
        .problems
        .into_iter()
        .filter(|problem| problem.is_error() && concerns(problem) && !problem.is_unreleased())
        .collect();
    if !others.is_empty() {
        return Err(Failure::problems(others));
    }
    let mut out = output::stdout();
    match release::released(version).map_err(|problem| Failure::problems(vec![problem]))? {
        None => writeln!(
            out,
            "Nothing to release: revision {} is what is there.",
            version.file.revision
        )?,
        Some((revision, text)) => {
            write(&repo, &path, &text)?;
            for problem in &release::unreleased(version) {
                if let Some(place) = &problem.place {
                    writeln!(out, "  {}", place.file)?;
                }
            }
            writeln!(
                out,
                "Released {} {} revision {revision}: commit {path} together with the templates.",
                args.product, args.version
            )?;
        }
    }
    Ok(Exit::Done)
}

#[expect(clippy::disallowed_methods, reason = "edge: this is where a version file is written")]
fn write(repo: &Repo, path: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(repo.root().join(path), text)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write `{path}`: {error}")))
}
