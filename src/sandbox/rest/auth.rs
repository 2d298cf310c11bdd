//! Keys and sessions: the sandbox's key where the definition wants a credential, and tokens that are demanded once given.

use serde_json::{Value, json};

use super::Service;
use super::form;
use super::shape::{bare, place};
use crate::outside;
use crate::platform::definition::auth::{Auth, Session, TokenPlace};
use crate::platform::definition::call::Call;
use crate::platform::definition::file::Encoding;
use crate::platform::definition::placeholder::{Root, Scope, Text};
use crate::sandbox::http::{Answer, Request};
use crate::sandbox::store::StoreError;

/// How long a token is said to last, in seconds.
const LIFE: u64 = 3600;
/// Where tokens are stored; no kind is called like this.
const TOKENS: &str = "/tokens";

impl Service {
    /// The answer of a token endpoint, if the request is for one.
    pub(super) fn sign_in(&self, request: &Request) -> Result<Option<Answer>, StoreError> {
        for auth in &self.definition.auth {
            let Some(session) = &auth.session else { continue };
            let call = call_of(session);
            if call.method != request.method.as_str() || call.path.shape() != request.path {
                continue;
            }
            return Ok(Some(match self.check_grant(session, request) {
                Ok(()) => {
                    let token = outside::random_id().simple().to_string();
                    let rows = self.store.write(&self.account)?;
                    rows.put(TOKENS, &token, &true)?;
                    rows.commit()?;
                    Answer::json(200, &self.successful(granted(session, &token)))
                }
                Err(why) => Answer::json(401, &json!({ "error": "invalid_grant", "error_description": why })),
            }));
        }
        Ok(None)
    }

    /// Whether what a token endpoint was sent is right.
    fn check_grant(&self, session: &Session, request: &Request) -> Result<(), String> {
        let is_form = request.content_type() == Some("application/x-www-form-urlencoded");
        let sent = match (is_form, session, self.definition.encode) {
            (false, Session::Login { .. }, Encoding::Json) => {
                serde_json::from_slice(&request.body).map_err(|error| format!("the body is not JSON: {error}"))?
            }
            (true, Session::Login { .. }, Encoding::Json) => return Err("the body must be JSON".to_owned()),
            (true, _, _) => form::read(&request.body)?,
            (false, _, _) => return Err("the body must be a form".to_owned()),
        };
        let mut wanted: Vec<(&str, String)> = Vec::new();
        match session {
            Session::ClientCredentials {
                client_id,
                client_secret,
                ..
            } => {
                wanted.push(("grant_type", "client_credentials".to_owned()));
                wanted.push(("client_id", self.filled(client_id)));
                wanted.push(("client_secret", self.filled(client_secret)));
            }
            Session::Refresh {
                client_id,
                client_secret,
                refresh_token,
                ..
            } => {
                wanted.push(("grant_type", "refresh_token".to_owned()));
                wanted.push(("client_id", self.filled(client_id)));
                wanted.push(("client_secret", self.filled(client_secret)));
                wanted.push(("refresh_token", self.filled(refresh_token)));
            }
            Session::Google { .. } => {
                wanted.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
                let parts = sent.get("assertion").and_then(Value::as_str).unwrap_or_default();
                if parts.split('.').count() != 3 {
                    return Err("`assertion` is not a JWT".to_owned());
                }
            }
            Session::Login { form, .. } => {
                wanted.extend(form.iter().map(|(name, text)| (name.as_str(), self.filled(text))));
            }
        }
        for (name, value) in wanted {
            if sent.get(name).map(bare).as_deref() != Some(&*value) {
                return Err(format!("`{name}` is wrong"));
            }
        }
        Ok(())
    }

    /// Whether a request proves who makes it, in one of the declared ways; the refusal if not.
    pub(super) fn refused(&self, request: &Request) -> Result<Option<Answer>, StoreError> {
        let rows = self.store.read(&self.account)?;
        let mut status = 401;
        let mut is_let_in = self.definition.auth.is_empty();
        for auth in &self.definition.auth {
            let token = match session_token(auth, request) {
                Some(None) => None,
                None => Some(String::new()),
                Some(token) => token,
            };
            let is_known = match (&auth.session, token) {
                (None, _) => true,
                (Some(_), Some(token)) => rows.get::<bool>(TOKENS, &token)?.is_some(),
                (Some(_), None) => false,
            };
            if let Some(Session::Login { again, .. }) = &auth.session {
                let statuses = again.iter().filter_map(Value::as_u64);
                status = statuses
                    .filter_map(|again| u16::try_from(again).ok())
                    .next()
                    .unwrap_or(status);
            }
            let has = |(name, text): &(String, Text)| request.header(name) == Some(&*self.filled(text));
            is_let_in |= is_known && auth.headers.iter().all(has);
        }
        if !is_let_in {
            return Ok(Some(self.plain(status, "the key is not valid")));
        }
        let missing = self.definition.headers.iter().find(|(name, text)| {
            let needed = text.holes().all(|hole| !hole.optional);
            needed && request.header(name) != Some(&*self.filled(text))
        });
        Ok(missing.map(|(name, _)| self.plain(400, &format!("the header `{name}` is missing or wrong"))))
    }

    /// A text with the sandbox's key for every credential.
    fn filled(&self, text: &Text) -> String {
        let names = text.holes().filter(|hole| hole.root == Root::Cred);
        let credentials = names
            .map(|hole| (hole.path.clone(), self.store.key().clone()))
            .collect();
        let scope = Scope {
            credentials: Some(&credentials),
            ..Scope::default()
        };
        text.text(&scope).ok().flatten().unwrap_or_default()
    }

    /// Ends every session.
    pub(super) fn expire(&self) -> Result<(), StoreError> {
        let rows = self.store.write(&self.account)?;
        for (token, _) in rows.scan::<bool>(TOKENS, "")? {
            rows.remove(TOKENS, &token)?;
        }
        rows.commit()
    }
}

/// What a token endpoint answers.
fn granted(session: &Session, token: &str) -> Value {
    match session {
        Session::Login { token: at, .. } => {
            let mut answer = json!({});
            place(&mut answer, at, Value::from(token));
            answer
        }
        _ => json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFE }),
    }
}

fn call_of(session: &Session) -> &Call {
    match session {
        Session::ClientCredentials { call, .. }
        | Session::Refresh { call, .. }
        | Session::Google { call, .. }
        | Session::Login { call, .. } => call,
    }
}

/// The token a request carries where the session's way wants it; the outer `None`: there is no session.
#[expect(clippy::option_option, reason = "no session and no token are two answers")]
fn session_token(auth: &Auth, request: &Request) -> Option<Option<String>> {
    let bearer = |scheme: &str| {
        let value = request.header("authorization")?;
        Some(value.strip_prefix(scheme)?.strip_prefix(' ')?.to_owned())
    };
    Some(match auth.session.as_ref()? {
        Session::ClientCredentials { scheme, .. } | Session::Refresh { scheme, .. } => bearer(scheme),
        Session::Google { .. } => bearer("Bearer"),
        Session::Login { place, .. } => match place {
            TokenPlace::Query(name) => request.param(name),
            TokenPlace::Header(name) => request.header(name).map(str::to_owned),
        },
    })
}
