//! What could be learnt about an object: it is there, it is proven not to be, or nothing is known.

use std::fmt;

use super::Object;
use crate::message::Message;

/// What could be learnt about one id.
#[derive(Debug, Clone)]
pub enum Reading {
    Present(Box<Object>),
    /// Proven not to be there.
    Absent,
    /// Not known. Never the same as absent.
    Unreadable(Unread),
}

/// Why nothing is known. The cause decides; the words may be a platform's, and are for people.
#[derive(Debug, Clone)]
pub struct Unread {
    pub cause: Cause,
    pub why: Message,
}

/// What kept an object from being known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The platform answered that it is not there, which alone proves nothing: the key may not see it.
    SaidMissing,
    /// Several objects carry its mark.
    SeveralMarked,
    /// Anything else: an error, an unfinished list, a question that was not asked.
    NotRead,
}

impl Reading {
    /// Whether the platform answered that it is not there, which alone proves nothing.
    pub fn is_said_missing(&self) -> bool {
        matches!(self, Reading::Unreadable(unread) if unread.cause == Cause::SaidMissing)
    }
}

impl Unread {
    pub fn new(cause: Cause, why: impl Into<Message>) -> Self {
        Self { cause, why: why.into() }
    }

    /// For no cause that decides anything.
    pub fn because(why: impl Into<Message>) -> Self {
        Self::new(Cause::NotRead, why)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}
