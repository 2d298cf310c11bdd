//! The remote, through the `git` program.
//!
//! Its credential helpers, its ssh configuration and its agents are what people have set up, and over a path it compares
//! before it writes, which libgit2 does not. What it says is read from `--porcelain` output, in English, and every call
//! has a deadline. Nothing here asks a person anything.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lock::Patience;
use super::{Repo, RepoError};
use crate::outside::{Outside, Said};

/// How long asking or pushing may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long fetching may take: a large history comes once.
const FETCH_DEADLINE: Duration = Duration::from_secs(300);
/// What hinders a push, if the remote does not say which lock it is.
pub const LOCKED: &str = "something else holds a lock on it there";

/// A remote of a repository.
#[derive(Debug, Clone)]
pub struct Remote {
    name: String,
    folder: PathBuf,
    /// Where the clone keeps its refs.
    common: PathBuf,
    outside: Arc<dyn Outside>,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    Done,
    /// The ref is not where it was expected to be, or something holds this lock on it.
    Moved(Option<String>),
    /// The remote does not want it, in its own words.
    Refused(String),
    /// The connection broke: it may have arrived.
    Unknown(String),
}

impl Remote {
    /// A remote that the clone knows by this name.
    pub fn new(repo: &Repo, name: &str) -> Result<Self, RepoError> {
        repo.git
            .find_remote(name)
            .map_err(|_| RepoError::NoRemote(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            folder: repo.root().to_owned(),
            common: repo.git.commondir().to_owned(),
            outside: repo.outside.clone(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where refs (full names) of the remote point to, as it says now; those it does not have are missing.
    pub fn tips(&self, refs: &[&str]) -> Result<BTreeMap<String, String>, RepoError> {
        let said = self.git(&[&["ls-remote", "--quiet", "--", &self.name], refs].concat(), DEADLINE)?;
        if !said.ok {
            return Err(self.unreachable(&said.err));
        }
        let lines = said.out.lines().filter_map(|line| line.split_once('\t'));
        // It matches the ends of names.
        Ok(lines
            .filter(|(_, name)| refs.contains(name))
            .map(|(id, name)| (name.to_owned(), id.to_owned()))
            .collect())
    }

    /// The name of the branch that the remote says is its default one; `None` where it says none.
    pub fn default_branch(&self) -> Result<Option<String>, RepoError> {
        let said = self.git(
            &["ls-remote", "--quiet", "--symref", "--", &self.name, "HEAD"],
            DEADLINE,
        )?;
        if !said.ok {
            return Err(self.unreachable(&said.err));
        }
        let symbolic = said.out.lines().filter_map(|line| line.strip_prefix("ref: "));
        let mut heads = symbolic.filter_map(|line| line.strip_suffix("\tHEAD"));
        Ok(heads.find_map(|head| head.strip_prefix("refs/heads/").map(str::to_owned)))
    }

    /// Fetches a ref of the remote into one that only upa writes, wherever that was before.
    pub fn fetch(&self, from: &str, to: &str) -> Result<(), RepoError> {
        let refspec = format!("+{from}:{to}");
        let mut patience = Patience::with(self.outside.as_ref(), &self.common, to);
        loop {
            let args = [
                "-c",
                "gc.auto=0",
                "-c",
                "maintenance.auto=false",
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-prune",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--refmap=",
                "--",
                &self.name,
                &refspec,
            ];
            let said = self.git(&args, FETCH_DEADLINE)?;
            if said.ok {
                return Ok(());
            }
            // Another command in this clone may be fetching the same, or was killed while it did.
            let words = [".lock': File exists", "but expected"];
            let is_locked = words.iter().any(|words| said.err.contains(words));
            if !is_locked {
                return Err(self.unreachable(&said.err));
            }
            patience.again()?;
        }
    }

    /// Moves a ref of the remote, if it is where it is expected to be; `None` is a ref that is not there yet.
    pub fn push(&self, reference: &str, new: &str, expected: Option<&str>) -> Result<Pushed, RepoError> {
        let lease = format!("--force-with-lease={reference}:{}", expected.unwrap_or_default());
        let refspec = format!("{new}:{reference}");
        let args = [
            "push",
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            &lease,
            "--",
            &self.name,
            &refspec,
        ];
        let said = match self.git(&args, DEADLINE) {
            Ok(said) => said,
            Err(RepoError::Unreachable { why, .. }) => return Ok(Pushed::Unknown(why)),
            Err(error) => return Err(error),
        };
        Ok(understood(&said, reference))
    }

    /// Pushes, and finds out what became of a push whose answer was lost.
    pub fn push_surely(&self, reference: &str, new: &str, expected: Option<&str>) -> Result<Pushed, RepoError> {
        match self.push(reference, new, expected)? {
            Pushed::Unknown(why) => {
                let tips = self.tips(&[reference])?;
                let there = tips.get(reference).map(String::as_str);
                Ok(match there {
                    Some(there) if there == new => Pushed::Done,
                    there if there != expected => Pushed::Moved(None),
                    _ => Pushed::Unknown(why),
                })
            }
            pushed => Ok(pushed),
        }
    }

    pub(super) fn unreachable(&self, why: &str) -> RepoError {
        RepoError::Unreachable {
            remote: self.name.clone(),
            why: told(why),
        }
    }

    fn git(&self, args: &[&str], deadline: Duration) -> Result<Said, RepoError> {
        let said = self.outside.git(&self.folder, args, deadline);
        said.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => self.unreachable(&format!("it did not answer within {} s", deadline.as_secs())),
            _ => RepoError::NoGit(error.to_string()),
        })
    }
}

/// Reads `<flag>\t<from>:<to>\t<summary>` of one ref.
fn understood(said: &Said, reference: &str) -> Pushed {
    let line = said.out.lines().find_map(|line| {
        let mut parts = line.splitn(3, '\t');
        let (flag, refs, summary) = (parts.next()?, parts.next()?, parts.next()?);
        refs.ends_with(&format!(":{reference}"))
            .then(|| (flag.to_owned(), summary.to_owned()))
    });
    match line {
        Some((flag, _)) if flag != "!" && said.ok => Pushed::Done,
        Some((flag, summary)) if flag == "!" => {
            let moved = [
                "stale info",
                "fetch first",
                "non-fast-forward",
                "needs force",
                "already exists",
                "cannot lock ref",
                "failed to update ref",
                "incorrect old value",
            ];
            if moved.iter().any(|words| summary.contains(words)) {
                Pushed::Moved(lock_in_the_way(&said.err))
            } else if summary.starts_with("[remote failure]") {
                Pushed::Unknown(summary)
            } else {
                Pushed::Refused(refusal(&summary, &said.err))
            }
        }
        _ => Pushed::Unknown(told(&said.err)),
    }
}

/// What the remote says of a lock that exists already.
fn lock_in_the_way(err: &str) -> Option<String> {
    let lines = err.lines().filter_map(|line| line.strip_prefix("remote:"));
    let line = lines.map(str::trim).find(|line| line.contains(".lock': File exists"))?;
    Some(
        line.trim_start_matches("error:")
            .trim()
            .trim_end_matches('.')
            .to_owned(),
    )
}

/// Why the remote refused: the reason in brackets, and what its hook said.
fn refusal(summary: &str, err: &str) -> String {
    let reason = summary
        .split_once('(')
        .map_or(summary, |(_, rest)| rest.trim_end_matches(')'));
    let hook: Vec<&str> = err
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(3)
        .collect();
    if hook.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}: {}", hook.join(" "))
    }
}

