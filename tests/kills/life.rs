//! What people do in Git: tenants come, change, rest and go; the product gets fixes, and a resource more or less.

use serde_json::json;

use crate::support::{Space, product};
use crate::world::World;

/// How a tenant stands in Git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Active,
    Suspended,
    Deprovisioned,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Deprovisioned => "deprovisioned",
        }
    }
}

/// What Git wants of a tenant.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub status: Status,
    pub greeting: String,
}

/// How many tenants there are at most that are not gone.
const MOST_TENANTS: usize = 3;

const EXTRA: &str = "\n[resources.extra]\nkind = \"n8n.workflow\"\ntemplate = \"extra.json\"\nactive = false\n";

impl World {
    /// Something happens, and is pushed.
    pub fn event(&mut self) {
        let there: Vec<String> = self
            .tenants
            .iter()
            .filter(|(_, wanted)| wanted.status != Status::Deprovisioned)
            .map(|(name, _)| name.clone())
            .collect();
        let what = match self.random.u32(0..100) {
            _ if there.is_empty() => self.onboard(),
            0..40 if there.len() < MOST_TENANTS => self.onboard(),
            0..20 => self.change(&there),
            20..35 => self.fix(),
            35..50 => self.more_or_less(),
            50..60 => self.change(&there),
            60..80 => self.rest_or_wake(&there),
            _ => self.goodbye(&there),
        };
        self.say(&format!("Git: {what}"));
        self.push(&what);
    }

    fn one_of(&mut self, names: &[String]) -> String {
        names[self.random.usize(0..names.len())].clone()
    }

    pub fn onboard(&mut self) -> String {
        let name = format!("t{}", self.tenants.len() + 1);
        let greeting = self.greeting();
        let status = Status::Active;
        self.tenants.insert(name.clone(), Wanted { status, greeting });
        self.write(&name);
        format!("{name} comes")
    }

    fn greeting(&mut self) -> String {
        format!("Hello {:08x}", self.random.u32(..))
    }

    fn change(&mut self, there: &[String]) -> String {
        let (name, greeting) = (self.one_of(there), self.greeting());
        self.tenants.get_mut(&name).unwrap().greeting = greeting;
        self.write(&name);
        format!("{name} says something else")
    }

    fn rest_or_wake(&mut self, there: &[String]) -> String {
        let name = self.one_of(there);
        let wanted = self.tenants.get_mut(&name).unwrap();
        wanted.status = match wanted.status {
            Status::Active => Status::Suspended,
            _ => Status::Active,
        };
        let word = wanted.status.word();
        self.write(&name);
        format!("{name} is {word}")
    }

    fn goodbye(&mut self, there: &[String]) -> String {
        let name = self.one_of(there);
        self.tenants.get_mut(&name).unwrap().status = Status::Deprovisioned;
        self.write(&name);
        format!("{name} goes")
    }

    fn write(&self, name: &str) {
        let wanted = &self.tenants[name];
        let text = product::tenant(name)
            .replace("\"active\"", &format!("\"{}\"", wanted.status.word()))
            .replace(&format!("Hello from {name}"), &wanted.greeting);
        self.author.write(&format!("tenants/{name}.toml"), text);
    }

    fn fix(&mut self) -> String {
        self.fixes += 1;
        let mut record = product::record();
        record["nodes"][0]["notes"] = json!(self.note());
        product::template(&self.author, "record.json", &record);
        release(&self.author);
        "a fix for everybody".to_owned()
    }

    /// What the newest fix has left in a workflow.
    pub fn note(&self) -> String {
        format!("fix {}", self.fixes)
    }

    fn more_or_less(&mut self) -> String {
        self.extra = !self.extra;
        let text = self.author.read(product::VERSION_FILE);
        if self.extra {
            let mut extra = product::record();
            extra["id"] = json!("ExtraExtra000003");
            extra["name"] = json!("Extra");
            product::template(&self.author, "extra.json", &extra);
            let (before, files) = text.split_once("\n[files]\n").unwrap();
            self.author
                .write(product::VERSION_FILE, format!("{before}{EXTRA}\n[files]\n{files}"));
        } else {
            assert!(text.contains(EXTRA), "{text}");
            self.author.write(product::VERSION_FILE, text.replace(EXTRA, ""));
            self.author.remove(&format!("{}/extra.json", product::TEMPLATES));
        }
        release(&self.author);
        format!(
            "the version has {} extra resource",
            if self.extra { "an" } else { "no" }
        )
    }
}

fn release(author: &Space) {
    author.upa(&["release", "bot", "v1"]).exits(0);
}
