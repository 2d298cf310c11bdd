//! What Git asks for, tenant by tenant: every resource rendered, with symbols where a value is not known yet.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};

pub use secrets::SecretInput;

use serde_json::{Map, Value};

use crate::platform::account::fingerprint;
use crate::problem::{Place, Problem};
use crate::resource::{Address, Kind, Owner};
use crate::symbol::{Symbol, symbols};
use crate::template::{self, Guard, Path};
use crate::workspace::drift::{self, PlacedRule};
use crate::workspace::inputs;
use crate::workspace::version::Scope as Lifetime;
use crate::workspace::{Origin, Status, Tenant, Version, Workspace};

/// What Git asks for at one moment.
#[derive(Debug, Default)]
pub struct DesiredState {
    pub tenants: BTreeMap<String, DesiredTenant>,
    /// The commit it was read from; `None` = the work tree.
    pub commit: Option<String>,
}

/// One tenant.
#[derive(Debug)]
pub struct DesiredTenant {
    pub name: String,
    pub status: Status,
    pub operator: String,
    pub product: String,
    pub version: String,
    pub revision: u32,
    /// Whether its webhook paths carry its name.
    pub named_paths: bool,
    pub resources: BTreeMap<Address, Resource>,
    /// What the version wants to be shown as the tenant's configuration.
    pub record: Value,
    pub place: Place,
    /// Where the tenant names its version.
    pub version_place: Place,
    /// Where the tenant names each credential.
    pub credentials: BTreeMap<String, Place>,
    /// What the version says about changes made on the platform.
    pub drift: Vec<PlacedRule>,
    /// Where the secrets are that its resources need, by the name of their symbols.
    pub secrets: BTreeMap<String, SecretInput>,
}

/// One resource, complete to the last field.
#[derive(Debug)]
pub struct Resource {
    pub address: Address,
    pub kind: Kind,
    pub account: String,
    pub fingerprint: String,
    /// The document, with symbols.
    pub document: Value,
    /// Whether it should run.
    pub runs: bool,
    /// The id of an existing object to take over.
    pub adopt: Option<String>,
    /// The resources whose id it needs.
    pub needs: BTreeSet<Address>,
    /// The resources that must run before it can.
    pub calls: BTreeSet<Address>,
    pub entries: Vec<Entry>,
    /// Where the version asks for it.
    pub place: Place,
}

/// A way in, with symbols in its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub method: String,
    /// The path it listens on.
    pub path: String,
    /// The address below the account's webhook URL.
    pub url: String,
    /// The whole address from outside, if the account says where it is.
    pub address: Option<String>,
    /// Whether two of them at one path would reach each other's callers.
    pub exclusive: bool,
    /// Whether a probe can tell that it is live.
    pub provable: bool,
}

/// Renders every tenant that `wanted` admits.
pub fn desired(workspace: &Workspace, wanted: impl Fn(&str) -> bool) -> (DesiredState, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut state = DesiredState {
        commit: match &workspace.origin {
            Origin::Commit(id) => Some(id.clone()),
            Origin::WorkTree => None,
        },
        ..DesiredState::default()
    };
    for tenant in workspace.tenants.values().filter(|tenant| wanted(&tenant.name)) {
        match desired_tenant(workspace, tenant) {
            Ok(desired) => {
                state.tenants.insert(tenant.name.clone(), desired);
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| problem.tenant(&*tenant.name))),
        }
    }
    (state, problems)
}

