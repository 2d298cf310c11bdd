//! 1,000 tenants of 10 objects each, on the sandbox.
//!
//! One tenant is applied. The others are copies of it: their objects are posted to the sandbox as the first one's are,
//! with the mark of their own address, and their lockfiles are the first one's with their own ids. Applying all of them
//! would prove nothing more and take minutes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::small::{git, run, serve, upa, write};
use crate::terminal::{self, Seen};

const TENANTS: usize = 1_000;
const WORKFLOWS: usize = 4;
const ASSISTANTS: usize = 6;

/// How many workflows n8n shows on a page; upa asks for no fewer.
const N8N_PAGE: usize = 250;
/// How many assistants Vapi shows on a page, as its definition says. Each page but the first begins with the last object
/// of the one before it, because pages follow each other by time and several objects may share one.
const VAPI_PAGE: usize = 1_000;

/// What `upa plan` may take, in bytes.
const MEMORY: u64 = 300 * 1024 * 1024;
/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(1);

fn name(number: usize) -> String {
    format!("client-{number:04}")
}

/// Nothing in it differs from tenant to tenant, so that one lockfile is like the other.
fn product(folder: &Path) {
    let accounts = "[accounts.n8n]\nsandbox = true\n[accounts.vapi]\nsandbox = true\n";
    write(
        folder,
        "upa.toml",
        &format!("[workspace]\nname = \"fleet\"\n{accounts}"),
    );
    write(folder, ".gitignore", ".upa/\n");
    let mut version = "product = \"ten\"\nversion = \"v1\"\nrevision = 1\nstage = \"released\"\n".to_owned();
    let mut resource = |name: String, kind: &str, template: Value| {
        version.push_str(&format!(
            "[resources.{name}]\nkind = \"{kind}\"\ntemplate = \"{name}.json\"\n"
        ));
        write(folder, &format!("templates/ten/v1/{name}.json"), &template.to_string());
    };
    for number in 0..WORKFLOWS {
        let template = json!({
            "id": format!("flow{number}flow{number}flow{number}f"), "name": format!("Flow {number}"), "settings": {}, "connections": {},
            "nodes": [{"name": "Start", "type": "n8n-nodes-base.executeWorkflowTrigger", "typeVersion": 1.1, "position": [0, 0], "parameters": {"inputSource": "passthrough"}}]
        });
        resource(format!("flow{number}"), "n8n.workflow", template);
    }
    for number in 0..ASSISTANTS {
        let template = json!({ "name": format!("Assistant {number}"), "firstMessage": "Hello, this is the clinic." });
        resource(format!("assistant{number}"), "vapi.assistant", template);
    }
    write(folder, "versions/ten/v1.toml", &version);
}

fn tenant(folder: &Path, name: &str) {
    let text = "product = \"ten\"\nversion = \"v1\"\ntier = \"client\"\noperator = \"ana\"\n";
    write(folder, &format!("tenants/{name}.toml"), text);
}

/// The ids in a lockfile by the resource's name.
fn ids(lock: &str) -> BTreeMap<String, String> {
    let lock: toml::Table = lock.parse().unwrap();
    let resources = lock["resources"].as_table().unwrap();
    let id = |(address, locked): (&String, &toml::Value)| {
        let (_, resource) = address.split_once('/').unwrap();
        (
            resource.to_owned(),
            locked["applied"]["id"].as_str().unwrap().to_owned(),
        )
    };
    resources.iter().map(id).collect()
}

/// The sandbox's accounts, as anybody may use them.
struct Sandbox {
    http: reqwest::Client,
    url: String,
}

