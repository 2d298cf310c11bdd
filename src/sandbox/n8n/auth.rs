//! API keys: the sandbox's may do everything, `KEY:workflow:list,workflow:read` only that, any other is not known.

use super::super::http::Request;
use crate::secret::Secret;

/// A key that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Everything,
    Scopes(Vec<String>),
}

impl Key {
    /// `None` without a key, or with one this sandbox does not know.
    pub fn of(request: &Request, whole: &Secret) -> Option<Key> {
        Key::parse(request.header("x-n8n-api-key")?, whole)
    }

    fn parse(text: &str, whole: &Secret) -> Option<Key> {
        match text.strip_prefix(whole.expose())? {
            "" => Some(Key::Everything),
            rest => {
                let scopes = rest.strip_prefix(':')?.split(',');
                Some(Key::Scopes(scopes.map(|scope| scope.trim().to_owned()).collect()))
            }
        }
    }

    pub fn may(&self, scope: &str) -> bool {
        match self {
            Key::Everything => true,
            Key::Scopes(scopes) => scopes.iter().any(|held| held == scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_scopes() {
        let parse = |text: &str| Key::parse(text, &Secret::new("key"));
        assert_eq!(parse("key"), Some(Key::Everything));
        assert_eq!(parse("keyed"), None);
        assert_eq!(parse("eyJhbGciOi"), None);
        let key = parse("key:workflow:list,tag:list").expect("a key");
        assert!(key.may("workflow:list") && key.may("tag:list"));
        assert!(!key.may("workflow:read"));
    }
}
