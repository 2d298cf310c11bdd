//! The journal: what a run is about to do and what it did, on disk before and after every call.
//!
//! It lives in the Git directory and is never committed. A run that ended well removes its journal after its commit; one
//! that was cut off leaves it, and the next run folds it into the lockfiles before anything else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lockfile::Event;
use crate::outside::{Deed, Outside, naming};
use crate::problem::{Place, Problem};

/// The largest journal that is read, in bytes: far more than a run over thousands of tenants writes.
const LARGEST: u64 = 1 << 30;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub tenant: String,
    #[serde(flatten)]
    pub event: Event,
}

/// What a line may be besides.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base {
    base: String,
}

/// Why the journals in a folder cannot be gone by.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What it says is not known, so that nothing may be done as if it said nothing.
    #[error("{}", .0.message)]
    Damaged(Box<Problem>),
}

/// A whole line that says nothing this upa knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// 1-based.
    pub line: usize,
    pub text: String,
    pub why: String,
}

/// The journal of a run that is under way.
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    outside: Arc<dyn Outside>,
}

impl Journal {
    /// Starts the journal of a run.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the journal is written")]
    pub fn start(folder: &Path, run: Uuid, outside: Arc<dyn Outside>) -> std::io::Result<Self> {
        let path = folder.join(format!("{run}.journal"));
        outside.about_to(Deed::Journal).map_err(naming(&path))?;
        std::fs::create_dir_all(folder).map_err(naming(folder))?;
        let opened = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = opened.map_err(naming(&path))?;
        Ok(Self {
            path,
            file: Mutex::new(file),
            outside,
        })
    }

    /// Writes one event and waits until the disk has it.
    pub fn append(&self, tenant: &str, event: &Event) -> std::io::Result<()> {
        let entry = Entry {
            tenant: tenant.to_owned(),
            event: event.clone(),
        };
        self.line(&entry)
    }

    /// Notes the commit whose lockfiles the events are to be folded into.
    pub fn based_on(&self, commit: &str) -> std::io::Result<()> {
        self.line(&Base {
            base: commit.to_owned(),
        })
    }

    fn line(&self, what: &impl Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_string(what)?;
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut write = || {
            self.outside.about_to(Deed::Journal)?;
            let whole = file.metadata()?.len();
            if let Err(error) = file.write_all(line.as_bytes()) {
                // Another tenant's line may follow, and must not continue half a line.
                file.set_len(whole)?;
                return Err(error);
            }
            file.sync_data()
        };
        write().map_err(naming(&self.path))
    }

    /// Everything in it is in a commit now.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the journal is removed")]
    pub fn finish(self) -> std::io::Result<()> {
        let about = self.outside.about_to(Deed::Forget);
        let removed = about.and_then(|()| std::fs::remove_file(&self.path));
        removed.map_err(naming(&self.path))
    }
}

/// A journal that a run left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Leftover {
    pub path: PathBuf,
    /// The commit whose lockfiles the events continue, where a remote holds them.
    pub base: Option<String>,
    pub entries: Vec<Entry>,
}

impl Leftover {
    /// The run it is of.
    pub fn run(&self) -> Option<Uuid> {
        self.path.file_stem()?.to_str()?.parse().ok()
    }
}

/// The journals in a folder, oldest first.
#[expect(clippy::disallowed_methods, reason = "edge: this is where journals are read")]
pub fn leftovers(folder: &Path) -> Result<Vec<Leftover>, Unusable> {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut paths: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
        .collect();
    // Run ids are ordered by time.
    paths.sort();
    let mut leftovers = Vec::new();
    for path in paths {
        let size = std::fs::metadata(&path).map_err(naming(&path))?.len();
        if size > LARGEST {
            return Err(io::Error::other(format!(
                "the journal `{}` has {size} bytes, and upa reads at most {LARGEST}: no run of upa wrote that; move it away",
                path.display()
            ))
            .into());
        }
        let read = read(&std::fs::read(&path).map_err(naming(&path))?);
        let (base, entries) = read.map_err(|damaged| damaged.problem(&path))?;
        leftovers.push(Leftover { path, base, entries });
    }
    Ok(leftovers)
}

/// What a journal says: the commit its events continue, and the events.
pub fn read(bytes: &[u8]) -> Result<(Option<String>, Vec<Entry>), Damaged> {
    let (mut base, mut entries) = (None, Vec::new());
    // What follows the last line break was cut off, even in the middle of a letter: what it announced was not sent.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    let lines = bytes[..whole].split(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate().filter(|_| whole > 0) {
        if let Ok(noted) = serde_json::from_slice::<Base>(line) {
            base = Some(noted.base);
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                return Err(Damaged {
                    line: index + 1,
                    text: String::from_utf8_lossy(line).into_owned(),
                    why: error.to_string(),
                });
            }
        }
    }
    Ok((base, entries))
}

impl Damaged {
    fn problem(self, path: &Path) -> Unusable {
        let message = format!("this journal of a run that was cut off is damaged: {}", self.why);
        let text: Arc<str> = Arc::from(self.text);
        let span = 0..text.len();
        let problem = Problem::configuration(message)
            .at(Place::on_line(path.display().to_string(), &text, span, self.line))
            .hint(
                "use the upa that wrote it; once it is moved away, `upa doctor` and `upa recover TENANT` find what only it \
                 records",
            );
        Unusable::Damaged(Box::new(problem))
    }
}

/// Removes a journal whose events are in a commit.
#[expect(clippy::disallowed_methods, reason = "edge: this is where journals are removed")]
pub fn remove(leftover: &Leftover, outside: &dyn Outside) -> std::io::Result<()> {
    let about = outside.about_to(Deed::Forget);
    let removed = about.and_then(|()| std::fs::remove_file(&leftover.path));
    removed.map_err(naming(&leftover.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside;

    #[test]
    fn what_was_written_is_read_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::start(folder.path(), outside::run_id(), outside::real()).unwrap();
        let event = Event::Gone {
            address: "welcs@v2.0/a".parse().unwrap(),
        };
        journal.based_on("abc").unwrap();
        journal.append("welcs", &event).unwrap();
        journal.append("welcs", &event).unwrap();
        journal.file.lock().unwrap().write_all(b"{\"tenant\":\"we").unwrap();
        let found = leftovers(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].base.as_deref(), Some("abc"));
        assert!(found[0].run().is_some());
        assert_eq!(found[0].entries.len(), 2);
        assert_eq!(found[0].entries[0].event, event);
        journal.finish().unwrap();
        assert!(leftovers(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_torn_within_a_letter_is_only_torn() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::start(folder.path(), outside::run_id(), outside::real()).unwrap();
        let gone = Event::Gone {
            address: "welcs@v2.0/a".parse().unwrap(),
        };
        journal.append("welcs", &gone).unwrap();
        let torn = "{\"tenant\":\"Ñ".as_bytes();
        journal.file.lock().unwrap().write_all(&torn[..torn.len() - 1]).unwrap();
        assert_eq!(leftovers(folder.path()).unwrap()[0].entries.len(), 1);
    }

    #[test]
    fn a_journal_that_no_run_wrote_is_refused_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.journal");
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        let refused = leftovers(folder.path()).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|why| why.contains("reads at most")));
    }
}
