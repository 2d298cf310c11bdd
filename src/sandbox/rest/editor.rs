//! What people do on the platform itself: `/_sandbox/editor/<account>/<kind>`. Nothing is checked here, and everything is
//! shown, even what the platform never returns.
//!
//! `GET` lists the objects of a kind, `POST {inputs, spec}` makes one, `PATCH ?id=` changes fields of its document,
//! `DELETE ?id=` takes it away. Ids are those of lockfiles.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Service;
use super::outputs;
use super::stored::{self, Stored, Version};
use crate::outside;
use crate::platform::definition::KindDefinition;
use crate::platform::definition::ids;
use crate::platform::definition::placeholder::Scope;
use crate::sandbox::http::{Answer, Request};
use crate::sandbox::store::{Rows, StoreError};

/// An object somebody makes by hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    #[serde(default)]
    inputs: BTreeMap<String, Value>,
    spec: Map<String, Value>,
}

impl Service {
    pub(super) fn edit(&self, request: &Request) -> Result<Answer, StoreError> {
        let say = |status: u16, message: String| Ok(Answer::json(status, &json!({ "message": message })));
        let name = request.path.trim_start_matches('/');
        let Some(kind) = self.definition.kinds.get(name) else {
            return say(404, format!("no kind `{name}`"));
        };
        let rows = self.store.write(&self.account)?;
        if request.method == "GET" {
            let said = super::said::Said::default();
            let shown = stored::all(&rows, kind, &said)?.into_iter().filter_map(|stored| {
                let object = stored.whole(kind, false)?;
                let spec = stored.now.as_ref().map(|version| &version.spec);
                Some(json!({ "id": stored.row(kind), "inputs": stored.inputs, "object": object, "spec": spec }))
            });
            return Ok(Answer::json(200, &shown.collect()));
        }
        if request.method == "POST" {
            let by_hand: ByHand = match serde_json::from_slice(&request.body) {
                Ok(by_hand) => by_hand,
                Err(error) => return say(400, format!("not an object: {error}")),
            };
            let stored = self.make(&rows, kind, by_hand)?;
            rows.commit()?;
            return Ok(Answer::json(201, &json!({ "id": stored.row(kind) })));
        }
        let id = request.param("id").unwrap_or_default();
        let found = match rows.get::<Stored>(&kind.name, &id)? {
            None if kind.one => self.untouched(kind, &id),
            found => found,
        };
        let Some(mut stored) = found.filter(|stored| stored.now.is_some()) else {
            return say(404, format!("no {name} with the id `{id}`"));
        };
        let next = match request.method.as_str() {
            "PATCH" => {
                let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(&request.body) else {
                    return say(400, "not an object".to_owned());
                };
                let mut version = stored.now.clone().unwrap_or_default();
                for (field, value) in fields {
                    if value.is_null() {
                        version.spec.remove(&field);
                    } else {
                        version.spec.insert(field, value);
                    }
                }
                Some(version)
            }
            "DELETE" => kind.one.then(Version::default),
            other => return say(405, format!("{other} is not for objects")),
        };
        self.rewrite(&rows, kind, &mut stored, next)?;
        rows.commit()?;
        Ok(Answer::empty(204))
    }

    /// A setting nobody has written yet.
    fn untouched(&self, kind: &KindDefinition, id: &str) -> Option<Stored> {
        let (inputs, _) = ids::split(kind, id)?;
        Some(Stored {
            own: String::new(),
            inputs,
            now: Some(Version::default()),
            before: None,
            born: 0,
            looks: 0,
            told: BTreeMap::new(),
        })
    }

    fn make(&self, rows: &Rows, kind: &KindDefinition, by_hand: ByHand) -> Result<Stored, StoreError> {
        let spec = Value::Object(by_hand.spec.clone());
        let scope = Scope {
            spec: Some(&spec),
            inputs: by_hand.inputs.clone(),
            ..Scope::default()
        };
        let key = kind.key.as_ref().and_then(|key| key.text(&scope).ok().flatten());
        let mut stored = Stored {
            own: match (kind.one, key) {
                (true, _) => String::new(),
                (false, key) => key.unwrap_or_else(|| outside::random_id().to_string()),
            },
            inputs: by_hand.inputs,
            now: None,
            before: None,
            // What is made by hand shows at once.
            born: 0,
            looks: u32::MAX / 2,
            told: BTreeMap::new(),
        };
        let mut version = Version {
            spec: by_hand.spec,
            server: json!({}),
        };
        if !kind.one {
            self.set_by_server(rows, kind, &stored, &mut version)?;
        }
        stored.write(Some(version));
        outputs::of_creation(kind, &mut stored);
        stored.keep(rows, kind)?;
        Ok(stored)
    }
}
