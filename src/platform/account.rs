//! An account: one place on a platform, with the key that opens it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::http::budget::Budget;
use super::http::ledger::Ledger;
use crate::digest::Digest;
use crate::outside::Outside;
use crate::secret::Secret;

/// Four at a time is the most that helps n8n (measured), and polite everywhere else.
pub const DEFAULT_CONCURRENCY: usize = 4;

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
    /// Whose key it must be, as the platform's `whoami` answers: upa.toml says so, whatever is recorded.
    pub identity: Option<String>,
    /// Whose its objects are recorded to be: see [`Locked::owner`](crate::lockfile::Locked).
    pub owners: BTreeSet<String>,
    /// How hard it may be driven. Names of one account share it.
    pub budget: Arc<Budget>,
    /// Whether it lives in the sandbox, which need not be spared as the platform itself must.
    pub sandbox: bool,
    /// Counts what goes to it and comes back.
    pub ledger: Arc<Ledger>,
    /// How it is reached.
    pub outside: Arc<dyn Outside>,
}

/// What a lockfile remembers of an account, so that ids are never used against another instance. The host itself does
/// not belong into a lockfile.
///
/// `further` are the hosts that are not where the platform's own usually are: keys travel there too.
pub fn fingerprint(base_url: Option<&str>, further: &BTreeMap<&str, &str>, sandbox: bool, name: &str) -> String {
    let mut place = match base_url {
        _ if sandbox => format!("sandbox:{name}"),
        Some(url) => plain(url),
        None => name.to_owned(),
    };
    for (host, url) in further.iter().filter(|_| !sandbox) {
        place.push_str(&format!("\n{host}={}", plain(url)));
    }
    Digest::of_bytes(place.as_bytes()).short().to_owned()
}

/// An address without what makes no difference: default ports, dots in paths, other spellings of a host.
fn plain(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let parsed = parsed.filter(|url| url.username().is_empty() && url.password().is_none());
    let text = parsed.map_or_else(
        || url.to_owned(),
        |mut url| {
            let host = url.host_str().map(|host| host.trim_end_matches('.').to_owned());
            // A host that the library refuses stays as it is.
            let _ = url.set_host(host.as_deref());
            url.to_string()
        },
    );
    text.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_follows_the_place_and_not_its_spelling() {
        let none = BTreeMap::new();
        let of = |url| fingerprint(Some(url), &none, false, "n8n");
        assert_eq!(of("https://N8N.example/"), of("https://n8n.example"));
        assert_ne!(of("https://n8n.example"), of("https://n8n-eu.example"));
        assert_ne!(
            of("https://n8n.example"),
            fingerprint(Some("https://n8n.example"), &none, true, "n8n")
        );
        for same in [
            "https://n8n.example:443",
            "https://n8n.example/./",
            "https://n8n.example/a/..",
            "https://n8n.example./",
        ] {
            assert_eq!(of(same), of("https://n8n.example"), "{same}");
        }
        assert_eq!(of("http://127.1:5678"), of("http://127.0.0.1:05678"));
        assert_ne!(of("https://n8n.example:8443"), of("https://n8n.example"));
        let further = BTreeMap::from([("token", "https://evil.example")]);
        assert_ne!(
            of("https://n8n.example"),
            fingerprint(Some("https://n8n.example"), &further, false, "n8n")
        );
    }
}
