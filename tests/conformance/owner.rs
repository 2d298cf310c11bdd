//! The owner of the n8n that `tests/servers/n8n-start` makes: only a person with a session can make API keys.

use reqwest::Client;
use serde_json::Value;
use serde_json::json;

#[derive(Debug)]
pub struct Key {
    pub text: String,
    id: String,
    session: String,
}

pub async fn make_key(client: &Client, url: &str, scopes: &[&str]) -> Key {
    let login = json!({"emailOrLdapLoginId": "owner@upa.example", "password": "Upa-tests-1"});
    let request = client
        .post(format!("{url}/rest/login"))
        .header("browser-id", "conformance");
    let login = request.json(&login).send().await.expect("an answer to the login");
    let cookies = login.headers().get_all("set-cookie").into_iter();
    let cookies: Vec<&str> = cookies
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .collect();
    let session = cookies.join("; ");
    let label = format!("conf-{}", std::process::id());
    let body = json!({"label": label, "scopes": scopes, "expiresAt": null});
    let request = client
        .post(format!("{url}/rest/api-keys"))
        .header("browser-id", "conformance");
    let request = request.header("cookie", &session).json(&body);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let text = |key: &str| {
        let text = answer["data"][key].as_str();
        text.unwrap_or_else(|| panic!("no key: {answer}")).to_owned()
    };
    Key {
        text: text("rawApiKey"),
        id: text("id"),
        session,
    }
}

pub async fn delete_key(client: &Client, url: &str, key: &Key) {
    let request = client
        .delete(format!("{url}/rest/api-keys/{}", key.id))
        .header("browser-id", "conformance");
    let answer = request.header("cookie", &key.session).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}
