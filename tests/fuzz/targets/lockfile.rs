//! A lockfile: what is read is written, and read again as the same.

use std::sync::Arc;

use upa::lockfile;

use super::sound;

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match lockfile::parse("tenants/ana.lock", "ana", &Arc::from(text)) {
        Ok(read) => holds(&read),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused in silence");
            sound(&problems);
        }
    }
}

/// It has one form, which says all of it.
pub fn holds(lock: &lockfile::Lockfile) {
    let written = lockfile::write(lock).expect("what is remembered can be written");
    let path = format!("tenants/{}.lock", lock.tenant);
    let again = lockfile::parse(&path, &lock.tenant, &Arc::from(&*written)).expect("what upa wrote can be read");
    assert_eq!(&again, lock, "{written}");
    assert_eq!(lockfile::write(&again).as_ref(), Ok(&written));
}
