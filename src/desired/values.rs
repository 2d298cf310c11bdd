//! One tenant's values, as the templates see them.

use serde_json::Value;

use super::Entry;
use super::repeat::Element;
use crate::resource::{Address, Kind, Owner};
use crate::symbol::Symbol;
use crate::template::{self, Path};
use crate::workspace::version::{ResourceSpec, Scope as Lifetime};
use crate::workspace::{Tenant, Version, Workspace, inputs};

/// One tenant's values, as the templates see them.
pub(super) struct Values<'a> {
    workspace: &'a Workspace,
    tenant: &'a Tenant,
    version: &'a Version,
    /// The resource that is being rendered.
    resource: &'a str,
    /// The element it is for, if it is repeated.
    element: Option<&'a Element>,
}

impl<'a> Values<'a> {
    pub(super) fn new(workspace: &'a Workspace, tenant: &'a Tenant, version: &'a Version, resource: &'a str) -> Self {
        Self {
            workspace,
            tenant,
            version,
            resource,
            element: None,
        }
    }

    pub(super) fn with_element(self, element: Option<&'a Element>) -> Self {
        Self { element, ..self }
    }

    /// The address of what is being rendered.
    pub(super) fn own_address(&self) -> Address {
        self.address(self.resource)
            .with_key(self.element.map(|element| element.key.clone()))
    }

    /// The address of a resource that is not repeated.
    pub(super) fn address(&self, resource: &str) -> Address {
        let tenant = self.tenant.name.clone();
        let spec = self.version.file.resources.get(resource);
        let owner = match spec.map(|spec| spec.scope).unwrap_or_default() {
            Lifetime::Version => Owner::Version {
                tenant,
                version: self.version.file.version.clone(),
            },
            Lifetime::Tenant => Owner::Tenant { tenant },
            Lifetime::Account => {
                let platform = spec.map(ResourceSpec::platform).unwrap_or_default();
                let account = self.workspace.account_for(self.tenant, platform).to_owned();
                Owner::Shared { account }
            }
        };
        Address::new(owner, resource)
    }

