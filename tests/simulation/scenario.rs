//! What can happen to a fleet between two runs, as people do it: each scenario is a few lines, and what is tried of one is
//! tried of all.

use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::check::remember;
use super::fate::Fate;
use super::process::Process;
use super::product::{self, CANARY, FURTHER, GATE, LIMITS, STUDIOS, TOKEN, VERSION};
use super::run::{Clone, Ended, until_quiet};
use super::world::{World, secret_file};

pub struct Scenario {
    pub name: &'static str,
    /// Whether everybody is provisioned before.
    provisioned: bool,
    happens: for<'a> fn(&'a Arc<World>) -> LocalBoxFuture<'a, ()>,
}

pub const SCENARIOS: [Scenario; 19] = [
    Scenario {
        name: "onboard",
        provisioned: false,
        happens: |world| Box::pin(async { onboard(world) }),
    },
    Scenario {
        name: "fix",
        provisioned: true,
        happens: |world| Box::pin(async { fix(world, "fixed") }),
    },
    Scenario {
        name: "input",
        provisioned: true,
        happens: |world| Box::pin(async { greet(world, "ana", "Good morning") }),
    },
    Scenario {
        name: "add",
        provisioned: true,
        happens: |world| Box::pin(async { add(world) }),
    },
    Scenario {
        name: "remove",
        provisioned: true,
        happens: |world| Box::pin(async { remove(world) }),
    },
    Scenario {
        name: "suspend",
        provisioned: true,
        happens: |world| Box::pin(async { status(world, "ana", "suspended") }),
    },
    Scenario {
        name: "resume",
        provisioned: true,
        happens: |world| Box::pin(resume(world)),
    },
    Scenario {
        name: "deprovision",
        provisioned: true,
        happens: |world| Box::pin(async { status(world, "ana", "deprovisioned") }),
    },
    Scenario {
        name: "everybody leaves",
        provisioned: true,
        happens: |world| Box::pin(async { leave(world) }),
    },
    Scenario {
        name: "adopt",
        provisioned: true,
        happens: |world| Box::pin(adopt(world)),
    },
    Scenario {
        name: "rotate",
        provisioned: true,
        happens: |world| Box::pin(async { rotate(world, "ana") }),
    },
    Scenario {
        name: "renew",
        provisioned: true,
        happens: |world| Box::pin(expire(world)),
    },
    Scenario {
        name: "replace",
        provisioned: true,
        happens: |world| Box::pin(async { replace(world) }),
    },
    Scenario {
        name: "drift",
        provisioned: true,
        happens: |world| Box::pin(drift(world)),
    },
    Scenario {
        name: "settle in",
        provisioned: true,
        happens: |world| Box::pin(async { settle_in(world, "ana", STUDIOS[0]) }),
    },
    Scenario {
        name: "rename",
        provisioned: true,
        happens: |world| Box::pin(rename_what_is_there(world)),
    },
    Scenario {
        name: "onboard with a gate",
        provisioned: false,
        happens: |world| {
            Box::pin(async {
                demand(world);
                onboard(world);
            })
        },
    },
    Scenario {
        name: "approve",
        provisioned: false,
        happens: |world| Box::pin(approve(world)),
    },
    Scenario {
        name: "nobody approves",
        provisioned: false,
        happens: |world| Box::pin(forget_to_approve(world)),
    },
];

/// After this a request that waits for an approval has failed.
const PATIENCE: Duration = Duration::from_secs(15 * 86_400);

/// After this tokens have expired.
const EXPIRES: Duration = Duration::from_secs(6 * 86_400);

impl Scenario {
    /// A world in which it has just happened, and nobody has applied it.
    pub async fn world(&self, seed: u64) -> Arc<World> {
        let world = World::new(seed);
        let _here = world.enter();
        if self.provisioned {
            onboard(&world);
            settle(&world).await;
        }
        (self.happens)(&world).await;
        world
    }
}

pub async fn settle(world: &Arc<World>) {
    let clone = Clone::of(world, "work");
    until_quiet(world, &clone)
        .await
        .unwrap_or_else(|why| panic!("{why}\n{}", world.trace()));
    remember(world);
}

/// One run, after which tenants wait for a person.
async fn wait_for_approval(world: &Arc<World>) {
    demand(world);
    onboard(world);
    let clone = Clone::of(world, "work");
    let ended = clone.apply(&Process::new(world, "first", Fate::calm(), false)).await;
    assert!(matches!(ended, Ended::Exited(0, _)), "{ended:?}\n{}", world.trace());
    assert_eq!(super::people::awaited(world).len(), 2, "{}", world.trace());
    remember(world);
}

async fn approve(world: &Arc<World>) {
    wait_for_approval(world).await;
    super::people::approve(world);
}

async fn forget_to_approve(world: &Arc<World>) {
    wait_for_approval(world).await;
    tokio::time::sleep(PATIENCE).await;
    world.forget("/token");
}

/// A person must look at what everybody gets.
pub fn demand(world: &World) {
    edit(world, VERSION, |text| {
        text.replacen("\n[resources.", &format!("{GATE}\n[resources."), 1)
    });
    world.release();
    world.commit("a gate");
}

fn tenant_path(tenant: &str) -> String {
    format!("tenants/{tenant}.toml")
}

pub fn secret(tenant: &str, number: u32) -> String {
    secret_file(
        &format!("secret-{tenant}-{number}"),
        &format!("{CANARY}-{tenant}-{number}"),
    )
}

