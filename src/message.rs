//! Texts for people. What a platform, a vendor or a library said goes into them, and nothing may be decided by it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A text that can be shown and put into another text, and nothing else: it cannot be compared or searched, so that what is
/// known must be said by a value beside it.
///
/// The compiler proves it:
///
/// ```compile_fail
/// let text = upa::message::Message::from("it does not exist");
/// let _ = text == upa::message::Message::from("it does not exist");
/// ```
/// ```compile_fail
/// let text = upa::message::Message::from("it does not exist");
/// let _ = text.contains("does not exist");
/// ```
/// ```compile_fail
/// let text = upa::message::Message::from("it does not exist");
/// let _: &str = text.as_ref();
/// ```
/// ```
/// let text = upa::message::Message::from("it does not exist");
/// assert_eq!(format!("{text}"), "it does not exist");
/// ```
#[derive(Clone, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Message(String);

impl<T: Into<String>> From<T> for Message {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
