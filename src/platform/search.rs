//! What looking for an object found whose id is not known.

use jiff::Timestamp;

use super::Object;

/// What looking for an object found, besides objects that carry its mark.
#[derive(Debug, Clone, PartialEq)]
pub enum Search {
    /// Nothing has its natural key, and everything was seen.
    Nothing,
    /// Objects with the same natural key that do not carry its mark.
    Rivals(Vec<Rival>),
    /// Not everything could be seen.
    Unknown(String),
}

/// An object with the natural key of one of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    pub object: Object,
    /// When the platform says that it was created, by its own clock.
    pub created: Option<Timestamp>,
}

/// The clock of a platform, as its answers show it, beside the one of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The latest time that an answer told.
    pub there: Timestamp,
    /// When that answer came.
    pub here: Timestamp,
}

impl Clock {
    /// What the platform's clock shows at a time of this machine's clock.
    pub fn there_at(&self, here: Timestamp) -> Option<Timestamp> {
        self.there.checked_add(here.duration_since(self.here)).ok()
    }
}