/// The line of its errors that says most, without what a URL may hold of a password.
fn told(err: &str) -> String {
    let lines = || err.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines()
        .find(|line| line.starts_with("fatal:") || line.starts_with("error:"))
        .or_else(|| lines().next())
        .unwrap_or("git said nothing");
    without_password(told.trim_start_matches("fatal:").trim_start_matches("error:").trim())
}

fn without_password(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        match word
            .split_once("://")
            .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?)))
        {
            Some((scheme, (_, host))) => words.push(format!("{scheme}://{host}")),
            None => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(ok: bool, line: &str, err: &str) -> Said {
        Said {
            ok,
            out: format!("To /somewhere\n{line}\nDone\n"),
            err: err.to_owned(),
        }
    }

    #[test]
    fn what_git_says_of_a_push() {
        let main = "refs/heads/main";
        for (ok, line, err, expected) in [
            (true, " \tabc:refs/heads/main\tabc..def", "", Pushed::Done),
            (true, "=\tabc:refs/heads/main\t[up to date]", "", Pushed::Done),
            (true, "*\tabc:refs/heads/main\t[new branch]", "", Pushed::Done),
            (
                false,
                "!\tabc:refs/heads/main\t[rejected] (stale info)",
                "",
                Pushed::Moved(None),
            ),
            (
                false,
                "!\tabc:refs/heads/main\t[remote rejected] (failed to update ref)",
                "remote: error: cannot lock ref 'HEAD': Unable to create '/b/HEAD.lock': File exists.        \nremote: \n",
                Pushed::Moved(Some(
                    "cannot lock ref 'HEAD': Unable to create '/b/HEAD.lock': File exists".to_owned(),
                )),
            ),
            (
                false,
                "!\tabc:refs/heads/main\t[remote rejected] (protected branch hook declined)",
                "remote: error: GH006: Protected branch update failed.  \nremote: \n",
                Pushed::Refused(
                    "protected branch hook declined: error: GH006: Protected branch update failed.".to_owned(),
                ),
            ),
            (
                false,
                "",
                "fatal: unable to access 'https://ana:secret@git.example/x': no route\n",
                Pushed::Unknown("unable to access https://git.example/x': no route".to_owned()),
            ),
        ] {
            let understood = understood(&said(ok, line, err), main);
            match (&understood, &expected) {
                (Pushed::Unknown(why), Pushed::Unknown(_)) => {
                    assert!(why.contains("no route") && !why.contains("secret"), "{why}");
                }
                _ => assert_eq!(understood, expected, "{line}"),
            }
        }
    }
}
