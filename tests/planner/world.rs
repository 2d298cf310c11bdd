//! A fleet in memory: the shipped product, any number of tenants, and platforms that hold exactly what Git wants. A case
//! changes one thing and looks at the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use upa::desired::{DesiredState, Resource, desired};
use upa::digest::Digest;
use upa::lockfile::{Applied, Locked, Lockfile, Provisioned, Purpose, Request, RequestState};
use upa::plan::{Bases, Basis, ObservedState, Plan, Rules, Values, base_path, plan, unseen};
use upa::platform::definition::ids;
use upa::platform::registry::Known;
use upa::platform::suspension::How;
use upa::platform::{Activity, Answer, Credential, Natural, Object, Reading};
use upa::resource::Address;
use upa::secret::Secrets;
use upa::symbol::{self, Symbol, Unknown};
use upa::workspace::release::definition;
use upa::workspace::toml::Toml;
use upa::workspace::{Entry, Files, Origin, Status, Workspace, load};
use uuid::Uuid;

/// Everything a plan is made from.
pub struct World {
    pub workspace: Workspace,
    pub desired: DesiredState,
    pub observed: ObservedState,
    pub locks: BTreeMap<String, Lockfile>,
    pub rules: Rules,
    pub bases: Bases,
    pub secrets: Secrets,
}

/// The shipped product with `tenants` clients, as files.
pub fn files(tenants: usize) -> Files {
    let mut entries = BTreeMap::new();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    read(home, Path::new("upa.toml"), &mut entries);
    read(home, Path::new("templates"), &mut entries);
    read(home, Path::new("versions"), &mut entries);
    let welcs = std::fs::read_to_string(home.join("tenants/welcs.toml")).unwrap();
    for number in 0..tenants {
        let name = format!("client-{number:04}");
        let text = welcs.replace("welcs · ", &format!("{name} · "));
        entries.insert(format!("tenants/{name}.toml"), Entry::Text(Arc::from(text)));
    }
    Files {
        origin: Origin::WorkTree,
        entries,
    }
}

fn read(home: &Path, path: &Path, entries: &mut BTreeMap<String, Entry>) {
    let whole = home.join(path);
    if whole.is_dir() {
        for child in std::fs::read_dir(&whole).unwrap() {
            read(home, &path.join(child.unwrap().file_name()), entries);
        }
    } else {
        let text = std::fs::read_to_string(&whole).unwrap();
        entries.insert(path.to_string_lossy().into_owned(), Entry::Text(Arc::from(text)));
    }
}

/// The files of version v1 of a product, as `upa release` leaves them.
pub fn released(product: &str, version: &str, templates: &[(&str, &str)]) -> Vec<(String, String)> {
    let digest = definition(&Toml::parse("v1.toml", &Arc::from(version)).unwrap().value);
    let mut version = format!("definition = \"{digest}\"\n{version}\n[files]\n");
    let mut files = Vec::new();
    for (name, text) in templates {
        version.push_str(&format!("\"{name}\" = \"{}\"\n", Digest::of_bytes(text.as_bytes())));
        files.push((format!("templates/{product}/v1/{name}"), (*text).to_owned()));
    }
    files.push((format!("versions/{product}/v1.toml"), version));
    files
}

impl World {
    /// A world in which everything is as Git wants it.
    pub fn settled(tenants: usize) -> Self {
        Self::of(&files(tenants))
    }

    /// The same, of these files.
    pub fn of(files: &Files) -> Self {
        let loaded = load(files);
        assert!(
            !loaded.problems.iter().any(upa::problem::Problem::is_error),
            "{:#?}",
            loaded.problems
        );
        let workspace = loaded.workspace.unwrap();
        let (desired, problems) = desired(&workspace, |_| true);
        assert!(problems.is_empty(), "{problems:#?}");
        let mut world = Self {
            workspace,
            desired,
            observed: ObservedState::default(),
            locks: BTreeMap::new(),
            rules: Rules::default(),
            bases: Bases::new(),
            secrets: Secrets::default(),
        };
        world.settle();
        world
    }

