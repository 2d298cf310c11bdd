//! Mutual exclusion between runs on one machine: a file in the Git directory, locked as long as the run lives.
//!
//! The system releases the lock when the process ends, however it ends, so nothing is ever stale.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// Held while a run works.
pub struct Lease {
    _file: File,
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
        std::fs::create_dir_all(folder).map_err(Taken::Failed)?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(folder.join("lease"))
            .map_err(Taken::Failed)?;
        match file.try_lock() {
            Ok(()) => {
                let written = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| write!(file, "process {}", std::process::id()));
                written.map_err(Taken::Failed)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                let _ = file.read_to_string(&mut who);
                Err(Taken::ByAnother(who))
            }
            Err(TryLockError::Error(error)) => Err(Taken::Failed(error)),
        }
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
        drop(lease);
        assert!(Lease::take(folder.path()).is_ok());
    }
}
