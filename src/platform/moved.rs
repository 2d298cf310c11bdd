//! What is said of an object that somebody changed after the plan was made.

use super::error::{ErrorKind, PlatformError};
use super::{FieldChange, Step};

/// How many fields are named.
const MOST_NAMED: usize = 3;

/// Nothing is written over it, and nothing of it is deleted: `call` showed that these `fields` are not what the plan saw.
/// Who changed them is said as far as the platform tells.
pub fn moved(step: Step, call: &str, fields: &[FieldChange], who: Option<&str>) -> PlatformError {
    let named: Vec<&str> = fields.iter().take(MOST_NAMED).map(|field| &*field.field).collect();
    let more = match fields.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let what = match named.is_empty() {
        true => "it".to_owned(),
        false => format!("{}{more}", named.join(", ")),
    };
    let spared = match step {
        Step::Fill | Step::Create | Step::Wait => "overwritten",
        Step::Publish => "published",
        Step::Unpublish | Step::Delete | Step::Retire => "deleted",
    };
    let who = who.unwrap_or("somebody");
    let why = format!("{who} changed {what} on the platform after the plan was made; it was not {spared}");
    PlatformError::new(ErrorKind::Moved, call, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::compare;
    use serde_json::json;

    #[test]
    fn it_says_who_what_and_what_was_not_done() {
        let fields: Vec<FieldChange> = ["a", "b", "c", "d"]
            .map(|field| compare::change(field, Some(&json!(1)), None))
            .into();
        for (step, fields, who, expected) in [
            (
                Step::Fill,
                &fields[..1],
                None,
                "GET x: somebody changed a on the platform after the plan was made; it was not overwritten",
            ),
            (
                Step::Delete,
                &fields[..],
                Some("Ana"),
                "GET x: Ana changed a, b, c (and 1 more) on the platform after the plan was made; it was not deleted",
            ),
            (
                Step::Publish,
                &[],
                None,
                "GET x: somebody changed it on the platform after the plan was made; it was not published",
            ),
        ] {
            let error = moved(step, "GET x", fields, who);
            assert_eq!(error.to_string(), expected);
            assert!(error.is_harmless());
        }
    }
}
