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

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Base(Base),
    Entry(Box<Entry>),
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
        let about = self.outside.about_to(Deed::Journal);
        let written = about.and_then(|()| file.write_all(line.as_bytes()));
        written.and_then(|()| file.sync_data()).map_err(naming(&self.path))
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
pub fn leftovers(folder: &Path) -> std::io::Result<Vec<Leftover>> {
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
            )));
        }
        let (base, entries) = read(&std::fs::read(&path).map_err(naming(&path))?);
        leftovers.push(Leftover { path, base, entries });
    }
    Ok(leftovers)
}

/// What a journal says: the commit its events continue, and the events.
pub fn read(bytes: &[u8]) -> (Option<String>, Vec<Entry>) {
    let (mut base, mut entries) = (None, Vec::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        // The last line may have been cut off in the middle, even of a letter: what it announced was not sent.
        match serde_json::from_slice(line) {
            Ok(Line::Base(noted)) => base = Some(noted.base),
            Ok(Line::Entry(entry)) => entries.push(*entry),
            Err(_) => break,
        }
    }
    (base, entries)
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
