//! How calls prove who makes them: compiled from the file.

use serde_json::Value;

use super::call::{Call, Common};
use super::check::Findings;
use super::file::AuthFile;
use super::placeholder::Text;

/// One way to prove who makes a call.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Headers of every call; `{cred.x}` is filled by the account.
    pub headers: Vec<(String, Text)>,
    /// What must be asked for before the first call.
    pub session: Option<Session>,
}

/// Something that is asked for before the first call and lasts a while.
#[derive(Debug, Clone)]
pub enum Session {
    /// OAuth2 client credentials (RFC 6749, 4.4).
    ClientCredentials {
        call: Call,
        client_id: Text,
        client_secret: Text,
        scopes: Vec<String>,
        scheme: String,
    },
    /// OAuth2 refresh token (RFC 6749, 6).
    Refresh {
        call: Call,
        client_id: Text,
        client_secret: Text,
        refresh_token: Text,
        scheme: String,
    },
    /// A JWT signed by a Google service account (RFC 7523).
    Google {
        call: Call,
        key: Text,
        subject: Option<Text>,
        audience: String,
        scopes: Vec<String>,
    },
    /// A session key from a call.
    Login {
        call: Call,
        form: Vec<(String, Text)>,
        /// Dotted path of the key.
        token: String,
        place: TokenPlace,
        /// Statuses or codes that mean that it ended.
        again: Vec<Value>,
    },
}

/// Where a session key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    Query(String),
    Header(String),
}

/// Names of credentials, for one way to prove who makes a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialNames {
    pub required: Vec<String>,
    pub optional: Vec<String>,
    /// Whether one of them signs something, so that no made-up one will do.
    pub signs: bool,
}

impl Auth {
    pub(super) fn compile(
        findings: &mut Findings<'_>,
        pointer: &str,
        file: &AuthFile,
        common: Common<'_>,
    ) -> Option<Self> {
        let before = findings.problems.len();
        let mut headers = Vec::new();
        if let Some(bearer) = &file.bearer
            && let Some(text) = credential(findings, &format!("{pointer}/bearer"), bearer)
        {
            // The scheme is written by the engine, so that the credential stands alone here.
            headers.push(("authorization".to_owned(), text.after("Bearer ")));
        }
        for (name, value) in &file.headers {
            if let Some(text) = findings.text(&format!("{pointer}/headers/{name}"), value) {
                headers.push((name.clone(), text));
            }
        }
        let session = session(findings, pointer, file, common);
        (findings.problems.len() == before).then_some(Self { headers, session })
    }

    /// The credentials this way needs.
    pub fn credentials(&self) -> CredentialNames {
        let mut names = CredentialNames::default();
        let mut texts: Vec<&Text> = self.headers.iter().map(|(_, text)| text).collect();
        match &self.session {
            Some(Session::ClientCredentials {
                client_id,
                client_secret,
                ..
            }) => texts.extend([client_id, client_secret]),
            Some(Session::Refresh {
                client_id,
                client_secret,
                refresh_token,
                ..
            }) => texts.extend([client_id, client_secret, refresh_token]),
            Some(Session::Google { key, subject, .. }) => {
                names.signs = true;
                texts.push(key);
                texts.extend(subject);
            }
            Some(Session::Login { form, .. }) => texts.extend(form.iter().map(|(_, text)| text)),
            None => {}
        }
        for hole in texts.into_iter().flat_map(Text::holes) {
            let list = if hole.optional || hole.default.is_some() {
                &mut names.optional
            } else {
                &mut names.required
            };
            if !list.contains(&hole.path) {
                list.push(hole.path.clone());
            }
        }
        names
    }
}

/// A text that is nothing but one credential.
fn credential(findings: &mut Findings<'_>, pointer: &str, text: &str) -> Option<Text> {
    let parsed = findings.text(pointer, text)?;
    if parsed.credential().is_none() {
        findings.add(
            pointer,
            &format!("`{text}`: expected `{{cred.<name>}}` and nothing else"),
            "name one credential in it: `{cred.api_key}`",
        );
        return None;
    }
    Some(parsed)
}

fn session(findings: &mut Findings<'_>, pointer: &str, file: &AuthFile, common: Common<'_>) -> Option<Session> {
    let ways = [&file.oauth2, &file.refresh, &file.google, &file.login];
    let said = ways.iter().filter(|way| way.is_some()).count();
    if said == 0 {
        return None;
    }
    if said > 1 {
        findings.add(
            pointer,
            "`oauth2`, `refresh`, `google` and `login` are four different ways",
            "keep one; for several ways write a list: `auth = [{ … }, { … }]`",
        );
        return None;
    }
    let mut need = |key: &str, value: &Option<String>| match value {
        Some(text) => credential(findings, &format!("{pointer}/{key}"), text),
        None => {
            findings.add(
                pointer,
                &format!("`{key}` is missing"),
                &format!("add `{key} = \"{{cred.{key}}}\"`"),
            );
            None
        }
    };
    let scheme = file.scheme.clone().unwrap_or_else(|| "Bearer".to_owned());
    if let Some(call) = &file.oauth2 {
        let (client_id, client_secret) = (
            need("client_id", &file.client_id)?,
            need("client_secret", &file.client_secret)?,
        );
        return Some(Session::ClientCredentials {
            call: Call::line(findings, &format!("{pointer}/oauth2"), call, common)?,
            client_id,
            client_secret,
            scopes: file.scopes.clone(),
            scheme,
        });
    }
    if let Some(call) = &file.refresh {
        let texts = (
            need("client_id", &file.client_id)?,
            need("client_secret", &file.client_secret)?,
            need("refresh_token", &file.refresh_token)?,
        );
        return Some(Session::Refresh {
            call: Call::line(findings, &format!("{pointer}/refresh"), call, common)?,
            client_id: texts.0,
            client_secret: texts.1,
            refresh_token: texts.2,
            scheme,
        });
    }
    if file.google.is_some() {
        let key = need("google", &file.google)?;
        let subject = match &file.subject {
            Some(text) => Some(credential(findings, &format!("{pointer}/subject"), text)?),
            None => None,
        };
        let (Some(exchange), Some(audience)) = (&file.exchange, &file.audience) else {
            findings.add(
                pointer,
                "`google` needs `exchange` and `audience`",
                "add `exchange = \"POST token:/token\", audience = \"https://oauth2.googleapis.com/token\"`",
            );
            return None;
        };
        return Some(Session::Google {
            call: Call::line(findings, &format!("{pointer}/exchange"), exchange, common)?,
            key,
            subject,
            audience: audience.clone(),
            scopes: file.scopes.clone(),
        });
    }
    let login = file.login.as_ref()?;
    let place = match (&file.query, &file.header) {
        (Some(query), None) => TokenPlace::Query(query.clone()),
        (None, Some(header)) => TokenPlace::Header(header.clone()),
        _ => {
            findings.add(
                pointer,
                "`login` must say where its key goes",
                "add `query = \"…\"` or `header = \"…\"`",
            );
            return None;
        }
    };
    let Some(token) = file.token.clone() else {
        findings.add(
            pointer,
            "`login` must say where its answer holds the key",
            "add `token = \"<dotted path>\"`",
        );
        return None;
    };
    let mut form = Vec::new();
    for (name, value) in &file.form {
        form.push((name.clone(), findings.text(&format!("{pointer}/form/{name}"), value)?));
    }
    Some(Session::Login {
        call: Call::line(findings, &format!("{pointer}/login"), login, common)?,
        form,
        token,
        place,
        again: file.again.clone(),
    })
}