fn desired_tenant(workspace: &Workspace, tenant: &Tenant) -> Result<DesiredTenant, Vec<Problem>> {
    let version = workspace.version_of(tenant);
    let mut desired = DesiredTenant {
        name: tenant.name.clone(),
        status: tenant.file.status,
        operator: tenant.file.operator.clone(),
        product: tenant.file.product.clone(),
        version: tenant.file.version.clone(),
        revision: version.map_or(0, |version| version.file.revision),
        named_paths: tenant.file.tier == crate::workspace::Tier::Client,
        resources: BTreeMap::new(),
        record: Value::Null,
        place: tenant.toml.key("/status"),
        version_place: tenant.toml.value_place("/version"),
        credentials: credential_places(tenant),
        drift: version.map(drift::rules).unwrap_or_default(),
        secrets: BTreeMap::new(),
    };
    let Some(version) = version.filter(|_| tenant.file.status != Status::Deprovisioned) else {
        return Ok(desired);
    };
    let mut problems = Vec::new();
    for name in version.file.resources.keys() {
        match resource(workspace, tenant, version, name) {
            Ok(Some(resource)) => {
                desired.resources.insert(resource.address.clone(), resource);
            }
            Ok(None) => {}
            Err(found) => problems.extend(found),
        }
    }
    let scope = Values::new(workspace, tenant, version, "");
    match template::render(&Value::Object(version.file.record.clone()), &scope, &Guard::default()) {
        Ok(record) => desired.record = record,
        Err(faults) => problems.extend(faults.into_iter().map(|fault| {
            Problem::configuration(format!("`{}`: {}", fault.written, fault.why))
                .at(tenant.toml.key("/inputs"))
                .hint("give the value in `[inputs]`, or change `[record]` of the version")
        })),
    }
    problems.extend(secrets::check(workspace, version, &desired));
    desired.secrets = secrets::inputs_of(tenant, version, &desired);
    if problems.is_empty() {
        Ok(desired)
    } else {
        Err(problems)
    }
}

/// A text as a file of the version would be rendered into one of a tenant's resources; it may hold symbols.
pub fn render_text(workspace: &Workspace, tenant: &str, resource: &str, text: &str) -> Option<String> {
    let tenant = workspace.tenants.get(tenant)?;
    let version = workspace.version_of(tenant)?;
    let scope = Values::new(workspace, tenant, version, resource);
    // A line that is nothing but an expression must stay a text.
    let pieces = template::expression::pieces(text).ok()?;
    let mut out = String::new();
    for piece in pieces {
        let piece = match piece {
            template::Piece::Text(text) => Value::from(text),
            template::Piece::Value(_, written) => Value::from(written),
        };
        match template::render(&piece, &InFile(&scope), &Guard::default()).ok()? {
            Value::String(text) => out.push_str(&text),
            Value::Null => {}
            other => out.push_str(&other.to_string()),
        }
    }
    Some(out)
}

fn credential_places(tenant: &Tenant) -> BTreeMap<String, Place> {
    let choices = tenant.file.credentials.iter();
    choices
        .map(|(slot, choice)| {
            let pointer = crate::workspace::toml::pointer(["credentials", slot]);
            (choice.name().to_owned(), tenant.toml.value_place(&pointer))
        })
        .collect()
}

/// One resource of one tenant; `None` when its template has problems of its own.
fn resource(
    workspace: &Workspace,
    tenant: &Tenant,
    version: &Version,
    name: &str,
) -> Result<Option<Resource>, Vec<Problem>> {
    let (Some(spec), Some(prepared), Some(source)) = (
        version.file.resources.get(name),
        version.prepared.get(name),
        version.sources.get(name),
    ) else {
        return Ok(None);
    };
    let kind = Kind::new(&*spec.kind);
    let scope = Values::new(workspace, tenant, version, name);
    let document = template::render(&prepared.template, &scope, &prepared.guard).map_err(|faults| {
        let faults = faults.into_iter();
        faults
            .map(|fault| {
                // The template is right for other tenants, so the tenant's input is the place to look at.
                Problem::configuration(format!("`{}` in {}: {}", fault.written, source.file, fault.why))
                    .at(input_place(tenant, &fault.written))
                    .hint("give another value in `[inputs]`, or change the template")
            })
            .collect::<Vec<_>>()
    })?;
    let account = workspace.account_of(tenant, &kind).to_owned();
    let settings = workspace.settings.accounts.get(&account);
    let address = scope.address(name);
    let needs = symbols(&document).into_iter().filter_map(|symbol| match symbol {
        Symbol::Ref { address: other, .. } if other != address => Some(other),
        _ => None,
    });
    let facts = workspace
        .registry
        .of_kind(&kind)
        .and_then(|platform| platform.facts(&kind));
    Ok(Some(Resource {
        fingerprint: fingerprint(
            settings.and_then(|settings| settings.base_url.as_deref()),
            settings.is_some_and(|settings| settings.sandbox),
            &account,
        ),
        kind,
        account,
        runs: spec.active && tenant.file.status == Status::Active && facts.is_some_and(|facts| facts.drafts),
        adopt: tenant.file.adopt.get(name).cloned(),
        needs: needs.collect(),
        calls: prepared.calls.iter().map(|callee| scope.address(callee)).collect(),
        entries: scope.entries(name),
        place: version.toml.key(&crate::workspace::toml::pointer(["resources", name])),
        document,
        address,
    }))
}

