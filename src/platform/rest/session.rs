//! Signing in: headers that never change, and tokens that are asked for and last a while.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Rest;
use super::send::{among, flat};
use crate::outside;
use crate::platform::Account;
use crate::platform::definition::auth::{Auth, Session, TokenPlace};
use crate::platform::definition::call::Call;
use crate::platform::definition::file::Encoding;
use crate::platform::definition::placeholder::{Scope, Text};
use crate::platform::definition::{Definition, path};
use crate::platform::error::{CONNECT, ErrorKind, PlatformError};
use crate::platform::http::{self, Body, encode};

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a token lasts whose answer does not say.
const USUAL_LIFE: Duration = Duration::from_secs(600);
/// How long a signed JWT is valid: Google allows an hour.
const JWT_SECONDS: i64 = 3600;

/// How one account signs in.
pub(super) struct Sessions {
    auth: Auth,
    token: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the tokens, so that one is thrown away once.
    number: u64,
    token: Option<(String, Instant)>,
}

/// What a call carries to prove who makes it.
pub(super) struct Proof {
    header: Option<(HeaderName, HeaderValue)>,
    query: Option<(String, String)>,
    /// Which token it is.
    pub(super) session: u64,
}

impl Proof {
    /// The call with its proof.
    pub(super) fn on(&self, mut call: http::Call) -> http::Call {
        call.headers.extend(self.header.clone());
        if let Some((name, value)) = &self.query {
            call.path.push(if call.path.contains('?') { '&' } else { '?' });
            call.path.push_str(&format!("{name}={}", encode(value)));
        }
        call
    }
}

/// The answer of a token endpoint (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<u64>,
}

/// The parts of a Google service account's key file that are needed.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

