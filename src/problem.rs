//! Findings as data: what a person must know, where it is, why it matters and what to type next.
//!
//! A [`Problem`] is a value that is collected, never thrown: a run reports all of them at once. [`crate::cli::report`]
//! turns them into text with the line of the file they point at.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::message::Message;

/// Whether work can go on in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The tenant (or the whole run, if it belongs to none) cannot be planned or applied.
    Error,
    /// Worth reading; nothing is held back.
    Warning,
}

/// What kind of finding it is; decides the exit status of a run that stopped because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A file in Git is wrong (exit 5).
    Configuration,
    /// A platform refused the key, or the key lacks a scope (exit 6).
    Authentication,
    /// A platform is down, throttling or broken (exit 7).
    Platform,
    /// Only a person can decide (exit 10).
    Decision,
    /// What was planned is not what is there any more (exit 12).
    Stale,
    /// A rule of `[policy]` forbids it (exit 14).
    Policy,
    /// Anything else that failed (exit 1).
    Failure,
}

/// What other code must tell a finding by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A template was edited without a release.
    Unreleased,
    /// The version file was edited without a release.
    Redefined,
    /// A tenant was not planned because an account could not be read.
    AccountNotRead,
    /// Something is lost for good, and it is not said that it may be.
    Unconfirmed,
}

/// A place in a file, with the text, so that the line can be shown without reading the file again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path relative to the workspace.
    pub file: String,
    /// 1-based line; 0 when the finding is about the whole file.
    pub line: usize,
    #[serde(skip)]
    span: Range<usize>,
    #[serde(skip)]
    text: Arc<str>,
}

impl Place {
    /// A place in `text`, the content of `file`; `span` counts bytes.
    pub fn new(file: impl Into<String>, text: &Arc<str>, span: Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let before = text.as_bytes().get(..start).unwrap_or_default();
        Self {
            file: file.into(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            span,
            text: text.clone(),
        }
    }

    /// The same where the line is known, so that it need not be counted again for each of many findings.
    pub(crate) fn on_line(file: impl Into<String>, text: &Arc<str>, span: Range<usize>, line: usize) -> Self {
        Self {
            file: file.into(),
            line,
            span,
            text: text.clone(),
        }
    }

    /// The whole of a file, where no line can be named.
    pub fn file(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            span: 0..0,
            text: Arc::from(""),
        }
    }

    /// The same place, of which the text is not shown: it may be a secret.
    pub fn without_text(mut self) -> Self {
        self.text = Arc::from("");
        self.span = 1..1;
        self
    }

    /// The text the place points into and the bytes it covers; `None` for a whole file.
    pub fn excerpt(&self) -> Option<(&str, Range<usize>)> {
        let valid = self.line > 0 && self.text.get(self.span.clone()).is_some();
        valid.then(|| (&*self.text, self.span.clone()))
    }
}

/// How many findings about one file are worth telling: behind these, one cause is as likely as a hundred.
pub const ENOUGH: usize = 100;

/// Something a person must know.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    pub severity: Severity,
    pub class: Class,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The tenant it concerns; `None` concerns the whole workspace.
    pub tenant: Option<String>,
    /// What is wrong and why: lowercase, no full stop.
    pub message: Message,
    pub place: Option<Place>,
    /// What to type or write next.
    pub hint: Option<String>,
}

impl Problem {
    fn new(severity: Severity, class: Class, message: impl Into<Message>) -> Self {
        Self {
            severity,
            class,
            code: None,
            tenant: None,
            message: message.into(),
            place: None,
            hint: None,
        }
    }

    /// An error of some class.
    pub fn error(class: Class, message: impl Into<Message>) -> Self {
        Self::new(Severity::Error, class, message)
    }

    /// An error in a file.
    pub fn configuration(message: impl Into<Message>) -> Self {
        Self::error(Class::Configuration, message)
    }

    /// Something to read that stops nothing.
    pub fn warning(message: impl Into<Message>) -> Self {
        Self::new(Severity::Warning, Class::Failure, message)
    }

    /// The same, where it stops nothing.
    pub fn into_warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    pub fn is(&self, code: Code) -> bool {
        self.code == Some(code)
    }

    /// Whether something is not released that a person is about to release.
    pub fn is_unreleased(&self) -> bool {
        self.is(Code::Unreleased) || self.is(Code::Redefined)
    }

    /// Whether a person would read the same twice.
    pub fn repeats(&self, other: &Problem) -> bool {
        let shown = |problem: &Problem| (problem.message.to_string(), problem.hint.clone());
        (self.severity, self.class, &self.tenant, &self.place)
            == (other.severity, other.class, &other.tenant, &other.place)
            && shown(self) == shown(other)
    }

    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub fn at_maybe(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The first [`ENOUGH`] of the findings about a file, and that there are more.
pub fn enough(file: &str, found: impl IntoIterator<Item = Problem>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = found.into_iter().take(ENOUGH + 1).collect();
    if problems.len() > ENOUGH {
        problems.truncate(ENOUGH);
        problems.push(
            Problem::configuration("more than this is wrong in this file")
                .at(Place::file(file))
                .hint("mend what is told above first"),
        );
    }
    problems
}

/// Longer words are not guessed, in bytes.
const LONGEST_WORD: usize = 100;

/// The word of `known` that `typed` was probably meant to be.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // It compares every letter with every letter.
    let is_word = |word: &&str| word.len() <= LONGEST_WORD;
    if !is_word(&typed) {
        return None;
    }
    known
        .into_iter()
        .filter(is_word)
        .map(|word| (strsim::damerau_levenshtein(typed, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}

/// `"; known: a, b, c"`-style lists for messages: sorted as given, at most ten, then a count.
pub fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.len() {
        0 => "none".to_owned(),
        n if n > 10 => format!("{} and {} more", words.get(..10).unwrap_or_default().join(", "), n - 10),
        _ => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_knows_its_line() {
        let text: Arc<str> = Arc::from("a = 1\nb = 2\n");
        assert_eq!(Place::new("x.toml", &text, 6..7).line, 2);
        assert_eq!(Place::new("x.toml", &text, 0..1).line, 1);
    }

    #[test]
    fn suggestions_are_near_or_nothing() {
        assert_eq!(did_you_mean("verison", ["version", "product"]), Some("version"));
        assert_eq!(did_you_mean("zebra", ["version", "product"]), None);
    }
}
