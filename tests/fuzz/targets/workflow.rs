//! An exported workflow: understood, rendered for two tenants, and compared with what n8n would answer.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use upa::platform::n8n::{N8n, WORKFLOW, document, understand};
use upa::platform::{Activity, Object, Platform as _, Prepared, Template, Templates};
use upa::resource::Kind;
use upa::template::{Path, Scope, Source, render};
use upa::workspace::version::{CredentialSlot, WebhookSlot};

use super::sound;

const MARK: &str = "upa:w/ana@v1/hook";

static CALLEE: LazyLock<Source> = LazyLock::new(|| {
    let text = Arc::from(include_str!("../cases/workflow/callee.json"));
    Source::parse("callee.json", &text).expect("it is JSON")
});

static CREDENTIALS: LazyLock<BTreeMap<String, CredentialSlot>> = LazyLock::new(|| {
    let slot = CredentialSlot {
        platform: "n8n".to_owned(),
        kind: "crmApi".to_owned(),
        template_name: "Template · CRM".to_owned(),
    };
    BTreeMap::from([("crm".to_owned(), slot)])
});

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = match Source::parse("hook.json", &Arc::from(text)) {
        Ok(source) => source,
        Err(problem) => return sound(&[problem]),
    };
    let template = |resource, source| Template {
        resource,
        kind: Kind::new(WORKFLOW),
        source,
        active: true,
    };
    let no_names: BTreeMap<String, WebhookSlot> = BTreeMap::new();
    let understood = understand::prepare(&Templates {
        version_file: "versions/small/v1.toml",
        templates: vec![template("hook", &source), template("callee", &CALLEE)],
        credentials: &CREDENTIALS,
        webhooks: &no_names,
    });
    match understood {
        Ok(ready) => {
            ready.values().for_each(|prepared| sound(&prepared.warnings));
            holds(&ready);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused in silence");
            sound(&problems);
        }
    }
}

fn holds(ready: &BTreeMap<String, Prepared>) {
    let (Some(ana), Some(bea)) = (rendered(ready, "ana"), rendered(ready, "bea")) else {
        return;
    };
    assert_eq!(
        rendered(ready, "ana").as_ref(),
        Some(&ana),
        "rendered twice it is not the same"
    );
    assert_eq!(document::differences(&ana, &ana, &[]), []);
    let body = document::body(&ana, MARK, "attempt");
    assert_eq!(document::tag(&body, document::MARK), Some(MARK));
    let answered = document::comparable(&body);
    let changes = document::differences(&ana, &answered, &document::owned(&ana));
    assert_eq!(changes, [], "what was written does not read back");
    let others = document::listeners(&bea);
    for listener in document::listeners(&ana) {
        assert!(!others.contains(&listener), "two tenants listen at {listener:?}");
    }
    let object = Object {
        id: "AAAABBBBCCCC0000".to_owned(),
        title: String::new(),
        document: answered,
        activity: Activity::NotApplicable,
        mark: Some(MARK.to_owned()),
        attempt: None,
        out: BTreeMap::new(),
    };
    let exported = N8n.export(&Kind::new(WORKFLOW), &object, &Default::default());
    assert!(exported.is_object());
}

fn rendered(ready: &BTreeMap<String, Prepared>, tenant: &str) -> Option<Value> {
    let prepared = ready.get("hook")?;
    match render(&prepared.template, &Tenant { tenant, ready }, &prepared.guard) {
        Ok(document) => Some(document),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused in silence");
            assert!(faults.iter().all(|fault| !fault.why.is_empty()), "{faults:?}");
            None
        }
    }
}

/// What a tenant's values are, different for every tenant wherever they must be.
struct Tenant<'a> {
    tenant: &'a str,
    ready: &'a BTreeMap<String, Prepared>,
}

impl Scope for Tenant<'_> {
    fn value(&self, path: &Path) -> Result<Value, String> {
        let known = match (path.root(), &*path.rest()) {
            ("tenant", ["name"]) => Some(self.tenant.to_owned()),
            ("inputs", ["greeting"]) => Some("Hola".to_owned()),
            ("resources" | "credentials" | "entries", [..]) => Some(format!("{} {path}", self.tenant)),
            ("webhooks", [name, "path"]) => {
                let mut entries = self.ready.values().flat_map(|ready| &ready.entries);
                let entry = entries.find(|entry| entry.name == *name);
                entry.map(|entry| format!("{}-base/{}", self.tenant, entry.suffix))
            }
            _ => None,
        };
        known.map(Value::from).ok_or_else(|| format!("`{path}` is not defined"))
    }
}