pub fn join(world: &World, tenant: &str, further: &str) {
    let greeting = format!("Hello from {tenant}");
    let text = product::tenant(&greeting, "none", &secret(tenant, 1), further);
    world.write(&tenant_path(tenant), text);
}

pub fn onboard(world: &World) {
    join(world, "ana", "");
    join(world, "bob", "");
    world.commit("two tenants");
}

fn edit(world: &World, path: &str, edit: impl FnOnce(&str) -> String) {
    let text = world.files.lock().unwrap()[path].clone();
    world.write(path, edit(&text));
}

pub fn fix(world: &World, word: &str) {
    for (name, field) in [("label", "code"), ("common", "code"), ("site", "php_version")] {
        edit(world, &product::template_path(name), |text| {
            let mut template: Value = serde_json::from_str(text).unwrap();
            template[field] = json!(word);
            format!("{template:#}\n")
        });
    }
    edit(world, &product::template_path("hook"), |text| {
        let mut template: Value = serde_json::from_str(text).unwrap();
        template["nodes"][1]["notes"] = json!(word);
        format!("{template:#}\n")
    });
    world.release();
    world.commit("a fix");
}

/// Another value of a field of a tenant's file.
fn set(world: &World, tenant: &str, field: &str, value: &str) {
    edit(world, &tenant_path(tenant), |text| {
        let lines = text.lines().map(|line| match line.starts_with(&format!("{field} = ")) {
            true => format!("{field} = \"{value}\"\n"),
            false => format!("{line}\n"),
        });
        lines.collect()
    });
}

pub fn greet(world: &World, tenant: &str, greeting: &str) {
    set(world, tenant, "greeting", greeting);
    world.commit("another greeting");
}

/// A tenant names the studio whose limits it sets.
pub fn settle_in(world: &World, tenant: &str, studio: &str) {
    set(world, tenant, "studio", studio);
    world.commit(&format!("{tenant} is in {studio}"));
}

/// The limits are called otherwise in the version, and are the same limits.
pub fn rename(world: &World) {
    edit(world, VERSION, |text| match text.contains(LIMITS[0]) {
        true => text.replacen(LIMITS[0], LIMITS[1], 1),
        false => text.replacen(LIMITS[1], LIMITS[0], 1),
    });
    world.release();
    world.commit("another name");
}

async fn rename_what_is_there(world: &Arc<World>) {
    settle_in(world, "ana", STUDIOS[0]);
    settle_in(world, "bob", STUDIOS[1]);
    settle(world).await;
    rename(world);
}

pub fn add(world: &World) {
    edit(world, VERSION, |text| {
        text.replacen("\n[resources.common]", &format!("{FURTHER}\n[resources.common]"), 1)
    });
    world.release();
    world.commit("a resource more");
}

pub fn remove(world: &World) {
    edit(world, VERSION, |text| text.replacen(TOKEN, "", 1));
    world.forget("/token");
    world.release();
    world.commit("a resource less");
}

pub fn status(world: &World, tenant: &str, status: &str) {
    set(world, tenant, "status", status);
    if status == "suspended" {
        // It is removed meanwhile.
        world.forget(&format!("{tenant}@v1/token"));
    }
    if status == "deprovisioned" {
        // Who comes back gets new objects, and the last of them took what all share.
        world.forget("/common");
        for resource in ["callee", "hook", "label", "site", "token", "form", "extra"] {
            world.forget(&format!("{tenant}@v1/{resource}"));
        }
    }
    world.commit(status);
}

async fn resume(world: &Arc<World>) {
    status(world, "ana", "suspended");
    settle(world).await;
    status(world, "ana", "active");
}

/// Time passes until every token must be renewed.
async fn expire(world: &Arc<World>) {
    tokio::time::sleep(EXPIRES).await;
    world.forget("/token");
}

fn leave(world: &World) {
    status(world, "ana", "deprovisioned");
    status(world, "bob", "deprovisioned");
}

async fn adopt(world: &Arc<World>) {
    let made = json!({"spec": {"name": "by hand", "code": "FR"}});
    let made = world.look("POST", "_sandbox/editor/pine/label", Some(&made)).await;
    join(world, "cyd", &format!("\n[adopt]\nlabel = {}\n", made["id"]));
    world.commit("a tenant who has a label");
}

pub fn rotate(world: &World, tenant: &str) {
    let (old, new) = (secret(tenant, 1), secret(tenant, 2));
    edit(world, &tenant_path(tenant), |text| text.replace(&old, &new));
    world.commit("another secret");
}

pub fn replace(world: &World) {
    edit(world, &product::template_path("site"), |text| {
        text.replace("wordpress", "ghost")
    });
    world.forget("/site");
    world.release();
    world.commit("another system");
}

/// Somebody takes things away and changes others, on the platforms themselves.
async fn drift(world: &Arc<World>) {
    for tenant in ["ana", "bob"] {
        let id = |address: &str| world.recorded.lock().unwrap()[&format!("{tenant}@v1/{address}")].clone();
        let label = format!("_sandbox/editor/pine/label?id={}", id("label"));
        world.look("PATCH", &label, Some(&json!({"code": "XX"}))).await;
        if tenant == "ana" {
            world
                .look("DELETE", &format!("_sandbox/editor/pine/form?id={}", id("form")), None)
                .await;
            let callee = format!("n8n/api/v1/workflows/{}", id("callee"));
            world.look("POST", &format!("{callee}/unpublish"), None).await;
            // Publication takes its time.
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.look("DELETE", &callee, None).await;
            world.forget("ana@v1/form");
            world.forget("ana@v1/callee");
        }
    }
}
