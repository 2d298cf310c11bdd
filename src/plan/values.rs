//! What symbols stand for, as far as it is known: from lockfiles, readings and credential lists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::lockfile::{Lockfile, Provisioned, entry_id};
use crate::platform::Credential;
use crate::platform::definition::{ids, path};
use crate::resource::Address;
use crate::symbol::Symbol;

/// What is known of objects that several tenants refer to.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub ids: BTreeMap<Address, String>,
    pub outs: BTreeMap<Address, BTreeMap<String, Value>>,
    /// Those that are proven not to be there.
    pub absent: BTreeSet<Address>,
}

impl Known {
    /// What a lockfile records as done.
    pub fn of(lock: &Lockfile) -> Self {
        let mut known = Self::default();
        for (address, locked) in &lock.resources {
            if let Some(applied) = &locked.applied {
                known.ids.insert(address.clone(), applied.id.clone());
                known.outs.insert(address.clone(), applied.out.clone());
            }
        }
        known
    }
}

/// The values of one tenant.
#[derive(Debug, Clone, Default)]
pub struct Values<'a> {
    /// Whose documents they are for: a symbol of another tenant has no value in them.
    pub tenant: String,
    /// The ids of objects that exist.
    pub ids: BTreeMap<Address, String>,
    /// Their outputs.
    pub outs: BTreeMap<Address, BTreeMap<String, Value>>,
    /// By version: the webhook base path and the UUID it is made of.
    pub bases: BTreeMap<String, (String, Uuid)>,
    /// By account.
    pub credentials: BTreeMap<&'a str, &'a [Credential]>,
}

impl Values<'_> {
    /// The value of a symbol, if it has one.
    pub fn of(&self, symbol: &Symbol) -> Option<Value> {
        if !symbol.is_of(&self.tenant) {
            return None;
        }
        match symbol {
            Symbol::Ref { address, path } => match path.split_once('.') {
                None if path == "id" => self.ids.get(address).map(|id| Value::from(ids::own(id))),
                Some(("out", path)) => {
                    let (name, below) = path.split_once('.').unwrap_or((path, ""));
                    path::at(self.outs.get(address)?.get(name)?, below).cloned()
                }
                _ => None,
            },
            Symbol::Base { version, .. } => self.bases.get(version).map(|(path, _)| Value::from(&**path)),
            Symbol::Entry {
                version,
                resource,
                node,
                ..
            } => self
                .bases
                .get(version)
                .map(|(_, base)| Value::from(entry_id(base, resource, node))),
            Symbol::Credential { account, name, kind } => match self.matching(account, name, kind).as_slice() {
                [credential] => Some(Value::from(&*credential.id)),
                _ => None,
            },
            // Only apply has them, and only while it sends them.
            Symbol::Secret { .. } => None,
        }
    }

    /// The credentials of an account that have this name and type.
    pub fn matching(&self, account: &str, name: &str, kind: &str) -> Vec<&Credential> {
        let known = self.credentials.get(account).copied().unwrap_or_default();
        known
            .iter()
            .filter(|credential| credential.name == name && credential.kind == kind)
            .collect()
    }

    /// The webhook bases a lockfile records.
    pub fn bases_of(versions: &BTreeMap<String, Provisioned>) -> BTreeMap<String, (String, Uuid)> {
        versions
            .iter()
            .map(|(version, provisioned)| {
                (
                    version.clone(),
                    (provisioned.webhook_base_path.clone(), provisioned.base),
                )
            })
            .collect()
    }
}

/// The first segment of a tenant's webhook paths: with its name for clients, so that people recognise it.
pub fn base_path(tenant: &str, base: Uuid, named: bool) -> String {
    if named {
        format!("{tenant}-{base}")
    } else {
        base.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_tenants_symbol_has_no_value() {
        let (own, other): (Address, Address) = ("ana@v1/a".parse().unwrap(), "bo@v1/a".parse().unwrap());
        let shared: Address = "@shared:crm/a".parse().unwrap();
        let ids = [&own, &other, &shared].map(|address| (address.clone(), "1".to_owned()));
        let values = Values {
            tenant: "ana".to_owned(),
            ids: ids.into(),
            bases: [("v1".to_owned(), ("x".to_owned(), Uuid::nil()))].into(),
            ..Values::default()
        };
        let base = |tenant: &str| Symbol::Base {
            tenant: tenant.to_owned(),
            version: "v1".to_owned(),
        };
        for symbol in [Symbol::id_of(own), Symbol::id_of(shared), base("ana")] {
            assert!(values.of(&symbol).is_some(), "{symbol:?}");
        }
        for symbol in [Symbol::id_of(other), base("bo")] {
            assert_eq!(values.of(&symbol), None);
        }
    }
}
