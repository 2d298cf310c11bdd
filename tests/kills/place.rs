//! Where the objects are: a sandbox of our own, or a real n8n that others use too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Server, Space};

pub enum Place {
    Sandbox,
    Real { url: String, key: String },
}

impl Place {
    pub fn sandbox() -> Self {
        Place::Sandbox
    }

    /// The real n8n, if there is one.
    pub fn real() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("UPA_TEST_N8N_URL"), variable("UPA_TEST_N8N_KEY")) {
            (Some(url), Some(key)) => Some(Place::Real { url, key }),
            _ => {
                let required = variable("UPA_TEST_REQUIRE_N8N").is_some();
                assert!(!required, "UPA_TEST_REQUIRE_N8N is set, and the real n8n is not named");
                println!("skipped: no real n8n (UPA_TEST_N8N_URL, UPA_TEST_N8N_KEY)");
                None
            }
        }
    }

    /// The settings of a workspace with this name.
    pub fn settings(&self, name: &str) -> String {
        let n8n = match self {
            Place::Sandbox => "sandbox = true".to_owned(),
            Place::Real { url, .. } => {
                format!("base_url = \"{url}\"\ncredentials.api_key = {{ env = \"UPA_TEST_N8N_KEY\" }}")
            }
        };
        format!(
            "[workspace]\nname = \"{name}\"\n\n[git]\nremote = \"origin\"\nbranch = \"main\"\n\n[policy]\nmax_delete_percent = 100\n\
             max_recreate_percent = 100\n\n[accounts.n8n]\n{n8n}\n\n[accounts.vapi]\nsandbox = true\n"
        )
    }

    /// The kinds of the product that are there: the assistants of the real one would be in a sandbox of their own.
    pub fn has_assistants(&self) -> bool {
        matches!(self, Place::Sandbox)
    }

    /// What a command needs to know.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        match self {
            Place::Sandbox => Vec::new(),
            Place::Real { key, .. } => vec![("UPA_TEST_N8N_KEY", key)],
        }
    }

    /// The sandbox of a workspace, if it is one.
    pub fn serve(&self, space: &Space) -> Option<Server> {
        matches!(self, Place::Sandbox).then(|| Server::start(space))
    }

    /// Every object that carries a mark of this workspace: mark → ids.
    pub fn marks(&self, server: Option<&Server>, workspace: &str) -> BTreeMap<String, Vec<String>> {
        let mut all = Vec::new();
        match (self, server) {
            (Place::Real { url, key }, _) => all.extend(workflows(url, key)),
            (Place::Sandbox, Some(server)) => {
                all.extend(server.workflows());
                all.extend(server.assistants());
            }
            (Place::Sandbox, None) => {}
        }
        let prefix = format!("upa:{workspace}/");
        let mut marks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in all {
            let tags = object["settings"]["customTelemetryTags"].as_array();
            let tag = tags.and_then(|tags| tags.iter().find(|tag| tag["key"] == "upa.owner"));
            let mark = tag.map_or(&object["metadata"]["upa"], |tag| &tag["value"]);
            if let Some(address) = mark.as_str().and_then(|mark| mark.strip_prefix(&prefix)) {
                marks
                    .entry(address.to_owned())
                    .or_default()
                    .push(object["id"].as_str().unwrap().to_owned());
            } else {
                assert!(
                    server.is_none(),
                    "an object without a mark: {}",
                    json!({"id": object["id"], "name": object["name"]})
                );
            }
        }
        marks
    }
}

/// Every workflow of a real n8n.
fn workflows(url: &str, key: &str) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let address = format!("{url}/api/v1/workflows?limit=250{cursor}");
            let request = reqwest::Client::new().get(address).header("X-N8N-API-KEY", key);
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            all.extend(answer["data"].as_array().unwrap().iter().cloned());
            match answer["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace('=', "%3D").replace('+', "%2B")),
                None => return all,
            }
        }
    })
}
