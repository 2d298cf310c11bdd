//! The secrets of the tests. Wherever one of them stands that is not its platform, anybody could read it: in what upa
//! prints, in a lockfile, a journal, a plan, a log or an object of Git.

use std::path::Path;

/// What every secret of a test contains, unless it is one of the others.
const CANARY: &str = "canary-";
/// What every key of a sandbox starts with, and the key of fingerprints.
const OTHERS: [&str; 2] = [upa::sandbox::key::PREFIX, "0123456789abcdef0123456789abcdef"];
/// The key of a real n8n, where there is one.
const REAL: &str = "UPA_TEST_N8N_KEY";

/// The state of the embedded sandbox and its key: it is the platform, where secrets belong.
const SANDBOX: [&str; 2] = ["sandbox.redb", "sandbox.key"];

/// The secret that a text holds, if it holds one.
fn found(text: &str) -> Option<String> {
    let real = std::env::var(REAL).ok().filter(|key| key.len() >= 8);
    let known = OTHERS.into_iter().chain([CANARY]).map(str::to_owned);
    known.chain(real).find(|secret| text.contains(secret.as_str()))
}

/// What was printed holds no secret.
#[track_caller]
pub fn refuse(text: &str) {
    if let Some(secret) = found(text) {
        panic!("the secret `{secret}` was printed:\n{text}");
    }
}

/// Everything in a folder holds no secret. Says nothing while another failure is being told.
pub fn refuse_in(folder: &Path) {
    if std::thread::panicking() {
        return;
    }
    let wrong = search(folder, &|bytes| found(&String::from_utf8_lossy(bytes)));
    assert!(wrong.is_empty(), "secrets were kept:\n{}", wrong.join("\n"));
}

/// Everything below a folder, objects of Git too, in which `found` finds something: where, and what.
pub fn search(folder: &Path, found: &dyn Fn(&[u8]) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    search_in(folder, found, &mut wrong);
    wrong
}

fn search_in(folder: &Path, found: &dyn Fn(&[u8]) -> Option<String>, wrong: &mut Vec<String>) {
    if let Ok(repo) = git2::Repository::open_ext(folder, git2::RepositoryOpenFlags::NO_SEARCH, None::<&Path>) {
        let odb = repo.odb().unwrap();
        odb.foreach(|id| {
            let object = odb.read(*id).unwrap();
            look(&format!("Git object {id}"), object.data(), found, wrong);
            true
        })
        .unwrap();
    }
    let Ok(children) = std::fs::read_dir(folder) else {
        return;
    };
    for child in children.flatten() {
        let path = child.path();
        let Ok(kind) = child.file_type() else { continue };
        if kind.is_dir() {
            // They are read as objects.
            if path.file_name().is_none_or(|name| name != "objects") {
                search_in(&path, found, wrong);
            }
        } else if kind.is_file() && SANDBOX.iter().all(|name| child.file_name() != *name) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            look(&path.display().to_string(), &bytes, found, wrong);
        }
    }
}

fn look(place: &str, bytes: &[u8], found: &dyn Fn(&[u8]) -> Option<String>, wrong: &mut Vec<String>) {
    if let Some(secret) = found(bytes) {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().find(|line| line.contains(&secret)).unwrap_or_default();
        wrong.push(format!("`{secret}` in {place}: {line}"));
    }
}
