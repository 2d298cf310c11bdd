//! The key of a sandbox: random, one per store, in a file beside it that only its owner can read.
//!
//! It keeps other users of the machine, and pages in a browser, from what upa keeps in the sandbox. It starts with
//! [`PREFIX`], so that a search tells whether such a key stands somewhere.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::outside;
use crate::secret::Secret;

/// What every key of a sandbox starts with.
pub const PREFIX: &str = "upa-sandbox-";

/// Where the key of a store is: `sandbox.redb` has `sandbox.key`.
pub fn file_of(store: &Path) -> PathBuf {
    store.with_extension("key")
}

/// The key of a store.
///
/// # Errors
/// When there is none, or the file holds something else.
#[expect(clippy::disallowed_methods, reason = "edge: this is where the sandbox's key is read")]
pub fn read(store: &Path) -> io::Result<Secret> {
    let text = std::fs::read_to_string(file_of(store))?;
    let key = text.trim_end();
    let random = key.strip_prefix(PREFIX).unwrap_or_default();
    if random.len() < 32 || !random.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} holds no key of a sandbox; delete it, and a new one is made",
                file_of(store).display()
            ),
        ));
    }
    Ok(Secret::new(key))
}

/// The same; makes one where there is none.
///
/// # Errors
/// See [`read`]; or the folder cannot be written to.
pub fn read_or_make(store: &Path) -> io::Result<Secret> {
    match read(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(store)?,
        known => return known,
    }
    read(store)
}

/// A key appears whole or not at all, and only its owner can read it: temporary files are made so.
fn make(store: &Path) -> io::Result<()> {
    let folder = store.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{PREFIX}{}", outside::random_id().simple())?;
    match file.persist_noclobber(file_of(store)) {
        Ok(_) => Ok(()),
        // Another process made it meanwhile.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test puts files there")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_only_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("s.redb");
        let key = read_or_make(&store).unwrap();
        assert!(key.expose().starts_with(PREFIX));
        assert_eq!(read_or_make(&store).unwrap(), key);
        assert_ne!(read_or_make(&folder.path().join("other.redb")).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file_of(&store).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_holds_something_else_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("s.redb");
        for text in [
            "",
            "upa-sandbox-",
            "key",
            "upa-sandbox-0123456789abcdef0123456789abcdez",
        ] {
            std::fs::write(file_of(&store), text).unwrap();
            assert_eq!(
                read_or_make(&store).unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{text}"
            );
        }
    }
}
