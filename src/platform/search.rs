//! What looking for an object found whose id is not known.

use jiff::Timestamp;

use super::Object;
use crate::message::Message;

/// What looking for an object found, besides objects that carry its mark.
#[derive(Debug, Clone)]
pub enum Search {
    /// Nothing has its natural key, and everything was seen.
    Nothing,
    /// Objects with the same natural key that do not carry its mark.
    Rivals(Vec<Rival>),
    /// Not everything could be seen.
    Unknown(Message),
}

/// An object with the natural key of one of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    pub object: Object,
    /// When the platform says that it was created, by its own clock.
    pub created: Option<Timestamp>,
}
