//! Mutual exclusion between runs in one clone: a file in the Git directory, locked as long as the run lives.
//!
//! The system releases the lock when the process ends, however it ends, so nothing is ever stale.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::outside::{self, Outside, naming};

/// Held while a run works.
pub struct Lease {
    file: File,
    folder: PathBuf,
}

/// Why it could not be taken.
pub enum Taken {
    /// Another run holds it; what it wrote about itself.
    ByAnother(String),
    Failed(std::io::Error),
}

impl Lease {
    /// Takes the lease, or says who has it.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the lease is kept")]
    pub fn take(folder: &Path) -> Result<Self, Taken> {
        let path = folder.join("lease");
        let failed = |error| Taken::Failed(naming(&path)(error));
        std::fs::create_dir_all(folder).map_err(|error| Taken::Failed(naming(folder)(error)))?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                let written = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| write!(file, "process {}", std::process::id()));
                written.map_err(failed)?;
                Ok(Self {
                    file,
                    folder: folder.to_owned(),
                })
            }
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                let _ = file.read_to_string(&mut who);
                Err(Taken::ByAnother(who))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// What tells this clone from every other, also from a copy of itself: whoever holds the lease of this clone knows that
    /// no other run of it is alive.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the lease is kept")]
    pub fn identity(&self, outside: &dyn Outside) -> std::io::Result<String> {
        let path = self.folder.join("clone");
        let name = match std::fs::read_to_string(&path) {
            Ok(name) if !name.is_empty() => name,
            _ => {
                let name = outside::random_id().to_string();
                std::fs::write(&path, &name).map_err(naming(&path))?;
                name
            }
        };
        let all = format!("{name} {}", outside.whereabouts(&self.folder, &self.file)?);
        Ok(Digest::of_bytes(all.as_bytes()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(lease) = Lease::take(folder.path()) else {
            panic!("free")
        };
        assert!(matches!(Lease::take(folder.path()), Err(Taken::ByAnother(who)) if who.starts_with("process ")));
        let identity = lease.identity(&*outside::real()).unwrap();
        drop(lease);
        let Ok(again) = Lease::take(folder.path()) else {
            panic!("free again")
        };
        assert_eq!(again.identity(&*outside::real()).unwrap(), identity);
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(folder.path().join("clone"), copy.path().join("clone")).unwrap();
        let Ok(other) = Lease::take(copy.path()) else {
            panic!("another clone")
        };
        assert_ne!(other.identity(&*outside::real()).unwrap(), identity);
    }
}
