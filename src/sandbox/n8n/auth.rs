//! API keys: [`KEY`] may do everything, `KEY:workflow:list,workflow:read` only that, anything else is nobody.

use super::super::KEY;
use super::super::http::Request;

/// A key that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Everything,
    Scopes(Vec<String>),
}

impl Key {
    /// `None` without a key, or with one this sandbox does not know.
    pub fn of(request: &Request) -> Option<Key> {
        Key::parse(request.header("x-n8n-api-key")?)
    }

    fn parse(text: &str) -> Option<Key> {
        match text.strip_prefix(KEY)? {
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
        assert_eq!(Key::parse(KEY), Some(Key::Everything));
        assert_eq!(Key::parse(&format!("{KEY}ed")), None);
        assert_eq!(Key::parse("eyJhbGciOi"), None);
        let key = Key::parse("key-of-the-sandbox:workflow:list,tag:list").expect("a key");
        assert!(key.may("workflow:list") && key.may("tag:list"));
        assert!(!key.may("workflow:read"));
    }
}
