//! The rooms of the house: pure modules name no effect, and what plans holds nothing that can write.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests are an edge of their own, and panic on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules (files or folders of `src`) that are values and functions over them.
const PURE: [&str; 46] = [
    "message.rs",
    "desired",
    "digest.rs",
    "endpoint.rs",
    "exit.rs",
    "export",
    "fingerprint.rs",
    "gates.rs",
    "lease/claims.rs",
    "lockfile",
    "number.rs",
    "orphans.rs",
    "plan",
    "problem.rs",
    "record.rs",
    "recover.rs",
    "render",
    "resource.rs",
    "secret.rs",
    "symbol.rs",
    "template",
    "visible.rs",
    "trust.rs",
    "workspace",
    "platform/account.rs",
    "platform/compare.rs",
    "platform/contract",
    "platform/definition",
    "platform/error.rs",
    "platform/limits.rs",
    "platform/exported.rs",
    "platform/fields.rs",
    "platform/http/call.rs",
    "platform/http/redact.rs",
    "platform/http/retry.rs",
    "platform/hidden.rs",
    "platform/moved.rs",
    "platform/n8n/document.rs",
    "platform/n8n/doors.rs",
    "platform/n8n/export.rs",
    "platform/n8n/keep.rs",
    "platform/n8n/mod.rs",
    "platform/n8n/cron.rs",
    "platform/n8n/nodes.rs",
    "platform/n8n/publishable.rs",
    "platform/n8n/understand",
];

/// Words that only an effect needs: waiting, files, network, Git, time, chance, the environment, the terminal.
const EFFECTS: [&str; 15] = [
    "async ",
    ".await",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "tokio::",
    "git2",
    "SystemTime",
    "Instant::",
    "Timestamp::now",
    "new_v4",
    "now_v7",
    "stdout",
    "stderr",
];

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries
        .flat_map(|entry| files(&entry.unwrap().path()))
        .filter(|file| file.extension().is_some_and(|e| e == "rs"))
        .collect()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

/// Code without comments and without its unit tests: what stands behind `#[cfg(test)] mod tests {` is cut, a declaration
/// of a test module in a file of its own is not.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let end = text
        .match_indices("#[cfg(test)]")
        .find(|(at, tag)| text[at + tag.len()..].trim_start().starts_with("mod tests {"))
        .map_or(text.len(), |(at, _)| at);
    text[..end]
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether a word stands in code, and is not only the head of another.
fn names(code: &str, word: &str) -> bool {
    let whole = !word.ends_with(|c: char| c.is_ascii_alphanumeric());
    let goes_on = |end: usize| code[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    code.match_indices(word)
        .any(|(at, _)| whole || !goes_on(at + word.len()))
}

#[test]
fn pure_modules_name_no_effect() {
    let mut found = Vec::new();
    let mut looked_at = 0;
    for file in PURE.iter().flat_map(|name| files(&source(name))) {
        looked_at += 1;
        let code = code(&file);
        found.extend(
            EFFECTS
                .iter()
                .filter(|word| names(&code, word))
                .map(|word| format!("{}: {word}", file.display())),
        );
    }
    assert!(looked_at > 30, "only {looked_at} files");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_plans_holds_no_writer() {
    for name in [
        "plan",
        "observe.rs",
        "desired",
        "render",
        "cli/plan.rs",
        "cli/survey.rs",
    ] {
        for file in files(&source(name)) {
            let code = code(&file);
            for writer in ["Executor", "executors", "Connection", "Journal", "LockStore"] {
                assert!(!code.contains(writer), "{} names {writer}", file.display());
            }
        }
    }
    for file in files(&source("")) {
        assert!(
            !code(&file).contains("dry_run"),
            "{}: there is no dry run, only a plan",
            file.display()
        );
    }
}

#[test]
fn the_engine_does_not_know_the_product() {
    for file in files(&source("")) {
        if file.ends_with("cli/demo.rs") {
            continue;
        }
        let code = code(&file).to_lowercase();
        for word in ["recepcionista", "receptionist", "clinic", "welcs"] {
            assert!(!code.contains(word), "{} knows the product: {word}", file.display());
        }
    }
}

#[test]
fn only_one_file_opens_git_and_one_sends_http() {
    for file in files(&source("")) {
        let code = code(&file);
        let name = file
            .strip_prefix(source(""))
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        if code.contains("git2::") {
            assert!(name.starts_with("repo/"), "{name} names git2");
        }
        if code.contains("reqwest::Client") {
            assert!(
                name == "outside/real.rs" || name == "cli/rehearsal.rs",
                "{name} makes an HTTP client"
            );
        }
    }
}

#[test]
fn files_stay_short_and_say_what_they_are() {
    for file in files(&source("")) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} has no module doc", file.display());
        assert!(
            text.lines().count() <= 500,
            "{} has {} lines",
            file.display(),
            text.lines().count()
        );
    }
}

