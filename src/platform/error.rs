//! What a platform's answer means for the caller.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::message::Message;
use crate::problem::{Class, Problem};

/// The name of the call when no call was made yet: the account could not be opened.
pub const CONNECT: &str = "connect";

/// What went wrong, classed by what to do next.
#[derive(Clone, thiserror::Error)]
#[error("{call}: {}", shortened(why))]
pub struct PlatformError {
    pub kind: ErrorKind,
    /// Method and path, without host, query and secrets.
    pub call: String,
    /// The platform's own words where it had any.
    pub why: Message,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// The whole answer, when it was JSON: some platforms say in it what a status cannot. It is never printed.
    pub body: Option<Box<Value>>,
    /// What to do about it, where that is known better than from the kind alone.
    pub hint: Option<String>,
    /// Whether the same step may have changed something although the kind does not say so: by the call that failed, or by
    /// one before it.
    pub after_write: bool,
}

/// A platform may answer with a book. It is cut only where it is shown: a secret that was cut is no longer recognised.
fn shortened(why: &Message) -> String {
    why.to_string().chars().take(1000).collect()
}

/// Everything but the answer, which may hold anything.
impl fmt::Debug for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformError")
            .field("kind", &self.kind)
            .field("call", &self.call)
            .field("why", &self.why)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing listens, or it does not speak JSON yet: try again later. Nothing happened there.
    Unreachable,
    /// The connection broke after the request went out: it may or may not have happened.
    Unclear,
    /// Too many calls; the platform may say when to come back.
    Throttled(Option<Duration>),
    /// The key is missing, wrong or expired.
    Unauthorised,
    /// The key is good and may not do this.
    Forbidden,
    /// The object is proven not to be there.
    Missing,
    /// Somebody or something else holds what was asked for.
    Conflict,
    /// The platform understood and said no.
    Refused,
    /// The platform broke.
    Broken,
    /// The answer does not have the form the platform promises.
    Unexpected,
    /// The answer to a reading is larger than what is read.
    TooLarge,
    /// The account is not where its objects are recorded: it is not even asked.
    Misplaced,
    /// The object is not what the plan saw.
    Moved,
    /// Only a person can decide.
    Ambiguous,
    /// It did not happen within the time allowed.
    Deadline,
    /// The platform is still at it: nothing failed, the next run goes on waiting.
    Waiting,
}

impl PlatformError {
    pub fn new(kind: ErrorKind, call: impl Into<String>, why: impl Into<Message>) -> Self {
        Self {
            kind,
            call: call.into(),
            why: why.into(),
            status: None,
            body: None,
            hint: None,
            after_write: false,
        }
    }

    /// Of a call that looks at what an earlier call of the same step did.
    #[must_use]
    pub fn after_write(mut self) -> Self {
        self.after_write = true;
        self
    }

    /// A secret of the account could not be had.
    pub fn locked(why: impl Into<Message>, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..Self::new(ErrorKind::Unauthorised, CONNECT, why)
        }
    }

    /// With the answer it was made of.
    pub fn answered(mut self, status: u16, body: Option<Value>) -> Self {
        self.status = Some(status);
        self.body = body.map(Box::new);
        self
    }

    /// Whether nothing can have been changed by the call, nor by those before it.
    pub fn is_harmless(&self) -> bool {
        let unclear = matches!(self.kind, ErrorKind::Unclear | ErrorKind::Broken | ErrorKind::Deadline);
        !unclear && !self.after_write
    }

    /// The finding it makes for a person.
    pub fn problem(&self, account: &str) -> Problem {
        let class = match self.kind {
            ErrorKind::Unauthorised | ErrorKind::Forbidden => Class::Authentication,
            ErrorKind::Misplaced => Class::Configuration,
            ErrorKind::Moved => Class::Stale,
            ErrorKind::Ambiguous => Class::Decision,
            ErrorKind::Unreachable
            | ErrorKind::Unclear
            | ErrorKind::Throttled(_)
            | ErrorKind::Missing
            | ErrorKind::Conflict
            | ErrorKind::Refused
            | ErrorKind::Broken
            | ErrorKind::Unexpected
            | ErrorKind::TooLarge
            | ErrorKind::Deadline
            | ErrorKind::Waiting => Class::Platform,
        };
        let problem = Problem::error(class, format!("account `{account}`: {self}"));
        match self.hint(account) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    fn hint(&self, account: &str) -> Option<String> {
        if let Some(hint) = &self.hint {
            return Some(format!("`accounts.{account}.credentials` in upa.toml names it: {hint}"));
        }
        Some(match self.kind {
            ErrorKind::Unauthorised => {
                format!(
                    "check the key that `accounts.{account}.credentials` in upa.toml names: it is wrong, expired or of another instance"
                )
            }
            ErrorKind::Forbidden => {
                "the key lacks a scope for this call: add the scope, or use a key that has it".to_owned()
            }
            ErrorKind::Unreachable => {
                format!(
                    "check `accounts.{account}.base_url` in upa.toml and whether the platform is up, then run again"
                )
            }
            ErrorKind::Throttled(_) => format!("lower `accounts.{account}.limits` in upa.toml, or run again later"),
            ErrorKind::Waiting => "run again later".to_owned(),
            ErrorKind::Unclear | ErrorKind::Broken | ErrorKind::Deadline => {
                "run again: upa looks at what is there before it writes anything".to_owned()
            }
            ErrorKind::Misplaced => {
                "point the account to where the objects are; to move a tenant, deprovision it there first".to_owned()
            }
            ErrorKind::Moved => "run `upa plan` again and read what changed".to_owned(),
            ErrorKind::Missing
            | ErrorKind::Conflict
            | ErrorKind::Refused
            | ErrorKind::Unexpected
            | ErrorKind::TooLarge
            | ErrorKind::Ambiguous => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_not_printed() {
        let error = PlatformError::new(ErrorKind::Refused, "GET /a", "no").answered(400, Some("canary".into()));
        assert_eq!(error.body.as_deref(), Some(&Value::from("canary")));
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary") && text.contains("400"), "{text}");
    }
}