    /// A resource of the version that this tenant does not have.
    fn missing(&self, resource: &str) -> Option<&'a ResourceSpec> {
        let spec = self.version.file.resources.get(resource)?;
        (!spec.is_for(&self.tenant.file.inputs)).then_some(spec)
    }

    /// The resource in which a webhook is.
    fn resource_of_webhook(&self, name: &str) -> Option<&'a str> {
        let mut prepared = self.version.prepared.iter();
        prepared
            .find(|(_, prepared)| prepared.entries.iter().any(|entry| entry.name == name))
            .map(|(resource, _)| resource.as_str())
    }

    /// The resource that an expression reads and that this tenant does not have.
    pub(super) fn missing_at(&self, path: &Path) -> Option<(&'a str, &'a ResourceSpec)> {
        let resource = match (path.root(), &*path.rest()) {
            ("resources", [name, ..]) => self.version.file.resources.get_key_value(*name)?.0,
            ("webhooks", [name, ..]) => self.resource_of_webhook(name)?,
            _ => return None,
        };
        Some((resource, self.missing(resource)?))
    }

    fn base(&self) -> String {
        Symbol::Base {
            tenant: self.tenant.name.clone(),
            version: self.version.file.version.clone(),
        }
        .embed()
    }

    fn entry_id(&self, resource: &str, node: &str) -> String {
        Symbol::Entry {
            tenant: self.tenant.name.clone(),
            version: self.version.file.version.clone(),
            resource: resource.to_owned(),
            node: node.to_owned(),
        }
        .embed()
    }

    pub(super) fn entries(&self, resource: &str) -> Vec<Entry> {
        let prepared = self.version.prepared.get(resource);
        let entries = prepared.map(|prepared| prepared.entries.as_slice()).unwrap_or_default();
        let spec = self.version.file.resources.get(resource);
        let public = spec.and_then(|spec| {
            let kind = Kind::new(&*spec.kind);
            self.workspace.public_url(self.workspace.account_of(self.tenant, &kind))
        });
        entries
            .iter()
            .map(|entry| {
                let path = format!("{}/{}", self.base(), entry.suffix);
                let url = entry
                    .url
                    .replace("{path}", &path)
                    .replace("{id}", &self.entry_id(resource, &entry.node));
                Entry {
                    name: entry.name.clone(),
                    method: entry.method.clone(),
                    address: public.as_ref().map(|public| format!("{public}{url}")),
                    url,
                    // n8n keeps written paths apart, also where the address begins with an id (`:parameters`).
                    exclusive: entry.url.contains("{path}"),
                    provable: entry.provable,
                    path,
                }
            })
            .collect()
    }

    fn webhook(&self, name: &str, field: &str) -> Option<Value> {
        let resource = self.resource_of_webhook(name)?;
        let prepared = self.version.prepared.get(resource)?;
        let entry = prepared.entries.iter().find(|entry| entry.name == name)?;
        let rendered = self
            .entries(resource)
            .into_iter()
            .find(|rendered| rendered.name == name)?;
        Some(Value::from(match field {
            "path" => rendered.path,
            "id" => self.entry_id(resource, &entry.node),
            "url" => rendered.address?,
            _ => return None,
        }))
    }

    fn credential(&self, name: &str, field: &str) -> Option<Value> {
        Some(Value::from(match field {
            "name" => self.tenant.file.credentials.get(name)?.name().to_owned(),
            "id" => self.credential_symbol(name)?.embed(),
            _ => return None,
        }))
    }

    /// What stands for the id of the credential that the tenant names for a slot of its version.
    pub(super) fn credential_symbol(&self, slot: &str) -> Option<Symbol> {
        let spec = self.version.file.credentials.get(slot)?;
        let choice = self.tenant.file.credentials.get(slot)?;
        Some(Symbol::Credential {
            account: self.workspace.account_for(self.tenant, &spec.platform).to_owned(),
            name: choice.name().to_owned(),
            kind: spec.kind.clone(),
        })
    }

    fn lookup(&self, path: &Path) -> Option<Value> {
        let (tenant, file) = (self.tenant, &self.version.file);
        match (path.root(), &*path.rest()) {
            ("tenant", ["name"]) => Some(Value::from(&*tenant.name)),
            ("tenant", ["tier"]) => Some(Value::from(tenant.file.tier.to_string())),
            ("tenant", ["operator"]) => Some(Value::from(&*tenant.file.operator)),
            ("tenant", ["labels", label]) => tenant.file.labels.get(*label).map(|value| Value::from(&**value)),
            ("version", ["product"]) => Some(Value::from(&*file.product)),
            ("version", ["version"]) => Some(Value::from(&*file.version)),
            ("version", ["revision"]) => Some(Value::from(file.revision)),
            ("inputs", [name]) if inputs::is_secret(file, name) => {
                // Where it is stays with upa: a document only ever holds its name.
                tenant.file.inputs.get(*name)?;
                let symbol = Symbol::Secret {
                    tenant: tenant.name.clone(),
                    name: format!("inputs.{name}"),
                };
                Some(Value::from(symbol.embed()))
            }
            ("inputs", [name, ..]) if inputs::is_secret(file, name) => None,
            ("inputs", [name, below @ ..]) => below_value(tenant.file.inputs.get(*name)?, below).cloned(),
            ("webhooks", [name, field]) => self.webhook(name, field),
            ("entries", [node]) => Some(Value::from(self.entry_id(&self.own_address().name(), node))),
            ("each", ["key"]) => Some(Value::from(&*self.element?.key)),
            ("each", ["value", below @ ..]) => below_value(&self.element?.value, below).cloned(),
            ("resources", [name, below @ ..]) if file.resources.contains_key(*name) => {
                let address = self.address(name);
                let path = below.join(".");
                Some(Value::from(Symbol::Ref { address, path }.embed()))
            }
            ("credentials", [name, field]) => self.credential(name, field),
            ("accounts", [platform, field]) => {
                let account = self.workspace.account_for(tenant, platform);
                match *field {
                    "name" => Some(Value::from(account)),
                    "webhook_url" => self.workspace.public_url(account).map(Value::from),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl template::Scope for Values<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        if let ("files", [name]) = (path.root(), &*path.rest()) {
            return self.file(name);
        }
        if let Some((resource, spec)) = self.missing_at(path) {
            return Err(format!(
                "`{}` refers to `{resource}`, which this tenant does not have{}",
                self.resource,
                only_if(spec)
            ));
        }
        let undefined = || match path.root() {
            "inputs" => format!("`{path}` has no value: the tenant does not give this input"),
            _ => format!("`{path}` is not defined"),
        };
        self.lookup(path).ok_or_else(undefined)
    }

    fn is_absent(&self, path: &Path) -> bool {
        match (path.root(), &*path.rest()) {
            ("inputs" | "each", _) => self.lookup(path).is_none(),
            ("credentials", [name, _]) => !self.tenant.file.credentials.contains_key(*name),
            _ => self.missing_at(path).is_some(),
        }
    }
}

/// The value at a path below another.
pub(super) fn below_value<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, segment| match at {
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        other => other.get(segment),
    })
}

/// Who has a resource, as it follows what was said of it.
pub(super) fn only_if(spec: &ResourceSpec) -> String {
    spec.when
        .as_ref()
        .map(|condition| format!(": it is for those whose {condition}"))
        .unwrap_or_default()
}

impl Values<'_> {
    /// A text file, rendered with the same guard as the document it goes into would apply to its own expressions.
    fn file(&self, name: &str) -> Result<Value, String> {
        let text = self
            .version
            .texts
            .get(name)
            .ok_or_else(|| format!("there is no file `{name}`"))?;
        let guard = self
            .version
            .prepared
            .get(self.resource)
            .map(|prepared| prepared.guard.clone())
            .unwrap_or_default();
        let within = InFile(self);
        template::render(&Value::from(&**text), &within, &guard).map_err(|faults| {
            let faults: Vec<String> = faults
                .into_iter()
                .map(|fault| format!("`{}` in {name}: {}", fault.written, fault.why))
                .collect();
            faults.join("; ")
        })
    }
}

/// The values a text file may use: everything but other files.
pub(super) struct InFile<'a>(pub(super) &'a Values<'a>);

impl template::Scope for InFile<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        match path.root() {
            "files" => Err("a text file cannot bring in another".to_owned()),
            _ => self.0.value(path),
        }
    }

    fn is_absent(&self, path: &Path) -> bool {
        self.0.is_absent(path)
    }
}