    fn settle(&mut self) {
        let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
        for tenant in self.desired.tenants.values() {
            for resource in tenant.resources.values() {
                for symbol in symbol::symbols(&resource.document) {
                    if let Symbol::Credential { account, name, kind } = symbol {
                        let credentials = &mut answers.entry(account).or_default().credentials;
                        let id = format!("cred {name}");
                        if credentials.iter().all(|known| known.id != id) {
                            credentials.push(Credential { id, name, kind });
                        }
                    }
                }
            }
        }
        let everything = self.desired.tenants.values().flat_map(|tenant| &tenant.resources);
        let mut ids = BTreeMap::new();
        let mut outs = BTreeMap::new();
        for (address, resource) in everything {
            let platform = self.workspace.registry.of_kind(&resource.kind).unwrap();
            let facts = platform.facts(&resource.kind);
            // What people name has that name; a setting has no name of its own.
            let own = match platform.natural(&resource.kind, &resource.document) {
                Some(Natural::Id(id)) if is_named(&self.workspace, resource) => ids::own(&id),
                _ => format!("id {address}").replace('/', "."),
            };
            ids.insert(address.clone(), own);
            outs.insert(address.clone(), out(address, facts.unwrap().outs.keys()));
        }
        for (number, tenant) in self.desired.tenants.values().enumerate() {
            let base = Uuid::from_u128(0x1000 + number as u128);
            let mut lock = Lockfile::new(&*tenant.name);
            let versions = (!tenant.is_shared()).then(|| {
                (
                    tenant.version.clone(),
                    Provisioned {
                        product: tenant.product.clone(),
                        revision: tenant.revision,
                        webhook_base_path: base_path(&tenant.name, base, tenant.named_paths),
                        base,
                        provisioned_at: Some("2026-11-01T00:00:00Z".parse().unwrap()),
                        reopened: BTreeMap::new(),
                        suspended: tenant.status == Status::Suspended,
                        request: request(),
                    },
                )
            });
            lock.versions.extend(versions);
            let values = Values {
                tenant: tenant.name.clone(),
                outs: outs.clone(),
                ids: ids.clone(),
                bases: Values::bases_of(&lock.versions),
                credentials: answers
                    .iter()
                    .map(|(account, answer)| (account.as_str(), answer.credentials.as_slice()))
                    .collect(),
            };
            let mut objects = Vec::new();
            for resource in tenant.resources.values() {
                let platform = self.workspace.registry.of_kind(&resource.kind).unwrap();
                let document = symbol::resolve(&resource.document, &|symbol| values.of(symbol), Unknown::Keep);
                assert!(symbol::symbols(&document).is_empty(), "{}", resource.address);
                let id = placed(&self.workspace, resource, &document, &ids[&resource.address]);
                let hidden = platform.facts(&resource.kind).unwrap().hidden();
                let unseen = unseen::record(&resource.address, &resource.document, &hidden, &self.secrets);
                lock.resources.insert(
                    resource.address.clone(),
                    Locked {
                        kind: resource.kind.clone(),
                        account: resource.account.clone(),
                        fingerprint: resource.fingerprint.clone(),
                        owner: None,
                        pending: None,
                        applied: Some(Applied {
                            id: id.clone(),
                            sent: Digest::of_json(&symbol::symbolic(&resource.document)),
                            read: Digest::of_json(&platform.owned_part(&resource.kind, &resource.document, &document)),
                            keys: platform.owned(&resource.kind, &resource.document).into_iter().collect(),
                            commit: "c".to_owned(),
                            revision: tenant.revision,
                            needs: resource.needs.union(&resource.calls).cloned().collect(),
                            adopted: None,
                            unproven: false,
                            stopped: !resource.runs,
                            out: outs[&resource.address].clone(),
                            unread: unseen.unread,
                            secrets: unseen.secrets,
                        }),
                        retiring: BTreeMap::new(),
                    },
                );
                let object = Object {
                    id: id.clone(),
                    title: resource.address.to_string(),
                    document,
                    activity: match platform.facts(&resource.kind).unwrap().suspension.how {
                        How::Stops if resource.runs => Activity::Running,
                        How::Stops => Activity::Stopped,
                        How::Keeps(_) | How::Writes { .. } | How::Removes => Activity::NotApplicable,
                    },
                    mark: is_marked(&self.workspace, resource)
                        .then(|| resource.address.mark(&self.workspace.settings.workspace.name)),
                    attempt: None,
                    out: outs[&resource.address].clone(),
                };
                objects.push((resource.account.clone(), resource.kind.clone(), id, object));
            }
            drop(values);
            for (account, kind, id, object) in objects {
                let answer = answers.entry(account).or_default();
                answer.complete.insert(kind.clone());
                answer.objects.insert((kind, id), Reading::Present(Box::new(object)));
            }
            self.locks.insert(tenant.name.clone(), lock);
        }
        self.observed = ObservedState { accounts: answers };
    }