impl Sandbox {
    fn place(resource: &str) -> &'static str {
        if resource.starts_with("flow") {
            "n8n/api/v1/workflows"
        } else {
            "vapi/assistant"
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What must be posted to get an object like this one.
    async fn recipe(&self, resource: &str, id: &str) -> Value {
        let place = Self::place(resource);
        let mut object = self.ask(self.http.get(format!("{}/{place}/{id}", self.url))).await;
        let posted: &[&str] = match place {
            "vapi/assistant" => &["name", "firstMessage", "metadata"],
            _ => &["name", "nodes", "connections", "settings"],
        };
        object
            .as_object_mut()
            .unwrap()
            .retain(|key, _| posted.contains(&&**key));
        object
    }

    async fn post(&self, resource: &str, recipe: &str) -> String {
        let request = self.http.post(format!("{}/{}", self.url, Self::place(resource)));
        let request = request
            .header("Content-Type", "application/json")
            .body(recipe.to_owned());
        self.ask(request).await["id"].as_str().unwrap().to_owned()
    }

    /// Method and path of each call since this was asked last, with how often it was made.
    async fn calls(&self) -> BTreeMap<String, usize> {
        let url = format!("{}/_sandbox/calls", self.url);
        let calls = self.ask(self.http.get(&url)).await;
        let mut counts = BTreeMap::new();
        for call in calls["calls"].as_array().unwrap() {
            let name = format!(
                "{} {}",
                call["method"].as_str().unwrap(),
                call["path"].as_str().unwrap()
            );
            *counts.entry(name).or_default() += 1;
        }
        self.http.delete(&url).send().await.unwrap();
        counts
    }
}

/// A fleet whose tenants are all as Git says.
async fn fleet(folder: &Path, sandbox: &Sandbox) {
    let first = name(0);
    let pattern = std::fs::read_to_string(folder.join(format!("tenants/{first}.lock"))).unwrap();
    let table: toml::Table = pattern.parse().unwrap();
    let base = table["versions"]["v1"]["base"].as_str().unwrap().to_owned();
    let mut recipes = Vec::new();
    for (resource, id) in ids(&pattern) {
        let recipe = sandbox.recipe(&resource, &id).await.to_string();
        assert!(recipe.contains(&format!("upa:fleet/{first}@v1/{resource}")), "{recipe}");
        recipes.push((resource, id, recipe));
    }
    let copies = futures::stream::iter(1..TENANTS).map(|number| {
        let (recipes, pattern, first, base) = (&recipes, &pattern, &first, &base);
        async move {
            let name = name(number);
            let mut lock = pattern.replace(first, &name).replace(base, &Uuid::new_v4().to_string());
            for (resource, id, recipe) in recipes {
                let copy = sandbox.post(resource, &recipe.replace(first, &name)).await;
                lock = lock.replace(id, &copy);
            }
            tenant(folder, &name);
            write(folder, &format!("tenants/{name}.lock"), &lock);
        }
    });
    copies.buffer_unordered(8).collect::<Vec<()>>().await;
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "the rest of the fleet"]);
}

fn plan(folder: &Path) -> Seen {
    let mut command = upa(folder, &["plan", "--detailed-exitcode"]);
    command.env("TERM", "xterm-256color").env_remove("CI");
    terminal::run(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_1000_tenants_of_10_objects() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    product(folder);
    tenant(folder, &name(0));
    git(folder, &["init", "-q", "-b", "main"]);
    git(folder, &["config", "user.name", "Test"]);
    git(folder, &["config", "user.email", "test@upa.example"]);
    run(folder, &["release", "ten", "v1"]);
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "one tenant"]);
    let (_server, url, http) = serve(folder, "newest").await;
    run(folder, &["apply", "--yes"]);
    let sandbox = Sandbox { http, url };
    fleet(folder, &sandbox).await;
    sandbox.calls().await;

    let mut seen = plan(folder);

    let said = &seen.text;
    assert!(seen.ok && said.contains("all 1000 tenants are as Git says"), "{said}");
    let (workflows, assistants) = (TENANTS * WORKFLOWS, TENANTS * ASSISTANTS);
    let expected = BTreeMap::from([
        ("GET /api/v1/workflows".to_owned(), workflows.div_ceil(N8N_PAGE)),
        ("GET /assistant".to_owned(), (assistants - 1).div_ceil(VAPI_PAGE - 1)),
    ]);
    assert_eq!(sandbox.calls().await, expected);
    assert!(seen.peak > 1 << 20, "nobody measured the memory");
    assert!(seen.peak < MEMORY, "{} MiB in {:?}", seen.peak >> 20, seen.took);
    // A machine that is busy with something else may stop a process for longer than a second: once is an accident.
    if seen.silence.0 > SILENCE {
        seen = plan(folder);
    }
    assert!(
        seen.silence.0 <= SILENCE,
        "silent for {:?} after: {}",
        seen.silence.0,
        seen.silence.1
    );
}
