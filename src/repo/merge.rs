//! What a line of history will be once it is merged, as values: no object is written and nothing is checked out.

use std::collections::BTreeSet;

use git2::MergeFileInput;

use super::read::text;
use super::{Repo, RepoError};
use crate::workspace::files::{Entry, Files};

/// The files of a merge that has not been made.
#[derive(Debug)]
pub struct Merged {
    pub files: Files,
    /// What both lines changed so that Git cannot merge it: there, the files are still those of the head.
    pub conflicts: Vec<String>,
}

impl Repo {
    /// Merges a head with the tip of another line; `base` is the commit where they parted. What `is_settled` is not merged
    /// but left as the head has it, and lockfiles are always those of the tip.
    pub fn merged(
        &self,
        base: &str,
        head: Files,
        tip: &str,
        is_settled: impl Fn(&str) -> bool,
    ) -> Result<Merged, RepoError> {
        merged(&self.at(base)?, head, &self.at(tip)?, is_settled)
    }
}

fn merged(base: &Files, mut head: Files, tip: &Files, is_settled: impl Fn(&str) -> bool) -> Result<Merged, RepoError> {
    let all = [base, &head, tip];
    let paths: BTreeSet<String> = all
        .iter()
        .flat_map(|files| files.entries.keys())
        .filter(|path| !is_settled(path))
        .cloned()
        .collect();
    let mut conflicts = Vec::new();
    for path in paths {
        let [before, ours, theirs] = [base, &head, tip].map(|files| files.entries.get(&path));
        if ours == theirs || before == theirs && !path.ends_with(".lock") {
            continue;
        }
        let untouched = before == ours || path.ends_with(".lock");
        let together = match (before, ours, theirs) {
            _ if untouched => theirs.cloned(),
            (Some(Entry::Text(before)), Some(Entry::Text(ours)), Some(Entry::Text(theirs))) => {
                let Some(together) = of_texts(&path, [before, ours, theirs])? else {
                    conflicts.push(path);
                    continue;
                };
                Some(together)
            }
            _ => {
                conflicts.push(path);
                continue;
            }
        };
        match together {
            Some(entry) => head.entries.insert(path, entry),
            None => head.entries.remove(&path),
        };
    }
    Ok(Merged { files: head, conflicts })
}

/// Line by line, as `git merge` does it; `None` is a conflict.
fn of_texts(path: &str, texts: [&str; 3]) -> Result<Option<Entry>, RepoError> {
    let [before, ours, theirs] = texts.map(|text| {
        let mut input = MergeFileInput::new();
        input.content(text.as_bytes());
        input
    });
    let together = git2::merge_file(&before, &ours, &theirs, None)?;
    if !together.is_automergeable() {
        return Ok(None);
    }
    let bytes = together.content().to_vec();
    Ok(Some(match bytes.len() as u64 {
        size if size > Files::limit(path) => Entry::TooLarge(size),
        _ => text(bytes),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Origin;

    fn files(entries: &[(&str, &str)]) -> Files {
        // Git's library is made ready by whatever opens a repository, or reads an id.
        git2::Oid::from_str("00").unwrap();
        Files {
            origin: Origin::WorkTree,
            entries: entries
                .iter()
                .map(|(path, text)| ((*path).to_owned(), Entry::Text((*text).into())))
                .collect(),
        }
    }

    fn shown(merged: &Merged) -> Vec<(&str, &str)> {
        let entries = merged.files.entries.iter();
        entries
            .map(|(path, entry)| match entry {
                Entry::Text(text) => (path.as_str(), &**text),
                _ => (path.as_str(), "?"),
            })
            .collect()
    }

    #[test]
    fn what_each_side_did_is_in_it() {
        let base = files(&[("a", "1\n2\n3\n4\n5\n"), ("b", "b"), ("c", "c"), ("d", "d"), ("e", "e")]);
        let head = files(&[
            ("a", "one\n2\n3\n4\n5\n"),
            ("b", "ours"),
            ("c", "c"),
            ("d", "d"),
            ("new", "n"),
        ]);
        let tip = files(&[
            ("a", "1\n2\n3\n4\nfive\n"),
            ("b", "b"),
            ("c", "theirs"),
            ("e", "e"),
            ("add", "+"),
        ]);
        let together = merged(&base, head, &tip, |_| false).unwrap();
        assert_eq!(together.conflicts, [""; 0]);
        assert_eq!(
            shown(&together),
            [
                ("a", "one\n2\n3\n4\nfive\n"),
                ("add", "+"),
                ("b", "ours"),
                ("c", "theirs"),
                ("new", "n")
            ]
        );
    }

    #[test]
    fn what_git_cannot_merge_is_named_and_stays_the_heads() {
        let base = files(&[("same", "1\n"), ("gone", "1\n"), ("went", "1\n")]);
        let head = files(&[
            ("same", "ours\n"),
            ("went", "ours\n"),
            ("new", "ours\n"),
            ("equal", "=\n"),
        ]);
        let tip = files(&[
            ("same", "theirs\n"),
            ("gone", "theirs\n"),
            ("new", "theirs\n"),
            ("equal", "=\n"),
        ]);
        let together = merged(&base, head, &tip, |_| false).unwrap();
        assert_eq!(together.conflicts, ["gone", "new", "same", "went"]);
        assert_eq!(
            shown(&together),
            [
                ("equal", "=\n"),
                ("new", "ours\n"),
                ("same", "ours\n"),
                ("went", "ours\n")
            ]
        );
    }

    #[test]
    fn lockfiles_are_the_tips_and_what_is_settled_is_the_heads() {
        let base = files(&[("tenants/a.lock", "1"), ("upa.toml", "1")]);
        let head = files(&[
            ("tenants/a.lock", "ours"),
            ("tenants/b.lock", "ours"),
            ("upa.toml", "trusted"),
        ]);
        let tip = files(&[("tenants/a.lock", "1"), ("upa.toml", "theirs")]);
        let together = merged(&base, head, &tip, |path| path == "upa.toml").unwrap();
        assert_eq!(together.conflicts, [""; 0]);
        assert_eq!(shown(&together), [("tenants/a.lock", "1"), ("upa.toml", "trusted")]);
    }
}
