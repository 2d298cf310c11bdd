//! Digests: what was sent, what was read, what a plan is. Always over a canonical form, so that the order of keys and the
//! spelling of numbers never count.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::number;

/// `sha256:<64 hex digits>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes as they are.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in Sha256::digest(bytes) {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The digest of a JSON value in the form of RFC 8785, with integers that this form would round written out.
    pub fn of_json(value: &Value) -> Self {
        match serde_json_canonicalizer::to_vec(&number::written_out(value)) {
            Ok(bytes) => Self::of_bytes(&bytes),
            // Only a non-finite number could fail, and a `Value` cannot hold one.
            Err(_) => Self::of_bytes(value.to_string().as_bytes()),
        }
    }

    /// The first twelve hex digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_and_number_spelling_do_not_count() {
        let a: Value = serde_json::from_str(r#"{"b": 1.0, "a": [2]}"#).unwrap();
        assert_eq!(Digest::of_json(&a), Digest::of_json(&json!({"a": [2], "b": 1})));
        assert_ne!(Digest::of_json(&a), Digest::of_json(&json!({"a": [2], "b": 2})));
    }

    #[test]
    fn integers_that_one_double_holds_have_digests_of_their_own() {
        let of = |number: u64| Digest::of_json(&json!({ "a": [number] }));
        assert_ne!(of((1 << 53) + 1), of(1 << 53));
        assert_ne!(of(u64::MAX), of(u64::MAX - 1));
        // What a double holds is digested as ever.
        assert_eq!(of(1 << 53), Digest::of_bytes(br#"{"a":[9007199254740992]}"#));
        assert_eq!(of(1 << 53), Digest::of_json(&json!({ "a": [9_007_199_254_740_992.0] })));
    }

    #[test]
    fn known_value() {
        assert_eq!(
            Digest::of_bytes(b"").as_str(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(Digest::of_bytes(b"").short(), "e3b0c44298fc");
    }
}
