//! Where a world's objects are: in a sandbox of its own, or in a real n8n that it shares with others.

use serde_json::Value;

use crate::support::Server;

/// An object with a mark of the world's, or without any.
pub struct Thing {
    pub id: String,
    pub mark: Option<String>,
    /// Of a workflow: whether it is published.
    pub active: Option<bool>,
    pub text: String,
}

#[derive(Clone)]
pub enum Place {
    Sandbox,
    N8n { url: String, key: String },
}

impl Place {
    /// The real n8n; `None` (said aloud) when there is none.
    pub fn real() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(url), Some(key)) = (variable("UPA_TEST_N8N_URL"), variable("UPA_TEST_N8N_KEY")) else {
            assert!(
                variable("UPA_TEST_REQUIRE_N8N").is_none(),
                "UPA_TEST_REQUIRE_N8N is set, and UPA_TEST_N8N_URL or UPA_TEST_N8N_KEY is not"
            );
            println!("skipped: no real n8n (UPA_TEST_N8N_URL, UPA_TEST_N8N_KEY); run tests/run");
            return None;
        };
        Some(Place::N8n { url, key })
    }

    pub fn is_real(&self) -> bool {
        matches!(self, Place::N8n { .. })
    }

    /// What to type to see a world again.
    pub fn replay(&self, seed: u64) -> String {
        let test = match self {
            Place::Sandbox => "two_hundred",
            Place::N8n { .. } => "fifty",
        };
        format!("UPA_KILLS_SEED={seed} cargo test --test kills {test} -- --nocapture")
    }

    /// Everything in a sandbox; of a shared n8n what carries a mark of this workspace.
    pub fn things(&self, server: Option<&Server>, workspace: &str) -> Vec<Thing> {
        let prefix = format!("upa:{workspace}/");
        let mut things = Vec::new();
        match (self, server) {
            (Place::Sandbox, Some(server)) => {
                things.extend(server.workflows().iter().map(workflow));
                things.extend(server.assistants().iter().map(assistant));
            }
            (Place::Sandbox, None) => panic!("the sandbox does not run"),
            (Place::N8n { url, key }, _) => {
                let all = list(url, key);
                let ours = all.iter().map(workflow);
                things.extend(ours.filter(|thing| thing.mark.as_ref().is_some_and(|mark| mark.starts_with(&prefix))));
            }
        }
        for thing in &mut things {
            thing.mark = thing.mark.take().map(|mark| mark.replacen(&prefix, "", 1));
        }
        things
    }
}

fn workflow(workflow: &Value) -> Thing {
    let tags = workflow["settings"]["customTelemetryTags"].as_array();
    let mark = tags
        .into_iter()
        .flatten()
        .find(|tag| tag["key"] == "upa.owner")
        .and_then(|tag| tag["value"].as_str());
    Thing {
        id: workflow["id"].as_str().unwrap().to_owned(),
        mark: mark.map(str::to_owned),
        active: workflow["active"].as_bool(),
        text: workflow.to_string(),
    }
}

fn assistant(assistant: &Value) -> Thing {
    Thing {
        id: assistant["id"].as_str().unwrap().to_owned(),
        mark: assistant["metadata"]["upa"].as_str().map(str::to_owned),
        active: None,
        text: assistant.to_string(),
    }
}

/// Every workflow of an instance.
fn list(url: &str, key: &str) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let http = reqwest::Client::new();
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let request = http.get(format!("{url}/api/v1/workflows?limit=250{cursor}"));
            let answer: Value = request
                .header("X-N8N-API-KEY", key)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            all.extend(answer["data"].as_array().unwrap().clone());
            match answer["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace('=', "%3D")),
                None => return all,
            }
        }
    })
}
