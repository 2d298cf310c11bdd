//! Which folders are real: the repository's own `.git`, and a folder that leads nowhere else.

use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryOpenFlags};

/// The repository whose real `.git` (a folder; a file, as linked work trees and submodules have it) is next above a folder.
/// Git tracks nothing of that name, so it is no pull request's; a folder that only looks like a bare repository may be.
#[expect(clippy::disallowed_methods, reason = "edge: this is where Git is opened")]
pub(super) fn real_git(folder: &Path) -> Option<Repository> {
    for top in folder.ancestors() {
        let there = top.join(".git");
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let is_file = match there.symlink_metadata() {
            Ok(facts) => facts.is_file(),
            Err(_) => continue,
        };
        match Repository::open_ext(&there, flags, std::iter::empty::<&Path>()) {
            Ok(git) => return is_out_of_tree(&git, &there).then_some(git),
            // Like Git: a folder of that name that is none is passed by, a file must be what it says.
            Err(_) if is_file => return None,
            Err(_) => {}
        }
    }
    None
}

/// A `.git` file must not lead back into the tree, where the folder it names could be tracked.
fn is_out_of_tree(git: &Repository, there: &Path) -> bool {
    let Some(top) = git.workdir().and_then(|top| top.canonicalize().ok()) else {
        return false;
    };
    [git.path(), git.commondir()].into_iter().all(|folder| {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let own = there.canonicalize().is_ok_and(|own| folder.starts_with(own));
        own || folder.strip_prefix(&top).map_or(true, |inside| {
            inside.components().any(|part| part.as_os_str() == ".git")
        })
    })
}

/// What is neither a folder nor a plain file at or below a path that should be a folder, if something is.
#[expect(
    clippy::disallowed_methods,
    reason = "edge: this is where the sandbox's folder is looked through"
)]
pub(super) fn not_plain(folder: &Path) -> Option<(PathBuf, &'static str)> {
    let Ok(facts) = folder.symlink_metadata() else {
        return None;
    };
    if facts.is_symlink() {
        return Some((folder.to_owned(), "is a link"));
    }
    if !facts.is_dir() {
        return Some((folder.to_owned(), "is not a folder"));
    }
    for child in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = child.path();
        let wrong = match child.file_type() {
            Ok(kind) if kind.is_dir() => not_plain(&path),
            Ok(kind) if kind.is_file() => None,
            Ok(kind) if kind.is_symlink() => Some((path, "is a link")),
            _ => Some((path, "is not a plain file")),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}
