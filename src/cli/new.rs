//! `upa new`: a tenant file with everything its version asks for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use serde_json::{Map, Value};

use super::Global;
use super::output;
use super::report::Failure;
use crate::exit::Exit;
use crate::outside::naming;
use crate::platform::Registry;
use crate::platform::registry::Known;
use crate::problem::listed;
use crate::repo::Repo;
use crate::resource::{Kind, is_tenant_name};
use crate::workspace::version::{ResourceSpec, Scope, Stage};
use crate::workspace::{self, Tier, Version, Workspace, conditions, inputs};

/// Write a new tenant file with everything its version asks for.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The tenant's name: lower case letters, digits and single hyphens
    tenant: String,
    /// The product; may be left out when there is one
    #[arg(long)]
    product: Option<String>,
    /// The version; the newest released one by default
    #[arg(id = "of-version", long = "use-version", value_name = "VERSION")]
    version: Option<String>,
    #[arg(long, default_value = "client", value_parser = tier)]
    tier: Tier,
}

fn tier(text: &str) -> Result<Tier, String> {
    serde_json::from_value(Value::from(text)).map_err(|_| "expected `template`, `demo` or `client`".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "edge: this is where a tenant file is written")]
pub fn run(global: &Global, args: &NewArgs) -> Result<Exit, Failure> {
    if !is_tenant_name(&args.tenant) {
        return Err(
            Failure::new(Exit::Usage, format!("`{}` is not a tenant's name", args.tenant))
                .hint("use lower case letters, digits and single hyphens, at most 40 characters"),
        );
    }
    let repo = Repo::open(&global.dir)?;
    let loaded = workspace::load(&repo.work_tree()?);
    let Some(workspace) = loaded.workspace else {
        return Err(Failure::problems(loaded.problems));
    };
    let path = format!("tenants/{}.toml", args.tenant);
    let target = repo.root().join(&path);
    if target.exists() {
        return Err(Failure::new(Exit::Configuration, format!("`{path}` exists already"))
            .hint(format!("edit it, or choose another name than `{}`", args.tenant)));
    }
    let fits = |version: &&Version| {
        args.product
            .as_ref()
            .is_none_or(|product| *product == version.file.product)
            && args
                .version
                .as_ref()
                .is_none_or(|wanted| *wanted == version.file.version)
            && match args.version {
                // It may be released before the tenant is applied; a retired one takes no new tenants.
                Some(_) => version.file.stage != Stage::Retired,
                None => version.file.stage.admits(args.tier),
            }
    };
    let candidates: Vec<&Version> = workspace.versions.values().filter(fits).collect();
    let products: std::collections::BTreeSet<&str> =
        candidates.iter().map(|version| version.file.product.as_str()).collect();
    let version = match (candidates.last(), products.len()) {
        (Some(version), 1) => version,
        (Some(_), _) => {
            return Err(Failure::new(Exit::Usage, "which product?")
                .hint(format!("say `--product` with one of {}", listed(products))));
        }
        (None, _) => {
            let known: Vec<String> = workspace
                .versions
                .values()
                .map(|version| {
                    let stage = match version.file.stage {
                        Stage::Released => String::new(),
                        stage => format!(" ({})", stage.as_str()),
                    };
                    format!("{} {}{stage}", version.file.product, version.file.version)
                })
                .collect();
            return Err(
                Failure::new(Exit::Configuration, "there is no such version for this tier")
                    .hint(format!("versions: {}", listed(known.iter().map(String::as_str)))),
            );
        }
    };
    let text = tenant_file(&args.tenant, version, &workspace, args.tier, &repo.operator());
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(naming(folder))?;
    }
    std::fs::write(&target, text).map_err(naming(&target))?;
    writeln!(
        output::stdout(),
        "Wrote {path}. Fill in what is empty or commented out, then: upa validate && upa plan {}",
        args.tenant
    )?;
    Ok(Exit::Done)
}

