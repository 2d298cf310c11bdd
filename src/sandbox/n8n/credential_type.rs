//! Credential types: a few with their fields, the rest known by their ending only.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::session::Refusal;

/// Types whose `data` is checked, with the text fields each takes (2.41.1).
const FIELDS: &[(&str, &[&str])] = &[
    (
        "httpBasicAuth",
        &["user", "password", "allowedHttpRequestDomains", "allowedDomains"],
    ),
    (
        "httpBearerAuth",
        &["token", "allowedHttpRequestDomains", "allowedDomains"],
    ),
    (
        "httpHeaderAuth",
        &[
            "name",
            "value",
            "useCustomAuth",
            "allowedHttpRequestDomains",
            "allowedDomains",
        ],
    ),
    (
        "httpQueryAuth",
        &["name", "value", "allowedHttpRequestDomains", "allowedDomains"],
    ),
];

/// How the names of n8n's other four hundred types end.
const ENDINGS: [&str; 6] = ["Api", "Auth", "Key", "OAuth2", "Jwt", "Sql"];

pub fn known(of: &str) -> Result<(), Refusal> {
    let listed = FIELDS.iter().any(|(name, _)| *name == of);
    let plain = of.chars().all(|c| c.is_ascii_alphanumeric());
    if listed || (plain && ENDINGS.iter().any(|ending| of.ends_with(ending))) {
        return Ok(());
    }
    Err(Refusal::new(400, "req.body.type is not a known type"))
}

/// The names of the fields set; unknown and wrongly typed ones are refused, missing ones are not.
pub fn check(of: &str, data: Option<&Map<String, Value>>) -> Result<Vec<String>, Refusal> {
    known(of)?;
    let data = data.into_iter().flatten();
    let fields = FIELDS.iter().find(|(name, _)| *name == of).map(|(_, fields)| *fields);
    let mut set = Vec::new();
    for (key, value) in data {
        if let Some(fields) = fields {
            if !fields.contains(&key.as_str()) {
                let message = format!("request.body.data is not allowed to have the additional property \"{key}\"");
                return Err(Refusal::new(400, message));
            }
            if !value.is_string() {
                return Err(Refusal::new(400, "request.body.data is not of a type(s) string"));
            }
        }
        set.push(key.clone());
    }
    Ok(set)
}

/// The JSON Schema of `data`; open for a type whose fields the sandbox does not know.
pub fn schema(of: &str) -> Option<Value> {
    known(of).ok()?;
    let fields = FIELDS
        .iter()
        .find(|(name, _)| *name == of)
        .map_or(&[][..], |(_, fields)| *fields);
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| ((*field).to_owned(), json!({"type": "string"})))
        .collect();
    Some(json!({"additionalProperties": false, "type": "object", "properties": properties, "required": []}))
}