/// The rooms from the ground up: a room names only rooms that stand before it.
const LAYERS: [&str; 34] = [
    "message",
    "number",
    "problem",
    "endpoint",
    "outside",
    "visible",
    "exit",
    "digest",
    "resource",
    "symbol",
    "secret",
    "fingerprint",
    "template",
    "workspace",
    "platform",
    "lockfile",
    "journal",
    "repo",
    "secrets",
    "lockstore",
    "desired",
    "gates",
    "trust",
    "plan",
    "record",
    "observe",
    "export",
    "orphans",
    "recover",
    "render",
    "lease",
    "sandbox",
    "apply",
    "cli",
];

/// The names that point upwards today. The list may only shrink: one that is not needed any more fails the test too.
const UPWARDS: [(&str, &str); 7] = [
    ("desired", "gates"),
    ("platform", "export"),
    ("platform", "lockfile"),
    ("platform", "plan"),
    ("secret", "fingerprint"),
    ("secrets", "desired"),
    ("workspace", "platform"),
];

/// The rooms that a file names: every `crate::room`, wherever it stands.
fn rooms_named(code: &str) -> Vec<&str> {
    let behind = code.split("crate::").skip(1);
    let names = behind.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next());
    names.flatten().filter(|name| LAYERS.contains(name)).collect()
}

#[test]
fn a_room_names_only_rooms_below_it() {
    let floor = |room: &str| LAYERS.iter().position(|layer| *layer == room);
    let mut upwards: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut rooms: BTreeSet<String> = BTreeSet::new();
    for file in files(&source("")) {
        let name = file
            .strip_prefix(source(""))
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let room = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&room.as_str()) || name.contains("/tests/") {
            continue;
        }
        rooms.insert(room.clone());
        let code = code(&file);
        for other in rooms_named(&code).into_iter().filter(|other| *other != room) {
            if floor(other) > floor(&room) {
                upwards
                    .entry((room.clone(), other.to_owned()))
                    .or_default()
                    .push(name.clone());
            }
        }
    }
    let layers: BTreeSet<String> = LAYERS.iter().map(ToString::to_string).collect();
    assert_eq!(rooms, layers, "every room has a floor");
    let known: BTreeSet<(String, String)> = UPWARDS
        .iter()
        .map(|(from, to)| (from.to_string(), to.to_string()))
        .collect();
    let new: Vec<_> = upwards.iter().filter(|(pair, _)| !known.contains(*pair)).collect();
    assert!(new.is_empty(), "these names point upwards: {new:#?}");
    let gone: Vec<_> = known.iter().filter(|pair| !upwards.contains_key(*pair)).collect();
    assert!(gone.is_empty(), "take these out of the list: {gone:?}");
}

/// What is printed passes the barrier, whoever wrote it.
#[test]
fn everything_is_printed_in_one_place() {
    for file in files(&source("")) {
        let name = file.strip_prefix(source("")).unwrap().to_string_lossy().into_owned();
        // The progress bar draws what upa itself says, on a terminal alone.
        if ["cli/output.rs", "cli/progress.rs"].contains(&&*name) {
            continue;
        }
        let code = code(&file);
        for word in ["anstream::", "io::stdout()", "io::stderr()", "println!", "print!("] {
            assert!(!names(&code, word), "{name}: {word}");
        }
    }
}

/// A defence that is claimed is one that is tested: each row of the threat model names tests, and they are there.
#[test]
fn every_attack_of_the_threat_model_has_tests() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threat-model.md")).unwrap();
    let (_, attacks) = text.split_once("## Attacks, defences, tests").unwrap();
    let (attacks, _) = attacks.split_once("\n## ").unwrap();
    let rows: Vec<&str> = attacks.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').filter(|word| word.contains("::")).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let (place, test) = name.rsplit_once("::").unwrap();
            let file = match place.strip_suffix("::tests") {
                Some(place) => source(&format!("{}.rs", place.replace("::", "/"))),
                None => source(&format!("../tests/cli/{place}.rs")),
            };
            let code = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            let wanted = if test == "*" {
                "#[test]".to_owned()
            } else {
                format!("fn {test}(")
            };
            assert!(code.contains(&wanted), "no test `{name}`");
        }
    }
}
