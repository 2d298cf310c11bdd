//! The files of a workspace at one moment, as plain values: from the work tree or from a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::problem::{Place, Problem};
use crate::symbol;

/// The largest TOML or Markdown file that is read, in bytes.
pub const LARGEST_TEXT: u64 = 1 << 20;
/// The largest template that is read, in bytes: n8n refuses bodies above 16 MB.
pub const LARGEST_TEMPLATE: u64 = 16 << 20;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Text(Arc<str>),
    /// Larger than upa reads; the size in bytes.
    TooLarge(u64),
    /// A symbolic link, and where it points. Never followed: it could leave the repository.
    Link(String),
    /// Not UTF-8.
    Binary,
    /// There, but it could not be read.
    Unreadable(String),
}

/// Where the files were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    WorkTree,
    /// The hex id of a commit.
    Commit(String),
}

/// The files of a workspace, by path relative to it, with `/` as separator.
#[derive(Debug, Clone)]
pub struct Files {
    pub origin: Origin,
    pub entries: BTreeMap<String, Entry>,
}

impl Files {
    /// The most bytes that are read of a file at this path.
    pub fn limit(path: &str) -> u64 {
        if path.starts_with("templates/") {
            LARGEST_TEMPLATE
        } else {
            LARGEST_TEXT
        }
    }

    /// Whether a path belongs to a workspace at all.
    pub fn belongs(path: &str) -> bool {
        path == "upa.toml"
            || ["tenants/", "versions/", "templates/", "platforms/"]
                .iter()
                .any(|folder| path.starts_with(folder))
    }

    /// The text at a path, or why it cannot be used; `None` when nothing is there.
    pub fn text(&self, path: &str) -> Option<Result<&Arc<str>, Problem>> {
        let refuse = |why: String, hint: &str| {
            Err(Problem::configuration(format!("cannot use `{path}`: {why}"))
                .at(Place::file(path))
                .hint(hint))
        };
        Some(match self.entries.get(path)? {
            Entry::Text(text) if symbol::is_reserved(text) => {
                refuse(format!("it contains {}", symbol::RESERVED), symbol::REMOVE)
            }
            Entry::Text(text) => Ok(text),
            Entry::TooLarge(size) => refuse(
                format!("it has {size} bytes, and upa reads at most {}", Self::limit(path)),
                "keep large data out of the workspace",
            ),
            Entry::Link(target) => refuse(
                format!("it is a symbolic link (to `{target}`), and links are never followed"),
                "replace the link by the file itself",
            ),
            Entry::Binary => refuse("it is not UTF-8 text".to_owned(), "save it as UTF-8"),
            Entry::Unreadable(why) => refuse(why.clone(), "check the file's permissions"),
        })
    }

    /// The paths directly in a folder that end in `suffix`, sorted.
    pub fn in_folder<'a>(&'a self, folder: &'a str, suffix: &'a str) -> impl Iterator<Item = &'a str> {
        self.under(folder)
            .filter(move |path| path.ends_with(suffix) && !path.get(folder.len()..).unwrap_or("").contains('/'))
    }

    /// The paths anywhere below a folder (which ends in `/`), sorted.
    pub fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.entries
            .range(folder.to_owned()..)
            .map(|(path, _)| path.as_str())
            .take_while(move |path| path.starts_with(folder))
    }
}
