//! A workspace with one kind on a running sandbox, and what people do there themselves.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use upa::platform::Platform as _;
use upa::platform::definition::{Definition, KindDefinition};
use upa::resource::Kind;

use super::sample::Sample;
use super::support::{Run, Server, Space};

const VERSION: &str = "versions/kinds/v1.toml";
const TEMPLATE: &str = "templates/kinds/v1/thing.json";

/// One kind, with nobody on the sandbox but us.
pub struct World {
    pub space: Space,
    pub server: Server,
    pub kind: KindDefinition,
    pub platform: String,
    pub sample: Sample,
}

impl World {
    pub fn new(definition: &str, kind: &str) -> Self {
        // Nothing but the pace is another one.
        let pace = |text: &str, key: &str, value: &str| {
            let said = regex::Regex::new(&format!(r#"\b{key}(\s*)= "[0-9][^"]*""#)).unwrap();
            said.replace_all(text, format!("{key}$1= \"{value}\"")).into_owned()
        };
        let text = pace(definition, "every", "10ms");
        let text = pace(&pace(&text, "lag", "200ms"), "limit", "1000/s");
        let definition = Definition::parse("p.toml", &Arc::from(&*text)).unwrap();
        let platform = definition.name().to_owned();
        let compiled = definition.kind(&Kind::new(kind)).unwrap().clone();
        let sample =
            Sample::of(kind, &compiled).unwrap_or_else(|| panic!("there is no tests/kinds/samples/{kind}.json"));
        let space = Space::bare();
        space.write(".gitignore", ".upa/\n");
        space.write(
            "upa.toml",
            format!("[workspace]\nname = \"kinds\"\n\n[accounts.{platform}]\nsandbox = true\nlimits = {{ concurrency = 8, per_second = 1000 }}\n"),
        );
        space.write(&format!("platforms/{platform}.toml"), text);
        space.write(
            VERSION,
            format!(
                "product = \"kinds\"\nversion = \"v1\"\nrevision = 1\nstage = \"released\"\n\n\
                 [resources.thing]\nkind = \"{kind}\"\ntemplate = \"thing.json\"\n"
            ),
        );
        template(&space, &sample.document);
        let valid = space.upa(&["validate"]);
        assert_eq!(valid.status, 0, "{valid}");
        Self {
            server: Server::start(&space),
            space,
            kind: compiled,
            platform,
            sample,
        }
    }

    /// Writes, releases and commits the template.
    pub fn template(&self, document: &Map<String, Value>) {
        template(&self.space, document);
    }

    pub fn tenant(&self, name: &str, status: &str, adopt: Option<&str>) {
        let adopt = adopt.map_or_else(String::new, |id| format!("\n[adopt]\nthing = \"{id}\"\n"));
        self.space.write(
            &format!("tenants/{name}.toml"),
            format!("product = \"kinds\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"{status}\"\noperator = \"ana@example.test\"\n{adopt}"),
        );
        self.space.commit("tenant");
    }

    pub fn address(&self, tenant: &str) -> String {
        format!("{tenant}@v1/thing")
    }

    /// The recorded id.
    pub fn id(&self, tenant: &str) -> String {
        self.space.id(tenant, &self.address(tenant))
    }

    /// Every object there is.
    pub fn objects(&self) -> Vec<Value> {
        let answer = self.editor("GET", "", None);
        answer.as_array().unwrap().clone()
    }

    /// The object of a tenant, as the editor shows it.
    pub fn object(&self, tenant: &str) -> Option<Value> {
        let id = self.id(tenant);
        self.objects().into_iter().find(|object| object["id"] == *id)
    }

    pub fn editor(&self, method: &str, id: &str, body: Option<&Value>) -> Value {
        let query = match id {
            "" => String::new(),
            id => format!(
                "?id={}",
                id.replace('%', "%25")
                    .replace('/', "%2F")
                    .replace(' ', "%20")
                    .replace('+', "%2B")
            ),
        };
        let path = format!("/_sandbox/editor/{}/{}{query}", self.platform, self.kind.name);
        self.server.ok(method, &path, body)
    }

    /// Somebody makes an object by hand that looks like a tenant's.
    pub fn by_hand(&self, tenant: &str) -> String {
        let mut spec = self.sample.of_tenant(tenant);
        let inputs: Map<String, Value> = self
            .kind
            .inputs
            .iter()
            .filter_map(|name| Some((name.clone(), spec.remove(name)?)))
            .collect();
        let body = json!({ "inputs": inputs, "spec": spec });
        self.editor("POST", "", Some(&body))["id"].as_str().unwrap().to_owned()
    }

    fn confirmed(&self, command: &str, further: &[&str]) -> Run {
        let names = ["ana", "bob", "cyd", "dan"];
        let addresses: Vec<String> = names.iter().map(|name| self.address(name)).collect();
        let mut args = vec![command];
        let known = |tenant: &str, address: &str| {
            let lock = format!("tenants/{tenant}.lock");
            self.space.exists(&lock) && self.space.read(&lock).contains(&format!("resources.\"{address}\""))
        };
        let recorded = names
            .iter()
            .zip(&addresses)
            .filter(|(tenant, address)| known(tenant, address));
        if self.kind.keep.is_some() || self.kind.costs {
            args.extend(recorded.flat_map(|(_, address)| ["--confirm", address]));
        }
        args.extend(further);
        self.space.upa(&args)
    }

    pub fn plan(&self) -> Run {
        self.confirmed("plan", &["--detailed-exitcode", "--format", "json"])
    }

    /// The changes of a plan, as `action address`.
    pub fn changes(&self) -> Vec<String> {
        let run = self.plan();
        assert!([0, 2, 14].contains(&run.status), "{run}");
        let plan = run.json();
        let changes = plan["changes"].as_array().unwrap().iter();
        let text = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
        changes
            .map(|change| format!("{} {}", text(change, "action"), text(change, "address")))
            .collect()
    }

    pub fn writes(&self) -> usize {
        let answer = self.server.ok("GET", "/_sandbox/calls", None);
        let calls = answer["calls"].as_array().unwrap();
        calls.iter().filter(|call| call["wrote"] == true).count()
    }

    /// Applies; then applies again, which must write nothing.
    #[track_caller]
    pub fn apply(&self, step: &str) {
        let digest = self.plan();
        let run = match digest.status {
            14 => {
                let digest = digest.json()["digest"].as_str().unwrap().to_owned();
                self.confirmed("apply", &["--yes", "--approve", &digest])
            }
            _ => self.confirmed("apply", &["--yes"]),
        };
        assert_eq!(run.status, 0, "{step}: {run}");
        self.settled(step);
    }

    /// Nothing is left to do, and doing it writes nothing.
    #[track_caller]
    pub fn settled(&self, step: &str) {
        let before = self.writes();
        let run = self.plan();
        assert_eq!(run.status, 0, "{step}, planned again: {run}");
        let run = self.confirmed("apply", &["--yes"]);
        assert_eq!(run.status, 0, "{step}, again: {run}");
        assert_eq!(self.writes(), before, "{step}: the second time wrote");
    }
}

fn template(space: &Space, document: &Map<String, Value>) {
    space.write(TEMPLATE, format!("{:#}\n", Value::Object(document.clone())));
    let run = space.upa(&["release", "kinds", "v1"]);
    assert_eq!(run.status, 0, "{run}");
    space.commit("template");
}