/// The input an expression reads, or the inputs as a whole.
fn input_place(tenant: &Tenant, written: &str) -> Place {
    let pieces = template::expression::pieces(written).unwrap_or_default();
    let name = pieces.iter().find_map(|piece| match piece {
        template::Piece::Value(path, _) if path.root() == "inputs" => {
            path.rest().first().map(|name| (*name).to_owned())
        }
        _ => None,
    });
    let pointer = name.map_or_else(
        || "/inputs".to_owned(),
        |name| crate::workspace::toml::pointer(["inputs", &name]),
    );
    tenant.toml.value_place(&pointer)
}

/// One tenant's values, as the templates see them.
struct Values<'a> {
    workspace: &'a Workspace,
    tenant: &'a Tenant,
    version: &'a Version,
    /// The resource that is being rendered.
    resource: &'a str,
}

impl<'a> Values<'a> {
    fn new(workspace: &'a Workspace, tenant: &'a Tenant, version: &'a Version, resource: &'a str) -> Self {
        Self {
            workspace,
            tenant,
            version,
            resource,
        }
    }

    fn address(&self, resource: &str) -> Address {
        let tenant = self.tenant.name.clone();
        let lifetime = self
            .version
            .file
            .resources
            .get(resource)
            .map(|spec| spec.scope)
            .unwrap_or_default();
        let owner = match lifetime {
            Lifetime::Version => Owner::Version {
                tenant,
                version: self.version.file.version.clone(),
            },
            Lifetime::Tenant => Owner::Tenant { tenant },
        };
        Address::new(owner, resource)
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

    fn entries(&self, resource: &str) -> Vec<Entry> {
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
        let (resource, entry) = self
            .version
            .prepared
            .iter()
            .flat_map(|(resource, prepared)| prepared.entries.iter().map(move |entry| (resource, entry)))
            .find(|(_, entry)| entry.name == name)?;
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
        let slot = self.version.file.credentials.get(name)?;
        let choice = self.tenant.file.credentials.get(name)?;
        Some(Value::from(match field {
            "name" => choice.name().to_owned(),
            "id" => Symbol::Credential {
                account: self.workspace.account_for(self.tenant, &slot.platform).to_owned(),
                name: choice.name().to_owned(),
                kind: slot.kind.clone(),
            }
            .embed(),
            _ => return None,
        }))
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
            ("inputs", [name, below @ ..]) => {
                let mut at = tenant.file.inputs.get(*name)?;
                for segment in below {
                    at = match at {
                        Value::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
                        other => other.get(segment)?,
                    };
                }
                Some(at.clone())
            }
            ("webhooks", [name, field]) => self.webhook(name, field),
            ("entries", [node]) => Some(Value::from(self.entry_id(self.resource, node))),
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
        let undefined = || match path.root() {
            "inputs" => format!("`{path}` has no value: the tenant does not give this input"),
            _ => format!("`{path}` is not defined"),
        };
        self.lookup(path).ok_or_else(undefined)
    }
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
struct InFile<'a>(&'a Values<'a>);

impl template::Scope for InFile<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        match path.root() {
            "files" => Err("a text file cannot bring in another".to_owned()),
            _ => self.0.value(path),
        }
    }
}

/// A record with every symbol that `value_of` knows, for `upa show`.
pub fn resolve_record(record: &Value, value_of: &impl Fn(&Symbol) -> Option<Value>) -> Map<String, Value> {
    match crate::symbol::resolve(record, value_of, crate::symbol::Unknown::Blank) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
