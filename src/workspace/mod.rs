//! The workspace: everything Git says, read and checked, before anybody asks a platform.
//!
//! [`load`] is a pure function from [`Files`] to a [`Workspace`] and everything that is wrong with it.

mod accounts;
pub mod check;
pub mod conditions;
pub mod drift;
pub mod files;
pub mod gates;
mod hidden_text;
pub mod inputs;
pub mod integrations;
pub mod load;
mod lookalikes;
mod names;
pub mod release;
pub mod salvage;
pub mod schema;
mod schema_cost;
pub mod secret;
pub mod secret_rules;
pub mod settings;
pub mod tenant;
pub mod toml;
pub mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use files::{Entry, Files, Origin};
pub use load::load;
pub use settings::Settings;
pub use tenant::{Status, TenantFile, Tier};
pub use version::VersionFile;

use self::schema::Schema;
use self::secret::SecretRef;
use self::toml::Toml;
use crate::platform::account::fingerprint;
use crate::platform::{N8N, Prepared, Registry};
use crate::problem::Problem;
use crate::resource::Kind;
use crate::template::Source;

/// Everything Git says.
pub struct Workspace {
    pub origin: Origin,
    pub settings: Settings,
    pub registry: Registry,
    pub tenants: BTreeMap<String, Tenant>,
    /// By product and version.
    pub versions: BTreeMap<(String, String), Version>,
}

/// What loading found.
pub struct Loaded {
    /// `None` when not even `upa.toml` could be read.
    pub workspace: Option<Workspace>,
    pub problems: Vec<Problem>,
}

/// One customer.
pub struct Tenant {
    pub name: String,
    pub file: TenantFile,
    pub toml: Toml,
}

/// One version of a product.
pub struct Version {
    pub file: VersionFile,
    pub toml: Toml,
    /// What a tenant's inputs must be; `None` when the version's `[inputs]` is no schema.
    pub inputs: Option<Schema>,
    /// The text files of its template folder, by path within it.
    pub texts: BTreeMap<String, Arc<str>>,
    /// Files there that cannot be read as text.
    pub unusable: BTreeSet<String>,
    /// The template of each resource.
    pub sources: BTreeMap<String, Source>,
    /// The templates, made safe for any tenant.
    pub prepared: BTreeMap<String, Prepared>,
    pub warnings: Vec<Problem>,
}

impl Version {
    /// The folder of a version's templates.
    pub fn folder(product: &str, version: &str) -> String {
        format!("templates/{product}/{version}/")
    }

    /// The file of a version.
    pub fn path(product: &str, version: &str) -> String {
        format!("versions/{product}/{version}.toml")
    }
}

impl Workspace {
    /// The version a tenant is on, if it exists.
    pub fn version_of(&self, tenant: &Tenant) -> Option<&Version> {
        let key = (tenant.file.product.clone(), tenant.file.version.clone());
        self.versions.get(&key)
    }

    /// The name of the account a tenant uses for a kind.
    pub fn account_of<'a>(&'a self, tenant: &'a Tenant, kind: &'a Kind) -> &'a str {
        self.account_for(tenant, kind.platform())
    }

    /// The name of the account a tenant uses for a platform.
    pub fn account_for<'a>(&self, tenant: &'a Tenant, platform: &'a str) -> &'a str {
        tenant.file.accounts.get(platform).map_or(platform, String::as_str)
    }

    /// By the name of every account: the first name, in the order of the alphabet, under which upa.toml has it. Names are
    /// one account where the place is the same and, but for n8n, where one address is one account, the credentials too.
    pub fn same_accounts(&self) -> BTreeMap<String, String> {
        let mut first: BTreeMap<_, &String> = BTreeMap::new();
        let accounts = self.settings.accounts.iter();
        let same = accounts.map(|(name, account)| {
            let platform = self.platform_of(name);
            let place = self.fingerprint_of(name);
            let credentials = (platform != N8N).then_some(&account.credentials);
            let first = first.entry((platform, place, credentials)).or_insert(name);
            (name.clone(), first.clone())
        });
        same.collect()
    }

    /// The files that hold secrets, encrypted by sops.
    pub fn encrypted_files(&self) -> BTreeSet<String> {
        let accounts = self.settings.accounts.values().filter(|account| !account.sandbox);
        let credentials = accounts.flat_map(|account| account.credentials.values().cloned());
        let inputs = self.tenants.values().flat_map(|tenant| {
            let version = self.version_of(tenant);
            let names = tenant.file.inputs.keys();
            names.filter_map(move |name| inputs::reference(tenant, &version?.file, name))
        });
        let key = self.settings.workspace.fingerprint_key.clone();
        let sources = credentials.chain(inputs).chain(key);
        sources
            .filter_map(|source| match source {
                SecretRef::Sops(source) => Some(source.sops),
                SecretRef::Env(_) | SecretRef::File(_) => None,
            })
            .collect()
    }

    /// The platform an account belongs to.
    pub fn platform_of<'a>(&'a self, account: &'a str) -> &'a str {
        self.settings
            .accounts
            .get(account)
            .and_then(|settings| settings.platform.as_deref())
            .unwrap_or(account)
    }

    /// What a lockfile remembers of the place an account points to.
    pub fn fingerprint_of(&self, account: &str) -> String {
        let Some(settings) = self.settings.accounts.get(account) else {
            return fingerprint(None, &BTreeMap::new(), false, account);
        };
        let usual = self
            .registry
            .platform(self.platform_of(account))
            .map(|platform| platform.hosts())
            .unwrap_or_default();
        let further = settings
            .hosts
            .iter()
            .filter(|(host, url)| usual.get(*host) != Some(url));
        let further = further.map(|(host, url)| (host.as_str(), url.as_str())).collect();
        fingerprint(settings.base_url.as_deref(), &further, settings.sandbox, account)
    }

    /// Where an account's webhooks are reached from outside. The sandbox has a fixed name, so that nothing that is
    /// rendered ever depends on a port.
    pub fn public_url(&self, account: &str) -> Option<String> {
        let settings = self.settings.accounts.get(account)?;
        if settings.sandbox {
            return Some(format!("https://sandbox.invalid/{account}"));
        }
        let url = settings.webhook_url.as_ref().or(settings.base_url.as_ref())?;
        Some(url.trim_end_matches('/').to_owned())
    }
}
