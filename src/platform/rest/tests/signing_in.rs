//! Tokens and sessions: asked for once, carried where the definition says, thrown away when they end.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::super::Rest;
use super::rest;
use crate::platform::error::ErrorKind;
use crate::platform::http::tests::server::{Act, Server, json as answer};
use crate::platform::{Observer as _, Question, Reading};
use crate::resource::Kind;

const REFRESH: &str = r#"auth = { refresh = "POST token:/oauth", client_id = "{cred.client_id}", client_secret = "{cred.client_secret}", refresh_token = "{cred.refresh_token}", scheme = "Crm-token" }
hosts = { token = "https://token.example" }"#;
const CREDENTIALS: [(&str, &str); 3] = [
    ("client_id", "the-client"),
    ("client_secret", "the-secret-1"),
    ("refresh_token", "the-refresh-1"),
];

fn token(name: &str) -> Act {
    answer(200, &json!({"access_token": name, "expires_in": 3600}).to_string())
}

fn thing(id: &str) -> Act {
    answer(200, &json!({"id": id, "owner": "upa:w/a@v1/x"}).to_string())
}

/// Reads one object.
async fn read(rest: &Rest, id: &str) -> Result<Reading, crate::platform::PlatformError> {
    let kind = Kind::new("crm.thing");
    let question = Question {
        kinds: [kind.clone()].into(),
        ids: [(kind.clone(), [id.to_owned()].into())].into(),
        mark_prefix: "upa:w/".to_owned(),
        ..Question::default()
    };
    let mut answer = rest.observe(&question).await;
    match answer.failure {
        Some(error) => Err(error),
        None => Ok(answer.objects.remove(&(kind, id.to_owned())).unwrap()),
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_ends() {
    let server = Server::start(|number| match number {
        0 => token("one"),
        3 => answer(401, "{}"),
        4 => token("two"),
        _ => thing("7"),
    })
    .await;
    let rest = rest(&server, REFRESH, &CREDENTIALS).unwrap();
    for _ in 0..3 {
        assert!(matches!(read(&rest, "7").await, Ok(Reading::Present(_))));
    }
    let seen = server.seen();
    let heads: Vec<&str> = seen.iter().map(|seen| seen.head.lines().next().unwrap()).collect();
    let (post, get) = ("post /oauth http/1.1", "get /things/7 http/1.1");
    assert_eq!(heads, [post, get, get, get, post, get]);
    for part in [
        "grant_type=refresh_token",
        "client_id=the-client",
        "refresh_token=the-refresh-1",
    ] {
        assert!(seen[0].body.contains(part), "{}", seen[0].body);
    }
    assert!(
        seen[2].head.contains("authorization: crm-token one"),
        "{}",
        seen[2].head
    );
    assert!(
        seen[5].head.contains("authorization: crm-token two"),
        "{}",
        seen[5].head
    );
}

#[tokio::test]
async fn a_grant_that_is_refused_is_asked_for_once() {
    let server = Server::start(|_| {
        answer(
            400,
            r#"{"error": "invalid_grant", "error_description": "revoked: the-refresh-1"}"#,
        )
    })
    .await;
    let error = read(&rest(&server, REFRESH, &CREDENTIALS).unwrap(), "7")
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorised);
    assert!(
        error.why.to_string().contains("revoked") && !error.why.to_string().contains("the-refresh-1"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_account_without_the_credentials_is_not_opened() {
    let server = Server::start(|_| token("one")).await;
    let error = rest(&server, REFRESH, &CREDENTIALS[..2]).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unauthorised);
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_service_account_signs_for_itself_or_for_somebody() {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let key = json!({"client_email": "upa@p.example", "private_key": pem, "private_key_id": "k1"}).to_string();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let definition = r#"auth = { google = "{cred.key}", subject = "{cred.subject?}", exchange = "POST /token", audience = "https://token.example/token", scopes = ["a", "b"] }"#;
    for subject in [None, Some("ana@nexumops.example")] {
        let server = Server::start(|number| if number == 0 { token("one") } else { thing("7") }).await;
        let mut credentials = vec![("key", key.as_str())];
        credentials.extend(subject.map(|subject| ("subject", subject)));
        let rest = rest(&server, definition, &credentials).unwrap();
        assert!(matches!(read(&rest, "7").await, Ok(Reading::Present(_))));
        let form = server.seen()[0].body.clone();
        let assertion = form.split("assertion=").nth(1).unwrap().split('&').next().unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verified = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref());
        verified.verify(signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims.get("sub").and_then(Value::as_str), subject);
        assert_eq!(
            (&claims["iss"], &claims["scope"]),
            (&json!("upa@p.example"), &json!("a b"))
        );
        assert_eq!(claims["aud"], "https://token.example/token");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    }
}

#[tokio::test]
async fn a_key_that_is_no_service_account_is_said() {
    let server = Server::start(|_| token("one")).await;
    let definition = r#"auth = { google = "{cred.key}", exchange = "POST /token", audience = "https://x.example" }"#;
    let rest = rest(&server, definition, &[("key", "not-json-canary")]).unwrap();
    let error = read(&rest, "7").await.unwrap_err();
    assert!(
        error
            .why
            .to_string()
            .contains("not the JSON key of a Google service account"),
        "{error}"
    );
    assert!(
        !error.why.to_string().contains("canary") && server.seen().is_empty(),
        "{error}"
    );
}
