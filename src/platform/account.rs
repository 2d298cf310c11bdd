//! An account: one place on a platform, with the key that opens it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::http::ledger::Ledger;
use crate::digest::Digest;

/// Four at a time is the most that helps n8n (measured), and polite everywhere else.
pub const DEFAULT_CONCURRENCY: usize = 4;

/// A secret: it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One place on a platform.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub platform: String,
    /// Where the API is.
    pub base_url: String,
    /// Its other hosts, by the name a definition calls them.
    pub hosts: BTreeMap<String, String>,
    /// Where webhooks are probed.
    pub webhook_url: String,
    pub credentials: BTreeMap<String, Secret>,
    /// Whose key it must be, as the platform's `whoami` answers.
    pub identity: Option<String>,
    pub concurrency: usize,
    pub per_second: Option<u32>,
    /// Counts what goes to it and comes back.
    pub ledger: Arc<Ledger>,
}

/// What a lockfile remembers of an account, so that ids are never used against another instance. The host itself does
/// not belong into a lockfile.
pub fn fingerprint(base_url: Option<&str>, sandbox: bool, name: &str) -> String {
    let place = match base_url {
        _ if sandbox => format!("sandbox:{name}"),
        Some(url) => url.trim_end_matches('/').to_ascii_lowercase(),
        None => name.to_owned(),
    };
    Digest::of_bytes(place.as_bytes()).short().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let account = format!("{:?}", BTreeMap::from([("api_key", Secret::new("canary"))]));
        assert!(!account.contains("canary"), "{account}");
    }

    #[test]
    fn a_fingerprint_follows_the_place_and_not_its_spelling() {
        let of = |url| fingerprint(Some(url), false, "n8n");
        assert_eq!(of("https://N8N.example/"), of("https://n8n.example"));
        assert_ne!(of("https://n8n.example"), of("https://n8n-eu.example"));
        assert_ne!(
            of("https://n8n.example"),
            fingerprint(Some("https://n8n.example"), true, "n8n")
        );
    }
}
