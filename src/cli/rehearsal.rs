//! A rehearsal (`--sandbox`): every account lives in a sandbox of its own, in `.upa/rehearsal`, apart from that of accounts
//! which live in the sandbox anyway. It has its own lockfiles and journals, and what operators connect on a platform
//! themselves is taken as connected.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::report::Failure;
use crate::exit::Exit;
use crate::repo::{Repo, RepoError};
use crate::sandbox::Sandbox;
use crate::workspace::Workspace;

/// Where the sandbox of this work tree keeps its state: that of a rehearsal, or that of the accounts that live there.
pub fn folder(repo: &Repo, rehearses: bool) -> Result<PathBuf, RepoError> {
    let folder = repo.sandbox_dir()?;
    Ok(match rehearses {
        true => folder.join("rehearsal"),
        false => folder,
    })
}

/// Connects, in a sandbox, every credential that a tenant names and that is not there. Returns how many it connected.
pub async fn connect(workspace: &Workspace, sandbox: &Sandbox) -> Result<usize, Failure> {
    let mut wanted = BTreeSet::new();
    for tenant in workspace.tenants.values() {
        let Some(version) = workspace.version_of(tenant) else {
            continue;
        };
        for (slot, choice) in &tenant.file.credentials {
            if let Some(spec) = version.file.credentials.get(slot) {
                let account = workspace.account_for(tenant, &spec.platform);
                wanted.insert((account, choice.name(), spec.kind.as_str()));
            }
        }
    }
    let accounts: BTreeSet<&str> = wanted.iter().map(|(account, ..)| *account).collect();
    let client = Client::of(sandbox)?;
    for account in accounts {
        let there = client.credentials(account).await?;
        wanted.retain(|(of, name, kind)| *of != account || !there.iter().any(|one| one.0 == *name && one.1 == *kind));
    }
    let mut connected = 0;
    for (account, name, kind) in &wanted {
        let body = json!({"name": name, "type": kind, "data": {}});
        let answer = client.send(reqwest::Method::POST, account, "credentials", Some(&body));
        // Of a type that n8n does not know there is none: the plan says so.
        connected += usize::from(answer.await.is_ok());
    }
    Ok(connected)
}

/// A sandbox spoken to directly, as people use n8n themselves.
pub struct Client<'a> {
    sandbox: &'a Sandbox,
    http: reqwest::Client,
}

impl<'a> Client<'a> {
    pub fn of(sandbox: &'a Sandbox) -> Result<Self, Failure> {
        // Loopback is never reached through a proxy.
        let http = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
        Ok(Self { sandbox, http })
    }

    /// A call of n8n's public API, which must succeed.
    pub async fn send(
        &self,
        method: reqwest::Method,
        account: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = format!("{}/api/v1/{path}", self.sandbox.account_url(account));
        let request = self
            .http
            .request(method, url)
            .header("X-N8N-API-KEY", self.sandbox.key().expose());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.map_err(failed)?;
        let answer = answer.error_for_status().map_err(failed)?;
        answer.json().await.map_err(failed)
    }

    /// The name and the type of each credential of an account.
    async fn credentials(&self, account: &str) -> Result<Vec<(String, String)>, Failure> {
        let mut found = Vec::new();
        let mut path = "credentials?limit=250".to_owned();
        loop {
            let page = self.send(reqwest::Method::GET, account, &path, None).await?;
            let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
            let items = page["data"].as_array().into_iter().flatten();
            found.extend(items.filter_map(|item| Some((text(item, "name")?, text(item, "type")?))));
            let Some(cursor) = text(&page, "nextCursor") else {
                return Ok(found);
            };
            path = format!("credentials?limit=250&cursor={cursor}");
        }
    }
}

fn failed(error: reqwest::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the sandbox: {error}"))
}
