//! What is fuzzed: eight ways into upa, each a function over bytes that panics where something does not hold.

mod definition;
mod journal;
mod lockfile;
mod pages;
mod plan;
pub mod small;
mod tenant;
mod version;
mod workflow;

use upa::cli::report;
use upa::problem::Problem;

/// Looks at one input.
pub type Target = fn(&[u8]);

/// The targets by name: each has a folder in `cases/`.
pub const TARGETS: [(&str, Target); 8] = [
    ("definition", definition::look),
    ("journal", journal::look),
    ("lockfile", lockfile::look),
    ("pages", pages::look),
    ("plan", plan::look),
    ("tenant", tenant::look),
    ("version", version::look),
    ("workflow", workflow::look),
];

/// The target of a name.
#[allow(dead_code, reason = "who replays cases goes through all of them")]
pub fn named(name: &str) -> Option<Target> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}

/// Findings can be printed, say something, and bring nothing to the terminal that acts on it.
fn sound(problems: &[Problem]) {
    for problem in problems {
        assert!(
            !problem.message.to_string().trim().is_empty(),
            "no message: {problem:?}"
        );
        assert!(
            problem.hint.as_ref().is_none_or(|hint| !hint.trim().is_empty()),
            "an empty hint: {problem:?}"
        );
        assert!(
            problem.place.as_ref().is_none_or(|place| !place.file.is_empty()),
            "no file: {problem:?}"
        );
    }
    let shown = problems.get(..20).unwrap_or(problems);
    let text = report::problems(shown);
    assert_eq!(text.is_empty(), shown.is_empty());
    let acts = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let read = without_colours(&text);
    assert!(!read.contains(acts), "a control character: {read:?}");
}

/// Colours are upa's own: `ESC [ … m`.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        out += rest.strip_prefix('m').unwrap_or(piece);
    }
    out
}
