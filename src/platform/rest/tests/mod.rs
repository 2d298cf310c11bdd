//! Definitions run against a server that does what it is told.

mod observing;
mod signing_in;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Rest;
use crate::platform::definition::Definition;
use crate::platform::http::budget::Budget;
use crate::platform::http::tests::server::Server;
use crate::platform::{Account, PlatformError};
use crate::secret::Secret;

/// The kind that most tests need: a filterless list in pages of two, and a read.
const THING: &str = r#"
[resource.thing]
list   = { call = "GET /things", items = "things", size = 2, next = { cursor = "next", param = "cursor" }, incomplete = "partial" }
create = "POST /things"
read   = "GET /things/{id}"
update = "PATCH /things/{id}"
delete = "DELETE /things/{id}"
marker = { field = "owner" }
"#;

fn rest(server: &Server, definition: &str, credentials: &[(&str, &str)]) -> Result<Rest, PlatformError> {
    rest_of(server, definition, credentials, None, &[])
}

fn rest_of(
    server: &Server,
    definition: &str,
    credentials: &[(&str, &str)],
    identity: Option<&str>,
    owners: &[&str],
) -> Result<Rest, PlatformError> {
    let text = format!("platform = \"crm\"\n{definition}\n{THING}");
    let definition = Definition::parse("crm.toml", &Arc::from(text)).unwrap_or_else(|found| panic!("{found:#?}"));
    let account = Account {
        name: "crm".to_owned(),
        platform: "crm".to_owned(),
        base_url: server.url.clone(),
        hosts: definition
            .hosts
            .keys()
            .map(|host| (host.clone(), server.url.clone()))
            .collect(),
        webhook_url: server.url.clone(),
        credentials: credentials
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect::<BTreeMap<_, _>>(),
        identity: identity.map(str::to_owned),
        owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        budget: Arc::new(Budget::new(4, None)),
        sandbox: false,
        ledger: Arc::default(),
        outside: crate::outside::real(),
    };
    Rest::new(Arc::new(definition), &account)
}