fn tenant_file(tenant: &str, version: &Version, workspace: &Workspace, tier: Tier, operator: &str) -> String {
    let (registry, rules) = (&workspace.registry, &workspace.settings.secrets);
    let quoted = |text: &str| Value::from(text).to_string();
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "product  = {}", quoted(&version.file.product));
    let _ = writeln!(text, "version  = {}", quoted(&version.file.version));
    let _ = writeln!(text, "tier     = \"{tier}\"");
    let _ = writeln!(
        text,
        "status   = \"active\"               # active | suspended | deprovisioned"
    );
    let _ = writeln!(text, "operator = {}", quoted(operator));
    let empty = Map::new();
    let properties = version
        .file
        .inputs
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let required: Vec<&str> = version
        .file
        .inputs
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !properties.is_empty() {
        let _ = writeln!(text, "\n[inputs]");
    }
    for (name, schema) in properties {
        for key in ["title", "description"] {
            if let Some(words) = schema.get(key).and_then(Value::as_str) {
                let _ = writeln!(text, "# {}", words.replace('\n', "\n# "));
            }
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
            let _ = writeln!(text, "# One of: {}", choices.join(", "));
        }
        for (condition, resources) in deciding(version, name) {
            let resources: Vec<String> = resources.iter().map(|resource| format!("`{resource}`")).collect();
            let _ = writeln!(text, "# If {condition}, the tenant has {}.", resources.join(", "));
        }
        if !required.contains(&name.as_str())
            && let Some(condition) = conditions::condition_of_input(version, name)
        {
            let _ = writeln!(text, "# Needed only if {condition}:");
        }
        // A number or a switch that nobody chose must not look like one that somebody did.
        let line = match placeholder(schema) {
            // A secret is never written here, only where it is.
            _ if inputs::is_secret(&version.file, name) => format!(
                "{}{name} = {{ env = \"{}\" }}",
                if required.contains(&name.as_str()) { "" } else { "# " },
                rules.variable(tenant, name)
            ),
            Some(value) if required.contains(&name.as_str()) => format!("{name} = {value}"),
            Some(value) => format!("# {name} = {value}"),
            None => format!("# {name} = …"),
        };
        let _ = writeln!(text, "{line}");
    }
    if !version.file.credentials.is_empty() {
        let _ = writeln!(
            text,
            "\n# Existing credentials, by the name they have on the platform.\n[credentials]"
        );
    }
    for (name, slot) in &version.file.credentials {
        let what = format!("{} of type {}", slot.platform, slot.kind);
        let _ = match conditions::condition_of_credential(version, name) {
            Some(condition) => writeln!(text, "# {name} = \"\"   # {what}; only if {condition}"),
            None => writeln!(text, "{name} = \"\"   # {what}"),
        };
    }
    let adoptable = adoptable(version, registry);
    if !adoptable.is_empty() {
        let _ = writeln!(
            text,
            "\n# Objects that are there already, by their id: they are taken over, and others are not made.\n# [adopt]"
        );
    }
    for (name, spec) in adoptable {
        let _ = match &spec.when {
            Some(condition) => writeln!(text, "# {name} = \"\"   # {}; only if {condition}", spec.kind),
            None => writeln!(text, "# {name} = \"\"   # {}", spec.kind),
        };
    }
    text
}

/// The resources that a tenant has or has not because of an input, by what is asked of it.
fn deciding<'a>(version: &'a Version, input: &str) -> BTreeMap<String, Vec<&'a str>> {
    let mut deciding: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, spec) in &version.file.resources {
        if let Some(condition) = spec.when.as_ref().filter(|condition| condition.input == input) {
            deciding.entry(condition.to_string()).or_default().push(name);
        }
    }
    deciding
}

/// What the tenant keeps when its version changes, and may have already: objects that stand alone.
fn adoptable<'a>(version: &'a Version, registry: &Registry) -> Vec<(&'a str, &'a ResourceSpec)> {
    let resources = version.file.resources.iter();
    let alone = |spec: &ResourceSpec| match registry.known(spec.platform()) {
        Some(Known::Defined(definition)) => {
            let kind = definition.kind(&Kind::new(&*spec.kind));
            kind.is_some_and(|kind| kind.inputs.is_empty() && !kind.one)
        }
        _ => false,
    };
    resources
        .filter(|(_, spec)| spec.scope == Scope::Tenant && spec.each.is_none() && alone(spec))
        .map(|(name, spec)| (name.as_str(), spec))
        .collect()
}

/// The default, an example or the first choice, or an empty text or list; `None` where nothing is empty.
fn placeholder(schema: &Value) -> Option<String> {
    let known = schema
        .get("default")
        .or_else(|| schema.get("examples")?.get(0))
        .or_else(|| schema.get("enum")?.get(0))
        .filter(|value| !value.is_object());
    match (known, schema.get("type").and_then(Value::as_str)) {
        (Some(value), _) => Some(value.to_string()),
        (None, Some("array")) => Some("[]".to_owned()),
        (None, Some("string") | None) => Some("\"\"".to_owned()),
        (None, Some(_)) => None,
    }
}