    pub fn plan(&self) -> Plan {
        plan(&Basis {
            workspace: &self.workspace.settings.workspace.name,
            desired: &self.desired,
            observed: &self.observed,
            locks: &self.locks,
            registry: &self.workspace.registry,
            rules: &self.rules,
            bases: &self.bases,
            secrets: &self.secrets,
        })
    }

    /// Every object, in a fixed order.
    pub fn addresses(&self) -> Vec<Address> {
        self.desired
            .tenants
            .values()
            .flat_map(|tenant| tenant.resources.keys().cloned())
            .collect()
    }

    /// What is read of a resource.
    pub fn reading(&mut self, address: &Address) -> &mut Reading {
        let locked = &self.locks[address.tenant()].resources[address];
        let key = (locked.kind.clone(), locked.id().unwrap().to_owned());
        let account = locked.account.clone();
        self.observed
            .accounts
            .get_mut(&account)
            .unwrap()
            .objects
            .get_mut(&key)
            .unwrap()
    }

    pub fn object(&mut self, address: &Address) -> &mut Object {
        match self.reading(address) {
            Reading::Present(object) => object,
            other => panic!("{address} is {other:?}"),
        }
    }

    /// What an object lies below, by the values that place it.
    pub fn parents(&self, address: &Address) -> BTreeSet<Address> {
        let resource = &self.desired.tenants[address.tenant()].resources[address];
        let Some(Known::Defined(definition)) = self.workspace.registry.known(resource.kind.platform()) else {
            return BTreeSet::new();
        };
        let inputs = &definition.kind(&resource.kind).unwrap().inputs;
        let symbols = inputs
            .iter()
            .flat_map(|input| symbol::symbols(&resource.document[input]));
        let nearest: BTreeSet<Address> = symbols
            .filter_map(|symbol| match symbol {
                Symbol::Ref { address, .. } => Some(address),
                _ => None,
            })
            .collect();
        let further = nearest.iter().flat_map(|parent| self.parents(parent));
        further.chain(nearest.iter().cloned()).collect()
    }

    /// `action address` of every change of the plan.
    pub fn changes(&self) -> BTreeSet<String> {
        self.plan()
            .changes
            .iter()
            .map(|change| format!("{} {}", change.action.verb(), change.address))
            .collect()
    }
}

/// The id of an object as lockfiles hold it, with what places it.
fn placed(workspace: &Workspace, resource: &Resource, document: &Value, own: &str) -> String {
    match workspace.registry.known(resource.kind.platform()) {
        Some(Known::Defined(definition)) => {
            let kind = definition.kind(&resource.kind).unwrap();
            ids::of(kind, &ids::inputs_of(kind, document).unwrap(), own)
        }
        _ => own.to_owned(),
    }
}

/// Whether objects of its kind are called as people say.
fn is_named(workspace: &Workspace, resource: &Resource) -> bool {
    match workspace.registry.known(resource.kind.platform()) {
        Some(Known::Defined(definition)) => definition.kind(&resource.kind).unwrap().key.is_some(),
        _ => false,
    }
}

/// Whether objects of its kind have a place for a mark.
fn is_marked(workspace: &Workspace, resource: &Resource) -> bool {
    match workspace.registry.known(resource.kind.platform()) {
        Some(Known::Defined(definition)) => definition.kind(&resource.kind).unwrap().marker.is_some(),
        _ => true,
    }
}

/// What a platform tells of an object besides its id; what expires does so in the year 2100.
fn out<'a>(address: &Address, names: impl Iterator<Item = &'a String>) -> BTreeMap<String, Value> {
    let value = |name: &str| match name {
        "expiration" => Value::from(4_102_444_800_000_u64),
        name => Value::from(format!("{name} of {address}")),
    };
    names.map(|name| (name.clone(), value(name))).collect()
}

fn request() -> Request {
    Request {
        request_id: Uuid::from_u128(1),
        purpose: Purpose::Provision,
        state: RequestState::Completed,
        created_at: "2026-11-01T00:00:00Z".parse().unwrap(),
        updated_at: "2026-11-01T00:00:00Z".parse().unwrap(),
        deadline: None,
        history: Vec::new(),
        schema_ref: "s".to_owned(),
        operator: "ana".to_owned(),
        integrations: BTreeMap::new(),
        failures: BTreeMap::new(),
        error_log: Vec::new(),
    }
}

/// A leaf of a document changes.
pub fn disturb(document: &mut Value) {
    document["name"] = Value::from("somebody else's idea");
}
