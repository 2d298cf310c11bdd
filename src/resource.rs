//! Names: who owns a resource, what it is called, what kind it is, and the mark it carries on its platform.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

/// The longest mark that every platform keeps whole, in bytes.
const LONGEST_MARK: usize = 96;

/// Whose a resource is; decides how long it lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// One tenant on one version: replaced by an upgrade.
    Version { tenant: String, version: String },
    /// One tenant, across upgrades.
    Tenant { tenant: String },
    /// Every tenant that uses it on one account: dies with its last user.
    Shared { account: String },
}

/// Who owns what several tenants share. No tenant can be called so.
pub const SHARED: &str = "@shared";

impl Owner {
    /// The tenant in whose lockfile it is recorded; [`SHARED`] for what several share.
    pub fn tenant(&self) -> &str {
        match self {
            Owner::Version { tenant, .. } | Owner::Tenant { tenant } => tenant,
            Owner::Shared { .. } => SHARED,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Version { tenant, version } => write!(f, "{tenant}@{version}"),
            Owner::Tenant { tenant } => f.write_str(tenant),
            Owner::Shared { account } => write!(f, "{SHARED}:{account}"),
        }
    }
}

/// `<owner>/<resource>`, or `<owner>/<resource>[<key>]` for one of several: what a resource is called in plans, lockfiles
/// and marks. Never a remote id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub owner: Owner,
    pub resource: String,
    /// Which element of the tenant's list it is for, as the tenant writes it; `None` when the resource is not repeated.
    pub key: Option<String>,
}

impl Address {
    pub fn new(owner: Owner, resource: impl Into<String>) -> Self {
        Self {
            owner,
            resource: resource.into(),
            key: None,
        }
    }

    /// One of several, for an element of a list.
    pub fn with_key(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    /// What its owner calls it: the resource, with its key if it is one of several.
    pub fn name(&self) -> String {
        match &self.key {
            Some(key) => format!("{}[{}]", self.resource, escape(key)),
            None => self.resource.clone(),
        }
    }

    /// The key that stands for it in `[adopt]`.
    pub fn adopt_key(&self) -> String {
        match &self.key {
            Some(_) => format!("\"{}\"", self.name()),
            None => self.resource.clone(),
        }
    }

    /// Whether several tenants share it.
    pub fn is_shared(&self) -> bool {
        matches!(self.owner, Owner::Shared { .. })
    }

    pub fn tenant(&self) -> &str {
        self.owner.tenant()
    }

    /// What the remote object carries so that it can be recognised: `upa:<workspace>/<address>`, with a hashed tail
    /// where that would be longer than platforms keep.
    pub fn mark(&self, workspace: &str) -> String {
        let whole = format!("upa:{workspace}/{self}");
        if whole.len() <= LONGEST_MARK {
            return whole;
        }
        let tail = Digest::of_bytes(whole.as_bytes()).short().to_owned();
        let mut head = LONGEST_MARK - tail.len() - 1;
        while !whole.is_char_boundary(head) {
            head -= 1;
        }
        format!("{}~{tail}", &whole[..head])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name())
    }
}

/// A key as it stands in an address: everything but letters, digits, `-`, `_` and `.` percent-encoded, so that a mark
/// means the same on every platform.
fn escape(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The key that is written so; `None` unless [`escape`] writes it just so.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    let key = String::from_utf8(bytes).ok()?;
    (!key.is_empty() && escape(&key) == text).then_some(key)
}

