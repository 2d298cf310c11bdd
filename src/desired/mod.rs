//! What Git asks for, tenant by tenant: every resource rendered, with symbols where a value is not known yet.

mod confirmed;
mod reaching;
mod repeat;
mod secrets;
pub mod shared;
pub mod suspended;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

pub use confirmed::Confirmed;
use reaching::{check_calls, refuse_foreign};
use repeat::Element;
pub use secrets::SecretInput;
pub use shared::Shared;
use suspended::Standstill;
use values::{InFile, Values};

use crate::gates::{self, Gate};
use crate::lockfile::Lockfile;
use crate::problem::{ENOUGH, Place, Problem};
use crate::resource::{Address, Kind, Owner, SHARED};
use crate::symbol::{Symbol, symbols};
use crate::template::{self, Guard};
use crate::workspace::drift::{self, PlacedRule};
use crate::workspace::toml::pointer;
use crate::workspace::version::{Condition, Scope as Lifetime};
use crate::workspace::{self, Origin, Status, Tenant, Version, Workspace};

/// What Git asks for at one moment.
#[derive(Debug, Default)]
pub struct DesiredState {
    /// By name; what several tenants share is under [`SHARED`], if there is any.
    pub tenants: BTreeMap<String, DesiredTenant>,
    /// Who shares what, in the whole workspace, whoever is selected.
    pub shared: Shared,
    /// By the name of every account: the first name, in the order of the alphabet, of the account that it is. Two names
    /// are one account where place and credentials are the same.
    pub accounts: BTreeMap<String, String>,
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
    /// What suspending the tenant means for each of its objects, also those that are removed meanwhile.
    pub standstill: BTreeMap<Address, Standstill>,
    /// Every resource its version knows, also those that its inputs do not ask for.
    pub known: BTreeSet<String>,
    /// What is recorded and not looked at: shared objects that only other tenants use.
    pub kept: BTreeSet<Address>,
    /// What the version wants to be shown as the tenant's configuration.
    pub record: Value,
    pub place: Place,
    /// Where the tenant names its version.
    pub version_place: Place,
    /// Where the tenant names each credential.
    pub credentials: BTreeMap<String, Place>,
    /// What its request reports on, and the objects of each, shared ones too.
    pub integrations: BTreeMap<String, BTreeSet<Address>>,
    /// What a person must have checked.
    pub gates: Vec<Gate>,
    /// What the version says about changes made on the platform.
    pub drift: Vec<PlacedRule>,
    /// Where the secrets are that its resources need, by the name of their symbols.
    pub secrets: BTreeMap<String, SecretInput>,
    /// What its file says may be lost, if it says anything about it.
    pub confirmed: Option<Confirmed>,
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
    /// Whether it should run; of what is written otherwise while its tenant is suspended, whether it is as always.
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
        accounts: workspace.same_accounts(),
        ..DesiredState::default()
    };
    let (shared, everybodys, found) = shared::shared(workspace, &wanted);
    problems.extend(found);
    state.shared = shared;
    if let Some(everybodys) = everybodys {
        state.tenants.insert(SHARED.to_owned(), everybodys);
    }
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

impl DesiredState {
    /// Takes in what is recorded: shared objects that nobody asks for any more, and approvals that count for others.
    pub fn remember(&mut self, locks: &BTreeMap<String, Lockfile>) {
        if locks.get(SHARED).is_some_and(|lock| !lock.resources.is_empty()) {
            self.tenants
                .entry(SHARED.to_owned())
                .or_insert_with(|| DesiredTenant::everybody(BTreeMap::new(), BTreeSet::new()));
        }
        gates::grant(self, locks);
    }

    /// How many of them are tenants.
    pub fn count(&self) -> usize {
        self.tenants.values().filter(|tenant| !tenant.is_shared()).count()
    }
}

impl DesiredTenant {
    /// The owner of what several tenants share: planned and applied like a tenant, with no version and no request.
    fn everybody(resources: BTreeMap<Address, Resource>, kept: BTreeSet<Address>) -> Self {
        let place = Place::file(format!("tenants/{SHARED}.lock"));
        Self {
            name: SHARED.to_owned(),
            status: Status::Active,
            operator: String::new(),
            product: String::new(),
            version: String::new(),
            revision: 0,
            named_paths: false,
            resources,
            standstill: BTreeMap::new(),
            known: BTreeSet::new(),
            kept,
            record: Value::Null,
            version_place: place.clone(),
            place,
            credentials: BTreeMap::new(),
            integrations: BTreeMap::new(),
            gates: Vec::new(),
            drift: Vec::new(),
            secrets: BTreeMap::new(),
            confirmed: None,
        }
    }