impl Sessions {
    /// The first way to sign in whose credentials the account has.
    pub(super) fn choose(definition: &Definition, account: &Account) -> Result<Self, PlatformError> {
        let has_all = |auth: &&Auth| {
            let names = auth.credentials();
            names.required.iter().all(|name| account.credentials.contains_key(name))
        };
        let Some(auth) = definition.auth.iter().find(has_all) else {
            let why = format!("the account has not all credentials that {} needs", definition.name);
            return Err(PlatformError::new(ErrorKind::Unauthorised, CONNECT, why));
        };
        Ok(Self {
            auth: auth.clone(),
            token: Mutex::default(),
        })
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = &(String, Text)> {
        self.auth.headers.iter()
    }

    /// Whether this status or code means that the session ended.
    pub(super) fn ended(&self, status: Option<u16>, code: Option<&Value>) -> bool {
        match &self.auth.session {
            None => false,
            Some(Session::Login { again, .. }) => {
                let status = status.map(Value::from);
                status.iter().chain(code).any(|said| among(again, said))
            }
            Some(_) => status == Some(401),
        }
    }

    /// Throws a token away, unless another call did so already.
    pub(super) async fn forget(&self, session: u64) {
        let mut state = self.token.lock().await;
        if state.number == session {
            state.token = None;
        }
    }

    /// What the next call carries. The first caller signs in, the others wait for it.
    pub(super) async fn proof(&self, rest: &Rest) -> Result<Proof, PlatformError> {
        let Some(session) = &self.auth.session else {
            return Ok(Proof {
                header: None,
                query: None,
                session: 0,
            });
        };
        let mut state = self.token.lock().await;
        if state.token.as_ref().is_none_or(|(_, until)| Instant::now() >= *until) {
            let (token, life) = open(rest, session).await?;
            rest.client.learn_secret(&token);
            state.token = Some((token, Instant::now() + life.saturating_sub(MARGIN)));
            state.number += 1;
        }
        let token = state.token.as_ref().map(|(token, _)| token.clone()).unwrap_or_default();
        let (header, query) = match session {
            Session::ClientCredentials { scheme, .. } | Session::Refresh { scheme, .. } => {
                (Some((AUTHORIZATION, sensitive(&format!("{scheme} {token}"))?)), None)
            }
            Session::Google { .. } => (Some((AUTHORIZATION, sensitive(&format!("Bearer {token}"))?)), None),
            Session::Login { place, .. } => match place {
                TokenPlace::Query(name) => (None, Some((name.clone(), token))),
                TokenPlace::Header(name) => {
                    let name = HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| refuse(format!("`{name}` is not a header")))?;
                    (Some((name, sensitive(&token)?)), None)
                }
            },
        };
        Ok(Proof {
            header,
            query,
            session: state.number,
        })
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, PlatformError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| refuse("the token contains characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refuse(why: String) -> PlatformError {
    PlatformError::new(ErrorKind::Unauthorised, CONNECT, why)
}

/// Signs in: the token, and how long it lasts.
async fn open(rest: &Rest, session: &Session) -> Result<(String, Duration), PlatformError> {
    let fill = |text: &Text| {
        let scope = Scope {
            credentials: Some(&rest.account.credentials),
            ..Scope::default()
        };
        text.text(&scope)
            .map(Option::unwrap_or_default)
            .map_err(|unfilled| refuse(unfilled.to_string()))
    };
    match session {
        Session::ClientCredentials {
            call,
            client_id,
            client_secret,
            scopes,
            ..
        } => {
            let mut form = vec![
                ("grant_type".to_owned(), "client_credentials".to_owned()),
                ("client_id".to_owned(), fill(client_id)?),
                ("client_secret".to_owned(), fill(client_secret)?),
            ];
            if !scopes.is_empty() {
                form.push(("scope".to_owned(), scopes.join(" ")));
            }
            token(rest, call, form).await
        }
        Session::Refresh {
            call,
            client_id,
            client_secret,
            refresh_token,
            ..
        } => {
            let form = vec![
                ("grant_type".to_owned(), "refresh_token".to_owned()),
                ("client_id".to_owned(), fill(client_id)?),
                ("client_secret".to_owned(), fill(client_secret)?),
                ("refresh_token".to_owned(), fill(refresh_token)?),
            ];
            token(rest, call, form).await
        }
        Session::Google {
            call,
            key,
            subject,
            audience,
            scopes,
        } => {
            let subject = subject
                .as_ref()
                .map(fill)
                .transpose()?
                .filter(|subject| !subject.is_empty());
            let assertion = assertion(&fill(key)?, subject.as_deref(), audience, scopes)?;
            let form = vec![
                (
                    "grant_type".to_owned(),
                    "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
                ),
                ("assertion".to_owned(), assertion),
            ];
            token(rest, call, form).await
        }
        Session::Login { call, form, token, .. } => {
            let mut fields = serde_json::Map::new();
            for (name, text) in form {
                fields.insert(name.clone(), Value::from(fill(text)?));
            }
            let body = match rest.definition.encode {
                Encoding::Form => Body::Form(flat(&Value::Object(fields))),
                Encoding::Json => Body::Json(Value::Object(fields)),
            };
            let answer = ask(rest, call, body).await?;
            let found = path::at(&answer, token)
                .and_then(Value::as_str)
                .filter(|token| !token.is_empty());
            let found = found.ok_or_else(|| {
                let said = rest.definition.errors.message(&answer);
                refuse(said.unwrap_or_else(|| "the platform gave no session key".to_owned()))
            })?;
            // Nothing says how long it lasts: `again` tells when it ended.
            Ok((found.to_owned(), Duration::from_secs(24 * 60 * 60)))
        }
    }
}

/// Asks a token endpoint.
async fn token(rest: &Rest, call: &Call, form: Vec<(String, String)>) -> Result<(String, Duration), PlatformError> {
    let answer = ask(rest, call, Body::Form(form)).await?;
    let token: Token = serde_json::from_value(answer)
        .map_err(|_| refuse("the answer of the token endpoint holds no `access_token`".to_owned()))?;
    let life = token.expires_in.map_or(USUAL_LIFE, Duration::from_secs);
    Ok((token.access_token, life))
}

async fn ask(rest: &Rest, call: &Call, body: Body) -> Result<Value, PlatformError> {
    let path = call.path.encoded(&Scope::default()).ok().flatten().unwrap_or_default();
    let mut request = http::Call::with_body(Method::POST, path, body);
    request.host.clone_from(&call.host);
    // Asking twice gives two tokens, which harms nobody.
    (request.reads, request.repeatable) = (true, true);
    match rest.client.send(&request).await {
        Ok(reply) => Ok(reply.body),
        Err(mut error) => {
            // A refused grant (`invalid_grant`, a wrong password) is a key that no longer works, never a thing to repeat.
            if error
                .status
                .is_some_and(|status| (400..500).contains(&status) && status != 429)
            {
                let said = error.body.as_deref().and_then(|body| {
                    path::at(body, "error_description")
                        .or_else(|| path::at(body, "error"))?
                        .as_str()
                        .map(str::to_owned)
                });
                error.why = match said {
                    Some(said) => format!("signing in was refused: {}", rest.client.redact(&said)),
                    None => format!("signing in was refused: {}", error.why),
                }
                .into();
                error.kind = ErrorKind::Unauthorised;
            }
            Err(error)
        }
    }
}

/// A JWT a service account signs (RFC 7523; the claims Google asks for).
fn assertion(key: &str, subject: Option<&str>, audience: &str, scopes: &[String]) -> Result<String, PlatformError> {
    let account: ServiceAccount = serde_json::from_str(key)
        .map_err(|_| refuse("the credential is not the JSON key of a Google service account".to_owned()))?;
    let now = outside::now().as_second();
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": account.private_key_id });
    let mut claims = json!({
        "iss": account.client_email,
        "scope": scopes.join(" "),
        "aud": audience,
        "iat": now,
        "exp": now + JWT_SECONDS,
    });
    if let (Some(subject), Some(claims)) = (subject, claims.as_object_mut()) {
        claims.insert("sub".to_owned(), Value::from(subject));
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = sign(&account.private_key, signed.as_bytes())
        .ok_or_else(|| refuse("the private key of the service account cannot be used".to_owned()))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// RSASSA-PKCS1-v1_5 with SHA-256, by a key in PEM (PKCS #8).
fn sign(pem: &str, message: &[u8]) -> Option<Vec<u8>> {
    use aws_lc_rs::{rand, rsa, signature};
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use rustls_pki_types::pem::PemObject as _;
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let pair = rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?;
    let mut out = vec![0; pair.public_modulus_len()];
    pair.sign(
        &signature::RSA_PKCS1_SHA256,
        &rand::SystemRandom::new(),
        message,
        &mut out,
    )
    .ok()?;
    Some(out)
}