/// A resource's name and key, as [`Address::name`] writes them.
pub fn split_name(name: &str) -> Option<(&str, Option<String>)> {
    let (resource, key) = match name.split_once('[') {
        Some((resource, rest)) => (resource, Some(unescape(rest.strip_suffix(']')?)?)),
        None => (name, None),
    };
    (!resource.is_empty() && !resource.contains(']')).then_some((resource, key))
}

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: expected `tenant@version/resource`, `tenant/resource` or `@shared:account/resource`")]
pub struct NotAnAddress(String);

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress(text.to_owned());
        let (owner, name) = text.split_once('/').ok_or_else(wrong)?;
        let (resource, key) = split_name(name).ok_or_else(wrong)?;
        if owner.is_empty() {
            return Err(wrong());
        }
        if let Some(account) = owner.strip_prefix(SHARED) {
            let account = account.strip_prefix(':').filter(|account| !account.is_empty());
            let account = account.ok_or_else(wrong)?.to_owned();
            return Ok(Address::new(Owner::Shared { account }, resource).with_key(key));
        }
        let owner = match owner.split_once('@') {
            Some((tenant, version)) if !tenant.is_empty() && !version.is_empty() => Owner::Version {
                tenant: tenant.to_owned(),
                version: version.to_owned(),
            },
            Some(_) => return Err(wrong()),
            None => Owner::Tenant {
                tenant: owner.to_owned(),
            },
        };
        Ok(Address::new(owner, resource).with_key(key))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// `<platform>.<object>`: `n8n.workflow`, `vapi.assistant`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(String);

impl Kind {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dot.
    pub fn platform(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(platform, _)| platform)
    }

    /// The part behind the first dot.
    pub fn object(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, object)| object)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text may name a tenant: `[a-z0-9]` and single hyphens inside, at most 40 characters.
pub fn is_tenant_name(name: &str) -> bool {
    name.len() <= 40 && is_hyphenated(name)
}

fn is_hyphenated(name: &str) -> bool {
    name.split('-')
        .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tenant_names() {
        for good in ["welcs", "a", "a-1", "clinica-sur-2"] {
            assert!(is_tenant_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "ñ", "a_b", "a.b", &"a".repeat(41)] {
            assert!(!is_tenant_name(bad), "{bad}");
        }
    }

    #[test]
    fn long_marks_differ_although_they_are_cut() {
        let address = |resource: &str| {
            let owner = Owner::Tenant { tenant: "t".repeat(40) };
            Address::new(owner, resource).mark("workspace")
        };
        let (a, b) = (address(&"x".repeat(60)), address(&format!("{}y", "x".repeat(59))));
        assert!(a.len() <= LONGEST_MARK && b.len() <= LONGEST_MARK);
        assert_ne!(a, b);
        assert!(a.starts_with("upa:workspace/ttt"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "a",
            "a/",
            "/a",
            "@shared/a",
            "@shared:/a",
            "a@/b",
            "@v1/b",
            "a/b[",
            "a/b[]",
            "a/b[x",
            "a/b[%]",
            "a/b[%6",
            "a/b[%61]",
            "a/b[x y]",
            "a/[x]",
            "a/b]x",
            "a/b[x]y",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let shared: Address = "@shared:crm/lead_source".parse().unwrap();
        assert_eq!(shared.tenant(), SHARED);
        assert!(shared.is_shared() && !is_tenant_name(SHARED));
    }

    proptest! {
        #[test]
        fn an_address_reads_back(
            tenant in "[a-z0-9]{1,8}", version in "v[0-9]\\.[0-9]", resource in "[a-z_-]{1,9}", scope in 0..3, key in prop::option::of("\\PC{1,8}")
        ) {
            let owner = match scope {
                0 => Owner::Tenant { tenant },
                1 => Owner::Version { tenant, version },
                _ => Owner::Shared { account: tenant },
            };
            let address = Address::new(owner, resource).with_key(key);
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }

        #[test]
        fn marks_tell_keys_apart(a in "\\PC{1,12}", b in "\\PC{1,12}") {
            let mark = |key: &str| "t/r".parse::<Address>().unwrap().with_key(Some(key.to_owned())).mark("w");
            prop_assert_eq!(mark(&a) == mark(&b), a == b);
            prop_assert!(mark(&a).is_ascii());
        }
    }
}
