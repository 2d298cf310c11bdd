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
}

impl Owner {
    pub fn tenant(&self) -> &str {
        match self {
            Owner::Version { tenant, .. } | Owner::Tenant { tenant } => tenant,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Version { tenant, version } => write!(f, "{tenant}@{version}"),
            Owner::Tenant { tenant } => f.write_str(tenant),
        }
    }
}

/// `<owner>/<resource>`: what a resource is called in plans, lockfiles and marks. Never a remote id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub owner: Owner,
    pub resource: String,
}

impl Address {
    pub fn new(owner: Owner, resource: impl Into<String>) -> Self {
        Self {
            owner,
            resource: resource.into(),
        }
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
        write!(f, "{}/{}", self.owner, self.resource)
    }
}

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: expected `tenant@version/resource` or `tenant/resource`")]
pub struct NotAnAddress(String);

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress(text.to_owned());
        let (owner, resource) = text.split_once('/').ok_or_else(wrong)?;
        if resource.is_empty() || owner.is_empty() {
            return Err(wrong());
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
        Ok(Address::new(owner, resource))
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

    proptest! {
        #[test]
        fn an_address_reads_back(tenant in "[a-z0-9]{1,8}", version in "v[0-9]\\.[0-9]", resource in "[a-z_-]{1,9}", per_tenant: bool) {
            let owner = if per_tenant { Owner::Tenant { tenant } } else { Owner::Version { tenant, version } };
            let address = Address::new(owner, resource);
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}
