//! Where keys may travel: addresses of platforms, read by the parser of the HTTP client and not by their look.

use core::net::IpAddr;

use url::{Host, Url};

/// Why the address of a platform or of one of its hosts may not be used, if so. Keys travel to it, so it must be HTTPS
/// unless it never leaves the machine; and paths are appended to it, so it must end with one.
pub fn refusal(text: &str) -> Option<&'static str> {
    // The parser drops some of these and takes `\` for `/`: a reviewer would read another host in the line.
    if text.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
        return Some("contains a character that no URL has (`\\`, a space or a control character)");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("is not a URL: expected `https://…`");
    };
    if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
        return Some("names no host");
    }
    let Ok(url) = Url::parse(text) else {
        return Some("is not a URL: expected `https://…`");
    };
    if !url.username().is_empty() || url.password().is_some() || authority(rest).contains('@') {
        return Some("contains a user name or password; secrets belong into `credentials`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("must end with its host or path: no `?` and no `#`");
    }
    match scheme {
        "https" => None,
        "http" if is_loopback(&url) => None,
        "http" => Some("must be `https://`: a key must not travel in clear (plain HTTP is allowed on loopback)"),
        _ => Some("must be `https://`"),
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether what is sent to a URL stays on this machine: its host is an address of loopback, or `localhost`, which is
/// never looked up (see [`crate::outside`]).
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_an_address_and_no_prefix() {
        for here in [
            "http://127.0.0.1",
            "http://127.0.0.1:5678/n8n",
            "http://127.8.9.10",
            // Other spellings of the same addresses, as the client reads them.
            "http://127.1",
            "http://2130706433",
            "http://[::1]:5678",
            "http://[::ffff:127.0.0.1]",
            "http://localhost:5678",
            "http://LOCALHOST",
        ] {
            assert_eq!(refusal(here), None, "{here}");
            assert!(is_loopback(&Url::parse(here).unwrap()), "{here}");
        }
        for elsewhere in [
            "http://127.evil.example",
            "http://127.0.0.1.nip.invalid",
            "http://127.0.0.1\\.evil.invalid/",
            "http://127.0.0.1\t.evil.invalid/",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://127.0.0.1:80@evil.example",
            "http://evil.example#@127.0.0.1",
            "http://app.localhost",
            "http://localhost.",
            "http://[::ffff:8.8.8.8]",
            "http://[fe80::1]",
            "http://0.0.0.0",
            "http://128.0.0.1",
            "http://１２７.evil.example",
        ] {
            assert!(refusal(elsewhere).is_some(), "{elsewhere}");
        }
    }

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_path() {
        for good in [
            "https://n8n.example",
            "https://n8n.example:8443/below/",
            "https://127.0.0.1",
        ] {
            assert_eq!(refusal(good), None, "{good}");
        }
        for (bad, why) in [
            ("n8n.example", "is not a URL"),
            ("https://", "names no host"),
            ("https:///n8n.example", "names no host"),
            ("https://:443", "names no host"),
            ("https://n8n.example:port", "is not a URL"),
            ("https://[::1", "is not a URL"),
            ("https://ana:pw@n8n.example", "user name"),
            ("https://@n8n.example", "user name"),
            ("https://n8n.example?x=", "no `?`"),
            ("https://n8n.example/#", "no `?`"),
            ("https://n8n.example\\@evil.example", "no URL has"),
            ("https://n8n .example", "no URL has"),
            ("HTTPS://n8n.example", "must be `https://`"),
            ("file:///etc/passwd", "names no host"),
            ("ftp://n8n.example", "must be `https://`"),
        ] {
            let said = refusal(bad).unwrap_or_default();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
