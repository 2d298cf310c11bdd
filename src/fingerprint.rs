//! Fingerprints of what a platform never shows again: keyed, so that nobody who reads a lockfile can try values out.
//!
//! `hmac-sha256:<key id>:<fingerprint>`, 8 and 16 hex digits: enough to tell a rotation, too little to tell a value. The
//! id of the key says whether two fingerprints can be compared at all.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::number;
use crate::secret::Secret;

/// The shortest key, in bytes: shorter ones could be guessed, and with them the values.
pub const SHORTEST_KEY: usize = 16;

const PREFIX: &str = "hmac-sha256:";

/// A key that is long enough.
#[derive(Debug, Clone)]
pub struct Key(Secret);

impl Key {
    /// `None` when it is too short.
    pub fn new(key: &Secret) -> Option<Self> {
        (key.expose().len() >= SHORTEST_KEY).then(|| Self(key.clone()))
    }

    /// The fingerprint of a value at a place. The place goes in, so that equal values of two tenants look different.
    pub fn fingerprint(&self, place: &str, value: &Value) -> String {
        let value =
            serde_json_canonicalizer::to_string(&number::written_out(value)).unwrap_or_else(|_| value.to_string());
        let print = self.hex(&["upa secret", place, &value], 8);
        format!("{PREFIX}{}:{print}", self.id())
    }

    /// Tells keys apart, and nothing else.
    pub fn id(&self) -> String {
        self.hex(&["upa key"], 4)
    }

    fn hex(&self, parts: &[&str], bytes: usize) -> String {
        // A key of any length is a key for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()) else {
            return String::new();
        };
        for part in parts {
            // With their lengths, so that no two lists of parts are the same message.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let mut text = String::with_capacity(bytes * 2);
        for byte in mac.finalize().into_bytes().iter().take(bytes) {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Whether two fingerprints were made with one key.
pub fn comparable(one: &str, other: &str) -> bool {
    let key = |print: &str| {
        print
            .strip_prefix(PREFIX)?
            .split_once(':')
            .map(|(key, _)| key.to_owned())
    };
    key(one).is_some() && key(one) == key(other)
}

/// A fingerprint for people: without the method and the key.
pub fn short(print: &str) -> &str {
    let last = print.rsplit(':').next().unwrap_or_default();
    last.get(..8).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(text: &str) -> Key {
        Key::new(&Secret::new(text)).unwrap()
    }

    #[test]
    fn a_fingerprint_follows_key_place_and_value() {
        let a = key("0123456789abcdef");
        let print = a.fingerprint("welcs@v2.0/a server.secret", &json!("canary"));
        assert_eq!(print, a.fingerprint("welcs@v2.0/a server.secret", &json!("canary")));
        assert_eq!(print.len(), "hmac-sha256:".len() + 8 + 1 + 16);
        assert_ne!(print, a.fingerprint("welcs@v2.0/a server.secret", &json!("canary2")));
        assert_ne!(print, a.fingerprint("other@v2.0/a server.secret", &json!("canary")));
        let rotated = key("0123456789abcdeF").fingerprint("welcs@v2.0/a server.secret", &json!("canary"));
        assert!(comparable(&print, &a.fingerprint("x", &json!(1))) && !comparable(&print, &rotated));
        assert!(!comparable("", "") && !print.contains("canary"));
        assert_eq!(short(&print).len(), 8);
    }

    #[test]
    fn the_method_is_hmac_sha256() {
        let key = key("Jefe, but longer");
        // printf '\0\0\0\0\0\0\0\7upa key' | openssl dgst -sha256 -hmac 'Jefe, but longer'
        assert_eq!(key.id(), "71ce4bd1");
    }

    #[test]
    fn a_short_key_is_none() {
        assert!(Key::new(&Secret::new("0123456789abcde")).is_none());
    }
}