    /// Whether an address may have been one of its objects: its version has such a resource.
    pub fn knew(&self, address: &Address) -> bool {
        let on_version = match &address.owner {
            Owner::Version { version, .. } => *version == self.version,
            Owner::Tenant { .. } => true,
            Owner::Shared { .. } => false,
        };
        on_version && self.known.contains(&address.resource)
    }

    /// Whether it stands for what several tenants share.
    pub fn is_shared(&self) -> bool {
        self.name == SHARED
    }

    /// The shared objects whose ids it needs.
    pub fn uses(&self) -> BTreeSet<&Address> {
        let needs = self.resources.values().flat_map(|resource| &resource.needs);
        needs.filter(|address| address.is_shared()).collect()
    }
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
        standstill: BTreeMap::new(),
        known: version
            .map(|version| version.file.resources.keys().cloned().collect())
            .unwrap_or_default(),
        kept: BTreeSet::new(),
        record: Value::Null,
        place: tenant.toml.key("/status"),
        version_place: tenant.toml.value_place("/version"),
        credentials: credential_places(tenant),
        integrations: BTreeMap::new(),
        gates: version
            .map(|version| gates::of_tenant(tenant, version, workspace.tenants.values()))
            .unwrap_or_default(),
        drift: version.map(drift::rules).unwrap_or_default(),
        secrets: BTreeMap::new(),
        confirmed: confirmed::of(tenant),
    };
    let Some(version) = version.filter(|_| tenant.file.status != Status::Deprovisioned) else {
        return Ok(desired);
    };
    let mut problems = Vec::new();
    let mut together: usize = 0;
    'resources: for (name, spec) in &version.file.resources {
        // What is shared belongs to everybody who uses it.
        if spec.scope == Lifetime::Account || !spec.is_for(&tenant.file.inputs) {
            continue;
        }
        let elements = match &spec.each {
            None => Ok(vec![None]),
            Some(each) => repeat::elements(tenant, name, each).map(|found| found.into_iter().map(Some).collect()),
        };
        let elements: Vec<Option<Element>> = elements.unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        for element in elements {
            match resource(workspace, tenant, version, name, element.as_ref()) {
                Ok(Some(resource)) => {
                    together = together.saturating_add(template::cost(&resource.document));
                    desired.resources.insert(resource.address.clone(), resource);
                }
                Ok(None) => {}
                Err(found) => problems.extend(found),
            }
            if together > template::MOST_TOGETHER || problems.len() > ENOUGH {
                break 'resources;
            }
        }
    }
    suspended::apply(workspace, &mut desired);
    if together > template::MOST_TOGETHER {
        let most = template::MOST_TOGETHER >> 20;
        let why = format!(
            "the documents of tenant `{}` take more than {most} MiB of memory",
            tenant.name
        );
        let problem = Problem::configuration(why).at(tenant.toml.key("/inputs"));
        problems.push(problem.hint("give shorter lists or texts in `[inputs]`"));
    }
    let scope = Values::new(workspace, tenant, version, "record");
    match template::render(&Value::Object(version.file.record.clone()), &scope, &Guard::default()) {
        Ok(record) => desired.record = record,
        Err(faults) => problems.extend(faults.into_iter().map(|fault| {
            let place = match missing(&scope, &fault.written) {
                Some(condition) => tenant.toml.value_place(&pointer(["inputs", &condition.input])),
                None => tenant.toml.key("/inputs"),
            };
            Problem::configuration(format!("`{}`: {}", fault.written, fault.why))
                .at(place)
                .hint("give the value in `[inputs]`, or change `[record]` of the version")
        })),
    }
    problems.extend(secrets::check(workspace, version, &desired));
    desired.secrets = secrets::inputs_of(tenant, version, &desired);
    desired.integrations = integrations(workspace, tenant, version, &desired.resources);
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
            template::Piece::Value(_, written, _) => Value::from(written),
        };
        match template::render(&piece, &InFile(&scope), &Guard::default()).ok()? {
            Value::String(text) => out.push_str(&text),
            Value::Null => {}
            other => out.push_str(&other.to_string()),
        }
    }
    Some(out)
}

/// The objects this tenant has of every integration; none of one that its inputs do not ask for.
fn integrations(
    workspace: &Workspace,
    tenant: &Tenant,
    version: &Version,
    resources: &BTreeMap<Address, Resource>,
) -> BTreeMap<String, BTreeSet<Address>> {
    let shared = |name: &str| {
        let spec = version.file.resources.get(name)?;
        let has = spec.scope == Lifetime::Account && spec.is_for(&tenant.file.inputs);
        has.then(|| Values::new(workspace, tenant, version, name).own_address())
    };
    let members = workspace::integrations::members(version).into_iter();
    members
        .map(|(name, members)| {
            let own = resources.keys().filter(|address| members.contains(&*address.resource));
            let shared = members.iter().filter_map(|name| shared(name));
            (name.to_owned(), own.cloned().chain(shared).collect())
        })
        .collect()
}

fn credential_places(tenant: &Tenant) -> BTreeMap<String, Place> {
    let choices = tenant.file.credentials.iter();
    choices
        .map(|(slot, choice)| {
            let place = tenant.toml.value_place(&pointer(["credentials", slot]));
            (choice.name().to_owned(), place)
        })
        .collect()
}

/// One resource of one tenant; `None` when its template has problems of its own.
fn resource(
    workspace: &Workspace,
    tenant: &Tenant,
    version: &Version,
    name: &str,
    element: Option<&Element>,
) -> Result<Option<Resource>, Vec<Problem>> {
    let (Some(spec), Some(prepared), Some(source)) = (
        version.file.resources.get(name),
        version.prepared.get(name),
        version.sources.get(name),
    ) else {
        return Ok(None);
    };
    let kind = Kind::new(&*spec.kind);
    let scope = Values::new(workspace, tenant, version, name).with_element(element);
    check_calls(tenant, version, name, &prepared.calls)?;
    let document = template::render(&prepared.template, &scope, &prepared.guard).map_err(|faults| {
        let faults = faults.into_iter();
        faults
            .map(|fault| {
                let problem =
                    Problem::configuration(format!("`{}` in {}: {}", fault.written, source.file, fault.why));
                // The template is right for other tenants, so the tenant's input is the place to look at.
                match missing(&scope, &fault.written) {
                    Some(condition) => problem
                        .at(tenant.toml.value_place(&pointer(["inputs", &condition.input])))
                        .hint(format!(
                            "give `{name}` the same `when`, or say in the template what stands there without it: `<%= … ?? \"\" %>`"
                        )),
                    None => problem
                        .at(input_place(tenant, &fault.written))
                        .hint("give another value in `[inputs]`, or change the template"),
                }
            })
            .collect::<Vec<_>>()
    })?;
    refuse_foreign(tenant, version, &scope, &document)?;
    let refused = workspace
        .registry
        .of_kind(&kind)
        .map(|platform| platform.refuses(&kind, &document));
    let refused: Vec<Problem> = refused
        .into_iter()
        .flatten()
        .map(|refused| {
            Problem::configuration(format!("{}: {}", scope.own_address(), refused.why))
                .at(tenant.toml.key("/inputs"))
                .hint(format!("{}; or give another value in `[inputs]`", refused.hint))
        })
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let account = workspace.account_of(tenant, &kind).to_owned();
    let address = scope.own_address();
    let needs = symbols(&document).into_iter().filter_map(|symbol| match symbol {
        Symbol::Ref { address: other, .. } if other != address => Some(other),
        _ => None,
    });
    let facts = workspace
        .registry
        .of_kind(&kind)
        .and_then(|platform| platform.facts(&kind))
        .unwrap_or_default();
    Ok(Some(Resource {
        fingerprint: workspace.fingerprint_of(&account),
        kind,
        account,
        runs: spec.active || !facts.drafts,
        adopt: tenant.file.adopt.get(&address.name()).cloned(),
        needs: needs.collect(),
        calls: prepared.calls.iter().map(|callee| scope.address(callee)).collect(),
        entries: scope.entries(name),
        place: version.toml.key(&pointer(["resources", name])),
        document,
        address,
    }))
}

/// The condition of the resource that an expression reads and that the tenant does not have.
fn missing<'a>(scope: &Values<'a>, written: &str) -> Option<&'a Condition> {
    let pieces = template::expression::pieces(written).unwrap_or_default();
    pieces.iter().find_map(|piece| match piece {
        template::Piece::Value(path, ..) => scope.missing_at(path)?.1.when.as_ref(),
        template::Piece::Text(_) => None,
    })
}

/// The input an expression reads, or the inputs as a whole.
fn input_place(tenant: &Tenant, written: &str) -> Place {
    let pieces = template::expression::pieces(written).unwrap_or_default();
    let name = pieces.iter().find_map(|piece| match piece {
        template::Piece::Value(path, ..) if path.root() == "inputs" => {
            path.rest().first().map(|name| (*name).to_owned())
        }
        _ => None,
    });
    let pointer = name.map_or_else(|| "/inputs".to_owned(), |name| pointer(["inputs", &name]));
    tenant.toml.value_place(&pointer)
}

/// A record with every symbol that `value_of` knows, for `upa show`.
pub fn resolve_record(record: &Value, value_of: &impl Fn(&Symbol) -> Option<Value>) -> Map<String, Value> {
    match crate::symbol::resolve(record, value_of, crate::symbol::Unknown::Blank) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
